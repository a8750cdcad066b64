"""Measures the views over years of history: 10 million versions of 20,000 images, on DuckDB, PostgreSQL and MariaDB.

`python -m tests.benchmarks.years [--short] [--before] [--images=N] [--versions=N] [KIND]...` fills a warehouse by SQL,
in the order in which runs would fill it, and asks each question three times. With `--before`, posture_by_day is also
asked where nothing is counted, which takes minutes in MariaDB. Memory is this process's, in which DuckDB runs.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt

from connector.tables import IMAGE_HISTORY, IMAGES, NAMED_ACCOUNTS, POSTURE_CHANGES, SYNC_RUNS, TABLES, Row
from connector.warehouse import views
from connector.warehouse.counting import Posture
from connector.warehouse.dialects import translate
from connector.warehouse.selects import dialect_of
from tests.benchmarks.measuring import medians
from tests.warehouses import Place, place

KINDS = ("duckdb", "postgresql", "mysql")
ACCOUNTS, DAYS = 2, 1_000
HOUR = 3_600_000_000  # microseconds
_BEFORE = {"duckdb": "changed_at - INTERVAL {hours} HOUR", "postgresql": "changed_at - INTERVAL '{hours} hours'"}
_MYSQL = "changed_at - INTERVAL {hours} HOUR"


def fill(made: Place, pipeline: dlt.Pipeline, images: int, versions: int) -> None:
    """Invent images with that many versions each, over 1,000 days, and their history. Runs are hourly."""
    present = int(datetime.now(UTC).replace(minute=0, second=0, microsecond=0).timestamp()) * 1_000_000
    every = DAYS * 24 // versions
    newest = [_image(number, versions, present - number * 7919 % every * HOUR, every) for number in range(images)]
    made.load(pipeline, IMAGES, *sorted(newest, key=lambda row: row["changed_at"]))
    made.load(pipeline, SYNC_RUNS, *(_run(number, present - number // ACCOUNTS * HOUR) for number in range(ACCOUNTS)))
    _drop_indexes(made)
    for version in range(1, versions + 1):
        columns = {name: name for name in IMAGE_HISTORY.column_names}
        before = _BEFORE.get(made.kind, _MYSQL).format(hours=(versions - version) * every)
        columns |= {name: f"mod(size + {version * 7}, {most})" for name, most in _COUNTS.items()}
        columns |= {"version": str(version), "observed_at": before}
        columns["deleted_at"] = f"CASE WHEN mod(size + {version}, 60) = 0 AND {version} < {versions} THEN {before} END"
        made.sql(
            f"INSERT INTO {{data}}.image_history ({', '.join(columns)}) "
            f"SELECT {', '.join(columns.values())} FROM {{data}}.images ORDER BY changed_at"
        )
    made.loader(pipeline).prepare()  # makes the indexes
    if made.kind == "mysql":
        made.sql("ANALYZE TABLE {data}.image_history, {data}.images")
    if made.kind == "postgresql":  # as autovacuum does
        with made.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            tables = ", ".join(f"{made.quoted(made.dataset)}.{name}" for name in ("image_history", "images"))
            connection.exec_driver_sql(f"VACUUM ANALYZE {tables}")


_COUNTS = {
    "container_cnt": 12,
    "vul_cnt": 90,
    "critical_level_vul_cnt": 3,
    "high_level_vul_cnt": 11,
    "medium_level_vul_cnt": 31,
    "low_level_vul_cnt": 47,
    "virus_cnt": 2,
    "risk_cnt": 5,
}


def _image(number: int, versions: int, changed_at: int, every: int) -> Row:
    counts = {name: (number + versions * 7) % most for name, most in _COUNTS.items()}
    name = f"registry.example.com/team-{number % 40}/service-{number}"
    return counts | {
        "account_id": f"10000000000{number % ACCOUNTS}",
        "image_id": f"sha256:{number * 0x9E3779B97F4A7C15 % 2**256:064x}",
        "image_name": f"{name}:1.{number % 90}.0",
        "image_registry": "registry.example.com",
        "image_repository": name.partition("/")[2],
        "size": number,
        "os_name": "debian 12.5",
        "os_family": "debian",
        "reason": "A text as long as the reasons that the API gives.",
        "solution": "A text as long as the solutions that the API gives: upgrade the packages, build again.",
        "scan_status": "SCANNED",
        "scan_time": changed_at,
        "version": versions,
        "first_seen_at": changed_at - (versions - 1) * every * HOUR,
        "changed_at": changed_at,
        "row_hash": f"1:{number:032x}",
        "sync_id": f"{number:032x}",
    }


def _run(number: int, at: int) -> Row:
    return {
        "sync_id": f"run{number}",
        "account_id": f"10000000000{number % ACCOUNTS}",
        "started_at": at,
        "mode": "full",
        "verdict": "complete",
    }


def _drop_indexes(made: Place) -> None:
    if made.kind == "postgresql":
        where = f"WHERE schemaname = '{made.dataset}' AND tablename = 'image_history'"
        for (name,) in made.sql(f"SELECT indexname FROM pg_indexes {where}"):
            made.sql(f"DROP INDEX {{data}}.{name}")
    if made.kind == "mysql":
        found = made.sql("SHOW INDEX FROM {data}.image_history")
        for name in {row[2] for row in found}:
            made.sql(f"DROP INDEX {name} ON {{data}}.image_history")


_MOMENT = "current_timestamp - interval 4320 hour"  # half a year ago
QUESTIONS = {
    "posture_by_day": "select count(*) as rows, sum(vul_cnt) as vul from posture_by_day",
    "changes_since_yesterday": "select count(*) as rows, sum(vul_change) as vul from changes_since_yesterday",
    "data_freshness": "select count(*) as rows, sum(images) as images from data_freshness",
    "as of a moment, by the view": f"""
        select count(*) as rows, sum(vul_cnt) as vul from image_versions
        where valid_from <= {_MOMENT} and (valid_to > {_MOMENT} or valid_to is null) and deleted_at is null""",
    "as of a moment, image by image": f"""
        select count(*) as rows, sum(history.vul_cnt) as vul
        from images
        join image_history as history on history.account_id = images.account_id
            and history.image_id = images.image_id
            and history.version = (
                select earlier.version from image_history as earlier
                where earlier.account_id = images.account_id and earlier.image_id = images.image_id
                    and earlier.version <= images.version and earlier.observed_at <= {_MOMENT}
                order by earlier.version desc limit 1
            )
        where history.deleted_at is null""",
    "as of a moment, latest versions": f"""
        select count(*) as rows, sum(history.vul_cnt) as vul
        from (
            select earlier.account_id, earlier.image_id, max(earlier.version) as version
            from images
            join image_history as earlier on earlier.account_id = images.account_id
                and earlier.image_id = images.image_id and earlier.version <= images.version
            where earlier.observed_at <= {_MOMENT}
            group by earlier.account_id, earlier.image_id
        ) as latest
        join image_history as history on history.account_id = latest.account_id
            and history.image_id = latest.image_id and history.version = latest.version
        where history.deleted_at is null""",
}


def measure(kind: str, images: int, versions: int, *, before: bool, say: Callable[[str], None]) -> None:
    """Say the seconds of each step and question, and the answers, which are the same on every database."""
    with tempfile.TemporaryDirectory(prefix="tcss_years_") as directory, place(kind, Path(directory)) as made:
        pipeline = made.prepared(tables=(*TABLES, POSTURE_CHANGES, NAMED_ACCOUNTS))
        _say(say, f"{kind}, {images * versions:,} versions", lambda: fill(made, pipeline, images, versions))
        with pipeline.sql_client() as client:
            views.create(client)
            if before:
                _ask(say, client, "posture_by_day, before", QUESTIONS["posture_by_day"], 1)
            for account in range(ACCOUNTS):
                posture = Posture(made.location, pipeline, f"10000000000{account}")
                _say(say, f"first count of account {account}", posture.count)
            for title, sql in QUESTIONS.items():
                _ask(say, client, title, sql, 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"  peak memory {peak:,.0f} MB; load {os.getloadavg()[0]:.1f}")


def _ask(say: Callable[[str], None], client: Any, title: str, sql: str, rounds: int) -> None:
    names = (*(table.name for table in TABLES), *(view.name for view in views.views()))
    query = translate(sql, dialect_of(client), {name: client.make_qualified_table_name(name) for name in names})
    query = query.replace(" NULLS LAST", "")  # which keeps PostgreSQL from the index; the manual does not say it
    answer: list[Any] = []

    def once() -> dict[str, float]:
        started = time.perf_counter()
        answer[:] = client.execute_sql(query)
        return {"seconds": time.perf_counter() - started}

    seconds = medians(rounds, once)["seconds"]
    say(f"  {title:34} {seconds:8.2f} s  {tuple(map(int, answer[0]))}")


def _say(say: Callable[[str], None], title: str, do: Callable[[], object]) -> None:
    started = time.perf_counter()
    do()
    say(f"  {title:34} {time.perf_counter() - started:8.2f} s")


def main(say: Callable[[str], None] = print) -> None:
    """Measure the kinds that the arguments name, or all."""
    images, versions = (2_000, 50) if "--short" in sys.argv else (20_000, 500)
    images, versions = _number("--images=", images), _number("--versions=", versions)
    for kind in [kind for kind in KINDS if kind in sys.argv] or KINDS:
        measure(kind, images, versions, before="--before" in sys.argv, say=say)


def _number(option: str, default: int) -> int:
    return next((int(word.removeprefix(option)) for word in sys.argv if word.startswith(option)), default)


if __name__ == "__main__":
    main()
