"""Tests whether texts come back unchanged, through the code, drivers and settings that load rows.

Texts may silently change on their way to the tables and back, by the encodings of connections, databases and columns,
by comparisons that treat different texts as equal, and by limits that cut texts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pyarrow.parquet as pq

from connector import texts
from connector.errors import DestinationError
from connector.tables import IMAGES, Row, plain_rows
from connector.warehouse.inventory import Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import Location
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.workdirs import workdir

log = texts.logger(__name__)

TEXTS = (
    *("café", "cafe\u0301", "CAFÉ", "cafe"),  # one character or two; case and accents, which collations ignore
    *("中文镜像", "仓库/团队:标签", "日本語カナ", "ｶﾅ", "한국어", "Кириллица", "ελληνικά"),
    *("🚀", "👩‍👩‍👧", "𠀀", "\U0010fffd"),  # four bytes in UTF-8, which utf8mb3 has not
    *("שלום", "مرحبا", "a\u202eb\u202c"),  # from right to left
    *("ß", "ss", "ＡＢ", "AB", "ab", "İ", "ı", "i"),
    *("id", "id ", " id", "id\t", "id\n", "id\r\n", "id\u00a0", "id\u200b", "\ufeffid"),  # padding
    *("it's", '"quoted"', "back\\slash", "\\N", "\\0", "%s %(x)s :x ? $1 {x}", "NULL", "a;b--c", "\u0001\u001f\u007f"),
    *("\ufffd", "\u0085\u2028"),  # what a NUL character becomes on its way, and breaks of lines
)
_LONG = "é🚀" * 40_000  # more than MySQL's TEXT has room for
_ACCOUNT = "probe"


def round_trip(location: Location, account_id: str | None = None, within: Path | None = None) -> None:
    """Write rows with difficult texts beside the dataset, query them, and remove them. `account_id`: the account whose
    lock is held. `within`: the working directory of a run. Raises DestinationError with the text that was changed."""
    with workdir(within=within) as directory, _beside(location, account_id, directory) as (loader, inventory):
        rows = list(_rows())
        loader.prepare()
        with loader.session():
            # The second merge replaces its own rows; where different keys compare as equal, it replaces other rows too.
            for number, part in enumerate((rows, rows[::2])):
                file = directory / f"{number}.parquet"
                pq.write_table(IMAGES.arrow([list(row.values()) for row in part]), file)
                loader.load({IMAGES.name: file})
            found = list(plain_rows(inventory.rows(_ACCOUNT, TEXTS)))
    _compare(location, rows, found)


@contextmanager
def _beside(location: Location, account_id: str | None, directory: Path) -> Iterator[tuple[Loader, Inventory]]:
    """Give a loader and an inventory for a dataset that is removed afterwards: another file, or another dataset on the
    server."""
    name = sha256((account_id or uuid4().hex).encode()).hexdigest()[:6]
    there = replace(location, dataset=location.staging_named(f"p{name}"))
    if location.file is not None and location.url is not None:
        file = directory / f"{location.dataset}_probe"
        there = replace(location, access=replace(location.access, url=location.url.set(database=str(file))))
    pipeline = open_pipeline(there, "p", directory / "dlt", tables=[IMAGES])
    loader = Loader(there, pipeline)
    try:
        yield loader, Inventory(there, pipeline)
    finally:
        if location.file is None:
            _drop(loader)


def _drop(loader: Loader) -> None:
    """Drop the test's dataset. A failure is only a warning, because the dataset does no harm."""
    try:
        loader.drop()
    except DestinationError as error:
        log.warning("the dataset of a round trip is left behind: %s", error)


def _rows() -> Iterator[Row]:
    """Make a row of `images` per text, which holds the text in its key and in a column without a limit; one row has a
    long text."""
    empty = {"text": "", "bigint": 2**53 + 1, "bool": True, "timestamp": 1_612_325_045_123_456}
    for number, text in enumerate(TEXTS):
        own = {"account_id": _ACCOUNT, "image_id": text, "image_name": text, "solution": text if number else _LONG}
        yield {c.name: own.get(c.name, empty[c.type]) for c in IMAGES.columns}


def _compare(location: Location, written: list[Row], found: list[Row]) -> None:
    by_id = {row["image_id"]: row for row in found}
    for row in written:
        if row["image_id"] not in by_id:
            _refuse(location, f"no row came back under the key {_shown(row['image_id'])}")
        for name, value in row.items():
            if (read := by_id[row["image_id"]][name]) != value:
                _refuse(location, f"{_shown(value)} came back as {_shown(read)} in a column like {name}")


def _refuse(location: Location, how: str) -> NoReturn:
    raise DestinationError(
        f"{location.display} changes what is written to it: {how}",
        hint="Nothing was loaded. Look for an encoding, character set or collation that is set for the database, its "
        "user or the destination's URL.",
    )


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) < 50 else f"{text[:40]}... of {len(str(value))} characters"
