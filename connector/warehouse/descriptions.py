"""Writes the descriptions of tables and columns into the database's own catalogue, where SQL clients show them.

For Snowflake, BigQuery and Databricks, dlt does so itself when it creates a table. SQLite has no place for
descriptions.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlglot import exp

from connector.tables import Column, Table
from connector.warehouse.ddl import execute

COMMENT_ON = ("duckdb", "postgres", "redshift", "trino")
"""Dialects (sqlglot's names) that have COMMENT ON."""

_OLD_COMMENT = re.compile(r" COMMENT '(?:[^'\\]|''|\\.)*'")
_COLUMN_LINE = re.compile(r"^\s*(`(?:[^`]|``)+`) (.*?),?$", re.MULTILINE)
_ZONELESS = ("mysql", "sqlite")


def text(column: Column, dialect: str) -> str:
    """Return a column's description, with its unit and the API's field. If the database's times have no zone, the text
    says that times are the wall clock in UTC."""
    zone = "Wall clock in UTC." if column.type == "timestamp" and dialect in _ZONELESS else ""
    unit = f"Unit: {column.unit}." if column.unit else ""
    field = f"{'From the' if column.derived else 'The'} API's {column.source}." if column.source else ""
    return " ".join(part for part in (column.description, zone, unit, field) if part)


def definition(table: Table, dialect: str) -> str:
    """Return all that `describe` says of a table, for a comparison."""
    return "\n".join((table.description, *(f"{column.name}: {text(column, dialect)}" for column in table.columns)))


def describe(client: Any, tables: Iterable[Table]) -> None:
    """Describe these tables, which exist, in the dataset of dlt's SQL client, if the database has a place for that."""
    dialect = client.capabilities.sqlglot_dialect
    for table in tables:
        for statement in _statements(client, table, dialect):
            execute(client, statement)


def _statements(client: Any, table: Table, dialect: str) -> Iterator[str]:
    name = client.make_qualified_table_name(table.name)
    if dialect in COMMENT_ON:
        yield f"COMMENT ON TABLE {name} IS {_literal(table.description, dialect)}"
        for column in table.columns:
            quoted = client.escape_column_name(column.name)
            yield f"COMMENT ON COLUMN {name}.{quoted} IS {_literal(text(column, dialect), dialect)}"
    elif dialect == "mysql":
        definition = client.execute_sql(f"SHOW CREATE TABLE {name}")[0][1]
        yield f"ALTER TABLE {name} {', '.join(_changes(table, definition))}"


def _changes(table: Table, definition: str) -> Iterator[str]:
    """Write MySQL's changes. MySQL takes a comment only with the column's whole definition, which is therefore queried
    first; MySQL rebuilds no table for them."""
    lines = {name.strip("`"): _OLD_COMMENT.sub("", rest) for name, rest in _COLUMN_LINE.findall(definition)}
    for column in table.columns:
        if column.name in lines:
            comment = _literal(text(column, "mysql"), "mysql")
            yield f"MODIFY COLUMN `{column.name}` {lines[column.name]} COMMENT {comment}"
    yield f"COMMENT = {_literal(table.description, 'mysql')}"


def _literal(value: str, dialect: str) -> str:
    return exp.Literal.string(value).sql(dialect=dialect)
