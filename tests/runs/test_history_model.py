"""Whatever happens to a fleet, and whenever runs die: the warehouse tells the truth about it, and its whole history.

Random fleets that change between and during runs of random modes, some of which die after some of their packages.
Between runs, rows of `images` disappear.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from connector.images.records import ItemParser, Parsed, Record
from connector.listing.query import Filters
from connector.runs.policy import HOUR, Policy
from connector.sandbox import Churn, Fleet, LocalServer
from connector.tables import API_COLUMNS, IMAGE_HISTORY, IMAGE_SCANS, IMAGES, Row
from tests.properties import examples
from tests.runs.memory import Runs, Warehouse, typed

SHARED = [name for name in IMAGE_HISTORY.column_names if name in IMAGES.column_names]
FILTERED: Filters = (("ScanStatus", ("scanned",)),)
SOME = {
    "rescan": 5,
    "start_scans": 2,
    "finish_scans": 2,
    "change_counts": 5,
    "insert": 4,
    "delete": 3,
    "bring_back": 2,
}
NOTHING: Row = dict.fromkeys(IMAGES.column_names)


@dataclass(frozen=True)
class Step:
    """What happens before a run and after each `every`-th of its answers, how many packages it commits, and how many
    rows of `images` are lost before it."""

    before: Mapping[str, int]
    during: Mapping[str, int]
    every: int
    hours: int
    mode: Literal["auto", "incremental", "full"]
    filters: Filters
    packages: int
    confirm: int
    lost: int

    def policy(self) -> Policy:
        return Policy(mode=self.mode, filters=self.filters, lookback=0, confirm_gone_after=self.confirm)


def changes(most: Mapping[str, int]) -> st.SearchStrategy[Mapping[str, int]]:
    return st.fixed_dictionaries({}, optional={name: st.integers(1, count) for name, count in most.items()})


STEPS = st.builds(
    Step,
    before=changes(SOME),
    during=st.just({}) | changes(dict.fromkeys(SOME, 1)),
    every=st.sampled_from([1, 2, 5]),
    hours=st.sampled_from([0, 1, 30]),
    mode=st.sampled_from(["auto", "auto", "incremental", "full"]),
    filters=st.sampled_from([(), (), (), FILTERED]),
    packages=st.sampled_from([3, 3, 3, 0, 1, 2]),
    confirm=st.sampled_from([0, HOUR // 6, HOUR // 6, 2 * HOUR]),
    lost=st.sampled_from([0, 0, 0, 0, 3, 1000]),
)


class Watching(ItemParser):
    """Remembers the scans that it has parsed."""

    def __init__(self) -> None:
        super().__init__()
        self.scans: set[tuple[str, int]] = set()

    def read(self, items: Sequence[Any]) -> Parsed:
        parsed = super().read(items)
        for record in parsed.records():
            if isinstance(record, Record) and record.scan_time is not None:
                self.scans.add((record.image_id, record.scan_time))
        return parsed


class Restless(Fleet):
    """Remembers which images came back: with an old ScanTime, which no incremental sweep looks for. So do images whose
    rows were lost."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.back: set[str] = set()

    def bring_back(self, some: int | Iterable[str] | None = None) -> list[str]:
        ids = super().bring_back(some)
        self.back.update(ids)
        return ids


