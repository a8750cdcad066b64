"""Looks up images that seem gone: asks for them by id, and believes no answer that two controls do not confirm.

If a server reads only some values of a filter, the other images look gone. So the candidates stand between two ids that
were just listed, the controls: where the server reads the first value and the last value, it reads the values between
them too. Yet a server may sort the values, or skip some. So the server is also asked for as many ids that were just
listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.errors import RequestRejectedError
from connector.listing.page import image_id_of
from connector.listing.query import Query
from connector.listing.reasons import Cause, ListReason
from connector.listing.remote import RemoteList

ATTEMPTS = 3  # each with other controls, before the ID filter is distrusted
CONTROLS = 2 * ATTEMPTS  # ids just listed, to stand beside candidates
GONE_SHARE = 0.05  # the share of ids just listed that may be gone since


@dataclass
class LookUp:
    """Holds what look-ups by ImageID found: `present` items of images that are listed after all, and `gone` ids.

    `distrust` says why the filter cannot be trusted; then no image is called gone.
    """

    present: list[Any] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    distrust: Cause | None = None


def room(remote: RemoteList) -> int:
    """Return how many candidates one look-up takes."""
    return max(1, remote.limit - 2)


def look_up(remote: RemoteList, candidates: Sequence[str], listed: Sequence[str]) -> LookUp:
    """Ask for `candidates` by id, up to 98 per request, each time between two ids of `listed` that have to come back.

    `listed` are ids that the sweep has just seen, none of them a candidate; best are as many ids as an answer holds.
    Raises what `fetch` raises.
    """
    found = LookUp()
    for start in range(0, len(candidates), room(remote)):
        chunk = candidates[start : start + room(remote)]
        items = _controlled(remote, chunk, listed)
        if items is None:
            return LookUp(present=found.present, distrust=ListReason.ID_FILTER.given())
        found.present += items
        found.gone += [image_id for image_id in chunk if image_id not in _ids(items)]
    if found.gone and not _reads_as_many(remote, listed[: len(candidates) + 2]):
        return LookUp(present=found.present, distrust=ListReason.ID_FILTER.given())
    return found


def _reads_as_many(remote: RemoteList, listed: Sequence[str]) -> bool:
    """Whether the server finds as many ids that were just listed; not asked where few are listed."""
    if len(listed) <= CONTROLS:
        return True
    missing = [*listed[: remote.limit]]
    for _ in range(2):
        try:
            page = remote.first(_of(missing), limit=remote.limit)
        except RequestRejectedError:
            return False
        missing = [image_id for image_id in missing if image_id not in page.places]
        if not missing:
            return True
        if len(missing) > max(1, GONE_SHARE * len(listed)):
            return False
    return not page.items  # the few missing ids are gone if a request for them alone finds nothing


def _controlled(remote: RemoteList, chunk: Sequence[str], listed: Sequence[str]) -> list[Any] | None:
    """Return the items among `chunk` that are listed; None where no answer was believable."""
    for start in range(0, len(listed[:CONTROLS]), 2):
        controls = listed[start : start + 2]
        try:
            answers = [_items(remote, values, controls) for values in _orders(chunk, controls)]
        except RequestRejectedError:
            return None
        first, last = answers[0], answers[-1]
        if first is not None and last is not None and _ids(first) == _ids(last):
            return [item for item in last if image_id_of(item) not in controls]
    return None


def _orders(chunk: Sequence[str], controls: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the values to ask for: candidates between two controls. A single control comes first, and then last."""
    first, *last = controls
    return [(first, *chunk, *last)] if last else [(first, *chunk), (*chunk, first)]


def _items(remote: RemoteList, values: tuple[str, ...], controls: Sequence[str]) -> list[Any] | None:
    """Return the items that a request for the ids in `values` gives; None where the answer is not believable."""
    page = remote.first(_of(values), limit=remote.limit)
    believable = {*controls} <= _ids(page.items) <= {*values} and page.reaches_total
    return list(page.items) if believable else None


def _of(values: Sequence[str]) -> Query:
    return Query(filters=(("ImageID", tuple(values)),))


def _ids(items: Sequence[Any]) -> set[str | None]:
    return {image_id_of(item) for item in items}
