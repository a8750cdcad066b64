"""Fixtures of every test; and what `make test` leaves to `make test-thorough`."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests import missing

# dlt would otherwise keep an anonymous id in the home directory of whoever runs the tests, and report them.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

# A shell's background job ignores Ctrl-C, and so would the processes that we start to see what it does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`@pytest.mark.thorough("mysql")` marks the cases alone whose ids have that part; with `but=("mysql",)`, it marks
    all other cases."""
    for item in items:
        case = getattr(item, "callspec", None)
        parts = {*case.id.split("-"), *map(str, case.params.values())} if case else set()
        for marker in [*item.iter_markers("thorough")]:
            only, but = set(marker.args), set(marker.kwargs.get("but", ()))
            if (only and not only & parts) or but & parts:
                item.own_markers.remove(marker)


@pytest.hookimpl(tryfirst=True, wrapper=True)  # after what others say
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """The last lines say what this machine could not test, and how it can."""
    yield
    skipped = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    for line in missing.summary(skipped):
        terminalreporter.write_line(line)


@pytest.fixture(params=["duckdb", "sqlite", "postgresql", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """An empty place for a warehouse, of each kind in turn (`tests.warehouses.Place`)."""
    from tests.warehouses import place

    with place(request.param, tmp_path) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _no_round_trip() -> Iterator[None]:
    """A first sync makes no round trip of texts, which is half of its time..."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connector.runs.run.round_trip", lambda *_: None)
        yield


@pytest.fixture(autouse=True)
def _round_trip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """... unless the test is marked `round_trip`."""
    if request.node.get_closest_marker("round_trip"):
        from connector.warehouse.roundtrip import round_trip

        monkeypatch.setattr("connector.runs.run.round_trip", round_trip)
