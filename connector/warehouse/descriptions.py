"""Writes the descriptions of tables and columns into the database's own catalogue, where SQL clients show them.

For Snowflake, BigQuery and Databricks, dlt does so itself when it creates a table. SQLite has no place for
descriptions.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from sqlglot import exp

from connector.tables import Column, Table
from connector.warehouse.ddl import execute

COMMENT_ON = ("duckdb", "postgres", "redshift", "trino")
"""Dialects (sqlglot's names) that have COMMENT ON."""

_DIGITS = 8  # of a hash
# The comment of a table, by an empty name, and of its columns. Elsewhere a comment of the user's own is not recognised.
_COMMENTS = {
    "duckdb": "SELECT '', comment FROM duckdb_tables() WHERE schema_name = %s AND table_name = %s "
    "UNION ALL SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = %s AND table_name = %s",
    "postgres": "SELECT '', obj_description(c.oid, 'pg_class') FROM pg_class AS c "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s "
    "UNION ALL SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute AS a "
    "JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0",
    "mysql": "SELECT '', table_comment FROM information_schema.tables WHERE table_schema = %s AND table_name = %s "
    "UNION ALL SELECT column_name, column_comment FROM information_schema.columns "
    "WHERE table_schema = %s AND table_name = %s",
}
_OLD_COMMENT = re.compile(r" COMMENT '(?:[^'\\]|''|\\.)*'")
_COLUMN_LINE = re.compile(r"^\s*([`\"]\w+[`\"]) (.*?),?$", re.MULTILINE)  # with ANSI_QUOTES, names have other quotes
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


def digests(tables: Iterable[Table], dialect: str) -> str:
    """Return a short hash of each description of these tables, by which a later release knows its own ones."""
    return "".join(_digest(written) for table in tables for written in _texts(table, dialect).values())


def describe(client: Any, tables: Iterable[Table], ours: str | None = None) -> None:
    """Describe these tables, which exist, in the dataset of dlt's SQL client, if the database has a place for that.

    `ours` are the hashes (`digests`) of the descriptions that we wrote last. A comment with another hash is the user's
    own, and stays. Without `ours`, every comment is replaced.
    """
    dialect = client.capabilities.sqlglot_dialect
    for table in tables:
        wanted = _texts(table, dialect)
        if ours is not None and dialect in _COMMENTS:
            known = {ours[start : start + _DIGITS] for start in range(0, len(ours), _DIGITS)}
            found = _comments(client, table, dialect)
            own = {name for name, comment in found.items() if comment and _digest(comment) not in known}
            wanted = {name: comment for name, comment in wanted.items() if name not in own}
        statements = [*_statements(client, table, wanted)]
        if statements and client.capabilities.supports_ddl_transactions:
            # At once: a commit per comment takes DuckDB four times as long, and a distant server a round trip each.
            with client.begin_transaction():
                execute(client, ";\n".join(statements))
            continue
        for statement in statements:
            execute(client, statement)


def _texts(table: Table, dialect: str) -> dict[str, str]:
    """Return what is said of the table, by an empty name, and of its columns."""
    return {"": table.description, **{column.name: text(column, dialect) for column in table.columns}}


def _comments(client: Any, table: Table, dialect: str) -> dict[str, str | None]:
    """Return the comments in the catalogue, in the form of `_texts`."""
    query, once = _COMMENTS[dialect], (client.dataset_name, table.name)
    return dict(client.execute_sql(query, *once, *once))


def _digest(comment: str) -> str:
    return sha256(comment.encode()).hexdigest()[:_DIGITS]


def _statements(client: Any, table: Table, wanted: Mapping[str, str]) -> Iterator[str]:
    name, dialect = client.make_qualified_table_name(table.name), client.capabilities.sqlglot_dialect
    if dialect in COMMENT_ON:
        for column, comment in wanted.items():
            what = f"COLUMN {name}.{client.escape_column_name(column)}" if column else f"TABLE {name}"
            yield f"COMMENT ON {what} IS {_literal(comment, dialect)}"
    elif dialect == "mysql" and wanted:
        definition = client.execute_sql(f"SHOW CREATE TABLE {name}")[0][1]
        yield f"ALTER TABLE {name} {', '.join(_changes(wanted, definition))}"


def _changes(wanted: Mapping[str, str], definition: str) -> Iterator[str]:
    """Write MySQL's changes. MySQL takes a comment only with the column's whole definition, which is therefore queried
    first; MySQL rebuilds no table for them."""
    lines = {name[1:-1]: _OLD_COMMENT.sub("", rest) for name, rest in _COLUMN_LINE.findall(definition)}
    for column, comment in wanted.items():
        if not column:
            yield f"COMMENT = {_literal(comment, 'mysql')}"
        elif column in lines:
            yield f"MODIFY COLUMN `{column}` {lines[column]} COMMENT {_literal(comment, 'mysql')}"


def _literal(value: str, dialect: str) -> str:
    return exp.Literal.string(value).sql(dialect=dialect)
