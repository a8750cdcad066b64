"""An account whose details change while they are read, without sockets and without a warehouse."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pyarrow as pa

from connector.api.answers import CallStats
from connector.detail.rows import DetailRun
from connector.detail.run import LISTS, Details
from connector.images.records import Rejected
from connector.runs.identity import Identity
from connector.sandbox.images import instant_text
from connector.settings import Settings
from connector.tables import DETAIL_TABLES, IMAGE_READS, IMAGE_VULNERABILITIES, Row, Table, plain_rows

MINUTE = 60_000_000
NOW = 1_800_000_000_000_000
Set = tuple[tuple[str, str, str], ...]
"""Vulnerability, component and version of each row, sorted; equal rows as often as they are."""


@dataclass(frozen=True)
class Answer:
    response: Mapping[str, Any]
    request_id: str | None = None


def finding(number: int, *, level: int = 1, fix: str = "2") -> Row:
    """A row of an image."""
    return {
        "CVEID": f"CVE-2020-{number:04}" if number % 7 else "",
        "Name": f"vulnerability {number}",
        "Component": f"package{number % 5}",
        "Version": "1",
        "FixedVersions": fix,
        "Level": level,
        "Tag": ["CanBeFixed"],
        "Des": "long",
    }


def as_set(rows: Iterable[Row]) -> Set:
    return tuple(sorted((row["CVEID"] or row["Name"], row["Component"], row["Version"]) for row in rows))


@dataclass
class Image:
    scan_time: int
    rows: list[Row]
    status: str = "SCANNED"
    containers: int = 0
    error: str = ""
    history: dict[int, set[Set]] = field(default_factory=dict)

    def remember(self) -> None:
        """All sets that the image has had at a ScanTime."""
        self.history.setdefault(self.scan_time, set()).add(as_set(self.rows))


@dataclass
class Server:
    """The API of an account. `cap` is the most rows of an answer; `permuted` says that rows of one level stand in
    another order in every answer. `before` is called before each request, and may change the images, or raise."""

    images: dict[str, Image]
    cap: int = 100
    permuted: bool = False
    splits: bool = True
    count: str = "rows"
    before: Callable[[str], None] = lambda _: None
    random: Random = field(default_factory=lambda: Random(1))
    requests: list[str] = field(default_factory=list)
    lists: dict[str, list[Row]] = field(default_factory=dict)

    def call(self, action: str, payload: Mapping[str, Any]) -> Answer:
        self.before(action)
        self.requests.append(action)
        if action == "DescribeAssetImageList":
            return self._images(payload)
        if action in LISTS:
            rows = self.lists.get(action, [])
            return self._page(rows, payload)
        return self._findings(payload)

    def _images(self, payload: Mapping[str, Any]) -> Answer:
        ids = payload["Filters"][0]["Values"] if "Filters" in payload else list(self.images)
        items = [self.item(image_id) for image_id in ids if image_id in self.images]
        return self._page(items, {**payload, "Limit": 100}, cap=100)

    def item(self, image_id: str) -> Row:
        image = self.images[image_id]
        return {
            "ImageID": image_id,
            "ScanStatus": image.status,
            "ScanTime": instant_text(image.scan_time),
            "VulCnt": self.counted(image),
            "ScanVulError": image.error,
            **{f"{word.title()}LevelVulCnt": count for word, count in self.levels(image).items()},
        }

    def levels(self, image: Image) -> dict[str, int]:
        counts = Counter(row["Level"] for row in image.rows)
        return {word: counts[level] for level, word in enumerate(("low", "medium", "high", "critical"), 1)}

    def counted(self, image: Image) -> int:
        if self.count == "rows":
            return len(image.rows)
        vulnerabilities = {row["CVEID"] or row["Name"] for row in image.rows}
        return len(vulnerabilities if self.count == "subjects" else set(as_set(image.rows)))

    def _findings(self, payload: Mapping[str, Any]) -> Answer:
        image = self.images.get(payload["ImageID"])
        rows = list(image.rows) if image else []
        if self.permuted:
            self.random.shuffle(rows)
        if "By" in payload:
            rows.sort(key=lambda row: row["Level"], reverse=payload["Order"] == "desc")
        for each in payload.get("Filters", ()) if self.splits else ():
            rows = [row for row in rows if str(row["Level"]) in each["Values"]]
        return self._page(rows, payload)

    def _page(self, rows: Sequence[Row], payload: Mapping[str, Any], cap: int | None = None) -> Answer:
        start = payload["Offset"]
        return Answer(
            {"List": list(rows[start : start + min(payload["Limit"], cap or self.cap)]), "TotalCount": len(rows)}
        )


class FakeClient:
    """What `Details` needs of a client."""

    def __init__(self, server: Server, now: Callable[[], int]) -> None:
        self._server, self.now = server, now

    def call(self, action: str, payload: Mapping[str, Any], *, tally: CallStats) -> Answer:
        tally.requests += 1
        return self._server.call(action, payload)

    @property
    def stats(self) -> CallStats:
        return CallStats(requests=len(self._server.requests))


class KilledError(BaseException):
    """The process is killed."""


class Memory:
    """A store whose tables are dicts by key. A commit is killed in its package `killed_in`: the tables `committed` of
    that package have arrived, because a package commits its tables in any order.

    With `arriving`, all rows of a run are one package, of which these tables arrive (`arrive`).
    """

    def __init__(
        self, server: Server, tables: dict[str, dict[Any, Row]], arriving: Collection[str] | None = None
    ) -> None:
        self._server, self.tables, self._arriving = server, tables, arriving
        self.in_order = arriving is None
        self._added: list[tuple[Table, tuple[Any, ...]]] = []
        self.faults: list[Rejected] = []
        self.killed_in: int | None = None
        self.committed: Collection[str] = ()

    def rows(self, table: Table, names: Sequence[str] = (), **equal: str) -> list[Row]:
        found = self.tables[table.name].values()
        return [dict(row) for row in found if all(row[name] == value for name, value in equal.items())]

    def rows_of(self, table: Table, image_ids: Sequence[str]) -> list[Row]:
        return [dict(row) for row in self.tables[table.name].values() if row["image_id"] in image_ids]

    def live_images(self, names: Sequence[str]) -> list[Row]:
        return [
            {
                "image_id": image_id,
                "scan_status": image.status,
                "scan_time": image.scan_time,
                "deleted_at": None,
                "container_cnt": image.containers,
                **{f"{word}_level_vul_cnt": count for word, count in self._server.levels(image).items()},
                "vul_cnt": self._server.counted(image),
                "scan_vul_error": image.error or None,
            }
            for image_id, image in self._server.images.items()
        ]

    def is_empty(self, table: Table) -> bool:
        return not self.tables[table.name]

    def branch(self) -> Memory:
        if not self.in_order:
            return self
        made = Memory(self._server, self.tables)
        made.killed_in, made.committed = self.killed_in, self.committed
        return made

    def append(self, table: Table, rows: pa.Table) -> None:
        self.add(table, [tuple(row[name] for name in table.column_names) for row in plain_rows(rows)])

    def add(self, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
        self._added += [(table, row) for row in rows]

    def reject(self, faults: Iterable[Rejected]) -> None:
        self.faults += faults

    def arrive(self) -> None:
        for table, values in self._added:
            if table.name in (self._arriving or ()):
                self._merge(table, values)

    def commit(self, *packages: tuple[Table, ...]) -> None:
        if not self.in_order:
            return
        for number, tables in enumerate(packages):
            killed = self.killed_in == number and len(packages) > 1
            for table, values in self._added:
                if table in tables and (not killed or table.name in self.committed):
                    self._merge(table, values)
            if killed:
                raise KilledError
        self._added.clear()

    def _merge(self, table: Table, values: tuple[Any, ...]) -> None:
        row = dict(zip(table.column_names, values, strict=True))
        self.tables[table.name][tuple(row[name] for name in table.key)] = row


def new_tables() -> dict[str, dict[Any, Row]]:
    return {table.name: {} for table in DETAIL_TABLES}


def run(
    server: Server,
    tables: dict[str, dict[Any, Row]],
    *,
    now: int = NOW,
    killed_in: int | None = None,
    committed: Collection[str] = (),
    arriving: Collection[str] | None = None,
    steady: Callable[[], float] = time.monotonic,
    **given: Any,
) -> DetailRun | None:
    """One run of the aspect vulnerabilities; None where it was killed. `killed_in`, `committed` and `arriving`:
    see `Memory`."""
    settings = Settings()
    settings.detail, settings.in_flight = ["vulnerabilities"], 1
    for name, value in given.items():
        setattr(settings, name, value)
    store = Memory(server, tables, arriving)
    store.killed_in, store.committed = killed_in, committed
    identity = Identity("1", f"run {now}", now)
    client: Any = FakeClient(server, lambda: now)
    try:
        (made,) = Details(settings, client, identity, store, steady).execute()  # type: ignore[arg-type]
    except KilledError:
        return None
    store.arrive()
    return made


def shown(tables: dict[str, dict[Any, Row]], image_id: str, read_no: int | None = None) -> Set:
    """The set of an image that views show, or have shown when `read_no` was its last read."""
    marker = tables[IMAGE_READS.name].get(("1", image_id, "vulnerabilities"))
    if marker is None:
        return ()
    number = marker["read_no"] if read_no is None else read_no
    names = {row["vul_id"]: row["cve_id"] or row["name"] for row in tables["vulnerabilities"].values()}
    return tuple(
        sorted(
            (names[row["vul_id"]], row["component"], row["version"])
            for row in tables[IMAGE_VULNERABILITIES.name].values()
            if row["image_id"] == image_id
            and row["opened_read"] <= number
            and (row["closed_read"] is None or row["closed_read"] > number)
            for _ in range(row["occurrences"])
        )
    )
