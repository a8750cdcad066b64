"""What the warehouse holds of one account, read as Arrow in the schema of `tables.py`, whatever the database gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dlt
import pyarrow as pa
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from connector.destinations import SCHEMA
from connector.faults import faults
from connector.tables import IMAGES, REJECTED_VALUES, SYNC_RUNS, Table

if TYPE_CHECKING:
    from connector.destinations import Warehouse

KNOWN = ("image_id", "row_hash", "version", "first_seen_at", "deleted_at", "scan_time")
CHUNK = 50_000  # rows fetched at once
IDS = 500  # in one IN list
RUNS = 2_000  # the newest runs; more are never looked at

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Inventory:
    """Reads what the pipeline's dataset holds. A dataset or table that does not exist yet has no rows.

    With a `warehouse`, what the database raises becomes a DestinationError.
    """

    def __init__(self, warehouse: Warehouse | None, pipeline: dlt.Pipeline) -> None:
        self._pipeline = pipeline
        self._faults = (lambda: faults(warehouse.location, "read")) if warehouse else nullcontext

    def known(self, account_id: str) -> pa.Table:
        """The account's images: the columns KNOWN of `images`."""
        return self._read(IMAGES, KNOWN, "account_id = %s", [account_id])

    def rows(self, account_id: str, image_ids: Sequence[str]) -> pa.Table:
        """Whole rows of `images`."""
        parts = [IMAGES.arrow_schema.empty_table()]
        for start in range(0, len(image_ids), IDS):
            chunk = image_ids[start : start + IDS]
            condition = f"account_id = %s and image_id in ({', '.join(['%s'] * len(chunk))})"
            parts.append(self._read(IMAGES, IMAGES.column_names, condition, [account_id, *chunk]))
        return pa.concat_tables(parts)

    def runs(self, account_id: str | None, limit: int = RUNS) -> list[dict[str, Any]]:
        """The newest rows of `sync_runs`, newest first, instants as microseconds; of all accounts if None is given."""
        condition, values = ("account_id = %s", [account_id]) if account_id else ("1 = 1", [])
        condition += f" order by started_at desc limit {limit:d}"
        return plain_rows(self._read(SYNC_RUNS, SYNC_RUNS.column_names, condition, values))

    def rejected_ids(self, account_id: str) -> set[str]:
        """The keys of the account's `rejected_values`."""
        return set(self._read(REJECTED_VALUES, ("reject_id",), "account_id = %s", [account_id])["reject_id"].to_pylist())

    def account_ids(self) -> set[str]:
        """All accounts that have runs in the warehouse."""
        return set(self._read(SYNC_RUNS, ("account_id",), "1 = 1", [])["account_id"].to_pylist())

    def _read(self, table: Table, columns: Sequence[str], condition: str, values: Sequence[Any]) -> pa.Table:
        schema = pa.schema([table.arrow_schema.field(name) for name in columns])
        with self._faults():
            parts = [_table(rows, schema) for rows in self._chunks(table, columns, condition, values)]
        return pa.concat_tables([schema.empty_table(), *parts])

    def _chunks(self, table: Table, columns: Sequence[str], condition: str, values: Sequence[Any]) -> Iterator[Any]:
        # Not `pipeline.sql_client`, which wants a schema that the pipeline has loaded before.
        with self._pipeline._get_destination_clients(dlt.Schema(SCHEMA))[0] as job_client:
            client: Any = job_client.sql_client  # type: ignore[attr-defined]
            names = ", ".join(client.escape_column_name(name) for name in columns)
            query = f"select {names} from {client.make_qualified_table_name(table.name)} where {condition}"  # noqa: S608
            try:
                with client.execute_query(query, *values) as cursor:
                    while rows := cursor.fetchmany(CHUNK):
                        yield rows
            except DatabaseUndefinedRelation:
                return


def _table(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    cells = zip(*rows, strict=True)
    return pa.table([_array(list(column), field) for column, field in zip(cells, schema, strict=True)], schema=schema)


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as dicts, instants as microseconds since the epoch."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    rows: list[dict[str, Any]] = pa.table(columns, names=table.column_names).to_pylist()
    return rows


def _array(cells: list[Any], field: pa.Field) -> pa.Array:
    """The cells as `field`'s type: naive times are UTC, 0 and 1 are booleans, decimals integers."""
    if pa.types.is_timestamp(field.type):
        return pa.array([_micros(cell) for cell in cells], pa.int64()).cast(field.type)
    if pa.types.is_boolean(field.type):
        return pa.array([None if cell is None else bool(cell) for cell in cells], field.type)
    if pa.types.is_integer(field.type):
        return pa.array([None if cell is None else int(cell) for cell in cells], field.type)
    return pa.array(cells, field.type)


def _micros(cell: Any) -> int | None:
    if cell is None:
        return None
    instant = datetime.fromisoformat(cell) if isinstance(cell, str) else cell
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    delta = instant - _EPOCH
    return delta.days * 86_400_000_000 + delta.seconds * 1_000_000 + delta.microseconds
