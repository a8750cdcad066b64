"""Rows of a run on their way to the warehouse: a parquet file a table in the run's working directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connector.tables import Table

BATCH = 1_000  # rows that are held as Python objects a table, which take ten times the memory of Arrow's
ROW_GROUP = 10  # batches


class Spool:
    """Takes rows one by one and gives a finished parquet file for each table that has any.

    Memory holds at most one row group of a table. Rows are numbered from 0; a row that was dropped is not in the file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, _File] = {}

    def add(self, table: Table, row: tuple[Any, ...]) -> int:
        """Takes a row with a value a column, and returns its number. ValueError once the table is finished."""
        return self._file(table).add(row)

    def drop(self, table: Table, number: int) -> None:
        """Takes row `number` back."""
        self._file(table).dropped.add(number)

    def count(self, table: Table) -> int:
        """Rows that the finished file of `table` has."""
        file = self._file(table)
        return file.added - len(file.dropped)

    def finish(self, table: Table) -> Path | None:
        """The parquet file with the rows of `table`, None where there are none; the same one when asked again."""
        self._file(table).finish()
        return self._file(table).path if self.count(table) else None

    def _file(self, table: Table) -> _File:
        if table.name not in self._files:
            self._files[table.name] = _File(table, self._directory / f"{table.name}.parquet")
        return self._files[table.name]


class _File:
    """The rows of one table."""

    def __init__(self, table: Table, path: Path) -> None:
        self._table, self.path = table, path
        self._buffer: list[tuple[Any, ...]] = []
        self._batches: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None
        self._finished = False
        self.added = 0
        self.dropped: set[int] = set()

    def add(self, row: tuple[Any, ...]) -> int:
        if self._finished:
            raise ValueError(f"the file of {self._table.name} is finished")
        self._buffer.append(row)
        self.added += 1
        if len(self._buffer) >= BATCH:
            self._pack()
        if len(self._batches) >= ROW_GROUP:
            self._write()
        return self.added - 1

    def finish(self) -> None:
        if self._finished:
            return
        if self._buffer:
            self._pack()
        if self._batches:
            self._write()
        if self._writer is not None:
            self._writer.close()
        if self.dropped:
            self._leave_out_dropped()
        self._finished = True

    def _pack(self) -> None:
        self._batches.append(self._table.arrow(self._buffer))
        self._buffer.clear()

    def _write(self) -> None:
        if self._writer is None:
            self._writer = self._open(self.path)
        self._writer.write_table(pa.concat_tables(self._batches).combine_chunks())
        self._batches.clear()

    def _open(self, path: Path) -> pq.ParquetWriter:
        return pq.ParquetWriter(path, self._table.arrow_schema, compression="zstd")

    def _leave_out_dropped(self) -> None:
        kept, start = self.path.with_suffix(".kept.parquet"), 0
        with pq.ParquetFile(self.path) as source, self._open(kept) as sink:
            for batch in source.iter_batches(BATCH * ROW_GROUP):
                keep = pa.array([number not in self.dropped for number in range(start, start + len(batch))])
                sink.write_batch(batch.filter(keep))
                start += len(batch)
        kept.replace(self.path)
