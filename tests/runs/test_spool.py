"""The spool: rows in, one parquet file a table out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from connector.runs import spool as spool_module
from connector.runs.spool import Place, Spool
from connector.tables import IMAGE_HISTORY, IMAGES, REJECTED_VALUES, SYNC_RUNS, Table
from tests.runs.memory import plain


@pytest.fixture(params=[(2, 1), (3, 1), (2, 2), (2, 9), (100, 1)], ids=str)
def spool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """A spool whose row groups are smaller than what the tests add, or larger: (rows a batch, batches a row group)."""
    monkeypatch.setattr(spool_module, "BATCH", request.param[0])
    monkeypatch.setattr(spool_module, "ROW_GROUP", request.param[1])
    return Spool(tmp_path)


def row(number: int) -> tuple[Any, ...]:
    return ("1", f"r{number}", None, "size", "x", "bad", None, number, "s")


def numbers(spool: Spool, table: Table = REJECTED_VALUES) -> list[int]:
    path = spool.finish(table)
    return [] if path is None else [row["first_seen_at"] for row in plain(pq.read_table(path))]


def test_rows_come_out_as_they_went_in(spool: Spool) -> None:
    """A file holds the rows in their order, in exactly the schema of the table."""
    assert [spool.add(REJECTED_VALUES, row(number)) for number in range(7)] == [0, 1, 2, 3, 4, 5, 6]
    path = spool.finish(REJECTED_VALUES)
    assert path is not None
    read = pq.read_table(path)
    assert read.schema.equals(REJECTED_VALUES.arrow_schema)
    assert [tuple(found.values()) for found in plain(read)] == [row(number) for number in range(7)]


def test_a_table_without_rows_has_no_file(spool: Spool, tmp_path: Path) -> None:
    """None, and nothing in the directory."""
    assert spool.finish(SYNC_RUNS) is None
    assert spool.count(SYNC_RUNS) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("characters", [10, 100_000], ids=["small", "large"])
def test_many_rows_at_once_are_as_one_by_one(spool: Spool, characters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same order, in as many batches as their number or their size calls for, and none is lost at an end."""
    monkeypatch.setattr(spool_module, "MOST_BYTES", 150_000)
    rows = [(*row(number)[:4], "x" * characters, *row(number)[5:]) for number in range(40)]
    spool.add(REJECTED_VALUES, rows[0])
    spool.add_all(REJECTED_VALUES, rows[1:3])
    spool.add_all(REJECTED_VALUES, [])
    spool.add_all(REJECTED_VALUES, rows[3:39])
    assert spool.add(REJECTED_VALUES, rows[39]) == 39
    path = spool.finish(REJECTED_VALUES)
    assert [tuple(found.values()) for found in plain(pq.read_table(path))] == rows


@pytest.mark.parametrize("dropped", [{0}, {1, 2}, {6}, {0, 3, 4, 5}], ids=str)
def test_dropped_rows_are_not_in_the_file(spool: Spool, dropped: set[int], tmp_path: Path) -> None:
    """A row can be taken back before or after its row group was written; the others keep their order."""
    for number in range(7):
        spool.add(REJECTED_VALUES, row(number))
        if number in dropped:
            spool.drop(REJECTED_VALUES, number)
            spool.drop(REJECTED_VALUES, number)
    assert spool.count(REJECTED_VALUES) == 7 - len(dropped)
    assert numbers(spool) == [number for number in range(7) if number not in dropped]
    assert [path.name for path in tmp_path.iterdir()] == ["rejected_values.parquet"]


def test_a_table_whose_rows_were_all_dropped_has_no_file_to_load(spool: Spool) -> None:
    """None, as for a table that never had rows."""
    for number in range(4):
        spool.drop(REJECTED_VALUES, spool.add(REJECTED_VALUES, row(number)))
    assert spool.count(REJECTED_VALUES) == 0
    assert spool.finish(REJECTED_VALUES) is None


def test_finishing_twice_gives_the_same_file(spool: Spool) -> None:
    """A loader may ask again, such as dlt after a retry."""
    for number in range(5):
        spool.add(REJECTED_VALUES, row(number))
    spool.drop(REJECTED_VALUES, 1)
    assert numbers(spool) == numbers(spool) == [0, 2, 3, 4]


def test_a_finished_table_takes_no_more_rows(spool: Spool) -> None:
    """An error, and not a row that is lost; other tables are still open."""
    spool.add(REJECTED_VALUES, row(0))
    spool.finish(REJECTED_VALUES)
    with pytest.raises(ValueError, match="rejected_values is finished"):
        spool.add(REJECTED_VALUES, row(1))


def test_null_in_a_column_that_is_never_null_is_refused(spool: Spool) -> None:
    """The fault shows at the latest when the file is finished, before anything is loaded."""
    spool.add(REJECTED_VALUES, ("1", None, *row(0)[2:]))
    with pytest.raises(ValueError, match=r"rejected_values\.reject_id is never null"):
        spool.finish(REJECTED_VALUES)


def test_rows_of_images_are_versions_too(spool: Spool) -> None:
    """image_history has what images has, but for when the image was first seen; and takes no rows of its own."""
    for number in range(5):
        spool.add(IMAGES, image(number))
    spool.drop(IMAGES, 3)
    images, history = (_read(spool, table) for table in (IMAGES, IMAGE_HISTORY))
    assert [row["version"] for row in images] == [0, 1, 2, 4]
    for row in images:
        row["observed_at"] = row.pop("changed_at")
        assert (row.pop("first_seen_at"), row.pop("missing_since")) == (7, 8)
    assert history == images
    assert spool.count(IMAGE_HISTORY) == 4
    with pytest.raises(ValueError, match="as rows of images"):
        spool.add(IMAGE_HISTORY, image(5))


