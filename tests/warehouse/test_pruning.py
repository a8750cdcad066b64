"""`connector.warehouse.pruning`: what goes, what stays, and that views answer as before from the cut on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dlt
import pytest

from connector.runs.identity import Identity
from connector.tables import ALL_TABLES, DETAIL_RUNS, IMAGE_HISTORY, IMAGE_SCANS, IMAGES, SYNC_RUNS, Table
from connector.warehouse import views
from connector.warehouse.pruning import LOADS, Pruner
from tests.warehouse.test_views import DAYS, FLEET, HOUR, LEFT, RUNS, STOPPED, TODAY, ago, image, latest, run, seen
from tests.warehouse.viewed import ask
from tests.warehouses import EPOCH, KINDS, Place, place

pytestmark = pytest.mark.thorough("sqlite", "mysql")

# Images that did not change for long.
OTHERS = [
    image(
        "1", "long", seen(ago(400), container_cnt=1), seen(ago(380), container_cnt=2), seen(ago(200), container_cnt=3)
    ),
    image("9", "long", seen(ago(400), container_cnt=1), seen(ago(380), container_cnt=2)),
]
# While the clock was ahead, the second version was observed: after every cut but the last, and before the third.
AHEAD = image(
    *("9", "ahead", seen(ago(400), container_cnt=1), seen(ago(hours=1), container_cnt=2)),
    *(seen(ago(390), container_cnt=4), seen(ago(380), container_cnt=8)),
)
ORPHANS = image("9", "orphan", seen(ago(400)), seen(ago(390)), seen(ago(10)))
SCANS = [{"account_id": "1", "image_id": "app", "scan_time": ago(days)} for days in (400, 31, 29, 1)]
DETAILS = [
    {"sync_id": f"d{days}{aspect}", "account_id": "1", "aspect": aspect, "started_at": ago(days), "verdict": verdict}
    for aspect, days, verdict in (
        ("malware", 90, "complete"),
        ("malware", 80, "complete"),
        ("malware", 70, "partial"),
        ("malware", 60, "partial"),
        ("running", 50, "complete"),
        ("running", 1, "complete"),
    )
]
CUTS = {"a year": ago(365), "a month": ago(30), "an hour with changes": ago(hours=2.5), "a day": TODAY - 48 * HOUR}
# What a cut means is the same everywhere; how an instant is compared is shown by two cuts.
SERVED = {
    "sqlite": ("a year", "an hour with changes"),
    "postgresql": ("a month", "an hour with changes"),
    "mysql": ("a month", "a day"),
}


@pytest.fixture(scope="module", params=KINDS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Any]]:
    """A warehouse of each kind with a fleet of years, and its views."""
    with place(request.param, tmp_path_factory.mktemp("fleet")) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "views", lambda: STOPPED)
        pipeline = made.prepared(tables=ALL_TABLES)
        refill(made)
        with pipeline.sql_client() as client:
            views.create(client)
        with made.opened():
            yield made, pipeline


def refill(made: Place) -> None:
    versions = [*FLEET, *DAYS, *OTHERS, AHEAD]
    rows: dict[Table, list[Any]] = {
        IMAGE_HISTORY: [*(row for rows in versions for row in rows), *LEFT, *ORPHANS],
        IMAGES: [latest(rows) for rows in versions],
        IMAGE_SCANS: SCANS,
        SYNC_RUNS: RUNS,
        DETAIL_RUNS: DETAILS,
    }
    made.sql_in_one(f"DELETE FROM {{data}}.{table.name}" for table in rows)
    made.insert(rows)


def pruned(made: Place, pipeline: dlt.Pipeline, cut: int, *, dry_run: bool = False) -> dict[str, int]:
    """How many rows of each table went, of all accounts."""
    pruner, gone = Pruner(made.location, pipeline, cut), dict[str, int]()
    for account in (*map(str, range(1, 10)), "clock"):
        for table, rows in pruner.account(account, dry_run=dry_run).items():
            gone[table] = gone.get(table, 0) + rows
    return gone


def since(pipeline: dlt.Pipeline, cut: int) -> dict[str, list[Any]]:
    """What the views answer for the instants from the cut on."""
    day = date(1970, 1, 1) + timedelta(microseconds=cut)
    counted: dict[str, Any] = {
        # The event of a version that was there at the cut is of before the cut.
        "image_versions": lambda row: row["valid_to"] is None or row["valid_to"] > cut,
        "changes": lambda row: row["changed_at"] >= cut,
        "posture_by_day": lambda row: row["day"] >= day,
    }
    answers = {}
    for view in STOPPED:
        if view.name == "changes_since_yesterday" and cut > ago(1):
            continue  # it compares with what was valid before the cut
        columns, rows = ask(pipeline, view.name)
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        chosen = [row for row in named if counted.get(view.name, bool)(row)]
        for row in chosen:
            if view.name == "image_versions" and row["valid_from"] < cut:
                del row["event"]
            if view.name == "accounts":
                del row["first_sync_at"]  # of the runs that are left
        answers[view.name] = sorted(map(repr, chosen))
    return answers


@pytest.mark.thorough("a year", "a day", "an hour with changes")
@pytest.mark.parametrize(
    ("filled", "cut"),
    [
        pytest.param(kind, at, id=f"{kind}-{name}")
        for kind in KINDS
        for name, at in CUTS.items()
        if kind == "duckdb" or name in SERVED[kind]
    ],
    indirect=["filled"],
)
def test_views_answer_as_before_from_the_cut_on(filled: tuple[Place, dlt.Pipeline], cut: int) -> None:
    """All of them, on every database; what killed runs left is never taken for the version of the cut; a dry run
    counts the same rows, and takes none."""
    made, pipeline = filled
    refill(made)
    before, counted = since(pipeline, cut), made.sql("SELECT count(*) FROM {data}.image_history")
    promised = pruned(made, pipeline, cut, dry_run=True)
    assert (since(pipeline, cut), made.sql("SELECT count(*) FROM {data}.image_history")) == (before, counted)
    assert pruned(made, pipeline, cut) == promised
    assert since(pipeline, cut) == before
    assert promised["image_history"] > 0
    assert set(pruned(made, pipeline, cut).values()) == {0}


def test_one_version_of_each_image_is_left_of_the_time_before(filled: tuple[Place, dlt.Pipeline]) -> None:
    """That of the cut, also of an image without a row in `images`; its first scan; and all that came later."""
    made, pipeline = filled
    refill(made)
    scans = "SELECT count(*), min(scan_time) FROM {data}.image_scans"
    ((_, first),) = made.sql(scans)
    pruned(made, pipeline, ago(30))
    rows = made.sql(
        "SELECT account_id, image_id, version FROM {data}.image_history WHERE image_id IN ('long', 'orphan')"
    )
    assert sorted(rows) == [("1", "long", 3), ("9", "long", 2), ("9", "orphan", 2), ("9", "orphan", 3)]
    assert made.sql(scans) == [(3, first)]
    details = made.sql("SELECT sync_id FROM {data}.detail_runs")
    assert sorted(details) == [("d1running",), ("d60malware",), ("d80malware",)]


def test_a_clock_that_was_ahead_takes_no_version_that_is_needed(filled: tuple[Place, dlt.Pipeline]) -> None:
    """What the version of the future has changed is told by the version before, which stays, and so do all above."""
    made, pipeline = filled
    refill(made)
    pruned(made, pipeline, ago(30))
    left = "SELECT version FROM {data}.image_history WHERE image_id = 'ahead'"
    assert sorted(made.sql(left)) == [(1,), (2,), (3,), (4,)]
    pruned(made, pipeline, ago(hours=0.5))
    assert made.sql(left) == [(4,)]


def test_a_run_in_the_future_does_not_count(filled: tuple[Place, dlt.Pipeline]) -> None:
    """Later runs, `tcss status` and details build on the newest run that is not in the future."""
    made, pipeline = filled
    runs = [run("1", hours, "full", "complete", finished_at=ago(hours=hours)) for hours in (9000, 8000, 7000, -900)]
    detail = {"account_id": "1", "aspect": "malware", "verdict": "complete"}
    details = [{**detail, "sync_id": str(hours), "started_at": ago(hours=hours)} for hours in (9000, 8000, -900)]
    made.sql_in_one(f"DELETE FROM {{data}}.{table}" for table in ("sync_runs", "detail_runs"))
    made.insert({SYNC_RUNS: runs, DETAIL_RUNS: details})
    gone = Pruner(made.location, pipeline, ago(30), believed=ago(0)).account("1", dry_run=False)
    assert (gone["sync_runs"], gone["detail_runs"]) == (1, 1)
    assert sorted(made.sql("SELECT sync_id FROM {data}.sync_runs")) == [("1--900",), ("1-7000",), ("1-9000",)]
    assert sorted(made.sql("SELECT sync_id FROM {data}.detail_runs")) == [("-900",), ("8000",)]


def test_runs_that_later_runs_build_on_stay(filled: tuple[Place, dlt.Pipeline]) -> None:
    """The first complete full run, the last one, the last whose audit counts, and all since the last complete run; an
    account that has no complete run keeps all."""
    made, pipeline = filled
    of = {"reason_code": "by_order"}
    runs = [
        run("1", 9000, "full", "partial"),
        run("1", 8990, "full", "complete", finished_at=ago(hours=8989), **of),
        run("1", 8980, "full", "complete", finished_at=ago(hours=8979), missed_by_incremental=3, **of),
        run("1", 8970, "full", "complete", finished_at=ago(hours=8969), missed_by_incremental=0, **of),
        run("1", 8960, "full", "complete", finished_at=ago(hours=8959), **of),
        run("1", 8950, "full", "complete", filters="{}", finished_at=ago(hours=8949), **of),
        run("1", 8945, "full", "complete", finished_at=ago(hours=8944), **of),
        run("1", 8940, "incremental", "complete", finished_at=ago(hours=8939), **of),
        run("1", 8930, "incremental", "complete", finished_at=ago(hours=8929), **of),
        run("1", 8920, "incremental", "partial"),
        run("2", 8920, "full", "failed"),
    ]
    made.sql("DELETE FROM {data}.sync_runs")
    made.insert({SYNC_RUNS: runs})
    assert pruned(made, pipeline, ago(30))["sync_runs"] == 5
    kept = sorted(sync_id for (sync_id,) in made.sql("SELECT sync_id FROM {data}.sync_runs"))
    assert kept == ["1-8920", "1-8930", "1-8945", "1-8970", "1-8990", "2-8920"]


@pytest.mark.thorough
def test_a_prune_that_ends_in_between_is_completed_by_the_next(
    filled: tuple[Place, dlt.Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of its statements, views are right already."""
    made, pipeline = filled
    cut, prune = ago(30), Pruner._prune
    for statements in range(1, 4):
        refill(made)
        before, left = since(pipeline, cut), iter(range(statements))

        def killed(*given: Any, left: Iterator[int] = left, **options: Any) -> int:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return prune(*given, **options)

        monkeypatch.setattr(Pruner, "_prune", killed)
        with suppress(KeyboardInterrupt):
            pruned(made, pipeline, cut)
        assert since(pipeline, cut) == before
        monkeypatch.undo()
        pruned(made, pipeline, cut)
        assert since(pipeline, cut) == before


