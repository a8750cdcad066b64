"""`connector.warehouse.counting`: `posture_by_day` answers the same whatever was counted, and wherever a run died."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dlt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.tables import IMAGE_HISTORY, IMAGES, POSTURE_CHANGES, TABLES, Table
from connector.warehouse import views
from connector.warehouse.counting import DAY, Posture
from connector.warehouse.pruning import Pruner
from connector.warehouse.selects import dialect_of, instant
from tests.properties import examples
from tests.warehouse.viewed import ask, plain, with_views
from tests.warehouses import KINDS, Place

pytestmark = pytest.mark.thorough("sqlite", "mysql")

HOUR = DAY // 24
BEGIN = int(datetime(2024, 2, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
ENDS = 40  # days after `BEGIN` that are compared
COUNTS = ("vul_cnt", "critical_level_vul_cnt", "high_level_vul_cnt", "medium_level_vul_cnt", "low_level_vul_cnt")
OTHERS = ("virus_cnt", "risk_cnt")
Version = dict[str, Any]
Answer = dict[tuple[str, date], tuple[int, ...]]


@dataclass(frozen=True)
class Step:
    """A run of an account, `hours` after the one before; `changes` are images and what is seen of each.

    `fate` is how the run ends: after its history, after its images, or after the count."""

    account: str
    hours: int
    changes: dict[str, Version]
    fate: str


NUMBERS = st.none() | st.integers(0, 3)
SEEN = st.fixed_dictionaries(
    dict.fromkeys((*COUNTS, *OTHERS), NUMBERS)
    | {"scan_time": st.none() | st.just(BEGIN), "deleted_at": st.none() | st.none() | st.just(BEGIN)}
)
STEPS = st.builds(
    Step,
    account=st.sampled_from(["1", "1", "2"]),
    hours=st.sampled_from([0, 1, 1, 5, 30, 100, -1, -50]),
    changes=st.dictionaries(st.sampled_from("abcd"), SEEN, max_size=3),
    fate=st.sampled_from(["counted", "counted", "images", "history"]),
)


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Any]]:
    """A warehouse of each kind with its views, and no rows."""
    with with_views(request.param, tmp_path_factory.mktemp("counted")) as both:
        yield both


@dataclass
class World:
    """A warehouse, and what its history is."""

    place: Place
    pipeline: dlt.Pipeline
    now: int = BEGIN
    valid: dict[tuple[str, str], list[Version]] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        tables = (IMAGES, IMAGE_HISTORY, POSTURE_CHANGES)
        self.place.sql_in_one(f"DELETE FROM {{data}}.{table.name}" for table in tables)

    def posture(self, account: str) -> Posture:
        return Posture(self.place.location, self.pipeline, account)

    def run(self, step: Step) -> None:
        """Write what a run would write, in the order of its packages."""
        self.now += step.hours * HOUR
        self.posture(step.account).expect(self.now)
        numbered = {}
        for image_id, seen in step.changes.items():
            before = self.valid.get((step.account, image_id), [])
            keys = {"account_id": step.account, "image_id": image_id, "version": len(before) + 1}
            numbered[image_id] = {**seen, **keys, "observed_at": self.now, "row_hash": "", "sync_id": ""}
        written = [put for version in numbered.values() for put in self._put(IMAGE_HISTORY, version)]
        if step.fate != "history":
            for image_id, version in numbered.items():
                versions = self.valid.setdefault((step.account, image_id), [])
                versions.append(version)
                seen = {"changed_at": self.now, "first_seen_at": versions[0]["observed_at"]}
                written += self._put(IMAGES, version | seen)
        if written:
            self.place.sql_in_one(written)
        if step.fate == "counted":
            self.posture(step.account).count()

    def _put(self, table: Table, row: Version) -> Iterator[str]:
        named = {name: row[name] for name in table.column_names if row.get(name) is not None}
        keys = " AND ".join(f"{name} = {self._literal(table, name, row[name])}" for name in table.key)
        yield f"DELETE FROM {{data}}.{table.name} WHERE {keys}"
        values = ", ".join(self._literal(table, name, value) for name, value in named.items())
        yield f"INSERT INTO {{data}}.{table.name} ({', '.join(named)}) VALUES ({values})"

    def _literal(self, table: Table, name: str, value: Any) -> str:
        if table.column(name).type == "timestamp":
            return instant(self.place.location.kind, value)
        return f"'{value}'" if isinstance(value, str) else str(value)

    def expected(self) -> Answer:
        """Add each version on the day when it was observed, and subtract it on the day when the next one was."""
        days = [(datetime.fromtimestamp(BEGIN / 1e6, UTC) + timedelta(days=n)).date() for n in range(-50, ENDS)]
        begins: dict[str, int] = {}
        for (account, _), versions in self.valid.items():
            first = min(version["observed_at"] for version in versions)
            begins[account] = min(begins.get(account, first), first)
        found = {(a, d): [0] * (4 + len(COUNTS + OTHERS)) for a, at in begins.items() for d in days if d >= _day(at)}
        for (account, _), versions in self.valid.items():
            for version, later in zip(versions, [*versions[1:], None], strict=True):
                for sign, end in ((1, version), (-1, later)):
                    for day in days if end else ():
                        if day >= _day(end["observed_at"]) and (account, day) in found:
                            total = found[account, day]
                            found[account, day] = [t + sign * n for t, n in zip(total, _counts(version), strict=True)]
        return {key: tuple(values) for key, values in found.items()}

    def answer(self) -> Answer:
        """Return what the view answers."""
        return _answer(*ask(self.pipeline, "posture_by_day"))

    def without_counts(self) -> Answer:
        """Return what the view answers in a dataset where nothing is counted."""
        view = next(view for view in views.views() if view.name == "posture_by_day")
        with self.pipeline.sql_client() as client:
            names = {table.name: client.make_qualified_table_name(table.name) for table in TABLES}
            select = view.select(dialect_of(client), names)
            if self.place.kind != "sqlite":  # whose driver formats nothing
                select = select.replace("%", "%%")
            with client.execute_query(select) as cursor:
                return _answer(list(cursor.columns_schema), [tuple(map(plain, row)) for row in cursor.fetchall()])


def _counts(version: Version) -> list[int]:
    critical = version["critical_level_vul_cnt"]
    if version["deleted_at"] is not None:
        return [0] * (4 + len(COUNTS + OTHERS))
    judged = [1, version["scan_time"] is not None, critical is not None, (critical or 0) > 0]
    return [*map(int, judged), *(version[name] or 0 for name in (*COUNTS, *OTHERS))]


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1e6, UTC).date()


def _answer(columns: list[str], rows: list[tuple[Any, ...]]) -> Answer:
    assert [*columns[:2], columns[-1]] == ["account_id", "day", "account_name"]
    last = _day(BEGIN) + timedelta(days=ENDS)
    return {(row[0], row[1]): tuple(map(int, row[2:-1])) for row in rows if row[1] < last}


@examples(3)
@given(steps=st.lists(STEPS, min_size=2, max_size=8))
def test_the_view_equals_the_plain_arithmetic(made: tuple[Place, dlt.Pipeline], steps: list[Step]) -> None:
    """After each run: runs of two accounts, complete or killed after any package, with a clock that goes back."""
    world = World(*made)
    for account in "12":
        world.run(Step(account, 0, {"a": seen()}, "images"))
    for step in steps:
        world.run(step)
        assert world.answer() == world.expected()
    assert world.without_counts() == world.expected()


def seen(**columns: int | None) -> Version:
    return dict.fromkeys((*COUNTS, *OTHERS, "scan_time", "deleted_at")) | columns


def years(world: World, *, count: bool = True) -> None:
    """Load one version for every 29 hours, for more than two slices, and count them."""
    rows: list[Version] = []
    for number in range(60):
        world.now += 29 * HOUR
        versions = world.valid.setdefault(("1", "ab"[number % 2]), [])
        keys = {"account_id": "1", "image_id": "ab"[number % 2], "version": len(versions) + 1}
        versions.append({**seen(vul_cnt=number), **keys, "observed_at": world.now})
        rows.append(versions[-1])
    newest = [
        versions[-1] | {"changed_at": versions[-1]["observed_at"], "first_seen_at": versions[0]["observed_at"]}
        for versions in world.valid.values()
    ]
    world.place.insert({IMAGE_HISTORY: rows, IMAGES: newest})
    if count:
        world.posture("1").count()


def test_the_first_count_resumes_where_it_was_killed(
    made: tuple[Place, dlt.Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warehouse of an older release has no counts. Each slice is whole, and the view is right after each."""
    world = World(*made)
    years(world, count=False)
    expected, write, slices = world.expected(), Posture._write, 0

    def killed(*given: Any, **options: Any) -> None:
        write(*given, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Posture, "_write", killed)
    while world.place.sql("SELECT max(changed_at) FROM {data}.posture_changes") != world.place.sql(
        "SELECT max(observed_at) FROM {data}.image_history"
    ):
        with pytest.raises(KeyboardInterrupt):
            world.posture("1").count()
        slices += 1
        assert world.answer() == expected
    assert slices == 3
    world.posture("1").count()  # nothing is left, so nothing is written
    ((rows, days),) = world.place.sql("SELECT count(*), count(DISTINCT changed_at) FROM {data}.posture_changes")
    assert rows == days == 60


