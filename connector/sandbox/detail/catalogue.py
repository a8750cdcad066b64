"""Invents all vulnerabilities, and orders them for the images of one base.

A base is the system of an image and the stack of libraries of its repository. For each level, the images of one base
share one list of vulnerabilities, the common ones first. Bases of one system share many, and so do systems.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from connector.sandbox.detail.words import CATEGORIES, FAMOUS, LIBRARIES, SUBPACKAGES, SYSTEM_PACKAGES, TAGS, pick, text

# Levels as numbers, and their words in the account's lists.
LEVELS = {4: "CRITICAL", 3: "HIGH", 2: "MIDDLE", 1: "LOW"}
_LOWEST_SCORE = {4: 90, 3: 70, 2: 40, 1: 10}

# Levels of vulnerabilities that share one count (in images without level counts), in this repeated order.
_RHYTHM = (2, 3, 2, 1, 2, 3, 1, 4)

STACKS = 24
SYSTEM, WEB = "SYSTEM", "WEB"


class Base(NamedTuple):
    """Names what images have in common: their system, and a number for the libraries of their repository."""

    system: str
    stack: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Places a vulnerability in a package of an image. Rows have no path: two findings may give equal rows."""

    vulnerability: "Vulnerability"
    component: str
    version: str
    fixed: str
    path: str


