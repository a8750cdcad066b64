"""Measures the views over years of history: 10 million versions of 20,000 images, on DuckDB, PostgreSQL and MariaDB.

`python -m tests.benchmarks.years [--short] [KIND]...` fills a warehouse by SQL, in the order in which runs would fill
it, and asks each question three times.
"""

from __future__ import annotations

from datetime import UTC, datetime

import dlt

from connector.tables import IMAGE_HISTORY, IMAGES, SYNC_RUNS, Row
from tests.warehouses import Place

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
    if made.kind != "duckdb":
        made.sql("ANALYZE" if made.kind == "postgresql" else "ANALYZE TABLE {data}.image_history, {data}.images")


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
