"""Fixtures of every test, and the choice of tests between `make test` and `make test-thorough`."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from multiprocessing.util import get_temp_dir
from pathlib import Path

import pytest

from tests import missing

# dlt would otherwise keep an anonymous id in the home directory of the tests' user, and report the tests.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

# A background job of a shell ignores Ctrl-C, and so would the processes that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--thorough", action="store_true", help="run the cases marked as thorough, and properties longer")
    parser.addoption("--coverage", action="store_true", help="fail where too few branches of connector/ are taken")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--coverage"):
        from tests.measured import Measurement

        config.pluginmanager.register(Measurement(config))
    if config.getoption("--thorough"):
        os.environ.setdefault("TCSS_EXAMPLES", "8")  # `tests.properties` reads this when it is imported
    # What the server of `get_context("forkserver")` imports before it forks: this costs 3 s, and saves 1 s a process.
    longer = ["tests.warmed.sqlalchemy"] if config.getoption("--thorough") else []
    multiprocessing.set_forkserver_preload(["tests.warmed.duckdb", *longer])
    with suppress(ImportError):  # the environments of the schedulers have no hypothesis
        from hypothesis import settings

        settings.register_profile("tcss", deadline=None)  # 200 ms for an example would fail on a slow machine
        settings.load_profile("tcss")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the thorough cases; with --thorough leave out all others, except properties."""
    chosen: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        if config.getoption("--thorough"):
            chosen[_thorough(item) or _is_property(item)].append(item)
        else:
            chosen[not _thorough(item)].append(item)
    config.hook.pytest_deselected(items=chosen[False])
    items[:] = chosen[True]


def _is_property(item: pytest.Item) -> bool:
    return hasattr(getattr(item, "obj", None), "hypothesis")


def _thorough(item: pytest.Item) -> bool:
    """Whether a marker makes the case thorough: `thorough` all cases, `thorough("mysql")` only cases with that part in
    their ids, `thorough(but=("mysql",))` all other cases."""
    case = getattr(item, "callspec", None)
    parts = {case.id, *case.id.split("-"), *map(str, case.params.values())} if case else set()
    markers = [(set(marker.args), set(marker.kwargs.get("but", ()))) for marker in item.iter_markers("thorough")]
    return any((not only or only & parts) and not but & parts for only, but in markers)


@pytest.hookimpl(tryfirst=True, wrapper=True)  # after the summaries of others
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Print last what this machine could not test, and how it can."""
    yield
    skipped = [str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])]
    for line in missing.summary(skipped):
        terminalreporter.write_line(line)


IN_TURN = [
    pytest.param(kind, marks=() if kind == "duckdb" else pytest.mark.thorough)
    for kind in ("duckdb", "sqlite", "postgresql", "mysql")
]
"""Kinds of warehouses: DuckDB always, the others in thorough runs. What has to be shown on a server always, such as the
main rules of `test_conformance`, names the kinds itself."""


@pytest.fixture(params=IN_TURN)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """Yield an empty place for a warehouse, of each kind in turn (`tests.warehouses.Place`)."""
    from tests.warehouses import place

    with place(request.param, tmp_path) as made:
        yield made


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep temporary files in a directory that is removed at the end: killed processes leave theirs, and so does dlt
    where a test makes a load's statements without a load."""
    tmp_path_factory.getbasetemp()  # which pytest itself keeps for three runs
    get_temp_dir()  # which multiprocessing itself removes, later than this one
    with tempfile.TemporaryDirectory(prefix="tcss_tests_", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # servers look for files here under names of their own
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", made)
            patch.setattr("tempfile.tempdir", None)
            yield


@pytest.fixture(scope="session", autouse=True)
def _no_round_trip() -> Iterator[None]:
    """Leave out the round trip of texts in a first sync, which is half of its time..."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connector.runs.run.round_trip", lambda *_: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _hints() -> Iterator[None]:
    """Make dlt's checks faster, without leaving any out."""
    from tests import hints

    hints.remember()
    hints.collect_less()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _round_trip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """... unless the test is marked `round_trip`."""
    if request.node.get_closest_marker("round_trip"):
        from connector.warehouse.roundtrip import round_trip

        monkeypatch.setattr("connector.runs.run.round_trip", round_trip)
