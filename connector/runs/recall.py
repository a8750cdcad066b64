"""Continues the histories of images that `images` lacks.

A merge that is killed between its DELETE and its INSERT, where the warehouse makes no transaction of both, takes rows
out of `images`; so does anybody's DELETE. A first sync that dies before `images` is loaded leaves only history. Such
images look new. `image_history` knows them, and its versions must neither be overwritten nor hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from connector import texts
from connector.runs.diff import Diff

log = texts.logger(__name__)

IDS_AT_ONCE = 900  # images per query, as many as one statement can name


class Past(Protocol):
    """What `image_history` has of the account (`warehouse.inventory`)."""

    def has_history(self) -> bool: ...

    def history(self, image_ids: Sequence[str]) -> pa.Table: ...


def recall(diff: Diff, past: Past, account_id: str) -> None:
    """Let the diff go on from the histories of its new images (`Diff.recall`), and warn if there are any.

    Without new images, nothing is asked. Where `images` has nothing of the account, one query tells whether there is
    any history. Otherwise there is one query per `IDS_AT_ONCE` new images.
    """
    added = diff.known.added()
    if not added or not (diff.known.count or past.has_history()):
        return
    slices = (added[start : start + IDS_AT_ONCE] for start in range(0, len(added), IDS_AT_ONCE))
    if recalled := sum(diff.recall(past.history(some)) for some in slices):
        log.warning(
            "account %s: the table images lacked %d images that image_history has; their rows are written again. "
            "A sync was killed, or somebody deleted the rows",
            *(account_id, recalled),
        )
