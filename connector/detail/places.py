"""Compares the lists of places where images run, containers and hosts, with the rows that the warehouse holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property
from typing import Any

from connector import texts
from connector.detail.hashing import numbered_hash
from connector.detail.lists import KeyOf, key_by
from connector.detail.parsing import ColumnParser, Rejected, not_too_long
from connector.listing.page import count_of, text_of
from connector.runs.identity import Identity
from connector.tables import CONTAINERS, HOSTS, Row, Table

log = texts.logger(__name__)

HASH_DEFINITION = 1
"""Number of the definition of `row_hash`."""

DAY = 86_400_000_000
RUNNING = "RUNNING"
STATUSES = tuple("0123456")  # values of the Status filter, whose meanings are not documented

NOT_STORED = "(not stored)"
_MAY_BE_SECRET = ("env", "arg", "cmd", "command", "entrypoint", "password", "secret", "token", "credential")

_PROGRAM = re.compile(r"""\s*(?:\[\s*)?(?P<quote>["']?)(?P<program>[\w./][\w./+-]*:?)(?P=quote)(?=[\s,\]]|$)""")
"""A program alone: no option, assignment or address, with nothing stuck to it but the comma of an array."""


def is_running(item: Any) -> bool:
    """Return whether a container runs, however the API writes its status."""
    return str(item.get("Status")).upper() == RUNNING


@dataclass(frozen=True)
class Place:
    """Describes a list of places: its action, its table, and the columns that change too often to be compared."""

    action: str
    table: Table
    moving: tuple[str, ...] = ()

    @cached_property
    def key(self) -> KeyOf:
        """The place's id. An id that its column cannot hold is none."""
        column = self.table.column(self.table.key[1])
        return key_by(str(column.source), longest=column.precision)


PLACES = (
    Place("DescribeAssetHostList", HOSTS, ("last_online_time",)),
    Place("DescribeAssetContainerList", CONTAINERS, ("cpu_usage", "ram_usage", "update_time")),
)


CONTAINERS_ACTION = next(place.action for place in PLACES if place.table is CONTAINERS)


def containers_of(hosts: Iterable[Any]) -> int:
    """Return how many containers these hosts have by their own counts, if their agents are online."""
    online = (item for item in hosts if text_of(item, "Status") == "ONLINE")
    return sum(count_of(item.get("ContainerCnt")) or 0 for item in online)


def running(containers: dict[str, Any]) -> dict[str, Any]:
    """Return the running containers. If none of many is running, the log says so, because the API's words are not
    documented."""
    found = {key: item for key, item in containers.items() if is_running(item)}
    if containers and not found:
        words = Counter(text_of(item, "Status") for item in containers.values()).most_common(3)
        log.warning("no container is RUNNING: %s", ", ".join(f"{count} {word}" for word, count in words))
    return found


class PlaceDiff:
    """Compares the items of a place's list with its stored rows, and gives the rows to write."""

    def __init__(self, place: Place, identity: Identity, zone: tzinfo, stored: Iterable[Row]) -> None:
        self._table, self._identity = place.table, identity
        self._key = place.table.key[1]
        self._stored = {row[self._key]: row for row in stored}
        columns = [column for column in place.table.columns if column.name != self._key]
        derived = [str(column.source) for column in columns if column.source and column.derived]
        key_source = str(place.table.column(self._key).source)
        self._parser = ColumnParser(columns, zone, others=(key_source, *derived))
        own = ("account_id", "first_seen_at", "last_seen_at", "gone_at", "row_hash", "sync_id")
        self._hashed = [name for name in place.table.column_names if name not in (*own, *place.moving)]
        self.rejected: list[Rejected] = []

    def rows(self, items: Mapping[str, Any], *, whole: bool, seen_before: int | None) -> Iterator[tuple[Any, ...]]:
        """Yield rows that are new or changed, or not written for a day; if the list is `whole`, also rows that are
        gone. `seen_before` is when the last whole list was read, in microseconds."""
        now = self._identity.started_at
        for key, item in items.items():
            row = self._row(key, item)
            before = self._stored.get(key)
            if before is not None:
                row["first_seen_at"] = before["first_seen_at"]
                same = before["row_hash"] == row["row_hash"] and before["gone_at"] is None
                if same and before["last_seen_at"] > now - DAY:
                    continue
            yield tuple(row[name] for name in self._table.column_names)
        for key, before in self._stored.items() if whole else ():
            if key not in items and before["gone_at"] is None:
                last_seen = max(before["last_seen_at"], seen_before or 0)
                gone = {**before, "gone_at": now, "last_seen_at": last_seen, "sync_id": self._identity.sync_id}
                yield tuple(gone[name] for name in self._table.column_names)

    def _row(self, key: str, item: Any) -> Row:
        values, rejected = self._parser.parse(item)
        self.rejected += rejected
        if self._table is CONTAINERS:
            command = item.get("Cmd")
            values["cmd"] = program(command) if isinstance(command, str) else None
        extra = self._parser.unknown(item) and self._parser.unknown(_without_secrets(item))
        row = {
            **values,
            self._key: key,
            "account_id": self._identity.account_id,
            "extra": not_too_long("extra", extra, self.rejected),
            "first_seen_at": self._identity.started_at,
            "last_seen_at": self._identity.started_at,
            "gone_at": None,
            "sync_id": self._identity.sync_id,
        }
        fields = [[name, row[name]] for name in self._hashed if row[name] is not None]
        return {**row, "row_hash": numbered_hash(HASH_DEFINITION, fields)}


def _without_secrets(value: Any) -> Any:
    """Remove what may hold passwords, at any depth: a new field of a container may be the container's environment."""
    if isinstance(value, list):
        return [_without_secrets(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: NOT_STORED if any(word in name.lower() for word in _MAY_BE_SECRET) else _without_secrets(each)
        for name, each in value.items()
    }


def program(command: str) -> str | None:
    """Return the first word of a command, or of its JSON array: what follows may hold passwords."""
    match = _PROGRAM.match(command)
    return match["program"][:200] if match else None
