"""Writes the views into the data dictionary: their columns, and an example query on an invented fleet."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from typing import Any

import duckdb

from connector.sandbox import Fleet, LocalServer
from connector.tables import ALL_TABLES, ASPECTS, TABLES, VULNERABILITIES
from connector.warehouse.fragments import with_fragments
from connector.warehouse.views import View, views
from tests.findings import invent_details
from tests.listing.lists import in_turns
from tests.runs.memory import Runs, as_arrow

NOW = datetime(2026, 6, 3, 9, tzinfo=UTC)
DAYS = ({}, {"rescan": 20, "insert": 6}, {"rescan": 9, "delete": 4, "change_counts": 12, "bring_back": 1})
"""The changes of the fleet before the sync of each day, at nine o'clock; the last day is today."""

EXAMPLES = {
    "accounts": """
        select account_id, account_name, first_sync_at, last_sync_at
        from tcss.accounts""",
    "changes": f"""
        select kind, count(*) as images, sum(critical_change)::bigint as critical, sum(high_change)::bigint as high
        from tcss.changes
        where changed_at >= timestamptz '{NOW - timedelta(days=1):%Y-%m-%d} 00:00:00+00'
            and changed_at < timestamptz '{NOW:%Y-%m-%d} 00:00:00+00'
        group by kind order by kind""",
    "changes_since_yesterday": """
        select kind, count(*) as images, sum(critical_change)::bigint as critical, sum(high_change)::bigint as high
        from tcss.changes_since_yesterday group by kind order by kind""",
    "current_images": """
        select in_use, is_licensed, needs_attention, count(*) as images, sum(container_cnt)::bigint as containers
        from tcss.current_images group by all order by all""",
    "current_findings": """
        select image_name, component, version, fixed_versions, first_found_at, since_is_known, container_cnt
        from tcss.current_findings where cve_id = 'CVE-2021-44228' and container_cnt > 0
        order by container_cnt desc, image_id limit 3""",
    "current_malware": """
        select image_name, virus_name, risk_level, path, first_found_at, container_cnt
        from tcss.current_malware order by container_cnt desc, image_id limit 3""",
    "current_scan_errors": """
        select scanner, error, count(*) as images
        from tcss.current_scan_errors group by all order by images desc, scanner, error limit 5""",
    "data_freshness": """
        select account_id, complete_at, data_age_hours, last_run_mode, last_run_verdict, images
        from tcss.data_freshness""",
    "detail_coverage": """
        select aspect, state, images, images_in_use
        from tcss.detail_coverage order by all""",
    "findings": """
        select status, count(*) as findings, count(fixed_version) as with_a_fix
        from tcss.findings group by status order by status""",
    "image_versions": """
        select version, event, valid_from, valid_to, container_cnt
        from tcss.image_versions
        where image_id = (select image_id from tcss.image_versions order by version desc, image_id limit 1)
        order by version""",
    "images_at_risk": """
        select risk_rank, image_name, container_cnt, critical_level_vul_cnt, virus_cnt, high_level_vul_cnt
        from tcss.images_at_risk order by risk_rank, image_name limit 3""",
    "os_exposure": """
        select os_family, os_version, images, images_in_use, images_critical
        from tcss.os_exposure order by images desc, os_family, os_version limit 4""",
    "posture_by_day": """
        select day, images, images_scanned, images_critical
        from tcss.posture_by_day order by day""",
    "scan_coverage": """
        select scan_state, scan_age, count(*) as images
        from tcss.scan_coverage group by all order by images desc, scan_state, scan_age limit 5""",
    "scan_failures": """
        select * exclude (account_id, account_name)
        from tcss.scan_failures order by all limit 3""",
    "time_to_fix": """
        select image_repository, severity, vulnerabilities, still_open, fixed, start_unknown, mean_days_to_fix
        from tcss.time_to_fix order by fixed desc, vulnerabilities desc, image_repository, severity limit 4""",
    "upgrades": """
        select upgrade_rank, component, version, fixed_versions, findings, vulnerabilities, images, containers
        from tcss.upgrades order by upgrade_rank, component, version, fixed_versions""",
    "where_vulnerable": """
        select cve_id, container_name, pod_name, host_name, host_ip
        from tcss.where_vulnerable where cve_id = 'CVE-2021-44228' order by container_name, pod_name limit 3""",
}

