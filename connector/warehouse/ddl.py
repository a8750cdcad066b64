"""Creates what dlt does not create as we need it: indexes, nullable columns, MySQL databases of the right encoding."""

import warnings
from itertools import count
from typing import Any

import sqlalchemy as sa
from dlt.common.destination.client import JobClientBase, WithStagingDataset
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation
from sqlalchemy.exc import SAWarning
from sqlglot import exp

from connector.errors import DestinationError
from connector.tables import (
    ALL_TABLES,
    CONTAINERS,
    DETAIL_RUNS,
    IMAGE_HISTORY,
    IMAGE_VULNERABILITIES,
    SYNC_RUNS,
    Column,
    Table,
)
from connector.warehouse.backends import Kind
from connector.warehouse.locations import Location

# How each server lists the indexes of a dataset. Without an index a merge is quadratic in SQLite and MySQL, and reads
# the whole history in all three. The indexes are not unique, because dlt stages duplicates before it removes them. We
# list indexes first, because PostgreSQL locks the table for CREATE INDEX IF NOT EXISTS even if the index exists.
_INDEXES: dict[Kind, str] = {
    "sqlite": "SELECT tbl_name, name FROM {dataset}.sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = %s",
    "mysql": "SELECT DISTINCT table_name, index_name FROM information_schema.statistics WHERE table_schema = %s",
}
# Instead of the key's index. From this index alone come the latest versions at a moment, and when each version ended.
# Older releases made the key's index, which does no harm.
_WIDER = {IMAGE_HISTORY.name: ("tcss_image_history_versions", (*IMAGE_HISTORY.key, "observed_at"))}
# Without these indexes, "Which images have this CVE?" reads every finding (PostgreSQL took 1.3 s for 1.6 million
# findings, and 0.03 s with the index), a sync, `tcss status` and data_freshness read every earlier run, and what has
# changed since some moment is looked up in the whole history. `where_vulnerable` reads all containers for each finding
# (MariaDB took 15 s for 2,400 findings and 1,500 containers, and 0.5 s with the index).
_SEARCHED = {
    "tcss_containers_image_id": (CONTAINERS, ("account_id", "image_id")),
    "tcss_image_history_observed_at": (IMAGE_HISTORY, ("observed_at", "account_id")),
    "tcss_image_vulnerabilities_vul_id": (IMAGE_VULNERABILITIES, ("account_id", "vul_id")),
    "tcss_sync_runs_started_at": (SYNC_RUNS, ("account_id", "started_at")),
    "tcss_sync_runs_recent": (SYNC_RUNS, ("started_at",)),
    "tcss_detail_runs_started_at": (DETAIL_RUNS, ("account_id", "aspect", "started_at")),
}
_DATABASE = (
    "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = %s"
)
# The first collation that the server has: MariaDB's, MySQL's since 8.0.17, else the collation that pads with spaces.
_EXACT = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin")
_COLLATIONS_KNOWN = "SELECT collation_name FROM information_schema.collations"
_COLLATED_OTHERWISE = (
    "SELECT table_name, column_name, column_comment FROM information_schema.columns "
    "WHERE table_schema = %s AND collation_name <> %s"
)
_SHORT = (
    "SELECT table_name, column_name, collation_name, is_nullable, column_comment FROM information_schema.columns "
    "WHERE table_schema = %s AND data_type = 'text'"
)
# Where a column of dlt's own is never null: table, column and, where it has to be repeated, the column's definition.
_NOT_NULL = (
    "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = %s AND is_nullable = 'NO'"
)
_NEVER_NULL: dict[Kind, str] = {
    "duckdb": _NOT_NULL,
    "postgresql": _NOT_NULL,
    "sqlite": "SELECT m.name, c.name, c.type FROM {dataset}.sqlite_master AS m, pragma_table_info(m.name, {name}) AS c "
    "WHERE m.type = 'table' AND c.\"notnull\"",
    "mysql": "SELECT table_name, column_name, concat(column_type, coalesce(concat("
    "' CHARACTER SET ', character_set_name, ' COLLATE ', collation_name), '')) "
    "FROM information_schema.columns WHERE table_schema = %s AND is_nullable = 'NO'",
}
# For databases that we create ourselves: texts that differ in case are different.
_COLLATION = "utf8mb4_bin"


def create_indexes(client: JobClientBase, kind: Kind) -> None:
    """Index the keys of the client's tables and the columns that analysts look up, where the kind of database needs
    indexes."""
    if kind not in _INDEXES:
        return
    sql: Any = client.sql_client  # type: ignore[attr-defined]
    dataset = sql.escape_column_name(sql.dataset_name)
    parameters = () if kind == "sqlite" else (sql.dataset_name,)

    def present() -> set[tuple[str, str]]:
        return {(row[0], row[1]) for row in sql.execute_sql(_INDEXES[kind].format(dataset=dataset), *parameters)}

    there = present()
    for usual, (table, columns) in _indexes(tables_of(client)).items():
        name = _free_name(usual, table.name, there, kind)
        if name is None:
            continue
        try:
            sql.execute_sql(_create_index(sql, name, table, columns, dataset if kind == "sqlite" else ""))
        except DatabaseException:
            if (table.name, name) not in present():  # the first sync of another account may have been faster
                raise