@pytest.mark.parametrize("dropped", [set(), {1}, {2}, {1, 2}], ids=str)
def test_an_amended_row_is_no_version(spool: Spool, dropped: set[int]) -> None:
    """It is in images alone, also beside rows that are versions, and can be taken back like these."""
    for number in range(5):
        row = image(number)
        assert (spool.add(IMAGES, row) if number in (0, 2) else spool.amend(row)) == number
    for number in dropped:
        spool.drop(IMAGES, number)
    assert [row["version"] for row in _read(spool, IMAGES)] == [n for n in range(5) if n not in dropped]
    assert [row["version"] for row in _read(spool, IMAGE_HISTORY)] == [n for n in (0, 2) if n not in dropped]
    assert spool.count(IMAGES) == 5 - len(dropped)


def test_amended_rows_alone_make_no_history(spool: Spool) -> None:
    """There is nothing to load into image_history then, not even an empty file."""
    spool.amend(image(0))
    assert [row["version"] for row in _read(spool, IMAGES)] == [0]
    assert (spool.finish(IMAGE_HISTORY), spool.count(IMAGE_HISTORY)) == (None, 0)


@pytest.mark.parametrize("dropped", [set(), {0}, {2, 3}], ids=str)
def test_a_moved_row_has_another_place_in_its_history(spool: Spool, dropped: set[int]) -> None:
    """The four columns of the place, and no others; in image_history only if the row is a version."""
    for number in range(5):
        spool.add(IMAGES, image(number))
    spool.move(1, Place(11, 101, 1001, "s1"), is_version=True)
    spool.move(3, Place(13, 103, 1003, "s3"), is_version=False)
    for number in dropped:
        spool.drop(IMAGES, number)
    names = ("version", "first_seen_at", "changed_at", "sync_id", "row_hash", "missing_since")
    expected = {number: (number, 7, number, "s", "1:0", 8) for number in range(5)}
    expected |= {1: (11, 101, 1001, "s1", "1:0", 8), 3: (13, 103, 1003, "s3", "1:0", 8)}
    kept = [row for number, row in expected.items() if number not in dropped]
    assert [tuple(row[name] for name in names) for row in _read(spool, IMAGES)] == kept
    history = [(row["version"], row["observed_at"], row["sync_id"]) for row in _read(spool, IMAGE_HISTORY)]
    assert history == [(row[0], row[2], row[3]) for row in kept if row[0] != 13]


def image(version: int) -> tuple[Any, ...]:
    given = {"account_id": "1", "image_id": "i", "version": version, "first_seen_at": 7, "changed_at": version}
    given["missing_since"] = 8
    return tuple({**given, "row_hash": "1:0", "sync_id": "s"}.get(name) for name in IMAGES.column_names)


def _read(spool: Spool, table: Table) -> list[dict[str, Any]]:
    path = spool.finish(table)
    assert path is not None
    read = pq.read_table(path)
    assert read.schema.equals(table.arrow_schema)
    return plain(read)


@pytest.mark.parametrize("sizes", [[7], [1, 6], [0, 3, 0, 4], [-1, 2, -1, 3], [2, -1, -1, 2, -1]], ids=str)
def test_rows_can_come_as_columns(spool: Spool, sizes: list[int]) -> None:
    """The rows stay in their order, also beside rows that come one by one (-1)."""
    told: list[int] = []
    for size in sizes:
        rows = [row(number) for number in range(len(told), len(told) + abs(size))]
        columns = [*zip(*rows, strict=True)] if rows else [()] * len(REJECTED_VALUES.columns)
        told += [spool.add(REJECTED_VALUES, rows[0])] if size < 0 else spool.extend(REJECTED_VALUES, columns)
    assert told == [*range(7)]
    spool.drop(REJECTED_VALUES, 2)
    path = spool.finish(REJECTED_VALUES)
    assert path is not None
    assert [tuple(found.values()) for found in plain(pq.read_table(path))] == [row(n) for n in told if n != 2]
    with pytest.raises(ValueError, match="rejected_values is finished"):
        spool.extend(REJECTED_VALUES, [[value] for value in row(7)])
    with pytest.raises(ValueError, match="as rows of images"):
        spool.extend(IMAGE_HISTORY, [[value] for value in image(0)])


@pytest.mark.parametrize(("together", "most"), [(1, 10), (3, 12), (100, 10)])
@pytest.mark.parametrize("spool", [(1000, 10)], ids=str, indirect=True)
def test_large_rows_fill_a_row_group_early(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, together: int, most: int
) -> None:
    """What waits in memory is bounded by bytes; so is what is read again where rows were dropped."""
    monkeypatch.setattr(spool_module, "MOST_BYTES", 10_000)
    rows = [("1", f"r{number}", None, "size", "x" * 1_000, "bad", None, number, "s") for number in range(100)]
    for start in range(0, 100, together):
        some = rows[start : start + together]
        if together == 1:
            spool.add(REJECTED_VALUES, some[0])
        else:
            spool.extend(REJECTED_VALUES, [*zip(*some, strict=True)])
    spool.drop(REJECTED_VALUES, 17)
    path = spool.finish(REJECTED_VALUES)
    assert path is not None
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert (sum(groups), max(groups)) == (99, most)
    assert numbers(spool) == [number for number in range(100) if number != 17]
