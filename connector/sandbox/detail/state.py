"""Keeps the details behind the counts of each image of a fleet, and changes them.

An image has exactly as many findings of each level as its item counts. The counts decide how many, the catalogue
decides which: findings are computed, never stored.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Protocol
from zlib import crc32

from connector.sandbox.detail.catalogue import SYSTEM, WEB, Base, Catalogue, Finding
from connector.sandbox.detail.scans import Added, Library, Scan, base_of, concerns, count, counted, scan_of, skips
from connector.sandbox.images import Item, instant_of, instant_text

# Names of the methods that change details by a number (the last two also by ids): the changes of `Fleet.apply`.
DETAIL_CHANGES = (
    *("add_vulnerabilities", "withdraw_vulnerabilities", "revise_vulnerabilities"),
    *("scan_again", "move_containers"),
)

# Numbers of vulnerabilities that only a library update brings.
_FIRST_ADDED = 60_000

Some = int | Iterable[str] | None


class Owner(Protocol):
    """Names the methods of a fleet that details need."""

    revision: int
    started: int

    def __contains__(self, image_id: object) -> bool: ...
    def __getitem__(self, image_id: str) -> Item: ...
    def truth(self) -> dict[str, Item]: ...
    def gone(self) -> dict[str, Item]: ...
    def instant(self) -> int: ...
    def replace(self, changes: Mapping[str, Mapping[str, Any]]) -> list[str]: ...
    def alter_gone(self, changes: Mapping[str, Mapping[str, Any]]) -> None: ...


class Details:
    """Keeps the details of one fleet.

    `recounted` counts how often an image's findings were computed. History is kept from the first use on: `sets_at`
    knows the scans that happened since then, and the state before the first of these scans.
    """

    def __init__(self, fleet: Owner, seed: int) -> None:
        self.fleet = fleet
        self.catalogue = Catalogue(seed)
        self.library = Library()
        self.revised = Counter[tuple[str, int, int]]()
        self.moved = Counter[str]()
        self.asked = Counter[str]()
        self.recounted = 0
        self._rng = Random(f"library {seed}")  # noqa: S311 (nothing here is secret)
        self._history: dict[str, list[Scan]] = {}
        self._former = self.library
        self._added = 0
        self._last: tuple[Scan, list[Finding]] | None = None

    # Reads

    def findings(self, item: Item) -> list[Finding]:
        """Return an image's present findings, in the order of the catalogue."""
        return self.of(self.scan(item))

    def scan(self, item: Item) -> Scan:
        """Return what decides an image's findings now."""
        return scan_of(item, self.library)

    def of(self, scan: Scan) -> list[Finding]:
        """Return the findings of a scan; callers must not change the list."""
        if self._last is not None and self._last[0] == scan:
            return self._last[1]
        self.recounted += 1
        found: list[Finding] = []
        for levels, size in scan.pools:
            end = len(found) + size
            groups = self._groups(scan, levels)
            while len(found) < end:
                found += next(groups)
            del found[end:]
        self._last = (scan, found)
        return found

    def shown(self, item: Item, late_requests: int = 0, late_seconds: float = 0) -> Scan:
        """Return the scan whose results are shown: the former scan, until the new results are visible."""
        history = self._history.get(item["ImageID"])
        if not history or not (late_requests or late_seconds):
            return self.scan(item)
        asked, now = self.asked[item["ImageID"]], self.fleet.instant()
        shown = history[0]
        for scan in history[1:]:
            waits = asked - scan.since < late_requests or now - scan.at < late_seconds * 1e6
            if scan.time != shown.time and waits:
                return shown
            shown = scan
        return self.scan(item)

    def sets_at(self, image_id: str, scan_time: Any) -> list[list[Finding]]:
        """Return the sets of an image's findings at this ScanTime, oldest first; several after library updates."""
        scans = [scan for scan in self._history.get(image_id, ()) if scan.time == scan_time]
        if not scans and image_id in self.fleet and self.fleet[image_id].get("ScanTime") == scan_time:
            scans = [self.scan(self.fleet[image_id])]
        return [self.of(scan) for scan in scans]

    def changed(self, old: Item, new: Item) -> None:
        """Note that an image's item has changed."""
        image_id = new["ImageID"]
        before, after = scan_of(old, self._former), scan_of(new, self.library)
        if (before.time, before.pools, before.viruses) == (after.time, after.pools, after.viruses):
            return
        history = self._history.setdefault(image_id, [before])
        history.append(replace(after, since=self.asked[image_id], at=self.fleet.instant()))

    # Changes; each returns the ids of the images that changed

    def add_vulnerabilities(self, count: int) -> list[str]:
        """Add vulnerabilities to the library: images of some system or stack have them at once, without a scan."""
        bases = sorted({base_of(item) for item in self._scanned()})
        added = tuple(self._new(self._rng.choice(bases)) for _ in range(count if bases else 0))
        return self._update(Library(added[::-1] + self.library.added, self.library.withdrawn))

    def withdraw_vulnerabilities(self, some: Some) -> list[str]:
        """Withdraw vulnerabilities of images from the library: a number of them, or these CVEs."""
        found = {finding.vulnerability.key: finding.vulnerability for finding in self._all()}
        if isinstance(some, int):
            keys = self._rng.sample(sorted(found), min(some, len(found)))
        else:
            keys = [key for key, one in found.items() if some is None or one.cve in set(some)]
        return self._update(Library(self.library.added, self.library.withdrawn | set(keys)))

    def revise_vulnerabilities(self, count: int) -> list[str]:
        """Give vulnerabilities another fix and a public exploit. No count changes. Returns the ids of their images."""
        images: defaultdict[tuple[str, int, int], set[str]] = defaultdict(set)
        for item in self._scanned():
            for finding in self.findings(item):
                images[finding.vulnerability.key].add(item["ImageID"])
        keys = self._rng.sample(sorted(images), min(count, len(images)))
        self.revised.update(keys)
        return sorted(set().union(*(images[key] for key in keys)))

    def scan_again(self, some: Some = None) -> list[str]:
        """Scan images again that were scanned without an error, with the same result: only ScanTime changes."""
        ids = [item["ImageID"] for item in self.fleet.truth().values() if item.get("ScanStatus") == "SCANNED"]
        chosen = self._chosen(ids, some)
        items, now = self.fleet.truth(), self.fleet.instant()
        times = {one: max(now, instant_of(items[one].get("ScanTime")) or 0) + 1000 for one in chosen}
        return self.fleet.replace({one: {"ScanTime": instant_text(time)} for one, time in times.items()})

    def move_containers(self, some: Some = None) -> list[str]:
        """End containers of images, and start others in their places: ContainerCnt stays."""
        ids = [item["ImageID"] for item in self.fleet.truth().values() if count(item, "ContainerCnt")]
        chosen = self._chosen(ids, some)
        for image_id in chosen:
            self.moved[image_id] += 1
        self.fleet.replace({image_id: {} for image_id in chosen})
        return chosen

    # How changes are made

    def _groups(self, scan: Scan, levels: tuple[int, ...]) -> Iterator[tuple[Finding, ...]]:
        own, base = crc32(scan.image_id.encode()), scan.base
        for added in scan.library.added:
            one = added.vulnerability
            if one.level in levels and one.key not in scan.library.withdrawn and concerns(added, own, base):
                yield self.catalogue.findings(one, base)
        index = 0
        while True:
            group = self.catalogue.group(base, levels, index)
            index += 1
            one = group[0].vulnerability
            if one.key not in scan.library.withdrawn and not skips(own, one):
                yield group

    def _scanned(self) -> list[Item]:
        items = [*self.fleet.truth().values(), *self.fleet.gone().values()]
        return [item for item in items if item.get("ScanStatus") == "SCANNED" or count(item, "VulCnt")]

    def _all(self) -> Iterator[Finding]:
        for item in self._scanned():
            yield from self.findings(item)

    def _new(self, base: Base) -> Added:
        self._added += 1
        kind = SYSTEM if base.system and self._rng.random() < 0.7 else WEB
        level = self._rng.choices((4, 3, 2, 1), (2, 4, 5, 3))[0]
        vulnerability = self.catalogue.vulnerability(kind, level, _FIRST_ADDED + self._added)
        return Added(vulnerability, base.system if kind == SYSTEM else base.stack)

    def _update(self, library: Library) -> list[str]:
        """Put another library in force, and set the counts of images by it."""
        fresh = set(library.added) - set(self.library.added)
        withdrawn = library.withdrawn - self.library.withdrawn
        changes = {}
        for item in self._scanned():
            steps = self._steps(item, fresh, withdrawn)
            if any(steps.values()):
                changes[item["ImageID"]] = counted(item, steps)
        self.library = library
        listed = self.fleet.truth().keys()
        try:
            self.fleet.alter_gone({image_id: change for image_id, change in changes.items() if image_id not in listed})
            return self.fleet.replace({i: change for i, change in changes.items() if i in listed})
        finally:
            self._former = library

    def _steps(self, item: Item, fresh: Iterable[Added], withdrawn: Iterable[Any]) -> Counter[int]:
        """Return by how much an image's number of findings changes at each level."""
        own, base, steps = crc32(item["ImageID"].encode()), base_of(item), Counter[int]()
        for added in fresh:
            if concerns(added, own, base):
                one = added.vulnerability
                steps[one.level] += len(self.catalogue.findings(one, base))
        if withdrawn:
            lost = [finding.vulnerability for finding in self.findings(item) if finding.vulnerability.key in withdrawn]
            steps.subtract(one.level for one in lost)
        return steps

    def _chosen(self, ids: list[str], some: Some) -> list[str]:
        if isinstance(some, int):
            return self._rng.sample(ids, min(some, len(ids)))
        return ids if some is None else [image_id for image_id in some if image_id in set(ids)]