_TYPES = {"VARCHAR": "text", "BOOLEAN": "bool", "TIMESTAMP WITH TIME ZONE": "timestamp"}
"""DuckDB's types by their names in `tables`."""
_COLUMN = re.compile(r"(\w+): (.*)")


def views_dictionary() -> str:
    """Return all views as Markdown, one section per view. Ends with a newline."""
    intro = (
        "# Views\n\nMade beside the tables after every sync, from `schemas/views`. The examples are DuckDB's SQL, on "
        f"an invented fleet of 150 images, synced on three days, the last time on {NOW:%Y-%m-%d} at {NOW:%H:%M} UTC. "
        "A view of details is made only where its tables of details exist.\n"
    )
    with duckdb.connect() as db:
        _fill(db)
        return "\n".join([intro, *(_section(db, view) for view in views())])


def _fill(db: duckdb.DuckDBPyConnection) -> None:
    today = int(NOW.timestamp() * 1e6)
    ticks = count(today - 5 * 86_400_000_000, 1_000_000)
    runs = Runs(LocalServer(Fleet.seeded(150, clock=lambda: next(ticks))), limit=100)
    with in_turns(None):  # else threads decide how many requests are sent, and the fleet's clock ticks at each
        for back, changes in zip(range(len(DAYS) - 1, -1, -1), DAYS, strict=True):
            runs.server.fleet.apply(changes)
            runs.run(now=today - back * 86_400_000_000)
    db.execute("SET TimeZone = 'UTC'; SET threads = 1; CREATE SCHEMA tcss; USE tcss")
    for table in TABLES:
        rows = as_arrow(table, runs.warehouse[table])  # noqa: F841  (DuckDB finds it by its name)
        db.execute(f"CREATE TABLE {table.name} AS SELECT * FROM rows")
    invent_details(db)
    for view in views():
        select = with_fragments(view.sql, {}).sql("duckdb", comments=False)
        select = select.replace("CURRENT_TIMESTAMP", f"TIMESTAMPTZ '{NOW:%Y-%m-%d %H:%M:%S+00}'")
        db.execute(f"CREATE VIEW {view.name} AS {select}")


def _section(db: duckdb.DuckDBPyConnection, view: View) -> str:
    grain, meanings = _header(view)
    columns = [
        f"| `{name}` | {_TYPES.get(kind, kind.lower())} | {meanings.get(name) or _known(name, view)} |"
        for name, kind, *_ in db.execute(f"DESCRIBE tcss.{view.name}").fetchall()
    ]
    query = re.sub(r"\n {8}", "\n", EXAMPLES[view.name]).strip()
    answer = db.execute(query)
    names = [column[0] for column in answer.description or []]
    rows = [names, ["---"] * len(names), *([_cell(value) for value in row] for row in answer.fetchall())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return (
        f"## {view.name}\n\n**{view.question}** {grain}\n\n| column | type | meaning |\n|---|---|---|\n"
        + "\n".join(columns)
        + f"\n\n```sql\n{query}\n```\n\n{table}\n"
    )


def _header(view: View) -> tuple[str, dict[str, str]]:
    """Return what a row is, and the meanings of the columns that the header of the view's file explains."""
    header = "".join(takewhile(lambda line: line.startswith("--"), view.sql.splitlines(keepends=True)))
    paragraphs = [[line.removeprefix("--").strip() for line in text.splitlines()] for text in header.split("\n--\n")]
    meanings: dict[str, str] = {}
    name = ""
    for line in paragraphs[2] if len(paragraphs) > 2 else []:
        if match := _COLUMN.fullmatch(line):
            name, meanings[match[1]] = match[1], match[2]
        else:
            meanings[name] += f" {line}"
    return " ".join(paragraphs[1]), meanings


def _known(name: str, view: View) -> str:
    """Return the meaning of the table column with that name; for a view of details first from a table of findings."""
    findings = [aspect.table for aspect in ASPECTS.values() if aspect.table.name in view.details]
    tables = [*findings, *((VULNERABILITIES,) if findings else ()), *ALL_TABLES]
    return next(column.description for table in tables for column in table.columns if column.name == name)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
