"""Questions share a connection, and no connection is open for long or after an error."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from connector.posture import sharing
from connector.posture.sharing import LONGEST, Shared
from tests.world import world


class Connections:
    """Counts the connections that are made, and those that are open."""

    def __init__(self) -> None:
        self.made = self.open = 0

    def __call__(self) -> Connections:
        self.made += 1
        self.open += 1
        return self

    def close(self) -> None:
        self.open -= 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(sharing.time, "monotonic", lambda: now[0])
    return now


def ask(shared: Shared[Connections]) -> None:
    with shared.connection():
        pass


def test_each_question_has_its_own_unless_it_is_held(clock: list[float]) -> None:
    made = Connections()
    shared = Shared(made)
    for _ in range(2):
        ask(shared)
        assert made.open == 0
    assert made.made == 2
    with shared.held():
        assert made.made == 2, "opened before a question"
        for _ in range(3):
            with shared.held():
                ask(shared)
            assert made.open == 1
    assert (made.made, made.open) == (3, 0)


def test_a_held_connection_is_let_go_after_a_while(clock: list[float]) -> None:
    made = Connections()
    shared = Shared(made)
    with shared.held():
        ask(shared)
        clock[0] += LONGEST
        ask(shared)
        assert (made.made, made.open) == (1, 1)
        clock[0] += 0.01
        ask(shared)
        assert (made.made, made.open) == (1, 0)
        ask(shared)
        assert (made.made, made.open) == (2, 1)


def test_an_error_closes_it(clock: list[float]) -> None:
    made = Connections()
    shared = Shared(made)
    with shared.held():
        with pytest.raises(ZeroDivisionError), shared.connection():
            raise ZeroDivisionError
        assert made.open == 0
        ask(shared)
        assert (made.made, made.open) == (2, 1)
    assert made.open == 0


def test_a_report_opens_the_file_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each opening costs as much as ten questions. Without sharing, a report of this fleet opens the file 31 times, and
    `tcss views` 12 times."""
    opened: list[str] = []
    connect = duckdb.connect

    def counted(file: str, **options: object) -> duckdb.DuckDBPyConnection:
        opened.append(file)
        return connect(file, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sharing, "LONGEST", 3600)
    with world(tmp_path, monkeypatch, images=100) as here:
        here.sync()
        monkeypatch.setattr(duckdb, "connect", counted)
        assert here.tcss("report", "--output", str(tmp_path / "report.html")).exit_code == 0
        assert opened == [str(here.file)]
        opened.clear()
        assert here.tcss("views").exit_code == 0
        # The tables are looked at; then the views are made, over two connections to one open file.
        assert len(opened) == 4