def _free_name(usual: str, table: str, there: set[tuple[str, str]], kind: Kind) -> str | None:
    """Return a name for the index; None if the table has the index. A table that was renamed keeps its indexes, whose
    names are then taken, except in MySQL."""
    for number in count(1):
        name = usual if number == 1 else f"{usual}_{number}"
        if (table, name) in there:
            return None
        if kind == "mysql" or all(name != taken for _, taken in there):
            return name
    return None


def tables_of(client: JobClientBase) -> list[Table]:
    """Return those of our tables that the client's schema has."""
    return [table for table in ALL_TABLES if table.name in client.schema.tables]


def _indexes(tables: list[Table]) -> dict[str, tuple[Table, tuple[str, ...]]]:
    """Return the indexes of the tables by name, each with its table and columns."""
    keys = [(table, *_WIDER.get(table.name, (f"tcss_{table.name}_key", table.key))) for table in tables]
    searched = {name: index for name, index in _SEARCHED.items() if index[0] in tables}
    return {name: (table, columns) for table, name, columns in keys} | searched


def _create_index(sql: Any, name: str, table: Table, columns: tuple[str, ...], sqlite_dataset: str) -> str:
    """Write the statement: SQLite puts the dataset before the index, other databases before the table."""
    quote = sql.escape_column_name
    listed = ", ".join(quote(column) for column in columns)
    if sqlite_dataset:
        return f"CREATE INDEX {sqlite_dataset}.{quote(name)} ON {quote(table.name)} ({listed})"
    return f"CREATE INDEX {quote(name)} ON {sql.make_qualified_table_name(table.name)} ({listed})"


def admit_nulls(client: JobClientBase, kind: Kind) -> None:
    """Make dlt's own columns nullable in our tables. A pipeline of the user's own may have made these columns, and not
    all of our rows have values for them."""
    if kind not in _NEVER_NULL:
        return
    sql: Any = client.sql_client  # type: ignore[attr-defined]
    names = {table.name for table in tables_of(client)}
    literal = exp.Literal.string(sql.dataset_name).sql(dialect="sqlite")
    found = sql.execute_sql(
        _NEVER_NULL[kind].format(dataset=sql.escape_column_name(sql.dataset_name), name=literal),
        *(() if kind == "sqlite" else (sql.dataset_name,)),
    )
    for table, column, definition in found:
        if table in names and column.startswith("_dlt_"):
            with sql.begin_transaction():
                for change in _admitting_nulls(kind, sql.escape_column_name(column), definition):
                    execute(sql, change.format(table=sql.make_qualified_table_name(table)))


def _admitting_nulls(kind: Kind, column: str, definition: str) -> list[str]:
    if kind == "mysql":
        return [f"ALTER TABLE {{table}} MODIFY COLUMN {column} {definition} NULL"]
    if kind != "sqlite":
        return [f"ALTER TABLE {{table}} ALTER COLUMN {column} DROP NOT NULL"]
    other = '"_dlt_nullable"'  # SQLite cannot change a column
    return [
        "BEGIN IMMEDIATE",  # the driver begins no transaction for DDL
        f"ALTER TABLE {{table}} ADD COLUMN {other} {definition}",
        f"UPDATE {{table}} SET {other} = {column}",  # noqa: S608
        f"ALTER TABLE {{table}} DROP COLUMN {column}",
        f"ALTER TABLE {{table}} RENAME COLUMN {other} TO {column}",
    ]


def compare_exactly(client: JobClientBase, kind: Kind) -> None:
    """Give texts that identify a collation in which only the same texts are equal: in MySQL `id` equals `id `, and in
    most databases `ID` too. All columns get the same collation, because a comparison across two cannot use an index."""
    if kind != "mysql":
        return
    sql: Any = client.sql_client  # type: ignore[attr-defined]
    known = {row[0] for row in sql.execute_sql(_COLLATIONS_KNOWN)}
    collation = next(name for name in _EXACT if name in known)
    found = sql.execute_sql(_COLLATED_OTHERWISE, sql.dataset_name, collation)
    comments = {(table, column): comment for table, column, comment in found}
    for table in tables_of(client):
        columns = [c for c in table.columns if c.precision and (table.name, c.name) in comments]
        if columns:
            changes = ", ".join(_exact(c, collation, comments[table.name, c.name]) for c in columns)
            execute(sql, f"ALTER TABLE {sql.make_qualified_table_name(table.name)} {changes}")


