"""Reads the lists of an account that are no lists of images: the containers and hosts, and what all such lists need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any

from connector.api.answers import CallStats
from connector.detail.lists import KeyOf, Listed, read_list
from connector.detail.places import (
    CONTAINERS_ACTION,
    PLACES,
    STATUSES,
    Place,
    PlaceDiff,
    containers_of,
    is_running,
    running,
)
from connector.detail.rows import DetailVerdict
from connector.detail.sets import Fetch
from connector.detail.store import Holdings
from connector.errors import RequestRejectedError
from connector.images.records import Rejected
from connector.listing.query import Filters
from connector.runs.identity import Identity
from connector.settings import Settings
from connector.tables import CONTAINERS, DETAIL_RUNS, RUNNING_DETAIL, Table

if TYPE_CHECKING:
    from connector.api.client import Client


@dataclass(frozen=True)
class AccountLists:
    """Reads lists of an account. `sent` counts the requests."""

    settings: Settings
    client: Client
    sent: CallStats

    def fetch(self, action: str) -> Fetch:
        return partial(self.client.call, action, tally=self.sent)

    def in_flight(self, action: str) -> Any:
        return self.settings.in_flight or partial(self.client.in_flight, action)

    def read(self, action: str, key: KeyOf, filters: Filters = ()) -> Listed:
        return read_list(self.fetch(action), key, in_flight=self.in_flight(action), filters=filters)

    def doubt_ended(self, listed: Listed, shown: str | None) -> None:
        """Do not believe an empty list where the list `shown`, which had items before, is empty now too: a licence may
        have ended between the two."""
        if listed.items or not listed.whole or shown is None:
            return
        if not self.fetch(shown)({"Limit": 1, "Offset": 0}).response.get("List"):
            listed.reason = f"the list is empty, and so is {shown} since"


@dataclass(frozen=True)
class PlaceReader:
    """Reads where images run, and adds the rows to the store."""

    _lists: AccountLists
    _store: Holdings
    _identity: Identity
    _settings: Settings
    _zone: tzinfo

    def read(self) -> list[str]:
        """Add the rows of all places. Returns the reasons why lists are not proven whole."""
        reasons: list[str] = []
        seen_before, nothing, counted = self._last_whole(), True, 0
        shown: str | None = None
        for place in PLACES:
            filters = self._running_only() if place.table is CONTAINERS else ()
            listed = self._lists.read(place.action, place.key, filters)
            self._lists.doubt_ended(listed, shown)
            shown = place.action if listed.items else shown
            if place.table is CONTAINERS:
                if counted and not listed.items and listed.whole and self._settings.max_delete_share < 1:
                    listed.reason = f"the list is empty, and hosts that are online count {counted:,} containers"
                listed.items = running(listed.items)
            counted = containers_of(listed.items.values())
            nothing = nothing and not listed.items
            if nothing and listed.whole:
                listed.reason = self._doubt_nothing(place)
            self._place(place, listed, seen_before)
            if not listed.whole:
                reasons.append(f"{place.action}: {listed.reason}")
        return reasons

    def _doubt_nothing(self, place: Place) -> str | None:
        """Return why an empty list is not believed: without a licence, lists are empty too. An account with hosts may
        well run no container."""
        known = sum(row["gone_at"] is None for row in self._store.rows(place.table, ("gone_at",)))
        if not known or self._settings.max_delete_share >= 1:
            return None
        return nothing_listed(known)

    def _place(self, place: Place, listed: Listed, seen_before: int | None) -> None:
        diff = PlaceDiff(place, self._identity, self._zone, self._store.rows(place.table))
        self._store.add(place.table, diff.rows(listed.items, whole=listed.whole, seen_before=seen_before))
        reject(self._store, place.table, diff.rejected)

    def _running_only(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the filter for running containers. Its value is not documented: the value that shows only running
        containers is taken. Without such a value, all containers are read."""
        fetch = self._lists.fetch(CONTAINERS_ACTION)
        for value in STATUSES:
            try:
                answer = fetch({"Limit": 100, "Offset": 0, "Filters": [{"Name": "Status", "Values": [value]}]})
            except RequestRejectedError:
                return ()
            items = answer.response.get("List") or []
            if items and all(isinstance(item, dict) and is_running(item) for item in items):
                return (("Status", (value,)),)
        return ()

    def _last_whole(self) -> int | None:
        runs = self._store.rows(DETAIL_RUNS, ("started_at", "verdict"), aspect=RUNNING_DETAIL)
        whole = (run["started_at"] for run in runs if run["verdict"] == DetailVerdict.COMPLETE)
        return max((at for at in whole if at <= self._identity.started_at), default=None)  # others: of a wrong clock


def nothing_listed(known: int) -> str:
    """Return why an empty list is not believed, where the warehouse has so many rows of the list."""
    return f"the list is empty, and the warehouse has {known:,}; --max-delete-share 1 allows that"


def reject(store: Holdings, table: Table, rejected: list[Any]) -> None:
    """Add the rejected values of a table to the store, once."""
    store.reject(Rejected(None, f"{table.name}.{name}", raw, reason) for name, raw, reason in rejected)
    rejected.clear()
