"""Finds views of ours that read a table by another name.

In PostgreSQL and SQLite, a view follows a table that somebody renames. When a sync has made the table again, such a
view would still read the old rows.
"""

from collections.abc import Iterable
from typing import Any

from sqlglot import exp

from connector.tables import ALL_TABLES

# By sqlglot's name of the dialect. `ours` are the names of our tables.
_MISLED = {
    "postgres": "SELECT DISTINCT v.relname FROM pg_class AS v JOIN pg_namespace AS n ON n.oid = v.relnamespace "
    "JOIN pg_rewrite AS r ON r.ev_class = v.oid "
    "JOIN pg_depend AS d ON d.objid = r.oid AND d.classid = 'pg_rewrite'::regclass "
    "JOIN pg_class AS t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass "
    "WHERE n.nspname = {dataset} AND v.relkind = 'v' AND v.relname IN ({views}) AND t.relkind IN ('r', 'p') "
    "AND (t.relnamespace <> v.relnamespace OR t.relname NOT IN ({ours}))",
    # SQLite writes the new name, in quotes, into the view's text.
    "sqlite": "SELECT DISTINCT v.name FROM sqlite_master AS v JOIN sqlite_master AS t "
    "ON t.type = 'table' AND t.name NOT IN ({ours}) AND instr(v.sql, '\"' || t.name || '\"') > 0 "
    "WHERE v.type = 'view' AND v.name IN ({views})",
}


def misled(client: Any, views: Iterable[str]) -> set[str]:
    """Return those of the views, in the dataset of dlt's SQL client, that read a table which is not one of ours."""
    query = _MISLED.get(str(client.capabilities.sqlglot_dialect))
    views = list(views)
    if query is None or not views:
        return set()
    names = {"views": views, "ours": (table.name for table in ALL_TABLES), "dataset": (client.dataset_name,)}
    parts = {part: ", ".join(exp.Literal.string(name).sql() for name in those) for part, those in names.items()}
    return {row[0] for row in client.execute_sql(query.format(**parts))}