@pytest.mark.parametrize("kind", KINDS)
def test_loads_of_dlt_go_unless_a_pipelines_state_names_them(kind: str, tmp_path: Path) -> None:
    """A pipeline of the user's own finds its state by the load that wrote the state. Loads of other schemas stay."""
    with place(kind, tmp_path) as made:
        pipeline = made.ready()
        made.load(pipeline, SYNC_RUNS, {"sync_id": "a", "started_at": 1})
        ((columns, schema),) = made.sql(f"SELECT count(*), max(schema_name) FROM {{data}}.{LOADS}")
        assert (columns, schema) == (1, "tcss")
        for load_id, name in (("1", "tcss"), ("2", "tcss"), ("3", "theirs")):
            made.sql(
                f"INSERT INTO {{data}}.{LOADS} (load_id, schema_name, status, inserted_at) "
                f"VALUES ('{load_id}', '{name}', 0, '2020-01-01 00:00:00.000000')"
            )
        cut = int((EPOCH.replace(year=2021) - EPOCH).total_seconds() * 1e6)
        pruner = Pruner(made.location, pipeline, cut)
        assert pruner.loads(dry_run=True) == {LOADS: 2}
        made.sql("CREATE TABLE {data}._dlt_pipeline_state (_dlt_load_id varchar(64))")
        made.sql("INSERT INTO {data}._dlt_pipeline_state VALUES ('2')")
        assert pruner.loads(dry_run=False) == {LOADS: 1}
        left = made.sql(f"SELECT load_id FROM {{data}}.{LOADS} WHERE inserted_at < '2021-01-01'")
        assert sorted(left) == [("2",), ("3",)]


