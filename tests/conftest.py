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
    """`@pytest.mark.thorough("mysql")` marks the cases alone whose ids have that part."""
    for item in items:
        parts = getattr(item, "callspec", None) and item.callspec.id.split("-")
        for marker in [*item.iter_markers("thorough")]:
            if marker.args and not set(marker.args) & set(parts or ()):
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


@pytest.fixture(autouse=True)
def _no_round_trip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The round trip of texts is half of a first sync. It is made where the test is marked `round_trip`."""
    if request.node.get_closest_marker("round_trip") is None:
        monkeypatch.setattr("connector.runs.run.round_trip", lambda *_: None)