class Vulnerability:
    """Describes a vulnerability; every fact follows from the seed and the key (kind, level, number)."""

    def __init__(self, seed: int, key: tuple[str, int, int]) -> None:
        self.key = key
        self.kind, self.level, self.number = key
        self.mark = crc32(f"{seed} {key}".encode()) * 2_654_435_761 % 2**48
        self._famous = FAMOUS.get(key)

    @cached_property
    def cve(self) -> str:
        """The CVE; empty for one in forty vulnerabilities."""
        if self._famous:
            return self._famous[0]
        if self.mark % 40 == 7:
            return ""
        serial = ((self.level - 1) * 2 + (self.kind == WEB)) * 100_000 + 200_000 + self.number
        return f"CVE-{2014 + self.mark % 12}-{serial}"

    @cached_property
    def poc_id(self) -> str:
        """The vendor's id."""
        return f"pcmgr-{self.level}{int(self.kind == WEB)}{self.number:05}"

    @cached_property
    def name(self) -> str:
        """The title."""
        if self._famous:
            return self._famous[1]
        return f"{self.package} {self.category.replace('_', ' ').lower()} ({self.poc_id.removeprefix('pcmgr-')})"

    @cached_property
    def package(self) -> str:
        """The package with the vulnerability."""
        if self._famous:
            return self._famous[2]
        return pick(SYSTEM_PACKAGES if self.kind == SYSTEM else LIBRARIES, self.mark >> 4)

    @property
    def category(self) -> str:
        """The kind of weakness."""
        return CATEGORIES[self.mark % len(CATEGORIES)]

    @cached_property
    def is_listed(self) -> bool:
        """Whether the account's lists have the vulnerability: one in fifty is found in images only."""
        return bool(self._famous) or self.mark % 50 != 13

    @property
    def is_emergency(self) -> bool:
        """Whether the vulnerability is on the list of emergencies."""
        return bool(self._famous) or (self.level == 4 and self.mark % 6 == 0)

    @property
    def score(self) -> float:
        """The base score of CVSS 3; many vulnerabilities have equal scores."""
        return (_LOWEST_SCORE[self.level] + self.mark // 7 % 4 * 5 + (self._famous is not None) * 8) % 101 / 10

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The known facts about exploits."""
        if self._famous:
            return TAGS
        return tuple(tag for bit, tag in enumerate(TAGS) if self.mark >> (9 + 3 * bit) & 7 == 0)

    @cached_property
    def fix(self) -> str:
        """The version that fixes the vulnerability; empty for one in eight vulnerabilities."""
        if self._famous:
            return self._famous[3]
        mark = self.mark
        return "" if mark >> 5 & 7 == 0 else f"{mark % 5 + 1}.{mark // 5 % 20}.{mark // 100 % 30}-{mark % 9}"

    @property
    def published(self) -> tuple[int, int, int]:
        """Year, month and day."""
        year = int(self.cve[4:8]) if self.cve else 2014 + self.mark % 12
        return year, self.mark // 11 % 12 + 1, self.mark // 13 % 28 + 1

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """The fields that are the same in all its rows, with texts of up to 4 kB. Made when a row is first shown."""
        year, month, day = self.published
        links = [f"https://nvd.example.org/{self.cve or self.poc_id}", f"https://bugs.example.org/{self.number}"]
        return {
            "CVEID": self.cve,
            "Name": self.name,
            "Category": self.category,
            "CategoryType": self.kind,
            "Des": text(self.mark, 200 + self.mark % 1000),
            "OfficialSolution": text(self.mark >> 7, 80 + self.mark // 3 % 200),
            "Reference": "[" + ",".join(f'"{link}"' for link in links[: 1 + self.mark % 2]) + "]",
            "DefenseSolution": text(self.mark >> 11, self.mark // 17 % 300),
            "SubmitTime": f"{year}-{month:02}-{day:02}T00:00:00+08:00",
            "CVSSV3Score": self.score,
            "CVSSV3Desc": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "IsSuggest": self.level == 4,
            "AttackLevel": self.mark % 4,
        }


Group = tuple[Finding, ...]


class Catalogue:
    """Finds vulnerabilities by their keys, and groups of findings by base. Each list grows as far as it is read.

    `made` counts the groups that were made: no group is made before it is asked for.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.made = 0
        self._vulnerabilities: dict[tuple[str, int, int], Vulnerability] = {}
        self._lists: dict[Hashable, tuple[list[Any], Random, set[int]]] = {}
        self._turns = Counter[Hashable]()

    def vulnerability(self, kind: str, level: int, number: int) -> Vulnerability:
        """Return the vulnerability with this key."""
        key = (kind, level, number)
        found = self._vulnerabilities.get(key)
        if found is None:
            found = self._vulnerabilities[key] = Vulnerability(self.seed, key)
        return found

    def group(self, base: Base, levels: tuple[int, ...], index: int) -> Group:
        """Return the findings of the vulnerability at `index`, for images of a base, among these levels."""
        if len(levels) == 1:
            return self._of_level(base, levels[0], index)
        rhythm = [level for level in _RHYTHM if level in levels]
        turn, rest = divmod(index, len(rhythm))
        level = rhythm[rest]
        return self._of_level(base, level, turn * rhythm.count(level) + rhythm[:rest].count(level))

    def findings(self, vulnerability: Vulnerability, base: Base) -> Group:
        """Return a base's packages with a vulnerability: one, or several of one source, or one at two paths."""
        place = f"{base.system or 'scratch'}" if vulnerability.kind == SYSTEM else f"stack{base.stack}"
        package, mark = vulnerability.package, vulnerability.mark
        count = 1 + (mark >> 20 & 3 == 0) + (mark >> 22 & 7 == 0)
        names = SUBPACKAGES[:count] if vulnerability.kind == SYSTEM else ("",)
        version = _version(self.seed, place, package)
        root = "/var/lib/" if vulnerability.kind == SYSTEM else "/app/lib/"
        packages = [package + name for name in names]
        found = [Finding(vulnerability, one, version, vulnerability.fix, root + one) for one in packages]
        if mark >> 25 & 15 == 0:
            first = found[0]
            found.append(Finding(vulnerability, first.component, first.version, first.fixed, f"/opt/copy/{package}"))
        return tuple(found)

    def _of_level(self, base: Base, level: int, index: int) -> Group:
        """Take two of three vulnerabilities from the system, if there is one, and the others from the libraries."""
        groups, rng, _ = self._list((base, level))
        while len(groups) <= index:
            system = base.system and rng.random() < 0.67
            kind, place = (SYSTEM, base.system) if system else (WEB, base.stack)
            turn = self._turns[base, level, kind]
            self._turns[base, level, kind] += 1
            groups.append(self.findings(self._ranked(kind, place, level, turn), base))
            self.made += 1
        group: Group = groups[index]
        return group

    def _ranked(self, kind: str, place: Hashable, level: int, index: int) -> Vulnerability:
        """Return the vulnerability at a rank of a system or stack: many lists share the low numbers."""
        found, rng, used = self._list((kind, place, level))
        while len(found) <= index:
            number = min(int(4 * rng.paretovariate(0.7)) - 4, 50_000)
            while number in used:
                number += 1
            used.add(number)
            found.append(self.vulnerability(kind, level, number))
        vulnerability: Vulnerability = found[index]
        return vulnerability

    def _list(self, key: Hashable) -> tuple[list[Any], Random, set[int]]:
        if key not in self._lists:
            self._lists[key] = ([], Random(f"{self.seed} {key!r}"), set())  # noqa: S311 (nothing here is secret)
        return self._lists[key]


def _version(seed: int, place: str, package: str) -> str:
    mark = crc32(f"{seed} {place} {package}".encode())
    return f"{mark % 4}.{mark // 4 % 20}.{mark // 80 % 30}-{mark % 7}"
