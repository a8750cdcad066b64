"""Translates a select in DuckDB's SQL for other databases. sqlglot does the work, except where its SQL would differ."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import ErrorLevel, exp

from connector.warehouse.fragments import fragments, with_fragments

# By sqlglot's names. `now`; instant a less b `hours`; the UTC `day` of instant a; `seconds` from instant a to b; date a
# plus b `days`; `floor`, `true` and `false` where they do not exist. Instants of MySQL and SQLite are wall clocks in
# UTC; SQLite's are texts with six decimals, and its FLOOR is left out of many builds.
_MEANINGS: dict[str, dict[str, str]] = {
    # An instant with a zone asks ICU for every row, which is most of a query's time.
    "duckdb": {
        "day": "CAST(MAKE_TIMESTAMP(EPOCH_US(a)) AS DATE)",
        "seconds": "DATE_DIFF('SECOND', MAKE_TIMESTAMP(EPOCH_US(a)), MAKE_TIMESTAMP(EPOCH_US(b)))",
    },
    "postgres": {"seconds": "EXTRACT(EPOCH FROM b - a)", "days": "(a + CAST(b AS INT))"},
    "mysql": {
        "now": "UTC_TIMESTAMP(6)",
        "day": "DATE(a)",
        "seconds": "TIMESTAMPDIFF(SECOND, a, b)",
        "days": "DATE_ADD(a, INTERVAL b DAY)",
    },
    "sqlite": {
        "now": "STRFTIME('%Y-%m-%d %H:%M:%f000', 'now')",
        "hours": "STRFTIME('%Y-%m-%d %H:%M:%f000', a, -b || ' hours')",
        "day": "DATE(a)",
        "seconds": "(STRFTIME('%s', b) - STRFTIME('%s', a))",
        "days": "DATE(a, b || ' days')",
        "floor": "(CAST(a AS INT) - (a < CAST(a AS INT)))",  # a cast cuts off, also below 0
    },
    "tsql": {
        "now": "SYSUTCDATETIME()",
        "hours": "DATEADD(HOUR, -b, a)",
        "seconds": "DATEDIFF_BIG(SECOND, a, b)",
        "days": "DATEADD(DAY, b, a)",
        "true": "CAST(1 AS BIT)",
        "false": "CAST(0 AS BIT)",
    },
    "bigquery": {
        "day": "DATE(a, 'UTC')",
        "seconds": "TIMESTAMP_DIFF(b, a, SECOND)",
        "days": "DATE_ADD(a, INTERVAL b DAY)",
    },
    "databricks": {
        "day": "CAST(TO_UTC_TIMESTAMP(a, CURRENT_TIMEZONE()) AS DATE)",
        "seconds": "TIMESTAMPDIFF(SECOND, a, b)",
        "days": "DATE_ADD(a, b)",
    },
    "snowflake": {"days": "DATEADD(DAY, b, a)"},
    "redshift": {"days": "DATEADD(DAY, b, a)"},
    "clickhouse": {"day": "toDate(toTimeZone(a, 'UTC'))", "days": "addDays(a, b)"},
    "trino": {"days": "DATE_ADD('DAY', b, a)"},
}
DIALECTS = tuple(_MEANINGS)
"""What `translate` writes. Not Oracle: it neither compares nor groups the CLOBs that dlt makes for texts."""


@cache
def edition() -> str:
    """Return a text that changes with the translation: while the text stays, the same select becomes the same SQL."""
    written = "".join(fragments().values()).encode()
    return f"{version('sqlglot')} {sha256(Path(__file__).read_bytes() + written).hexdigest()}"


def translate(sql: str, dialect: str, names: Mapping[str, str]) -> str:
    """Return the select as SQL of that dialect, without comments. `names` maps tables to their names in that SQL. A
    fragment (`fragments`) is written in place.

    Of time, it may use `current_timestamp`, `instant - interval 24 hour`, `cast(instant at time zone 'UTC' as date)`,
    `date_diff('second', instant, instant)` and `date_add(date, interval (number) day)`; other functions of time, and
    `//`, do not mean the same everywhere. Raises sqlglot's errors for what it cannot read, or the dialect cannot say.
    """
    tree = with_fragments(sql, names)
    for node in reversed(list(tree.walk(bfs=False))):  # the innermost first
        if isinstance(node, exp.Table) and node.name in names:
            table = exp.to_table(names[node.name], dialect=dialect)
            node.replace(exp.alias_(table, node.alias_or_name, table=True))
        elif (written := _written(node, dialect)) is not None:
            node.replace(written)
    if dialect == "clickhouse":
        _make_plain(tree)
    text: str = tree.sql(dialect=dialect, comments=False, pretty=True, unsupported_level=ErrorLevel.RAISE)
    return text


# Without these, ClickHouse's outer joins find zeros where there is nothing, and an alias hides the column of its name.
_CLICKHOUSE = ("join_use_nulls", "prefer_column_name_to_alias")


def _make_plain(tree: Any) -> None:
    """Make ClickHouse read a select as others do: ClickHouse would also name the column of a join after its table."""
    for select in tree.find_all(exp.Select):
        found = select.expressions
        named = [exp.alias_(e, e.name) if isinstance(e, exp.Column) and not e.is_star else e for e in found]
        select.set("expressions", named)
    tree.set("settings", [exp.column(setting).eq(1) for setting in _CLICKHOUSE])


def _written(node: Any, dialect: str) -> Any:
    """Return the node's SQL in that dialect; None: sqlglot knows the SQL."""
    meaning, *values = _meaning(node)
    template = _MEANINGS[dialect].get(meaning)
    if template is None:
        return None
    arguments = dict(zip("ab", values, strict=False))

    def fill(part: Any) -> Any:
        return arguments[part.name].copy() if isinstance(part, exp.Column) and part.name in arguments else part

    return sqlglot.parse_one(template, read=dialect).transform(fill)


def _meaning(node: Any) -> tuple[Any, ...]:
    """Return a key of `_MEANINGS`, or an empty text, and the values of a and b in its template."""
    match node:
        case exp.CurrentTimestamp():
            return ("now",)
        case exp.Sub(expression=exp.Interval()):
            return "hours", node.this, exp.Literal.number(node.expression.this.name)
        case exp.Cast(this=exp.AtTimeZone(this=instant)):
            return "day", instant
        case exp.DateDiff():
            return "seconds", node.expression, node.this
        case exp.DateAdd():
            return "days", node.this, node.expression.this.unnest()
        case exp.Floor():
            return "floor", node.this
        case exp.Boolean():
            return ("true" if node.this else "false",)
    return ("",)
