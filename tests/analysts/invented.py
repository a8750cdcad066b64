"""Invents a DuckDB warehouse with years of history, by SQL in seconds, for the benchmark and the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from connector.tables import IMAGE_HISTORY, IMAGES, LOADED_TABLES, SYNC_RUNS, TABLES, Table
from connector.warehouse import views
from tests.findings import invent_details

_TYPES = {"text": "varchar", "bigint": "bigint", "bool": "boolean", "timestamp": "timestamptz"}

# An image is first seen on some day, is scanned about every `every` days, and is patched now and then.
_VERSIONS = """
create temp table versions as
with fleet as (
    select i, (hash(i) % 1000000007)::bigint as h, ({days} - hash(i, 'first') % ({days} * 2 // 3))::int as age
    from range({images}) as t(i)
),
seen as (select i, h, now() - interval (age) day as first_seen_at from fleet),
numbered as (
    select i, h, first_seen_at, n, (hash(i, n) % 1000000007)::bigint as r
    from seen, range(({days} // {every} + 1)::bigint) as t(n)
    where first_seen_at + interval (n * {every} + 1) day < now()
)
select i, h, r, first_seen_at, n + 1 as version, 0.15 + 0.85 * exp(-n * {every} / 200.0) as unpatched,
    first_seen_at + interval (n * {every}) day + interval (r % 80000) second as observed_at,
    max(n + 1) over (partition by i) as versions
from numbered
"""
_HOSTS = "['registry.example.com', 'mirror.example.net:5000', null]"
_OS = "['alpine', 'debian', 'ubuntu', 'centos', 'tencentos', null]"
_RELEASES = "['3.12', '11', '22.04', '7', '3.1', null]"
_APPS = "['checkout', 'search', 'billing', 'gateway', 'ledger', 'mailer', 'catalogue', 'reports']"
_COLUMNS = {
    "account_id": "'10000000000' || (1 + h % 2)",
    "image_id": "'sha256:' || md5(i::varchar) || md5('x' || i)",
    "image_name": f"concat({_HOSTS}[1 + h % 3] || '/', 'team', h % 7, '/', {_APPS}[1 + h % 8], ':1.', i)",
    "image_registry": f"{_HOSTS}[1 + h % 3]",
    "image_repository": f"'team' || h % 7 || '/' || {_APPS}[1 + h % 8]",
    "image_tag": "i::varchar",
    "create_time": "first_seen_at",
    "size": "50000000 + (h % 900000000)::bigint",
    "os_name": f"{_OS}[1 + h % 11 % 6] || ':' || {_RELEASES}[1 + h % 11 % 6]",
    "os_family": f"{_OS}[1 + h % 11 % 6]",
    "os_version": f"{_RELEASES}[1 + h % 11 % 6]",
    "host_cnt": "1 + (h % 5)::bigint",
    "super_node_cnt": "0",
    "container_cnt": "case when h % 5 < 2 then 1 + (r % 12)::bigint else 0 end",
    "scan_status": "case when h % 23 = 0 then 'NOT_SCAN' when h % 31 = 0 then 'SCAN_ERR' else 'SCANNED' end",
    "scan_time": "case when h % 23 > 0 then observed_at - interval (h % 90) minute end",
    "component_cnt": "20 + (h % 300)::bigint",
    "critical_level_vul_cnt": "case when h % 23 > 0 then (h % 6 * unpatched)::bigint end",
    "high_level_vul_cnt": "case when h % 23 > 0 then (h % 17 * unpatched)::bigint + (r % 3)::bigint end",
    "medium_level_vul_cnt": "case when h % 23 > 0 then (h % 29)::bigint + (r % 9)::bigint end",
    "low_level_vul_cnt": "case when h % 23 > 0 then (h % 37)::bigint + (r % 9)::bigint end",
    "virus_cnt": "case when h % 97 = 0 then 1 else 0 end",
    "risk_cnt": "case when h % 13 = 0 then 1 + (h % 4)::bigint else 0 end",
    "agent_error": "case when h % 31 = 0 then 'agent offline' end",
    "version": "version",
    "first_seen_at": "first_seen_at",
    "changed_at": "observed_at",
    "observed_at": "observed_at",
    "row_hash": "'1:' || md5(r::varchar)",
    "sync_id": "'invented'",
}
_RUNS = {
    "sync_id": "'run' || n",
    "account_id": "'10000000000' || 1 + n % 2",
    "mode": "case when n < 2 then 'full' else 'incremental' end",
    "mode_reason": "'invented'",
    "verdict": "'complete'",
    "verdict_reason": "'by order'",
    "started_at": "now() - interval (n // 2) hour - interval 20 minute",
    "finished_at": "now() - interval (n // 2) hour - interval 19 minute",
    "images_listed": "0",
}


def invent(file: Path, images: int, *, days: int = 730, every: int = 45, details: bool = False) -> int:
    """Make a warehouse (dataset `tcss`) of images that are scanned every `every` days; return the number of versions.

    `details` are those of `tests.findings`."""
    with duckdb.connect(str(file)) as db:
        db.execute("create schema tcss")
        for table in TABLES:
            columns = ", ".join(f"{c.name} {_TYPES[c.type]}" for c in table.columns)
            db.execute(f"create table tcss.{table.name} ({columns})")
        db.execute(_VERSIONS.format(images=images, days=days, every=every))
        _insert(db, IMAGE_HISTORY, _COLUMNS, "versions")
        _insert(db, IMAGES, _COLUMNS, "versions where version = versions")
        _insert(db, SYNC_RUNS, _RUNS, "range(48) as t(n)")
        if details:
            invent_details(db)
        _views(db, LOADED_TABLES if details else TABLES)
        (count,) = db.execute("select count(*) from tcss.image_history").fetchall()[0]
        return int(count)


def _views(db: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    names = {table.name: f"tcss.{table.name}" for table in tables}
    made = views.views_of(tables)
    for view in made:
        db.execute(f"create view tcss.{view.name} as {view.select('duckdb', names)}")
    rows = ", ".join(f"('{view.name}')" for view in made)
    db.execute(f"create view tcss.{views.MARKER} as from (values {rows}) as t(name)")


def _insert(db: duckdb.DuckDBPyConnection, table: Table, columns: dict[str, str], source: str) -> None:
    values = ", ".join(f"{value} as {name}" for name, value in columns.items() if name in table.column_names)
    db.execute(f"insert into tcss.{table.name} by name select {values} from {source}")
