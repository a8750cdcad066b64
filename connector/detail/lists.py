"""Reads a list of the account whole, with the sweep's reader: in one answer, or in two equal passes.

These lists have no sort key whose values stay, so no order can prove the lists (`listing.proof.Proof.COUNT`). Items of
one key count as often as one answer shows them, as the rows of an image's set do (`detail.sets`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.detail.sets import Fetch
from connector.listing.page import Page
from connector.listing.prefetch import InFlight
from connector.listing.proof import Evidence
from connector.listing.query import Filters, Query
from connector.listing.reader import ListReader
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim
from connector.wire import encode, storable

PASSES = 3
KeyOf = Callable[[Any], str | None]


@dataclass(frozen=True)
class _Answer:
    response: Mapping[str, Any]
    request_id: str | None


@dataclass
class Listed:
    """Holds the items of a list by key; `reason` says why the list is not proven whole; None: the list is whole.
    `repeated` are items whose key another item of the same answer has."""

    items: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    repeated: list[Any] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.reason is None


def key_by(*names: str, longest: int | None = None) -> KeyOf:
    """Make a function that returns the first of these fields that is a usable text, of at most `longest` characters."""

    def key(item: Any) -> str | None:
        for name in names:
            text = item.get(name) if isinstance(item, dict) else None
            if isinstance(text, str) and text and storable(text) == text and (not longest or len(text) <= longest):
                return text
        return None

    return key


def read_list(fetch: Fetch, key_of: KeyOf, *, in_flight: InFlight, filters: Filters = ()) -> Listed:
    """Read the list that `fetch` asks for. Raises what `fetch` raises."""
    remote = RemoteList(_keyed(fetch, key_of), _no_instants, in_flight=in_flight)
    found: dict[str, list[Any]] = {}
    previous: Evidence | None = None
    reason = ""
    for number in range(PASSES):
        reader = ListReader(remote, Query(filters=filters), "", Aim(orders=(), shift=number % 2 == 1))
        for page in reader.pages():
            _add(found, page)
        evidence = reader.evidence
        if evidence.nameless:
            return _listed(found, "items without a usable id are listed")
        alike = previous is not None and _alike(previous, evidence)
        if alike or (evidence.one_answer and evidence.is_counted):
            return _listed({key: items for key, items in found.items() if key in evidence.ids})
        reason = str(evidence.problem or "no two passes over the list were alike")
        previous = evidence
    return _listed(found, reason)


def _add(found: dict[str, list[Any]], page: Page) -> None:
    """Add the items of an answer by key, instead of those of an answer that shows fewer items of the key."""
    shown: dict[str, list[Any]] = {}
    for item in page.items:
        if item["ImageID"] is not None:
            shown.setdefault(item["ImageID"], []).append(item["Item"])
    found |= {key: items for key, items in shown.items() if len(items) >= len(found.get(key, ()))}


def _listed(found: Mapping[str, list[Any]], reason: str | None = None) -> Listed:
    """Return the list. Of several items of a key, which one is the first follows from their contents."""
    ordered = {key: sorted(items, key=encode) if len(items) > 1 else items for key, items in found.items()}
    repeated = [item for items in ordered.values() for item in items[1:]]
    return Listed({key: items[0] for key, items in ordered.items()}, reason, repeated)


def _alike(one: Evidence, other: Evidence) -> bool:
    """Return whether two passes have counted the same items, each as often."""
    counted = one.is_undisturbed and one.is_counted and other.is_undisturbed and other.is_counted
    return counted and one.ids == other.ids and one.repeated == other.repeated


def _keyed(fetch: Fetch, key_of: KeyOf) -> Fetch:
    """Give answers the form that the reader knows: the key as ImageID, with the item beside the key."""

    def ask(payload: dict[str, Any]) -> _Answer:
        answer = fetch(payload)
        items = answer.response.get("List")
        items = items if isinstance(items, list) else []
        response = {**answer.response, "List": [{"ImageID": key_of(item), "Item": item} for item in items]}
        return _Answer(response, answer.request_id)

    return ask


def _no_instants(items: Sequence[Mapping[str, Any]], _: str) -> Sequence[int | None]:
    return [None] * len(items)
