"""Measures merges into 100,000 rows of `images` on each database: ours, and one by hand in the same round.

By hand: load the rows into a staging table in the database's fastest way, DELETE their keys, INSERT them, in one
transaction. Both start from a parquet file, as a sync does, and end when everything is committed. Our time for one
row is the constant cost of a package in dlt.
"""

from __future__ import annotations

import csv
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import pyarrow.parquet as pq
import pymysql
import sqlalchemy as sa

from connector.tables import IMAGES
from tests.warehouses import Place, place

ROWS = 100_000
CHANGES = {"1 into 100,000": 1, "200 into 100,000": 200, "100,000 into 100,000": ROWS}
DELETE = (
    "DELETE FROM {target} WHERE EXISTS (SELECT 1 FROM {staging} AS s "
    "WHERE s.account_id = {target}.account_id AND s.image_id = {target}.image_id)"
)
INSERT = "INSERT INTO {target} SELECT * FROM {staging}"


def write(path: Path, rows: int, version: int) -> Path:
    """Write a file of that many images, spread over all existing images, each in a new version."""
    step = ROWS // rows
    cells: dict[str, Callable[[int], Any]] = {
        "account_id": lambda _: "1",
        "image_id": lambda n: f"sha256:{n * step:064x}",
        "image_name": lambda n: f"registry.example/team/service-{n * step}:v{version}",
        "row_hash": lambda n: f"1:{n * step:032x}{version}",
        "sync_id": lambda _: f"s{version}",
        "version": lambda _: version,
        "is_trust_image": lambda n: n % 2 == 0,
    }
    empty = {"text": "a text of usual length", "bigint": 7, "bool": False, "timestamp": 1_700_000_000_123_456}
    columns = [[cells.get(c.name, lambda _, c=c: empty[c.type])(n) for n in range(rows)] for c in IMAGES.columns]  # type: ignore[misc]
    pq.write_table(IMAGES.arrow(list(zip(*columns, strict=True))), path)
    return path


def by_hand(there: Place, file: Path) -> None:
    """Merge without our code."""
    {"duckdb": _duckdb, "sqlite": _sqlite, "postgresql": _postgresql, "mysql": _mysql}[there.kind](there, file)


def _duckdb(there: Place, file: Path) -> None:
    with closing(duckdb.connect(str(there.file))) as db:
        db.execute("BEGIN")
        db.execute(f"CREATE TEMP TABLE staged AS SELECT * FROM read_parquet('{file}')")
        db.execute(DELETE.format(target="tcss.images", staging="staged"))
        db.execute(INSERT.format(target="tcss.images", staging="staged"))
        db.execute("DROP TABLE staged")
        db.execute("COMMIT")


def _sqlite(there: Place, file: Path) -> None:
    rows = _python(file)
    with closing(sa.create_engine(f"sqlite:///{there.file}").raw_connection()) as raw:
        db: Any = raw.driver_connection
        db.execute("CREATE TEMP TABLE staged AS SELECT * FROM images WHERE 0")
        db.execute("CREATE INDEX temp.staged_key ON staged (account_id, image_id)")
        db.executemany(f"INSERT INTO staged VALUES ({', '.join('?' * len(IMAGES.columns))})", rows)
        db.execute(DELETE.format(target="images", staging="staged"))
        db.execute(INSERT.format(target="images", staging="staged"))
        db.execute("DROP TABLE staged")
        db.commit()


def _postgresql(there: Place, file: Path) -> None:
    url = sa.make_url(there.url)
    target = f'"{there.dataset}".images'
    with closing(adbc.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))) as db:
        with db.cursor() as cursor:
            cursor.execute(f"CREATE TEMP TABLE staged (LIKE {target} INCLUDING INDEXES)")
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(ROWS):
                    cursor.adbc_ingest("staged", batch, mode="append", temporary=True)
            cursor.execute("ANALYZE staged")
            cursor.execute(DELETE.format(target=target, staging="staged"))
            cursor.execute(INSERT.format(target=target, staging="staged"))
            cursor.execute("DROP TABLE staged")
        db.commit()


def _mysql(there: Place, file: Path) -> None:
    url = sa.make_url(there.url)
    text = file.with_suffix(".csv")
    with text.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(_python(file))
    names = {"host": url.host, "port": url.port or 3306, "user": url.username, "password": url.password or ""}
    with closing(pymysql.connect(**names, database=there.dataset, local_infile=True, charset="utf8mb4")) as db:
        with db.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE staged LIKE images")
            cursor.execute(
                f"LOAD DATA LOCAL INFILE '{text}' INTO TABLE staged CHARACTER SET utf8mb4 "
                "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"'"
            )
            cursor.execute(
                "DELETE images FROM images JOIN staged s "
                "ON s.account_id = images.account_id AND s.image_id = images.image_id"
            )
            cursor.execute(INSERT.format(target="images", staging="staged"))
            cursor.execute("DROP TEMPORARY TABLE staged")
        db.commit()


def _python(file: Path) -> Iterator[tuple[Any, ...]]:
    """Yield rows as SQLite and MySQL store them: instants as text, truth as a number."""
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(10_000):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield tuple(
                    value.strftime("%Y-%m-%d %H:%M:%S.%f")
                    if hasattr(value, "strftime")
                    else int(value)
                    if isinstance(value, bool)
                    else value
                    for value in row
                )


def measure(kind: str, rounds: int) -> dict[str, dict[str, float]]:
    """Return medians in seconds, and the ratio of ours to that by hand, for each number of changes."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as root, place(kind, Path(root)) as there:
        pipeline = there.prepared()
        there.loader(pipeline).load({"images": write(Path(root) / "first.parquet", ROWS, 1)})
        for title, rows in CHANGES.items():
            times: dict[str, list[float]] = {"ours_s": [], "by_hand_s": []}
            for number in range(rounds):
                file = write(Path(root) / "next.parquet", rows, 2 + number)
                with _timed(times["by_hand_s"]):
                    by_hand(there, file)
                assert _versions(there, 2 + number) == rows
                file = write(Path(root) / "next.parquet", rows, 1000 + number)
                with _timed(times["ours_s"]), there.loader(pipeline).session():
                    there.loader(pipeline).load({"images": file})
                assert _versions(there, 1000 + number) == rows
            medians = {name: statistics.median(values) for name, values in times.items()}
            found[title] = medians | {"ratio": medians["ours_s"] / medians["by_hand_s"]}
    return found


def _versions(there: Place, version: int) -> int:
    (rows, there_are), *_ = there.sql(
        f"SELECT count(*), sum(CASE WHEN version = {version} THEN 1 ELSE 0 END) FROM {{data}}.images"
    )
    assert rows == ROWS
    return int(there_are)


@contextmanager
def _timed(seconds: list[float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - started)