def test_versions_that_come_before_the_mark_are_counted(made: tuple[Place, dlt.Pipeline]) -> None:
    """The clock went back. Days that were counted are counted anew only where that has happened."""
    world = World(*made)
    world.run(Step("1", 48, {"a": seen(vul_cnt=7)}, "counted"))
    world.place.sql("UPDATE {data}.posture_changes SET vul_change = vul_change + 100")
    world.run(Step("1", 5, {"b": seen(vul_cnt=2)}, "counted"))
    assert world.answer() != world.expected(), "counted anew without need"
    world.run(Step("1", -24, {"c": seen(vul_cnt=1)}, "counted"))
    assert world.answer() == world.expected()


def test_a_clock_that_goes_back_behind_the_first_observation(made: tuple[Place, dlt.Pipeline]) -> None:
    """What was observed then counts on all later days: an image has its present vulnerabilities, and not its first."""
    world = World(*made)
    world.run(Step("1", 72, {"a": seen(vul_cnt=7)}, "counted"))
    world.run(Step("1", -48, {"a": seen(vul_cnt=3)}, "counted"))
    assert world.answer() == world.expected()
    assert world.answer()["1", _day(BEGIN) + timedelta(days=3)][4] == 3


def test_days_that_were_counted_survive_a_prune(made: tuple[Place, dlt.Pipeline]) -> None:
    """A version that is not counted yet is counted before the version before goes; counted again, the days from the
    cut on stay right."""
    world = World(*made)
    years(world)
    world.run(Step("1", 29, {"a": seen(vul_cnt=7)}, "images"))
    expected, cut = world.expected(), BEGIN + 30 * DAY
    assert Pruner(world.place.location, world.pipeline, world.now - HOUR).account("1", dry_run=False)["image_history"]
    assert world.answer() == expected
    world.run(Step("1", 5, {"a": seen(vul_cnt=3), "b": seen(deleted_at=BEGIN)}, "counted"))
    expected = world.expected()
    assert world.answer() == expected
    world.posture("1").count(again=True)
    cut = world.now - DAY
    assert {key: n for key, n in world.answer().items() if key[1] > _day(cut)} == {
        key: n for key, n in expected.items() if key[1] > _day(cut)
    }


def test_counting_again_corrects_what_somebody_changed(made: tuple[Place, dlt.Pipeline]) -> None:
    """The rows are made anew from the history."""
    world = World(*made)
    years(world)
    rows = world.place.table(POSTURE_CHANGES)
    world.place.sql("UPDATE {data}.posture_changes SET vul_change = vul_change + 1")
    world.place.sql("DELETE FROM {data}.posture_changes WHERE images_change > 0")
    assert world.place.table(POSTURE_CHANGES) != rows
    world.posture("1").count(again=True)
    assert world.place.table(POSTURE_CHANGES) == rows
