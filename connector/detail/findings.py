"""Makes findings of the rows of a set: each finding with its id, its values, and its number of rows.

Rows that agree in what identifies a finding are one finding. Where such rows differ otherwise, a text of the finding
names all of theirs, and a number is their greatest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from operator import itemgetter
from typing import Any, NamedTuple

from connector.detail.hashing import digest, numbered_hash
from connector.detail.parsing import ColumnParser, Item, Rejected, not_too_long
from connector.images.fields import LONGEST, TOO_LARGE
from connector.tables import Aspect
from connector.wire import decode, encode, storable

ID_DEFINITION = 1
"""Number of the definition of `finding_id`. Another number closes every finding, and opens it again."""

HASH_DEFINITION = 1
"""Number of the definition of a finding's `row_hash`. Another number writes every finding again."""

OWN_IDS = "pcmgr-"  # the begin of Tencent's ids of vulnerabilities (PocID), which a sample shows in CVEID too
NOT_AN_OBJECT = "the row is not an object"
MOST_CACHED = 100_000  # different rows whose findings are kept, for other images that have them too: 85 MB

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.IGNORECASE)


class Finding(NamedTuple):
    """Describes a finding. `values` are those of the aspect's columns, in order. `size` is the number of characters of
    all its texts."""

    finding_id: str
    values: tuple[Any, ...]
    occurrences: int
    extra: str | None
    row_hash: str = ""
    size: int = 0


@dataclass
class Found:
    """Holds the findings of a set by id. `subjects` counts their distinct subjects: vulnerabilities, or names of
    malware."""

    findings: dict[str, Finding] = field(default_factory=dict)
    subjects: int = 0
    rejected: list[Rejected] = field(default_factory=list)


class FindingParser:
    """Makes findings of the rows of one aspect. `new` collects rows that are unlike all rows before. Safe for
    concurrent use: if two threads meet a row for the first time, both parse the row, and both results are equal."""

    def __init__(self, aspect: Aspect, zone: tzinfo) -> None:
        self.new: list[Item] = []
        self._aspect = aspect
        self._columns = aspect.columns
        self._names = tuple(column.name for column in self._columns)
        facts = aspect.facts.columns if aspect.facts else ()
        others = [str(column.source) for column in facts if column.source] + ["CVEID", *_ROW_FIELDS]
        self._parser = ColumnParser(self._columns, zone, others=others)
        self._fields = (
            *dict.fromkeys(["CVEID", "Name", *(str(c.source) for c in self._columns if c.source and not c.derived)]),
        )
        self._values = itemgetter(*self._fields)
        self._identity = [self._names.index(name) for name in aspect.identity]
        self._hashed = [
            place for place, name in enumerate(self._names) if name not in (*aspect.identity, *aspect.volatile)
        ]
        self._parsed: dict[tuple[Any, ...], Finding] = {}

    def parse(self, items: Sequence[Any]) -> Found:
        """Return the findings of a set."""
        found = Found()
        findings = found.findings
        long: dict[str, None] = {}  # findings that may have become too long, in order
        for item in items:
            if not isinstance(item, dict):
                found.rejected.append(Rejected("finding_id", encode(item)[:LONGEST], NOT_AN_OBJECT))
                continue
            finding = self._row(item, found.rejected)
            extra = self._parser.unknown(item)
            finding_id = finding.finding_id
            if extra is not None:
                finding = self._hashed_again(finding._replace(extra=extra))
                long[finding_id] = None
            before = findings.get(finding_id)
            if before is not None:
                finding = self._hashed_again(_together(before, finding))
                long[finding_id] = None
            findings[finding_id] = finding
        for finding_id in long:
            findings[finding_id] = self._bounded(findings[finding_id], found.rejected)
        place = self._identity[0]
        found.subjects = len({finding.values[place] for finding in findings.values()})
        return found

    def _row(self, item: Item, rejected: list[Rejected]) -> Finding:
        """Return the finding of one row."""
        try:
            raw = self._values(item)
        except KeyError:
            raw = tuple(map(item.get, self._fields))
        key = (raw, *map(type, raw))  # 1, 1.0 and True are equal, and are not the same value
        try:
            known = self._parsed.get(key)
        except TypeError:  # an array is no key
            return self._parse(item, rejected)
        if known is None:
            before = len(rejected)
            known = self._parse(item, rejected)
            if len(rejected) == before:
                if len(self._parsed) >= MOST_CACHED:
                    self._parsed.clear()
                self._parsed[key] = known
        return known

    def _parse(self, item: Item, rejected: list[Rejected]) -> Finding:
        self.new.append(item)
        values, faults = self._parser.parse(item)
        rejected += faults
        if "vul_id" in self._names:
            values["vul_id"] = vul_id(item)
        row = tuple(values[name] for name in self._names)
        finding_id = numbered_hash(ID_DEFINITION, [row[place] for place in self._identity])
        return self._hashed_again(Finding(finding_id, row, 1, None))

    def _bounded(self, finding: Finding, rejected: list[Rejected]) -> Finding:
        """Return the finding without texts that are too long: unknown fields, and what names the texts of many rows."""
        extra = not_too_long("extra", finding.extra, rejected)
        values = list(finding.values)
        for place, value in enumerate(values):
            if isinstance(value, str) and len(value) > LONGEST:
                rejected.append(Rejected(self._names[place], encode(value)[:LONGEST], TOO_LARGE))
                values[place] = None
        if extra == finding.extra and tuple(values) == finding.values:
            return finding
        return self._hashed_again(finding._replace(values=tuple(values), extra=extra))

    def _hashed_again(self, finding: Finding) -> Finding:
        fields = (*(finding.values[place] for place in self._hashed), finding.occurrences, finding.extra)
        row_hash = numbered_hash(HASH_DEFINITION, fields)
        texts = (finding.finding_id, finding.extra, row_hash, *finding.values)
        return finding._replace(row_hash=row_hash, size=sum(len(text) for text in texts if isinstance(text, str)))


