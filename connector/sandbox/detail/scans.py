"""Decides which findings an image has: by its base, its counts, and the scanner's library. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

from connector.sandbox.detail.catalogue import STACKS, SYSTEM, Base, Vulnerability
from connector.sandbox.images import Item

LEVEL_FIELDS = {4: "CriticalLevelVulCnt", 3: "HighLevelVulCnt", 2: "MediumLevelVulCnt", 1: "LowLevelVulCnt"}


class Added(NamedTuple):
    """Holds a vulnerability that was added to the library, and the system or stack whose images have it."""

    vulnerability: Vulnerability
    place: str | int


@dataclass(frozen=True)
class Library:
    """Holds the library's changes to the catalogue: additions, newest first, and keys of withdrawn vulnerabilities."""

    added: tuple[Added, ...] = ()
    withdrawn: frozenset[tuple[str, int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Scan:
    """Holds all that decides an image's findings: its base, how many findings among which levels, and the library.

    `since`: how often the image had been asked for when this scan began; `at`: the instant when this scan began.
    """

    image_id: str
    time: Any
    base: Base
    pools: tuple[tuple[tuple[int, ...], int], ...]
    viruses: int
    library: Library
    since: int = field(default=0, compare=False)
    at: int = field(default=0, compare=False)


def count(item: Item, name: str) -> int:
    """Return a count of an item; 0 where the value is missing or is no count."""
    value = item.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def concerns(added: Added, own: int, base: Base) -> bool:
    """Whether an image of a base has an added vulnerability."""
    one, place = added
    return place == (base.system if one.kind == SYSTEM else base.stack) and not skips(own, one)


def skips(own: int, vulnerability: Vulnerability) -> bool:
    """Whether the image lacks a vulnerability of its base, as one image in five does."""
    return (own ^ vulnerability.mark) * 0x9E3779B1 >> 7 & 1023 < 205


def base_of(item: Item) -> Base:
    name = str(item.get("ImageName") or "").partition("@")[0]
    head, _, tag = name.rpartition(":")
    repository = head if head and "/" not in tag else name
    return Base(str(item.get("OsName") or ""), crc32(repository.encode()) % STACKS)


def scan_of(item: Item, library: Library) -> Scan:
    return Scan(item["ImageID"], item.get("ScanTime"), base_of(item), _pools(item), count(item, "VirusCnt"), library)


def _pools(item: Item) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Return how many findings an image has among which levels: VulCnt in all, by level where levels are counted."""
    total = count(item, "VulCnt")
    known = {level: count(item, name) for level, name in LEVEL_FIELDS.items() if name in item}
    rest = total - sum(known.values())
    unknown = tuple(level for level in LEVEL_FIELDS if level not in known)
    if rest < 0 or (rest and not unknown):
        return ((tuple(LEVEL_FIELDS), total),)
    pools = tuple(((level,), number) for level, number in known.items())
    return (*pools, (unknown, rest)) if unknown else pools


def counted(item: Item, steps: Mapping[int, int]) -> Item:
    """Return the counts of an image after changes of its levels."""
    changed = {LEVEL_FIELDS[level]: count(item, LEVEL_FIELDS[level]) + step for level, step in steps.items()}
    total = count(item, "VulCnt") + sum(steps.values())
    return {name: number for name, number in (changed | {"VulCnt": total}).items() if name in item}
