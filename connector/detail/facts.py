"""Collects what is known of each vulnerability, from the warehouse, the account's lists and the images' rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import Any

from connector.detail.findings import vul_id
from connector.detail.hashing import numbered_hash
from connector.detail.parsing import ColumnParser, Item, Rejected, not_too_long
from connector.tables import VULNERABILITIES, Row
from connector.texts import shortened
from connector.wire import decode, encode, storable

HASH_DEFINITION = 1
"""Number of the definition of a fact's `row_hash`."""

SEVERITIES = {"CRITICAL": "CRITICAL", "HIGH": "HIGH", "MIDDLE": "MEDIUM", "MEDIUM": "MEDIUM", "LOW": "LOW"}
TAGS: Mapping[str, str | None] = {
    "POC": "has_poc",
    "DynamicLevelPoc": "has_poc",
    "EXP": "has_exploit",
    "DynamicLevelExp": "has_exploit",
    "CanBeFixed": "can_be_fixed",
    "KNOWN_EXPLOITED": "is_known_exploited",
    **dict.fromkeys(("NETWORK", "SYS", "APP")),
}
"""Words among the labels, and the column that each sets; a sample has a masked word that begins with KNOWN_EXPLO."""

_FLAGS = tuple(dict.fromkeys(column for column in TAGS.values() if column))
_VOLATILE = ("latest_found_time",)
_NOT_HASHED = (
    *("account_id", "vul_id", "first_seen_at", "changed_at", "gone_at", "row_hash", "sync_id"),
    *("local_image_count", "container_count", *_VOLATILE),
)
_WORST_FIRST = (*dict.fromkeys(SEVERITIES.values()), None)
_OTHERS = ("CVEID", "Tag", "IsSuggest", "Component", "Version", "FixedVersions", "Level", "Status", "ID", "Tags")
_DEFENCE = (
    *("DefenceStatus", "DefenceScope", "DefenceHostCount", "DefendedCount", "RaspOpenNodeCount"),
    *("RaspClosedNodeCount", "RegistryImageCount", "PocID"),
)


def worst_last(item: Item) -> tuple[int, str]:
    """Sort items of the account's lists, so that the worst of several with one CVE says what is known of the CVE,
    whatever the order of the lists."""
    word, poc_id = item.get("Level"), item.get("PocID")
    severity = SEVERITIES.get(word.upper()) if isinstance(word, str) else None
    return -_WORST_FIRST.index(severity), str(poc_id)


