"""Reads a list of the account whole, with the sweep's reader: in one answer, or in two equal passes.

These lists have no sort key whose values stay, so no order can prove the lists (`listing.proof.Proof.COUNT`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.detail.sets import Fetch
from connector.listing.prefetch import InFlight
from connector.listing.proof import Evidence
from connector.listing.query import Filters, Query
from connector.listing.reader import ListReader
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim
from connector.wire import storable

PASSES = 3
KeyOf = Callable[[Any], str | None]


@dataclass(frozen=True)
class _Answer:
    response: Mapping[str, Any]
    request_id: str | None


@dataclass
class Listed:
    """Holds the items of a list by key; `reason` says why the list is not proven whole; None: the list is whole."""

    items: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None

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
    listed = Listed()
    previous: Evidence | None = None
    for number in range(PASSES):
        reader = ListReader(remote, Query(filters=filters), "", Aim(orders=(), shift=number % 2 == 1))
        for page in reader.pages():
            listed.items |= {item["ImageID"]: item["Item"] for item in page.items if item["ImageID"] is not None}
        evidence = reader.evidence
        if evidence.nameless:
            listed.reason = "items without a usable id are listed"
            return listed
        if evidence.one_answer and evidence.constant_total == len(evidence.ids):
            listed.items = {key: item for key, item in listed.items.items() if key in evidence.ids}
            return Listed(listed.items)
        if previous is not None and previous.countable and evidence.countable and previous.ids == evidence.ids:
            return Listed({key: item for key, item in listed.items.items() if key in evidence.ids})
        listed.reason = str(evidence.problem or "no two passes over the list were alike")
        previous = evidence
    return listed


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
