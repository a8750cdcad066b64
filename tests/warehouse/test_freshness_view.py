"""`data_freshness` says the same as plain arithmetic over all runs, although it reads old runs of few accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dlt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.tables import TABLES
from connector.warehouse import views
from connector.warehouse.selects import instant
from connector.warehouse.views import View
from tests.properties import examples
from tests.warehouse.viewed import ask
from tests.warehouses import KINDS, Place, place

pytestmark = pytest.mark.thorough("sqlite", "mysql")

HOUR = 3_600_000_000
NOW = int(datetime(2028, 3, 2, 11, 20, 30, tzinfo=UTC).timestamp()) * 1_000_000
CLOCK = "(select max(started_at) from sync_runs where sync_id = 'now')"
Run = dict[str, Any]

# Around the eight days that the view looks back on, the five minutes that a clock may be ahead, and years.
AGES = st.sampled_from(
    [hours * HOUR for hours in (-24, 0, 1, 24, 191, 192, 193, 9999)] + [-HOUR // 12, -HOUR // 12 - 1_000_000]
)
STOPPED = {"account_id": "0", "mode": "full", "verdict": "complete", "filters": None, "started_at": NOW}
RUNS = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from("123"),
        "started_at": AGES.map(lambda age: NOW - age),
        "mode": st.sampled_from(["full", "incremental"]),
        "verdict": st.sampled_from(["complete", "complete", "partial", "failed"]),
        "filters": st.sampled_from([None, None, "x"]),
    }
)


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Any]]:
    """A warehouse of each kind with its views, whose clock stands still, and no rows."""
    stopped = tuple(View(v.name, v.question, v.sql.replace("current_timestamp", CLOCK)) for v in views.views_of(TABLES))
    with place(request.param, tmp_path_factory.mktemp("fresh")) as there, pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "views", lambda: stopped)
        pipeline = there.prepared()
        with pipeline.sql_client() as client:
            views.create(client)
        with there.opened():
            yield there, pipeline


@examples(5)
@given(runs=st.lists(RUNS, max_size=12))
@example(runs=[{**STOPPED, "account_id": "1", "started_at": NOW + HOUR}])
def test_the_view_equals_the_plain_arithmetic(made: tuple[Place, dlt.Pipeline], runs: list[Run]) -> None:
    """Of accounts with and without a recent complete full run, with clocks that were ahead, and with ties."""
    there, pipeline = made
    there.sql("DELETE FROM {data}.sync_runs")
    numbered = [run | {"sync_id": f"{place:02}"} for place, run in enumerate(runs)]
    put(there, [*numbered, {**STOPPED, "sync_id": "now"}])
    columns, rows = ask(pipeline, "data_freshness")
    found = {row[0]: dict(zip(columns, row, strict=True)) for row in rows if row[0] != "0"}
    accounts = {run["account_id"] for run in runs}
    expected = {account: answer([run for run in numbered if run["account_id"] == account]) for account in accounts}
    assert {account: {name: row[name] for name in expected[account]} for account, row in found.items()} == expected


def put(there: Place, runs: list[Run]) -> None:
    names = ("account_id", "sync_id", "mode", "verdict", "filters", "started_at")
    rows = [{**run, "started_at": instant(there.location.kind, run["started_at"])} for run in runs]
    texts = [[literal(row[name]) for name in names[:-1]] for row in rows]
    values = ", ".join(f"({', '.join(text)}, {row['started_at']})" for text, row in zip(texts, rows, strict=True))
    there.sql(f"INSERT INTO {{data}}.sync_runs ({', '.join(names)}) VALUES {values}")


def literal(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"


def answer(runs: list[Run]) -> Run:
    """Return what is said of an account with these runs."""
    whole = [run for run in runs if run["verdict"] == "complete" and run["filters"] is None]
    believed = [run for run in whole if run["started_at"] <= NOW + HOUR // 12]
    complete_at = max((run["started_at"] for run in believed), default=None)
    full_at = max((run["started_at"] for run in believed if run["mode"] == "full"), default=None)
    last = min(runs, key=lambda run: (-run["started_at"], run["sync_id"]))
    since = [
        (run["verdict"], run["filters"] is not None)
        for run in runs
        if complete_at is None or run["started_at"] > complete_at
    ]
    verdicts = [verdict for verdict, _ in since]
    return {
        "complete_at": complete_at,
        "data_age_hours": hours(complete_at),
        "full_at": full_at,
        "full_age_hours": hours(full_at),
        "last_run_at": last["started_at"],
        "last_run_mode": last["mode"],
        "last_run_verdict": last["verdict"],
        "partial_since": verdicts.count("partial"),
        "failed_since": verdicts.count("failed"),
        "filtered_since": since.count(("complete", True)),
    }


def hours(at: int | None) -> int | None:
    """Return whole hours since then, of whole seconds."""
    return None if at is None else (NOW - at) // 1_000_000 // 3600
