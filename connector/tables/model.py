"""Defines tables and columns, and converts tables: to Arrow's schema, to dlt's hints, to plain rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa

Row = dict[str, Any]  # by column name
_ROWS_AT_ONCE = 10_000

ColumnType = Literal["text", "bigint", "double", "bool", "timestamp"]

_ARROW: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True)
class Column:
    """Describes a column. `source` is the column's API field; `derived` columns are computed from that field.

    `precision` is the greatest length of a text, in characters; keys have a precision, because MySQL cannot index TEXT.
    `is_json` says that the text is JSON: an array of the API, or a JSON text that the API sends.
    """

    name: str
    type: ColumnType
    description: str
    nullable: bool = True
    precision: int | None = None
    source: str | None = None
    derived: bool = False
    unit: str | None = None
    example: str | None = None
    is_json: bool = False


@dataclass(frozen=True)
class Table:
    """Describes a table; `key` names the columns that identify a row, in the order of the index."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, _ARROW[c.type], nullable=c.nullable) for c in self.columns])

    def column(self, name: str) -> Column:
        """Return the column of that name. Raises KeyError if there is no such column."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    def arrow(self, rows: Sequence[Sequence[Any]]) -> pa.Table:
        """Return the rows as Arrow, with exactly `arrow_schema`.

        A row holds a value per column, in order: str, int, float, bool or None; an instant is an int of microseconds
        since the epoch, UTC. Raises ValueError for a row of another length and for None in a column that is not
        nullable, and pyarrow's errors (ArrowInvalid is a ValueError, ArrowTypeError a TypeError) for a value of another
        type.
        """
        return self.arrow_of(list(zip(*rows, strict=True)) if rows else [()] * len(self.columns))

    def arrow_of(self, cells: Sequence[Sequence[Any]]) -> pa.Table:
        """Return columns of values as Arrow; see `arrow`."""
        return self.of_arrays([pa.array(values, f.type) for values, f in zip(cells, self.arrow_schema, strict=True)])

    def of_arrays(self, arrays: "Sequence[pa.Array[Any]]") -> pa.Table:
        """Return arrays of the columns' types as Arrow; see `arrow`."""
        for array, field in zip(arrays, self.arrow_schema, strict=True):
            if array.null_count and not field.nullable:
                raise ValueError(f"{self.name}.{field.name} is never null, but {array.null_count} rows have no value")
        return pa.Table.from_arrays(arrays, schema=self.arrow_schema)

    def dlt_columns(self) -> dict[str, dict[str, Any]]:
        """Return the columns as dlt's `columns=` hint, in order, keyed by name."""
        return {column.name: self._dlt_column(column) for column in self.columns}

    def _dlt_column(self, column: Column) -> dict[str, Any]:
        hint: dict[str, Any] = {
            "name": column.name,
            "data_type": column.type,
            "nullable": column.nullable,
            "description": column.description,
        }
        if column.name in self.key:
            hint["primary_key"] = True
        if column.precision is not None:
            hint["precision"] = column.precision
        return hint


def plain_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield an Arrow table's rows as dicts, instants as microseconds since the epoch (UTC), converted in batches."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    for batch in pa.table(columns, names=table.column_names).to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from batch.to_pylist()
