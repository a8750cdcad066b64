"""Writes the rows of a run to parquet files on their way to the warehouse: one file per table, in the working
directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connector.tables import IMAGE_HISTORY, IMAGES, Table, versions

BATCH = 1_000  # rows per table that are held as Python objects, which take ten times the memory of Arrow's
ROW_GROUP = 10  # batches
MOST_BYTES = 16_000_000  # of texts in a batch, and of a row group; with large rows, both have fewer rows
# Columns whose dictionary would be as large as the column.
DISTINCT = ("image_id", "image_name", "create_time", "size", "scan_time", "row_hash")


class Place(NamedTuple):
    """The place of a row of `images` in the history of its image: the values of these columns, instants in
    microseconds."""

    version: int
    first_seen_at: int
    changed_at: int
    sync_id: str


# The columns of a place in `images` and in `image_history`.
_PLACES = ({"version"}, {"first_seen_at"}, {"changed_at", "observed_at"}, {"sync_id"})


class Spool:
    """Takes rows one by one and gives a finished parquet file for each table that has any.

    Each row of `images` is a row of `image_history` as well, which takes no rows of its own; an amended row is a row of
    `images` alone, and a restored row one of `image_history` alone. Memory holds at most one row group per table, which
    has fewer rows if they are large. Rows are numbered from 0; a dropped row is not in the file.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rows: dict[str, _Rows] = {}

    def add(self, table: Table, row: tuple[Any, ...]) -> int:
        """Take a row with one value per column, and return its number. Raises ValueError once the table is finished,
        and for `image_history`."""
        return self._open(table).add(row)

    def extend(self, table: Table, columns: Sequence[Sequence[Any]]) -> range:
        """Take several rows, as one sequence of values per column, and return their numbers; see `add`."""
        return self._open(table).extend(columns)

    def add_all(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take several rows, each as `add` does."""
        for start in range(0, len(rows), BATCH):
            self.extend(table, [*zip(*rows[start : start + BATCH], strict=True)])

    def append(self, table: Table, rows: pa.Table) -> None:
        """Take rows that are Arrow's already; see `add`."""
        self._open(table).append(rows)

    def amend(self, row: tuple[Any, ...]) -> int:
        """Take a row of `images` that is no new version of its image, and return its number; see `add`."""
        rows = self._open(IMAGES)
        number = rows.add(row)
        rows.amended.add(number)
        return number

    def restore(self, row: tuple[Any, ...]) -> None:
        """Take a row of `images` that is an older version of its image: a row of `image_history` alone."""
        rows = self._open(IMAGES)
        rows.restored.add(rows.add(row))

    def move(self, number: int, place: Place, *, is_version: bool) -> None:
        """Give row `number` of `images` another place in its image's history. Unless `is_version`, the history has this
        version already, and the row is a row of `images` alone."""
        rows = self._of(IMAGES)
        rows.moved[number] = place
        if not is_version:
            rows.amended.add(number)

    def drop(self, table: Table, number: int) -> None:
        """Take row `number` back."""
        self._of(table).dropped.add(number)

    def count(self, table: Table) -> int:
        """Return how many rows the finished file of `table` has."""
        rows = self._of(table)
        return rows.added - len(rows.left_out(table))

    def versions(self) -> int:
        """Return how many rows of `images` are versions of this run."""
        rows = self._of(IMAGES)
        return rows.added - len(rows.dropped | rows.amended | rows.restored)

    def finish(self, table: Table) -> Path | None:
        """Return the parquet file with the rows of `table`, None if there are no rows; the same file at each call."""
        self._of(table).finish()
        return self._path(table) if self.count(table) else None

    def _open(self, table: Table) -> _Rows:
        if table is IMAGE_HISTORY:
            raise ValueError("rows of image_history are added as rows of images")
        rows = self._of(table)
        if rows.finished:
            raise ValueError(f"the file of {table.name} is finished")
        return rows

    def _of(self, table: Table) -> _Rows:
        table = IMAGES if table is IMAGE_HISTORY else table
        if table.name not in self._rows:
            tables = (IMAGES, IMAGE_HISTORY) if table is IMAGES else (table,)
            self._rows[table.name] = _Rows(table, [_File(to, self._path(to)) for to in tables])
        return self._rows[table.name]

    def _path(self, table: Table) -> Path:
        return self._directory / f"{table.name}.parquet"


class _Rows:
    """Collects the rows of a table, and writes them into its files."""

    def __init__(self, table: Table, files: list[_File]) -> None:
        self._table, self._files = table, files
        self._texts = itemgetter(*(place for place, column in enumerate(table.columns) if column.type == "text"))
        self._buffer: list[tuple[Any, ...]] = []  # rows that came last
        self._columns: list[list[Any]] = [[] for _ in table.columns]  # rows that came before
        self._batches: list[pa.Table] = []
        self._rows = self._bytes = 0  # in the batches
        self._buffered = 0  # characters of texts in the buffer
        self.finished = False
        self.added = 0
        self.dropped: set[int] = set()
        self.amended: set[int] = set()
        self.restored: set[int] = set()
        self.moved: dict[int, Place] = {}

    def add(self, row: tuple[Any, ...]) -> int:
        self._buffer.append(row)
        self._count(1, sum(map(len, filter(None, self._texts(row)))))
        return self.added - 1

    def extend(self, columns: Sequence[Sequence[Any]]) -> range:
        first, texts = self.added, sum(len("".join(filter(None, texts))) for texts in self._texts(columns))
        if texts >= MOST_BYTES:
            for row in zip(*columns, strict=True):
                self.add(row)
        else:
            self._transpose()
            for held, more in zip(self._columns, columns, strict=True):
                held.extend(more)
            self._count(len(columns[0]), texts)
        return range(first, self.added)

    def append(self, rows: pa.Table) -> None:
        self._pack()
        self.added += len(rows)
        self._keep(rows)
        self._write_if_many()

    def _count(self, rows: int, texts: int) -> None:
        """Count rows that were taken, with so many characters of texts, and write a batch once there are enough."""
        self.added += rows
        self._buffered += texts
        if len(self._buffer) + len(self._columns[0]) >= BATCH or self._buffered >= MOST_BYTES:
            self._pack()
            self._write_if_many()

    def _write_if_many(self) -> None:
        if self._rows >= ROW_GROUP * BATCH or self._bytes >= MOST_BYTES:
            self._write()

    def finish(self) -> None:
        if self.finished:
            return
        self._pack()
        if self._batches:
            self._write()
        for file in self._files:
            file.close(self.left_out(file.table), self.moved)
        self.finished = True

    def left_out(self, table: Table) -> set[int]:
        """Return the numbers of the rows that are not in the file of `table`."""
        return self.dropped | (self.amended if table is IMAGE_HISTORY else self.restored)

    def _pack(self) -> None:
        self._transpose()
        if not self._columns[0]:
            return
        self._keep(self._table.arrow_of(self._columns))
        self._columns = [[] for _ in self._columns]
        self._buffered = 0

    def _keep(self, batch: pa.Table) -> None:
        self._batches.append(batch)
        self._rows += len(batch)
        self._bytes += batch.nbytes

    def _transpose(self) -> None:
        """Make columns of the rows."""
        if self._buffer:
            for held, more in zip(self._columns, zip(*self._buffer, strict=True), strict=True):
                held.extend(more)
            self._buffer.clear()

    def _write(self) -> None:
        group = pa.concat_tables(self._batches).combine_chunks()
        for file in self._files:
            file.write(group)
        self._batches.clear()
        self._rows = self._bytes = 0


class _File:
    """A parquet file that is being written; it exists once it has rows."""

    def __init__(self, table: Table, path: Path) -> None:
        self.table, self._path = table, path
        self._writer: pq.ParquetWriter | None = None

    def write(self, group: pa.Table) -> None:
        if self._writer is None:
            self._writer = self._open(self._path)
        self._writer.write_table(versions(group) if self.table is IMAGE_HISTORY else group)

    def close(self, left_out: set[int], moved: Mapping[int, Place]) -> None:
        """Finish the file, without the rows whose numbers are `left_out`, and with the others where they were
        `moved`."""
        if self._writer is not None:
            self._writer.close()
            if left_out or moved:
                self._rewrite(left_out, moved)

    def _open(self, path: Path) -> pq.ParquetWriter:
        repeated: Any = [name for name in self.table.column_names if name not in DISTINCT]  # pyarrow's stubs want bool
        # No statistics, because the file is read as a whole; LZ4, because the file lives as long as the run.
        return pq.ParquetWriter(
            path, self.table.arrow_schema, compression="lz4", use_dictionary=repeated, write_statistics=False
        )

    def _rewrite(self, left_out: set[int], moved: Mapping[int, Place]) -> None:
        kept, start = self._path.with_suffix(".kept.parquet"), 0
        with pq.ParquetFile(self._path) as source, self._open(kept) as sink:
            for group in map(source.read_row_group, range(source.num_row_groups)):
                numbers = range(start, start + len(group))
                keep = pa.array([number not in left_out for number in numbers])
                sink.write_table(_moved(group, numbers, moved).filter(keep))
                start += len(group)
        kept.replace(self._path)


def _moved(group: pa.Table, numbers: range, moved: Mapping[int, Place]) -> pa.Table:
    """Return the rows, which have these numbers, at the places to which they were moved."""
    if not (here := [moved[number] for number in numbers if number in moved]):
        return group
    mask = pa.array([number in moved for number in numbers])
    for names, values in zip(_PLACES, zip(*here, strict=True), strict=True):
        for name in names & {*group.column_names}:
            field = group.schema.field(name)
            column: Any = group[name].combine_chunks()
            replaced = pc.replace_with_mask(column, mask, pa.array(values).cast(field.type))
            group = group.set_column(group.column_names.index(name), field, replaced)
    return group
