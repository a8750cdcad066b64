"""What decides which findings an image has: its base, its counts, and what the scanner's library knows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

from connector.sandbox.detail.catalogue import STACKS, SYSTEM, Base, Vulnerability
from connector.sandbox.images import Item

LEVEL_FIELDS = {4: "CriticalLevelVulCnt", 3: "HighLevelVulCnt", 2: "MediumLevelVulCnt", 1: "LowLevelVulCnt"}


class Added(NamedTuple):
    """A vulnerability that the library has learnt, and the system or the stack whose images have it."""

    vulnerability: Vulnerability
    place: str | int


@dataclass(frozen=True)
class Library:
    """What the scanner knows beside the catalogue: additions, the newest first, and the keys of what was withdrawn."""

    added: tuple[Added, ...] = ()
    withdrawn: frozenset[tuple[str, int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Scan:
    """All that decides what an image has: its base, how many findings among which levels, and the library.

    `since`: how often the image had been asked for when this began; `at`: the instant when it began.
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
    """A count of an item; 0 where there is none, or what is there is no count."""
    value = item.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def concerns(added: Added, own: int, base: Base) -> bool:
    """Whether an image of a base has what the library has learnt."""
    one, place = added
    return place == (base.system if one.kind == SYSTEM else base.stack) and not skips(own, one)


def skips(own: int, vulnerability: Vulnerability) -> bool:
    """One image in five of a base does not have a vulnerability of it."""
    return (own ^ vulnerability.mark) * 0x9E3779B1 >> 7 & 1023 < 205


def base_of(item: Item) -> Base:
    name = str(item.get("ImageName") or "").partition("@")[0]
    head, _, tag = name.rpartition(":")
    repository = head if head and "/" not in tag else name
    return Base(str(item.get("OsName") or ""), crc32(repository.encode()) % STACKS)


def scan_of(item: Item, library: Library) -> Scan:
    return Scan(item["ImageID"], item.get("ScanTime"), base_of(item), _pools(item), count(item, "VirusCnt"), library)


def _pools(item: Item) -> tuple[tuple[tuple[int, ...], int], ...]:
    """How many findings an image has among which levels: VulCnt in all, level by level as far as levels are counted."""
    total = count(item, "VulCnt")
    known = {level: count(item, name) for level, name in LEVEL_FIELDS.items() if name in item}
    rest = total - sum(known.values())
    unknown = tuple(level for level in LEVEL_FIELDS if level not in known)
    if rest < 0 or (rest and not unknown):
        return ((tuple(LEVEL_FIELDS), total),)
    pools = tuple(((level,), number) for level, number in known.items())
    return (*pools, (unknown, rest)) if unknown else pools


def counted(item: Item, steps: Mapping[int, int]) -> Item:
    """The counts of an image after steps."""
    changed = {LEVEL_FIELDS[level]: count(item, LEVEL_FIELDS[level]) + step for level, step in steps.items()}
    total = count(item, "VulCnt") + sum(steps.values())
    return {name: number for name, number in (changed | {"VulCnt": total}).items() if name in item}
