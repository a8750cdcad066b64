"""The look-up of images that seem gone: asks for them by id, and believes no answer that a control does not confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.errors import RequestRejectedError
from connector.listing.page import image_id_of
from connector.listing.query import Query
from connector.listing.reasons import Cause, ListReason
from connector.listing.remote import RemoteList

CONTROLS = 3  # ids just listed that may be tried before a look-up by id is not trusted


@dataclass
class LookUp:
    """What look-ups by ImageID found: `present` items of images that are listed after all, `gone` ids that are not.

    `distrust` says why the filter cannot be trusted; nothing is called gone then.
    """

    present: list[Any] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    distrust: Cause | None = None


def look_up(remote: RemoteList, candidates: Sequence[str], listed: Sequence[str]) -> LookUp:
    """Asks for `candidates` by id, up to 99 at once, each time with one id of `listed` that has to come back.

    `listed` are ids that the sweep has just seen. Raises what the fetch raises.
    """
    found = LookUp()
    size = max(1, remote.limit - 1)
    for start in range(0, len(candidates), size):
        chunk = list(candidates[start : start + size])
        items = _controlled(remote, chunk, listed)
        if items is None:
            return LookUp(present=found.present, distrust=ListReason.ID_FILTER.given())
        present = {image_id_of(item) for item in items}
        found.present += items
        found.gone += [image_id for image_id in chunk if image_id not in present]
    return found


def _controlled(remote: RemoteList, chunk: Sequence[str], listed: Sequence[str]) -> list[Any] | None:
    """The items among `chunk` that are listed; None where no answer was believable."""
    for control in listed[:CONTROLS]:
        asked = {*chunk, control}
        try:
            page = remote.first(Query(filters=(("ImageID", tuple(sorted(asked))),)), limit=remote.limit)
        except RequestRejectedError:
            return None
        ids = {image_id_of(item) for item in page.items}
        if control in ids and ids <= asked and page.reaches_total:
            return [item for item in page.items if image_id_of(item) != control]
    return None