def widen_texts(client: JobClientBase, kind: Kind) -> None:
    """Make MySQL's texts of 64 KB, which a pipeline of the user's own has made, as long as ours. MariaDB 10.11 merges a
    longer text without its first 64 KB, and reports no error."""
    if kind != "mysql":
        return
    sql: Any = client.sql_client  # type: ignore[attr-defined]
    names = {table.name: table.column_names for table in tables_of(client)}
    changes: dict[str, list[str]] = {}
    for table, column, collation, nullable, comment in sql.execute_sql(_SHORT, sql.dataset_name):
        if column in names.get(table, ()):
            null = "NULL" if nullable == "YES" else "NOT NULL"
            literal = exp.Literal.string(comment).sql(dialect="mysql")
            kept = f"CHARACTER SET {collation.partition('_')[0]} COLLATE {collation} {null} COMMENT {literal}"
            changes.setdefault(table, []).append(f"MODIFY COLUMN `{column}` LONGTEXT {kept}")
    for table, modified in changes.items():
        execute(sql, f"ALTER TABLE {sql.make_qualified_table_name(table)} {', '.join(modified)}")


def _exact(column: Column, collation: str, comment: str) -> str:
    """Write a column's whole definition, because MySQL drops what a new definition does not repeat."""
    kind = f"VARCHAR({column.precision}) CHARACTER SET utf8mb4 COLLATE {collation}"
    null = "NULL" if column.nullable else "NOT NULL"
    return f"MODIFY COLUMN `{column.name}` {kind} {null} COMMENT {exp.Literal.string(comment).sql(dialect='mysql')}"


def create_databases(client: JobClientBase, location: Location) -> None:
    """Create dataset and staging, which are databases in MySQL: both as utf8mb4, whatever the server's default, and
    with the same collation, because a comparison across two cannot use the index. Raises DestinationError for a
    database of another character set."""
    if location.kind != "mysql":
        return
    sql: Any = client.sql_client  # type: ignore[attr-defined]
    collation = _create_database(sql, sql.dataset_name, _COLLATION)
    _create_database(sql, sql.staging_dataset_name, collation)


def _create_database(sql: Any, name: str, collation: str) -> str:
    """Create the database if it is missing; return the collation of the database."""
    if found := sql.execute_sql(_DATABASE, name):
        refuse_character_set(name, found[0][0])
        return str(found[0][1])
    quoted = sql.escape_column_name(name)
    sql.execute_sql(f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4 COLLATE {collation}")
    return collation


def refuse_character_set(name: str, character_set: str) -> None:
    """Raise DestinationError unless every text fits into this MySQL character set."""
    if character_set != "utf8mb4":
        raise DestinationError(
            f"the database {name} has the character set {character_set}, which cannot hold every image name",
            hint=f"Run ALTER DATABASE `{name}` CHARACTER SET utf8mb4 before the first sync, or use another database.",
        )


STAGING = "Staging of tcss-connector: empty between two syncs, not to be queried, and made again when it was dropped."
_UNDESCRIBED = (
    "SELECT 1 FROM pg_namespace WHERE nspname = %s AND pg_has_role(nspowner, 'USAGE') "
    "AND obj_description(oid, 'pg_namespace') IS NULL"
)


def describe_staging(client: JobClientBase, kind: Kind) -> None:
    """Describe the client's staging dataset in PostgreSQL's catalogue, unless the dataset belongs to somebody else.
    Other databases have no place for a description, or analysts do not see the dataset."""
    if kind != "postgresql":
        return
    sql: Any = client.sql_client  # type: ignore[attr-defined]
    if sql.execute_sql(_UNDESCRIBED, sql.dataset_name):
        sql.execute_sql(f"COMMENT ON SCHEMA {sql.escape_column_name(sql.dataset_name)} IS '{STAGING}'")


def refuse_warehouse(sql: Any, schema: str) -> None:
    """Raise DestinationError if the staging dataset of dlt's SQL client is somebody's warehouse: a load would delete
    its rows. dlt lists the loads of a schema in a warehouse, and never in a staging dataset."""
    with sql.with_staging_dataset():
        loads, staging = sql.make_qualified_table_name("_dlt_loads"), sql.dataset_name
        try:
            found = sql.execute_sql(f"SELECT count(*) FROM {loads} WHERE schema_name = %s", schema)  # noqa: S608
        except DatabaseUndefinedRelation:
            return
    if found[0][0]:
        raise DestinationError(
            f"loads go through the dataset {staging}, which is a warehouse of its own: they would delete its rows",
            hint=f"Name another dataset for one of the two. To give {staging} up, drop it.",
        )


def execute(client: Any, statement: str) -> None:
    """Run a statement as it stands; dlt would take a `:name` in it for a parameter, where it uses SQLAlchemy."""
    plain = isinstance(client.native_connection, sa.Connection)
    client.execute_sql(sa.text(statement.replace(":", "\\:")) if plain else statement)


def drop_staging(client: WithStagingDataset) -> None:
    """Drop the client's staging dataset if it exists."""
    with client.with_staging_dataset():
        sql: Any = client.sql_client  # type: ignore[attr-defined]
        if sql.has_dataset():
            sql.drop_dataset()


def silence_dlt() -> None:
    """Silence SQLAlchemy's warning about how dlt writes its deduplication, because nobody here can act on it."""
    warnings.filterwarnings("ignore", "implicitly coercing SELECT object to scalar subquery", SAWarning)