@dataclass
class World:
    """A fleet, its warehouse, and what has to hold between them."""

    fleet: Restless
    parser: Watching = field(default_factory=Watching)
    scans: set[tuple[str, int]] = field(default_factory=set)
    valid: dict[tuple[str, int], Row] = field(default_factory=dict)  # every version that was ever valid

    def __post_init__(self) -> None:
        self.runs = Runs(LocalServer(self.fleet), limit=8, parser=self.parser)

    @property
    def warehouse(self) -> Warehouse:
        return self.runs.warehouse

    def take(self, step: Step) -> None:
        self.fleet.now += step.hours * HOUR
        self.fleet.apply(step.before)
        self.fleet.back.update(self.warehouse.lose(step.lost))
        self.runs.server.backend.churn = Churn(every=step.every, **step.during)
        self.parser.scans.clear()
        mark = self.fleet.mark()
        before = {image["image_id"]: image for image in self.warehouse[IMAGES]}
        row = self.runs.run(step.policy(), packages=step.packages)
        if step.packages:
            self.scans |= self.parser.scans
        self.check_history()
        if step.packages >= 2:
            self.check_strikes(step, row, mark, before)
        if step.packages == 3 and row["verdict"] == "complete" and not step.filters:
            if row["mode"] == "full":
                self.check_full(row, mark, quiet=not step.during)
                self.fleet.back -= self.fleet.listed_throughout(mark)
            self.check_watermark(row, mark)

    def check_history(self) -> None:
        """Versions are 1..n, no two neighbours are alike, the last one is the row of images, and no scan is lost. What
        was valid once stays as it is, and is not hidden."""
        versions = defaultdict(list)
        for row in sorted(self.warehouse[IMAGE_HISTORY], key=lambda row: row["version"]):
            versions[row["image_id"]].append(row)
        for image in self.warehouse[IMAGES]:
            found = versions[image["image_id"]][: image["version"]]
            assert [row["version"] for row in found] == list(range(1, image["version"] + 1))
            states = [(row["row_hash"], row["deleted_at"]) for row in found]
            assert all(one != next_one for one, next_one in pairwise(states))
            assert {name: found[-1][name] for name in SHARED} == {name: image[name] for name in SHARED}
            assert (found[0]["observed_at"], found[-1]["observed_at"]) == (image["first_seen_at"], image["changed_at"])
            known = {version: row for (image_id, version), row in self.valid.items() if image_id == image["image_id"]}
            assert {row["version"]: row for row in found if row["version"] in known} == known
            self.valid |= {(row["image_id"], row["version"]): row for row in found}
        assert {(row["image_id"], row["scan_time"]) for row in self.warehouse[IMAGE_SCANS]} == self.scans

    def check_strikes(self, step: Step, row: Row, mark: int, before: Mapping[str, Row]) -> None:
        """Who is marked or called gone was not listed all the time, and nobody goes without a mark that is old enough.
        A mark stays until its image is listed or gone. A run that judges leaves no old mark, unless it finds others."""
        judges = row["verdict"] == "complete" and not step.filters
        latest = row["started_at"] - step.confirm
        found = False
        for image in self.warehouse[IMAGES]:
            old = before.get(image["image_id"], NOTHING)
            marked = old["missing_since"] if old["deleted_at"] is None else None
            goes = image["deleted_at"] is not None and old["deleted_at"] is None
            is_marked = image["deleted_at"] is None and image["missing_since"] is not None and marked is None
            found |= marked is not None and image["missing_since"] is None
            if goes or is_marked:
                assert judges
                assert image["image_id"] not in self.fleet.listed_throughout(mark)
            if goes:
                assert step.confirm == 0 or (marked is not None and marked <= latest)
                assert image["missing_since"] == (row["started_at"] if marked is None else marked)
            elif is_marked:
                assert (row["mode"], image) == ("full", {**old, "missing_since": row["started_at"]})
            elif image["missing_since"] is not None:
                assert image == old
        if judges and not found and "called gone" not in row["verdict_reason"]:
            marks = [image["missing_since"] for image in self.live() if image["missing_since"] is not None]
            assert not marks or (step.confirm and min(marks) > latest)

    def live(self) -> list[Row]:
        return [image for image in self.warehouse[IMAGES] if image["deleted_at"] is None]

    def check_watermark(self, row: Row, mark: int) -> None:
        """Of an image that was listed all the time, every scan up to the watermark is known.

        Not of one that has come back since the last full sweep: TotalCount shows it, unless others have gone.
        """
        truth = typed(self.fleet.truth())
        stored = {image["image_id"]: image["scan_time"] for image in self.warehouse[IMAGES]}
        for image_id in self.fleet.listed_throughout(mark) - self.fleet.back:
            scan_time = truth[image_id][API_COLUMNS.index("scan_time")]
            if scan_time is not None and row["watermark_after"] is not None and scan_time <= row["watermark_after"]:
                assert stored.get(image_id) == scan_time

    def check_full(self, row: Row, mark: int, *, quiet: bool) -> None:
        """The live images that are not missing are those that are listed, as they are; if these change, those listed
        all the time."""
        live = {
            image["image_id"]: tuple(image[name] for name in API_COLUMNS)
            for image in self.live()
            if image["missing_since"] is None
        }
        if quiet:
            assert live == typed(self.fleet.truth())
        assert self.fleet.listed_throughout(mark) <= set(live)
        if "called gone" not in row["verdict_reason"]:
            assert set(live) <= self.fleet.listed_since(mark)


@examples(15)
@given(
    size=st.integers(0, 30) | st.integers(60, 90),
    seed=st.integers(0, 1000),
    steps=st.lists(STEPS, min_size=2, max_size=5),
)
def test_the_warehouse_tells_the_truth(size: int, seed: int, steps: list[Step]) -> None:
    """After every run the history is whole; after a complete one the watermark holds, after a full one everything."""
    world = World(Restless.seeded(size, seed))
    for step in steps:
        world.take(step)