class Facts:
    """Collects the account's vulnerabilities. `stored` are their rows; `changed` gives the rows to write."""

    def __init__(self, account_id: str, sync_id: str, now: int, zone: tzinfo, stored: Iterable[Row]) -> None:
        self._account_id, self._sync_id, self._now = account_id, sync_id, now
        columns = [c for c in VULNERABILITIES.columns if c.name not in ("poc_ids", "tags", "level")]
        self._parser = ColumnParser(columns, zone, others=(*_OTHERS, *_DEFENCE))
        self._stored = {row["vul_id"]: row for row in stored}
        self._rows: dict[str, Row] = {}
        self._from_rows: set[str] = set()
        self._listed: set[str] = set()
        self._emergencies: set[str] = set()
        self.unknown_tags: set[str] = set()
        self.rejected: list[Rejected] = []

    def of_rows(self, items: Iterable[Item]) -> None:
        """Take rows of images; only the first row of a vulnerability in a run is used."""
        for item in items:
            key = vul_id(item)
            if key not in self._from_rows:
                self._from_rows.add(key)
                row = self._take(key, item, item.get("Tag"))
                if key not in self._listed and row["severity"] is None and item.get("Level") is not None:
                    row["level"] = self._text("level", str(item["Level"]))

    def of_list(self, item: Item, *, emergency: bool) -> None:
        """Take an item of a list of the account: what the item says replaces what an item before said."""
        key = vul_id(item)
        row = self._take(key, item, item.get("Tags"))
        self._listed.add(key)
        word = item.get("Level")
        if isinstance(word, str) and word:
            row["level"], row["severity"] = self._text("level", word), SEVERITIES.get(word.upper())
        poc_id = item.get("PocID")
        if isinstance(poc_id, str) and poc_id:
            row["poc_ids"] = self._united("poc_ids", row, [storable(poc_id)])
        if emergency:
            self._emergencies.add(key)
            row["is_emergency"] = True

    @property
    def unlisted(self) -> int:
        """How many vulnerabilities the lists had, if they have none now; else 0."""
        had = (row["poc_ids"] is not None and row["gone_at"] is None for row in self._stored.values())
        return 0 if self._listed else sum(had)

    def end_of_lists(self) -> None:
        """Note that all lists were read whole: a vulnerability that the lists had, and no longer have, is gone, and one
        that the list of emergencies no longer has is no emergency."""
        for key in self._stored.keys() | self._rows.keys():
            row = self._rows.get(key) or self._stored[key]
            state: Row = {"is_emergency": key in self._emergencies}
            if row["poc_ids"] is not None:
                state["gone_at"] = None if key in self._listed else row["gone_at"] or self._now
            if any(row[name] != value for name, value in state.items()):
                self._rows.setdefault(key, dict(row)).update(state)

    def changed(self) -> Iterator[tuple[Any, ...]]:
        """Yield rows that differ from those of the warehouse; a row that was given counts as written."""
        for key, row in self._rows.items():
            row["row_hash"] = _hash(row)
            before = self._stored.get(key)
            if before is not None and all(before[name] == row[name] for name in _COMPARED):
                continue
            if before is None or before["row_hash"] != row["row_hash"]:
                row["changed_at"] = self._now
            row["sync_id"] = self._sync_id
            self._stored[key] = dict(row)
            yield tuple(row[name] for name in VULNERABILITIES.column_names)
        self._rows.clear()

    def _take(self, key: str, item: Item, tags: Any) -> Row:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = dict(self._stored.get(key) or self._new(key))
        values, rejected = self._parser.parse(item)
        self.rejected += rejected
        values["extra"] = not_too_long("extra", self._parser.unknown(item), self.rejected)
        if values.get("cvss_v3_score") == 0:
            values["cvss_v3_score"] = None
        row.update((name, value) for name, value in values.items() if value is not None)
        self._label(row, tags)
        return row

    def _new(self, key: str) -> Row:
        row: Row = dict.fromkeys(VULNERABILITIES.column_names)
        row |= {"account_id": self._account_id, "vul_id": key, "first_seen_at": self._now, "changed_at": self._now}
        return row | dict.fromkeys((*_FLAGS, "is_emergency"), False)

    def _label(self, row: Row, tags: Any) -> None:
        words = [storable(tag) for tag in tags if isinstance(tag, str) and tag] if isinstance(tags, list) else []
        if not words:
            return
        row["tags"] = self._united("tags", row, words)
        for word in words:
            if word.startswith("KNOWN_EXPLO"):
                row["is_known_exploited"] = True
            elif word not in TAGS:
                self.unknown_tags.add(shortened(word))
            elif column := TAGS[word]:
                row[column] = True

    def _text(self, name: str, text: str) -> str | None:
        return not_too_long(name, storable(text), self.rejected)

    def _united(self, name: str, row: Row, words: Iterable[str]) -> str | None:
        """Return the JSON array of the words that the row has and of these; what the row has, if that is too long."""
        stored = row[name]
        united = encode(sorted({*(decode(stored) if stored else ()), *words}))
        return not_too_long(name, united, self.rejected) or stored


_COMPARED = tuple(name for name in VULNERABILITIES.column_names if name not in ("sync_id", "changed_at", *_VOLATILE))


def _hash(row: Row) -> str:
    fields = {name: value for name, value in row.items() if name not in _NOT_HASHED and value is not None}
    return numbered_hash(HASH_DEFINITION, fields)
