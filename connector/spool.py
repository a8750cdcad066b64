"""Rows of a run on their way to the warehouse: a parquet file a table in the run's working directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connector.tables import Table

BATCH = 10_000  # rows of one row group: what is held in memory a table


class Spool:
    """Takes rows one by one and gives a finished parquet file for each table that has any.

    Memory holds at most `BATCH` rows of a table. Rows are numbered from 0; a row that was dropped is not in the file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._buffers: dict[str, list[tuple[Any, ...]]] = {}
        self._counts: dict[str, int] = {}
        self._dropped: dict[str, set[int]] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def add(self, table: Table, row: tuple[Any, ...]) -> int:
        """Takes a row with a value a column, and returns its number."""
        buffer = self._buffers.setdefault(table.name, [])
        buffer.append(row)
        number = self._counts.get(table.name, 0)
        self._counts[table.name] = number + 1
        if len(buffer) >= BATCH:
            self._flush(table)
        return number

    def drop(self, table: Table, number: int) -> None:
        """Takes row `number` back."""
        self._dropped.setdefault(table.name, set()).add(number)

    def count(self, table: Table) -> int:
        """Rows that the finished file of `table` has."""
        return self._counts.get(table.name, 0) - len(self._dropped.get(table.name, ()))

    def finish(self, table: Table) -> Path | None:
        """The parquet file with the rows of `table`, None where there are none. No rows can be added afterwards."""
        if not self.count(table):
            return None
        self._flush(table)
        self._writers.pop(table.name).close()
        path = self._path(table)
        return self._without(table, path) if self._dropped.get(table.name) else path

    def _flush(self, table: Table) -> None:
        rows = self._buffers.get(table.name)
        if rows:
            writer = self._writers.get(table.name)
            if writer is None:
                writer = pq.ParquetWriter(self._path(table), table.arrow_schema, compression="zstd")
                self._writers[table.name] = writer
            writer.write_table(table.arrow(rows))
            rows.clear()

    def _without(self, table: Table, path: Path) -> Path:
        """A copy of the file that lacks the dropped rows."""
        dropped, target, start = self._dropped[table.name], path.with_suffix(".kept.parquet"), 0
        with pq.ParquetFile(path) as source, pq.ParquetWriter(target, table.arrow_schema, compression="zstd") as sink:
            for batch in source.iter_batches(BATCH):
                keep = pa.array([number not in dropped for number in range(start, start + len(batch))])
                sink.write_table(pa.Table.from_batches([batch]).filter(keep))
                start += len(batch)
        return target

    def _path(self, table: Table) -> Path:
        return self._directory / f"{table.name}.parquet"
