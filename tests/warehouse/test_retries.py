"""`connector.warehouse.retries`: what is said of a load that is tried again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dlt.common.destination.exceptions import DestinationTerminalException

from connector.errors import DestinationError
from connector.redaction import Redactor
from connector.tables import SYNC_RUNS
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from tests.warehouses import Place

RUN = {"sync_id": "a", "started_at": 1}
SECRET = "canary-of-a-password"


@contextmanager
def told() -> Iterator[list[str]]:
    """All that a handler of dlt's logger writes."""
    lines: list[str] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {self.format(record)}")

    handler, log = Written(), logging.getLogger("dlt")
    log.addHandler(handler)
    try:
        yield lines
    finally:
        log.removeHandler(handler)


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
    """The merge raises this so often, with another exception as its cause."""
    from connector.warehouse.duckdb import MergeFile

    run, left = MergeFile.run, [error] * times

    def broken(job: MergeFile) -> None:
        if left:
            raise left.pop() from OSError(f"the disk\n{SECRET} is slow")
        run(job)

    monkeypatch.setattr(MergeFile, "run", broken)


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_load_that_is_tried_again_says_so_in_one_line(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its cause, also where the process has opened another warehouse since; the rows are loaded."""
    pipeline = place.prepared()
    other = place.directory / "other"
    open_pipeline(locate(f"postgresql://u:{SECRET}@127.0.0.1:1/d"), "1", other)
    failing(monkeypatch, ValueError("not yet"), 1)
    with told() as lines:
        place.load(pipeline, SYNC_RUNS, RUN)
    (line,) = [line for line in lines if not line.startswith("INFO")]
    job, _, cause = line.removeprefix("WARNING the load of ").partition(" ")
    assert (job.split(".")[0], cause) == ("sync_runs", "is tried again: the disk")
    assert len(place.table(SYNC_RUNS)) == 1


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_load_that_has_failed_is_said_by_the_error_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt's tracebacks would repeat the error."""
    pipeline = place.prepared()
    failing(monkeypatch, DestinationTerminalException("never"), 1)
    with told() as lines, pytest.raises(DestinationError, match=r"cannot load into .*: the disk$"):
        place.load(pipeline, SYNC_RUNS, RUN)
    assert [line for line in lines if not line.startswith("INFO")] == []


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_a_load_that_is_given_up_is_said_by_the_error(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its tries; dlt would also say that its pool of jobs is successfully drained."""
    pipeline = place.prepared()
    failing(monkeypatch, ValueError("not yet"), 50)
    with told() as lines, pytest.raises(DestinationError, match=r"cannot load into .*: the disk$"):
        place.load(pipeline, SYNC_RUNS, RUN)
    left = [line for line in lines if not line.startswith("INFO") and "is tried again: the disk" not in line]
    assert left == []


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_with_verbose_the_traceback_is_there(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As dlt writes it."""
    caplog.set_level(logging.DEBUG, "connector")
    pipeline = place.prepared()
    failing(monkeypatch, ValueError("not yet"), 1)
    with told() as lines:
        place.load(pipeline, SYNC_RUNS, RUN)
    assert any("Traceback" in line and "ValueError: not yet" in line for line in lines)


@pytest.mark.usefixtures("place")
def test_other_pipelines_log_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logger is the process's; so it also hides the passwords of other tests, one of which is p."""
    log = logging.getLogger("dlt")
    monkeypatch.setattr(log, "filters", [found for found in log.filters if not isinstance(found, Redactor)])
    with told() as lines:
        try:
            raise ValueError("not yet")
        except ValueError:
            log.exception("Transient exception in job theirs.parquet in file x")
        log.warning("Job for theirs.parquet retried in load 1 with message Traceback")
    assert [line.split("\n")[0] for line in lines] == [
        "ERROR Transient exception in job theirs.parquet in file x",
        "WARNING Job for theirs.parquet retried in load 1 with message Traceback",
    ]
