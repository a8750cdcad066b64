"""What it costs to look for histories of images that `images` lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connector.images.records import ItemParser
from connector.runs.diff import Diff
from connector.runs.identity import Identity
from connector.runs.known import Known
from connector.runs.recall import IDS_AT_ONCE, recall
from connector.runs.spool import Spool
from connector.tables import IMAGE_HISTORY, IMAGES
from tests.runs.memory import KNOWN, as_arrow


@dataclass
class Past:
    """A history that is empty but for some ids, and what was asked of it."""

    ids: tuple[str, ...] = ()
    asked: list[int | str] = field(default_factory=list)

    def has_history(self) -> bool:
        self.asked.append("any")
        return bool(self.ids)

    def history(self, image_ids: Sequence[str]) -> pa.Table:
        self.asked.append(len(image_ids))
        found = sorted({*self.ids} & {*image_ids})
        return as_arrow(IMAGE_HISTORY, [{**ROW, "image_id": image_id} for image_id in found])


ROW: dict[str, Any] = {"account_id": "1", "version": 1, "observed_at": 1, "row_hash": "1:0", "sync_id": "s1"}


def diff(directory: Path, known: int, shown: int) -> Diff:
    """A diff of an account with so many images in `images`, of which a sweep has shown so many."""
    held = {**ROW, "first_seen_at": 1, "changed_at": 1}
    table = as_arrow(IMAGES, [{**held, "image_id": f"i{number}"} for number in range(known)], KNOWN)
    made = Diff(Identity("1", "s2", 2), Known(table), Spool(directory), ItemParser().read)
    made.absorb([{"ImageID": f"i{number}"} for number in range(shown)], "r1")
    return made


@pytest.mark.parametrize(
    ("known", "shown", "past", "asked"),
    [
        (0, 2 * IDS_AT_ONCE, (), ["any"]),
        (5, 5, (), []),
        (5, 0, (), []),
        (5, 8, (), [3]),
        (5, 6 + 2 * IDS_AT_ONCE, (), [IDS_AT_ONCE, IDS_AT_ONCE, 1]),
        (0, 3, ("i1", "i2"), ["any", 3]),
    ],
    ids=[
        "a first load",
        "an idle run",
        "an empty list",
        "new images",
        "many new images",
        "after a first load that died",
    ],
)
def test_only_new_images_are_asked_for(
    tmp_path: Path, known: int, shown: int, past: tuple[str, ...], asked: list[int | str]
) -> None:
    """In as few queries as there can be: none in an idle run, one in a first load."""
    memory = Past(past)
    recall(diff(tmp_path, known, shown), memory, "1")
    assert memory.asked == asked


def test_a_person_is_told_of_images_that_come_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with their number; and nobody of images that are really new."""
    recall(diff(tmp_path / "a", 0, 3), Past(("other",)), "1")
    assert caplog.messages == []
    recall(diff(tmp_path / "b", 0, 3), Past(("i1", "i2")), "1")
    (told,) = caplog.messages
    assert told.startswith("account 1: the table images lacked 2 images that image_history has")