@pytest.mark.parametrize("kind", KINDS)
def test_loads_stay_by_which_a_pipeline_knows_that_its_runs_are_whole(kind: str, tmp_path: Path) -> None:
    """Those of the newest complete run and of the runs since, whose ids name them: else the next run of the pipeline
    would take the run for lost, and write its versions again."""
    with place(kind, tmp_path) as made:
        pipeline = made.ready()
        packages = {package: Identity.new("1", 1, package=package).sync_id for package in ("100.5", "200.5", "300.5")}
        verdicts = ("complete", "complete", "partial")
        made.insert(
            {
                SYNC_RUNS: [
                    run("1", 9000 - nth, "full", verdict) | {"sync_id": sync_id}
                    for nth, (sync_id, verdict) in enumerate(zip(packages.values(), verdicts, strict=True))
                ]
            }
        )
        for load_id in (*packages, "400.5"):
            made.sql(
                f"INSERT INTO {{data}}.{LOADS} (load_id, schema_name, status, inserted_at) "
                f"VALUES ('{load_id}', 'tcss', 0, '2020-01-01 00:00:00.000000')"
            )
        pruner = Pruner(made.location, pipeline, ago(30))
        assert pruner.loads(dry_run=True) == pruner.loads(dry_run=False) == {LOADS: 2}
        assert sorted(made.sql(f"SELECT load_id FROM {{data}}.{LOADS}")) == [("200.5",), ("300.5",)]
