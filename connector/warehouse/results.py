"""Converts query results to Arrow in the types of `tables.py`, whatever the database and its driver give."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

Batch = pa.Table | list[tuple[Any, ...]]
"""Some rows of a result: Arrow, or a tuple per row."""


def execute(client: Any, query: str, parameters: Sequence[str], size: int) -> Generator[Batch]:
    """Yield the batches of a result, as Arrow if the driver gives Arrow. The process never holds a result twice."""
    connection = client.native_connection
    if isinstance(connection, duckdb.DuckDBPyConnection):
        yield from _duckdb(connection, query, parameters, size)
        return
    if getattr(client.dbapi, "__name__", "") == "psycopg2":
        yield from _psycopg2(connection, query, parameters, size)
        return
    if isinstance(connection, sa.Connection):
        connection.execution_options(stream_results=True, max_row_buffer=size)
    with (
        client.execute_query(query, *parameters) as cursor,
        suppress(GeneratorExit),
    ):  # dlt would not end the transaction
        yield from _fetch(cursor, size)


def _duckdb(connection: Any, query: str, parameters: Sequence[str], size: int) -> Iterator[pa.Table]:
    relation = connection.sql(query.replace("%s", "?"), params=list(parameters))
    for batch in relation.to_arrow_reader(size):
        yield pa.Table.from_batches([batch])


def _psycopg2(connection: Any, query: str, parameters: Sequence[str], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Query with a named cursor, because psycopg2 else keeps the whole result in memory."""
    connection.autocommit = False
    try:
        with connection.cursor(name="tcss_inventory") as cursor:
            cursor.execute(query, parameters)
            yield from _fetch(cursor, size)
    finally:
        if not connection.closed:
            connection.rollback()
            connection.autocommit = True


def _fetch(cursor: Any, size: int) -> Iterator[list[tuple[Any, ...]]]:
    while rows := cursor.fetchmany(size):
        yield rows


def collect(batches: Iterable[Batch], names: Sequence[str], schema: pa.Schema, limit: int | None = None) -> pa.Table:
    """Collect the batches into one table of `schema`, at most `limit` rows. `names` are the batches' columns, in their
    order; other columns of the schema are null."""
    parts: list[pa.Table] = []
    rows = 0
    for batch in batches:
        parts.append(_typed(batch, names, schema))
        rows += parts[-1].num_rows
        if limit is not None and rows >= limit:
            break
    found = pa.concat_tables(parts) if parts else schema.empty_table()
    return found if limit is None else found.slice(0, limit)


def _typed(batch: Batch, names: Sequence[str], schema: pa.Schema) -> pa.Table:
    if isinstance(batch, pa.Table):
        cells: dict[str, Any] = {name: batch.column(i).cast(schema.field(name).type) for i, name in enumerate(names)}
        rows = batch.num_rows
    else:
        columns = zip(*batch, strict=True)
        cells = {name: _array(values, schema.field(name).type) for name, values in zip(names, columns, strict=True)}
        rows = len(batch)
    arrays = [cells[f.name] if f.name in cells else pa.nulls(rows, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> Any:
    """Convert values to `kind`: SQLite stores instants as text and booleans as numbers, MySQL drops the offset, and
    counts may come as Decimal."""
    if pa.types.is_timestamp(kind):
        if any(isinstance(value, str) for value in values):
            return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(kind)
        return pa.array(values, kind)
    convert = next((convert for fits, convert in _CONVERT if fits(kind)), str)
    return pa.array([None if value is None else convert(value) for value in values], kind)


_CONVERT: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any], Any]], ...] = (
    (pa.types.is_boolean, bool),
    (pa.types.is_integer, int),
    (pa.types.is_floating, float),
)
