"""`connector.warehouse.dictionary`: the tables as people read them."""

from __future__ import annotations

import re

import pytest

from connector.warehouse.dictionary import data_dictionary
from tests.test_tables import COLUMNS


def test_data_dictionary() -> None:
    """The dictionary has a section per table and a line per column, each of seven cells."""
    text = data_dictionary()
    headings = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    columns = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert headings == list(COLUMNS)
    assert columns == [name for names in COLUMNS.values() for name in names]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")} == {8}
    assert text.endswith("|\n")


@pytest.mark.parametrize(
    "line",
    [
        "| `container_cnt` | bigint | yes | ContainerCnt | containers | Containers that use the image. Changes without "
        "a scan. | `0` |",
        "| `image_tag` | text | yes | from ImageName |  | Tag part of image_name. Null if the name has no tag, or "
        "`<none>`: `latest` is not assumed. | `latest` |",
        "| `reject_id` | text(64) | no |  |  | Hash of image_id, column_name and reason, and of the lasting parts of "
        "a rejected item. In rows of an older release: hash of image_id, column_name and raw. | "
        "`0123456789abcdef0123456789abcdef` |",
        "Key: `account_id`, `image_id`, `scan_time`.",
    ],
    ids=["field", "derived", "ours", "key"],
)
def test_line_of_the_dictionary(line: str) -> None:
    """A line says type, null, source field, unit, meaning and an example."""
    assert line in data_dictionary().splitlines()