_ROW_FIELDS = ("Tag", "IsSuggest")  # of an image's row, which facts take, or which say nothing that others do not


def vul_id(item: Mapping[str, Any]) -> str:
    """Return the id of an item's vulnerability: the CVE in upper case, else a hash of the name, with the number if the
    number is no CVE. An id of Tencent's own is left out: an account's lists may learn such an id later."""
    number = item.get("CVEID")
    if isinstance(number, str) and _CVE.fullmatch(number.strip()):
        return number.strip().upper()
    name = item.get("Name")
    text = storable(name) if isinstance(name, str) and name and not _is_other(number) else encode([number, name])
    return f"name:{digest(text)}"


def _is_other(number: Any) -> bool:
    """Return whether a number that is no CVE tells two vulnerabilities of one name apart."""
    return bool(number) and not (isinstance(number, str) and number.startswith(OWN_IDS))


def _together(one: Finding, other: Finding) -> Finding:
    values = one.values if one.values == other.values else tuple(map(_both, one.values, other.values))
    count = one.occurrences + other.occurrences
    return Finding(one.finding_id, values, count, _both(one.extra, other.extra))


def _both(one: Any, other: Any) -> Any:
    if one == other or other is None:
        return one
    if one is None:
        return other
    if not isinstance(one, str):
        return max(one, other)
    try:
        values = [*_list(one), *_list(other)]
    except ValueError:
        return " | ".join(sorted({*one.split(" | "), *other.split(" | ")}))
    return encode([decode(text) for text in sorted(set(map(encode, values)))])


def _list(text: str) -> list[Any]:
    """Return the values of a JSON array, or a JSON object alone. Raises ValueError for another text."""
    value = decode(text)
    if not isinstance(value, list | dict):
        raise ValueError(text)
    return value if isinstance(value, list) else [value]
