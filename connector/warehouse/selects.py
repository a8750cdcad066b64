"""Writes the queries of `inventory`, so that the time of a query does not grow with the rows of the past.

A row store (`ROW_STORES`) finds the accounts and their newest runs by the indexes of `ddl`, a few index entries per
account. Other databases read single columns, and get one plain GROUP BY.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from connector.tables import DETAIL_RUNS, SYNC_RUNS, Table
from connector.warehouse.backends import Kind
from connector.warehouse.dialects import DIALECTS

LONGEST_TEXT = 20_000  # characters of a text of `sync_runs` that are fetched; the present release stores fewer
ROW_STORES = ("postgres", "sqlite", "mysql")
"""Row stores that get the indexes of `ddl`, by sqlglot's names."""

_SAID = ("account_id", "verdict", "account_name", "total_count")
_STARTS = ("last_run", "last_whole")
STANDINGS: pa.Schema = pa.schema(
    {
        **{name: SYNC_RUNS.arrow_schema.field(name).type for name in _SAID},
        **dict.fromkeys(_STARTS, SYNC_RUNS.arrow_schema.field("started_at").type),
    }
)
"""An account: the starts of its newest run, and of its newest complete run without filters (null: there is none); the
verdict of the former, and the TotalCount of the latter."""
BEHIND = pa.schema([DETAIL_RUNS.arrow_schema.field(name) for name in ("account_id", "aspect", "images_behind")])
"""The images that an account's newest run for an aspect has left for later."""

# A `complete` run without filters, as `runs.policy.is_whole` says.
_WHOLE = "r.verdict = 'complete' AND r.filters IS NULL"
# Reads one index entry per account; DISTINCT would read the whole index.
_ACCOUNTS = (
    "WITH RECURSIVE found (account_id) AS (SELECT min(account_id) FROM {table} UNION ALL "
    "SELECT (SELECT min(t.account_id) FROM {table} AS t WHERE t.account_id > found.account_id) "
    "FROM found WHERE found.account_id IS NOT NULL) "
    "SELECT account_id FROM found WHERE account_id IS NOT NULL"
)
_NEWEST_BY_INDEX = (
    "SELECT a.account_id, (SELECT max(r.started_at) FROM {table} AS r WHERE r.account_id = a.account_id) AS last_run, "
    "(SELECT r.started_at FROM {table} AS r WHERE r.account_id = a.account_id AND {whole} "
    "ORDER BY r.started_at DESC LIMIT 1) AS last_whole FROM ({accounts}) {alias}"
)
_NEWEST = (
    "SELECT r.account_id, max(r.started_at) AS last_run, max(CASE WHEN {whole} THEN r.started_at END) AS last_whole "
    "FROM {table} r{where} GROUP BY r.account_id"
)

# What the newest run says of itself; the name is the newest whole run's where the newest run has none.
_STANDINGS = (
    "SELECT n.account_id, r.verdict, {name} AS account_name, w.total_count, n.last_run, n.last_whole "
    "FROM ({newest}) n LEFT JOIN {table} r ON r.account_id = n.account_id AND r.started_at = n.last_run "
    "LEFT JOIN {table} w ON w.account_id = n.account_id AND w.started_at = n.last_whole"
)
_BEHIND = (
    "SELECT d.account_id, d.aspect, d.images_behind FROM {table} d JOIN (SELECT account_id, aspect, "
    "max(started_at) AS last_run FROM {table}{where} GROUP BY account_id, aspect) n "
    "ON n.account_id = d.account_id AND n.aspect = d.aspect AND n.last_run = d.started_at"
)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(kind: Kind, microseconds: int) -> str:
    """Write an instant, in microseconds since the epoch, as a literal of that kind of database."""
    moment = _EPOCH + timedelta(microseconds=microseconds)
    text = moment.replace(tzinfo=None).isoformat(" ", "microseconds")
    return f"'{text}'" if kind in ("sqlite", "mysql") else f"TIMESTAMPTZ '{text}+00:00'"


def dialect_of(client: Any) -> str:
    """Return the name that sqlglot has for the SQL of dlt's client."""
    return str(client.capabilities.sqlglot_dialect)


def accounts(client: Any, table: Table) -> str:
    """Write the query for the accounts in a table whose index begins with the account."""
    source = client.make_qualified_table_name(table.name)
    # MySQL and MariaDB skip from account to account for DISTINCT, and end a recursion after 1,000 rows.
    if dialect_of(client) in ("postgres", "sqlite"):
        return _ACCOUNTS.format(table=source)
    return f"SELECT DISTINCT account_id FROM {source}"  # noqa: S608


def newest(client: Any, *, one: bool) -> str:
    """Write the query for each account's newest run and newest whole run; with `one`, of the account in a parameter."""
    source = client.make_qualified_table_name(SYNC_RUNS.name)
    if dialect_of(client) not in ROW_STORES:
        return _NEWEST.format(table=source, whole=_WHOLE, where=" WHERE r.account_id = %s" if one else "")
    listed = "SELECT %s AS account_id" if one else accounts(client, SYNC_RUNS)
    return _NEWEST_BY_INDEX.format(table=source, whole=_WHOLE, accounts=listed, alias="AS a")


def standings(client: Any, *, one: bool, present: Collection[str]) -> str:
    """Write the query for what the newest runs of each account say; with `one`, of the account in a parameter.
    `present` are the columns that the table has in the warehouse."""
    name = "coalesce(r.account_name, w.account_name)" if "account_name" in present else "NULL"
    source = client.make_qualified_table_name(SYNC_RUNS.name)
    return _STANDINGS.format(newest=newest(client, one=one), table=source, name=name)


def behind(client: Any, *, one: bool) -> str:
    """Write the query for the images that the newest run for each account and aspect has left for later."""
    source = client.make_qualified_table_name(DETAIL_RUNS.name)
    return _BEHIND.format(table=source, where=" WHERE account_id = %s" if one else "")


def select(
    client: Any,
    table: Table,
    names: Iterable[str],
    condition: str,
    *,
    newest_by: str = "",
    limit: int | None = None,
) -> str:
    """Write the query for columns of the rows that meet the condition; sorted by `newest_by`, at most `limit` rows.

    In a database whose SQL we do not know, the reader has to stop at `limit`.
    """
    columns = ", ".join(_expression(client, table, name) for name in names)
    source = client.make_qualified_table_name(table.name)
    top, first = _limited(dialect_of(client), limit)
    where = f" WHERE {condition}" if condition else ""
    order = f" ORDER BY {client.escape_column_name(newest_by)} DESC" if newest_by else ""
    return f"SELECT {top}{columns} FROM {source}{where}{order}{first}"  # noqa: S608


def _limited(dialect: str, limit: int | None) -> tuple[str, str]:
    """Return what limits a query's rows: what comes before the columns, and what comes last."""
    if limit is None:
        return "", ""
    if dialect in ("tsql", "fabric"):
        return f"TOP ({limit}) ", ""
    if dialect == "oracle":
        return "", f" FETCH FIRST {limit} ROWS ONLY"
    return "", f" LIMIT {limit}" if dialect in DIALECTS else ""


def _expression(client: Any, table: Table, name: str) -> str:
    escaped = str(client.escape_column_name(name))
    column = table.column(name)
    if table is not SYNC_RUNS or column.type != "text" or column.precision is not None:
        return escaped
    function = "SUBSTR" if dialect_of(client) == "oracle" else "SUBSTRING"
    return f"{function}({escaped}, 1, {LONGEST_TEXT}) AS {escaped}"
