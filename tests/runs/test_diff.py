"""The diff: what a sweep shows becomes rows to write, each key once, and an image that did not change none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis.strategies import lists, sampled_from

from connector.images.fields import NOT_AN_INTEGER
from connector.images.records import ItemParser, Record, Rejected, former_reject_id, reject_id
from connector.runs.audit import Audit, Span
from connector.runs.diff import TWICE, Diff
from connector.runs.identity import Identity
from connector.runs.known import Known
from connector.runs.spool import Spool
from connector.tables import API_COLUMNS, IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, Table
from connector.wire import Verbatim, encode
from tests.properties import examples
from tests.runs.memory import KNOWN, as_arrow, plain

NOW, BEFORE, FIRST = 3_000, 2_000, 1_000
SCAN, SCANNED = "2021-01-29T06:10:12.021Z", 1_611_900_612_021_000
LATER, LATER_SCANNED = "2021-01-30T06:10:12.021Z", 1_611_987_012_021_000
ITEM: dict[str, Any] = {
    "ImageID": "i1",
    "ImageName": "l10:latest",
    "CreateTime": "2021-01-29T04:03:18Z",
    "Size": 16159906,
    "HostCnt": 12,
    "ContainerCnt": 0,
    "ScanTime": SCAN,
    "VulCnt": 5,
    "ScanStatus": "SCANNED",
    "ScanError": "timeout",
}
VALUES: dict[str, Any] = {
    **dict.fromkeys(API_COLUMNS),
    "image_name": "l10:latest",
    "image_repository": "l10",
    "image_tag": "latest",
    "create_time": 1_611_892_998_000_000,
    "size": 16159906,
    "host_cnt": 12,
    "container_cnt": 0,
    "scan_time": SCANNED,
    "vul_cnt": 5,
    "scan_status": "SCANNED",
    "scan_error": "timeout",
}
SCAN_ROW: dict[str, Any] = {
    "account_id": "1",
    "image_id": "i1",
    "scan_time": SCANNED,
    "scan_status": "SCANNED",
    "component_cnt": None,
    "vul_cnt": 5,
    "critical_level_vul_cnt": None,
    "high_level_vul_cnt": None,
    "medium_level_vul_cnt": None,
    "low_level_vul_cnt": None,
    "virus_cnt": None,
    "risk_cnt": None,
    "agent_error": None,
    "scan_error": "timeout",
    "scan_virus_error": None,
    "scan_vul_error": None,
    "scan_risk_error": None,
    "observed_at": NOW,
    "sync_id": "s2",
}


def record(**changes: Any) -> Record:
    (parsed,) = ItemParser().parse([{**ITEM, **changes}])
    assert isinstance(parsed, Record)
    return parsed


def stored(
    deleted_at: int | None = None, version: int = 1, missing_since: int | None = None, **changes: Any
) -> dict[str, Any]:
    """A row of `images` that an earlier run wrote."""
    found = record(**changes)
    return {
        "account_id": "1",
        "image_id": found.image_id,
        **dict(zip(API_COLUMNS, found.values, strict=True)),
        "version": version,
        "first_seen_at": FIRST,
        "changed_at": BEFORE,
        "deleted_at": deleted_at,
        "row_hash": found.row_hash,
        "sync_id": "s1",
        "missing_since": missing_since,
    }


class Trial:
    """One diff against stored rows, and the rows that it writes."""

    def __init__(self, directory: Path, *images: dict[str, Any], observed_at: int = NOW, **options: Any) -> None:
        self.spool = Spool(directory)
        known = Known(as_arrow(IMAGES, images, KNOWN))
        self.diff = Diff(Identity("1", "s2", observed_at), known, self.spool, ItemParser().read, **options)

    def show(self, *answers: list[Any], alone: bool = False) -> Trial:
        """Show the answers one after the other; `alone`: without the answer before."""
        before: list[Any] = []
        for number, items in enumerate(answers, start=1):
            self.diff.absorb(items, f"r{number}", () if alone else before)
            before = items
        return self

    def written(self, table: Table) -> list[dict[str, Any]]:
        """The rows of the finished file, of which no two have the same key."""
        self.diff.settle()
        path = self.spool.finish(table)
        rows = [] if path is None else plain(pq.read_table(path))
        assert len({tuple(row[name] for name in table.key) for row in rows}) == len(rows)
        return rows

    @property
    def kinds(self) -> dict[str, int]:
        return {kind: count for kind, count in self.diff.kinds.items() if count}


def versions(trial: Trial) -> list[tuple[Any, ...]]:
    names = ("image_id", "version", "host_cnt", "deleted_at")
    rows = trial.written(IMAGE_HISTORY)
    assert [{**row, "observed_at": 0} for row in rows] == [
        {name: {**row, "observed_at": 0}[name] for name in IMAGE_HISTORY.column_names} for row in trial.written(IMAGES)
    ]
    return [tuple(row[name] for name in names) for row in rows]


def test_a_new_image_is_version_1(tmp_path: Path) -> None:
    """Whole rows in images, image_history and image_scans, first seen now."""
    trial = Trial(tmp_path).show([ITEM])
    ends = {"deleted_at": None, "row_hash": record().row_hash, "sync_id": "s2"}
    head = {"account_id": "1", "image_id": "i1", **VALUES, "version": 1}
    own = {"first_seen_at": NOW, "changed_at": NOW, "missing_since": None}
    assert trial.written(IMAGES) == [{**head, **own, **ends}]
    assert trial.written(IMAGE_HISTORY) == [{**head, "observed_at": NOW, **ends}]
    assert trial.written(IMAGE_SCANS) == [SCAN_ROW]
    assert trial.written(REJECTED_VALUES) == []
    assert trial.kinds == {"new": 1}


MIXED: list[Any] = [
    ITEM,
    {**ITEM, "ImageID": "new"},
    {**ITEM, "ImageID": "changed"},
    {**ITEM, "ImageID": "unscanned", "ScanTime": "", "ScanStatus": "NOT_SCAN"},
    {**ITEM, "ImageID": "in the future", "ScanTime": "2999-01-01T00:00:00Z"},
    {**ITEM, "ImageID": "gone", "ScanTime": LATER},
]
AGAIN = [{**MIXED[1], "HostCnt": 13}, MIXED[2], {**MIXED[3], "ScanTime": SCAN}, {**ITEM, "ImageID": "last"}]


@pytest.mark.parametrize("odd", [0, 1], ids=["alike", "beside another answer's fault"])
@pytest.mark.parametrize(
    "answers",
    [[MIXED, AGAIN], [AGAIN, MIXED, AGAIN], [MIXED + AGAIN[3:], AGAIN], [MIXED + MIXED], [MIXED[1:2] * 2, MIXED]],
    ids=["twice", "thrice", "all", "repeated", "one repeated"],
)
def test_new_images_of_an_answer_are_taken_together(tmp_path: Path, answers: list[list[Any]], odd: int) -> None:
    """All at once, and with the result of one after the other; an answer with a fault is taken one by one."""
    tries = []
    for number, faulty in enumerate((False, True)):
        images = [stored(), {**stored(HostCnt=1), "image_id": "changed"}]
        images.append({**stored(deleted_at=BEFORE), "image_id": "gone"})
        (tmp_path / str(number)).mkdir()
        trial = Trial(tmp_path / str(number), *images, observed_at=LATER_SCANNED, audit=Audit(Span(0, LATER_SCANNED)))
        trial.show(*([[*items, None] if faulty and place >= odd else items for place, items in enumerate(answers)]))
        tables = [sorted(map(repr, trial.written(table))) for table in (IMAGES, IMAGE_HISTORY, IMAGE_SCANS)]
        tries.append((tables, trial.kinds, trial.diff.newest_scan, trial.diff.audit.missed))
        assert len(trial.written(REJECTED_VALUES)) == (faulty and len(answers) > odd)
    assert tries[0] == tries[1]
    assert tries[0][1] == {"new": tries[0][1]["new"], "unchanged": 1, "changed": 1, "returned": 1}


ROWS: list[Any] = [
    *(ITEM, {**ITEM, "HostCnt": 13}, {**ITEM, "ScanTime": LATER}, {**ITEM, "ScanTime": ""}),
    *({**ITEM, "ImageID": "i2", "HostCnt": 1}, {**ITEM, "ImageID": "i2", "HostCnt": True}),
    *({**ITEM, "ImageID": "i3", "Odd": 0}, {**ITEM, "ImageID": "i3", "Odd": -0.0}, {**ITEM, "ImageID": "i3"}),
    *({**ITEM, "ImageID": "i4", "Odd": Verbatim("1e999")}, {**ITEM, "ImageID": "i4", "Odd": "1e999"}),
    *({"HostCnt": 5}, {"HostCnt": "5"}, None, "text", []),
]


def results(answers: Sequence[list[Any]], *, alone: bool) -> tuple[Any, ...]:
    with TemporaryDirectory() as directory:
        audit = Audit(Span(0, LATER_SCANNED))
        trial = Trial(Path(directory), stored(HostCnt=1), observed_at=LATER_SCANNED, audit=audit)
        diff = trial.show(*answers, alone=alone).diff
        tables = (IMAGES, IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES)
        rows = [sorted(map(repr, trial.written(table))) for table in tables]
        return rows, trial.kinds, diff.newest_scan, diff.audit.missed, diff.unknown_fields


@examples(30)
@given(answers=lists(lists(sampled_from(ROWS), max_size=4), max_size=5))
def test_an_item_that_two_answers_show_alike_may_be_left_out(answers: list[list[Any]]) -> None:
    """The rows are those of answers that are taken without a look at the answer before."""
    assert results(answers, alone=False) == results(answers, alone=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(({"HostCnt": 1}, {"HostCnt": True}), ({"HostCnt": 0}, {"HostCnt": False}), ({"Odd": [1]}, {"Odd": [1.0]})),
        *(({"Odd": {"a": 1}}, {"Odd": {"a": True}}), ({"Odd": Verbatim("1e999")}, {"Odd": "1e999"})),
    ],
    ids=str,
)
def test_what_python_takes_for_equal_may_be_another_item(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The later item counts, as it would without the answer before."""
    answers = [[{**ITEM, **one}], [{**ITEM, **other}]]
    assert results(answers, alone=False) == results(answers, alone=True) != results(answers[:1], alone=True)


def test_an_item_that_two_answers_show_alike_is_parsed_once(tmp_path: Path) -> None:
    """Pages overlap, and rows that were read a moment ago need no work."""
    parsed, trial = [], Trial(tmp_path)
    trial.diff._parse = lambda items: parsed.append([*items]) or ItemParser().read(items)  # type: ignore[func-returns-value]
    one, two, three = ({**ITEM, "ImageID": name} for name in ("one", "two", "three"))
    trial.show([one, two], [two, three], [{**three, "HostCnt": 1}, one])
    assert parsed == [[one, two], [three], [{**three, "HostCnt": 1}, one]]


def test_a_changed_image_gets_the_next_version(tmp_path: Path) -> None:
    """first_seen_at is carried over, changed_at is now, and the row replaces the old one whole."""
    trial = Trial(tmp_path, stored(version=4)).show([{**ITEM, "HostCnt": 13}])
    ends = {"deleted_at": None, "row_hash": record(HostCnt=13).row_hash, "sync_id": "s2"}
    head = {"account_id": "1", "image_id": "i1", **VALUES, "host_cnt": 13, "version": 5}
    own = {"first_seen_at": FIRST, "changed_at": NOW, "missing_since": None}
    assert trial.written(IMAGES) == [{**head, **own, **ends}]
    assert trial.written(IMAGE_HISTORY) == [{**head, "observed_at": NOW, **ends}]
    assert trial.kinds == {"changed": 1}


def test_an_unchanged_image_is_not_written(tmp_path: Path) -> None:
    """Nothing, in any table."""
    trial = Trial(tmp_path, stored()).show([ITEM], [ITEM])
    assert [trial.written(table) for table in (IMAGES, IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES)] == [[]] * 4
    assert trial.kinds == {"unchanged": 1}
    assert trial.diff.listed == 1


def past(*versions: dict[str, Any]) -> Any:
    """Rows of `image_history`, of these versions of `stored`."""
    return as_arrow(IMAGE_HISTORY, [{**row, "observed_at": row["changed_at"]} for row in versions])


def test_an_image_that_images_lacks_gets_the_row_of_its_last_version_back(tmp_path: Path) -> None:
    """As the sync wrote it that observed the version. No new version is made; the versions may come in any order."""
    trial = Trial(tmp_path).show([ITEM, {**ITEM, "ImageID": "i2"}])
    last = {**stored(version=2), "changed_at": BEFORE + 1}
    assert trial.diff.known.added() == ["i1", "i2"]
    assert trial.diff.recall(past(last, stored(version=1, HostCnt=11))) == 1
    row = {**last, "first_seen_at": BEFORE, "sync_id": "s1"}
    assert trial.written(IMAGES)[0] == row
    assert [(row["image_id"], row["version"]) for row in trial.written(IMAGE_HISTORY)] == [("i2", 1)]
    assert trial.kinds == {"new": 2}


@pytest.mark.parametrize(
    "last",
    [
        stored(version=7, HostCnt=11),
        stored(version=7, deleted_at=BEFORE),
        {**stored(version=7), "row_hash": "0:" + stored()["row_hash"][2:]},
    ],
    ids=["another state", "gone", "another definition of the hash"],
)
def test_an_image_that_images_lacks_goes_on_with_the_next_version(tmp_path: Path, last: dict[str, Any]) -> None:
    """Where its last version is not its present state, or does not compare with it."""
    trial = Trial(tmp_path).show([ITEM])
    trial.diff.recall(past(last))
    assert versions(trial) == [("i1", 8, 12, None)]
    (row,) = trial.written(IMAGES)
    assert (row["first_seen_at"], row["changed_at"], row["sync_id"]) == (BEFORE, NOW, "s2")


@pytest.mark.parametrize(("known", "expected"), [(SCANNED, 0), (None, 1)], ids=["found before", "never found"])
def test_a_lost_row_is_no_miss_of_incremental_runs(tmp_path: Path, known: int | None, expected: int) -> None:
    """They are judged by the scans in the history."""
    trial = Trial(tmp_path, audit=Audit(Span(SCANNED - 1, SCANNED))).show([ITEM])
    trial.diff.recall(past({**stored(), "scan_time": known}))
    assert trial.diff.audit.missed == expected


@pytest.mark.parametrize(("before", "after"), [(None, NOW), (BEFORE, BEFORE)], ids=["at once", "missing before"])
def test_a_gone_image_keeps_its_values(tmp_path: Path, before: int | None, after: int) -> None:
    """The row that is read back is written again with deleted_at, as a version of its own. It says since when the
    image has been missing."""
    row = stored(version=2, missing_since=before)
    trial = Trial(tmp_path, row, stored(ImageID="i2")).show([{**ITEM, "ImageID": "i2"}])
    assert trial.diff.known.missing() == ["i1"]
    trial.diff.close_gone(as_arrow(IMAGES, [row]))
    now = {"version": 3, "changed_at": NOW, "deleted_at": NOW, "sync_id": "s2"}
    assert trial.written(IMAGES) == [{**row, **now, "missing_since": after}]
    history = {**row, **now, "observed_at": NOW}
    assert trial.written(IMAGE_HISTORY) == [{name: history[name] for name in IMAGE_HISTORY.column_names}]
    assert trial.written(IMAGE_SCANS) == []
    assert trial.kinds == {"unchanged": 1, "gone": 1}
    assert trial.diff.live_after() == 1


def test_a_missing_image_is_marked_in_its_row_alone(tmp_path: Path) -> None:
    """Its row stays as it was, with the run that wrote its version; nothing goes into the history."""
    row = stored(version=2)
    trial = Trial(tmp_path, row)
    trial.diff.set_missing(as_arrow(IMAGES, [row]), NOW)
    assert trial.written(IMAGES) == [{**row, "missing_since": NOW}]
    assert trial.written(IMAGE_HISTORY) == []
    assert (trial.kinds, trial.diff.listed, trial.diff.live_after()) == ({}, 0, 1)


def test_an_image_that_is_found_again_as_it_was_gets_no_version(tmp_path: Path) -> None:
    """Only its mark goes."""
    row = stored(version=2, missing_since=BEFORE)
    trial = Trial(tmp_path, row, stored(ImageID="i2", missing_since=BEFORE)).show([ITEM])
    assert trial.diff.known.found_again() == ["i1"]
    assert trial.diff.known.marked() == ["i2"]
    trial.diff.set_missing(as_arrow(IMAGES, [row]), None)
    assert trial.written(IMAGES) == [{**row, "missing_since": None}]
    assert trial.written(IMAGE_HISTORY) == []
    assert trial.kinds == {"unchanged": 1}


@pytest.mark.parametrize("deleted_at", [None, BEFORE], ids=["changed", "returned"])
def test_an_image_that_is_found_again_otherwise_loses_its_mark_with_its_version(
    tmp_path: Path, deleted_at: int | None
) -> None:
    """One row, one version."""
    row = stored(deleted_at, version=2, missing_since=BEFORE, HostCnt=1)
    trial = Trial(tmp_path, row).show([ITEM])
    assert trial.diff.known.found_again() == []
    assert versions(trial) == [("i1", 3, 12, None)]
    assert [row["missing_since"] for row in trial.written(IMAGES)] == [None]


@pytest.mark.parametrize("changes", [{}, {"HostCnt": 13}], ids=["as it was", "changed"])
def test_a_returned_image_is_live_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    """deleted_at is null again in a version of its own, also where nothing else changed."""
    trial = Trial(tmp_path, stored(deleted_at=BEFORE, version=2)).show([{**ITEM, **changes}])
    assert versions(trial) == [("i1", 3, changes.get("HostCnt", 12), None)]
    assert [row["first_seen_at"] for row in trial.written(IMAGES)] == [FIRST]
    assert trial.kinds == {"returned": 1}
    assert trial.diff.live_after() == 1


def test_an_image_that_is_deleted_already_is_not_missing(tmp_path: Path) -> None:
    """It is no candidate, and is not called gone again."""
    assert Trial(tmp_path, stored(deleted_at=BEFORE)).diff.known.missing() == []


@pytest.mark.parametrize(
    ("known", "shown", "expected", "kinds"),
    [
        ([], [1, 2], [("i1", 1, 2, None)], {"new": 1}),
        ([], [1, 2, 1], [("i1", 1, 1, None)], {"new": 1}),
        ([12], [1, 2], [("i1", 2, 2, None)], {"changed": 1}),
        ([12], [1, 2, 1], [("i1", 2, 1, None)], {"changed": 1}),
        ([12], [12, 1], [("i1", 2, 1, None)], {"changed": 1}),
        ([12], [1, 12], [], {"unchanged": 1}),
        ([12], [12, 1, 12], [], {"unchanged": 1}),
        ([12], [1, 12, 2], [("i1", 2, 2, None)], {"changed": 1}),
    ],
    ids=["new", "new, undone", "changed", "changed, undone", "late", "undone", "there and back", "undone, changed"],
)
def test_the_last_showing_wins(
    tmp_path: Path, known: list[int], shown: list[int], expected: list[Any], kinds: dict[str, int]
) -> None:
    """One row a key; an image that is again as the warehouse has it is not written, and counts as unchanged."""
    trial = Trial(tmp_path, *(stored(HostCnt=count) for count in known))
    trial.show(*([{**ITEM, "HostCnt": count}] for count in shown))
    assert versions(trial) == expected
    assert trial.kinds == kinds
    assert trial.diff.listed == 1


def test_a_returned_image_that_changes_while_we_read_has_one_version(tmp_path: Path) -> None:
    """It is not unchanged when it is again as it was before it was deleted."""
    trial = Trial(tmp_path, stored(deleted_at=BEFORE, version=2))
    trial.show([{**ITEM, "HostCnt": 13}], [ITEM])
    assert versions(trial) == [("i1", 3, 12, None)]
    assert trial.kinds == {"returned": 1}


@pytest.mark.parametrize(
    ("known", "shown", "expected"),
    [
        ([], [("", 0)], []),
        ([], [(SCAN, 5)], [(SCANNED, 5)]),
        ([], [(SCAN, 5), (LATER, 6)], [(SCANNED, 5), (LATER_SCANNED, 6)]),
        ([], [(SCAN, 5), (LATER, 6), (SCAN, 7), (LATER, 8)], [(SCANNED, 7), (LATER_SCANNED, 8)]),
        ([], [(SCAN, 5), (SCAN, 6), ("", 0)], [(SCANNED, 6)]),
        ([(SCAN, 5)], [(SCAN, 5)], []),
        ([(SCAN, 5)], [(LATER, 6)], [(LATER_SCANNED, 6)]),
        ([(SCAN, 5)], [(SCAN, 6)], [(SCANNED, 6)]),
        ([(SCAN, 5)], [(LATER, 6), (SCAN, 5)], [(LATER_SCANNED, 6)]),
        ([(SCAN, 5)], [(SCAN, 6), (SCAN, 5)], [(SCANNED, 5)]),
        ([(SCAN, 5)], [("", 0)], []),
    ],
    ids=[
        "never scanned",
        "one scan",
        "scanned while we read",
        "older answers in between",
        "reset",
        "known scan",
        "new scan",
        "known scan with other counts",
        "undone",
        "undone counts",
        "no scan any more",
    ],
)
def test_every_scan_that_is_shown_is_kept(
    tmp_path: Path, known: list[tuple[str, int]], shown: list[tuple[str, int]], expected: list[tuple[int, int]]
) -> None:
    """A row for each ScanTime, with the values that were shown last; none for an image without a ScanTime."""
    trial = Trial(tmp_path, *(stored(ScanTime=time, VulCnt=count) for time, count in known))
    trial.show(*([{**ITEM, "ScanTime": time, "VulCnt": count}] for time, count in shown))
    rows = trial.written(IMAGE_SCANS)
    assert sorted(rows, key=lambda row: row["scan_time"]) == [
        {**SCAN_ROW, "scan_time": time, "vul_cnt": count} for time, count in expected
    ]


NOT_SCANNED: dict[str, Any] = {"ScanTime": "", "ScanStatus": "NOT_SCAN"}
SCANNING: dict[str, Any] = {"ScanTime": "", "ScanStatus": "SCANNING"}


@pytest.mark.parametrize(
    ("known", "shown", "expected"),
    [
        ([], [{"ScanTime": LATER, "VulCnt": 6}, {}], (LATER_SCANNED, "SCANNED", 6)),
        ([{}], [{"ScanTime": LATER, "VulCnt": 6}, {}], (LATER_SCANNED, "SCANNED", 6)),
        ([], [{}, {"ScanTime": LATER, "VulCnt": 6}, {"VulCnt": 7}], (LATER_SCANNED, "SCANNED", 6)),
        ([], [NOT_SCANNED, {}], (SCANNED, "SCANNED", 5)),
        ([], [{}, NOT_SCANNED], (SCANNED, "SCANNED", 5)),
        ([], [{}, SCANNING], (SCANNED, "SCANNED", 5)),
        ([], [SCANNING, {}, SCANNING], (SCANNED, "SCANNED", 5)),
        ([], [{}, {"ScanStatus": "SCANNING"}], (SCANNED, "SCANNING", 5)),
        ([], [NOT_SCANNED, SCANNING], (None, "SCANNING", 5)),
        ([], [{}, {"VulCnt": 7}], (SCANNED, "SCANNED", 7)),
    ],
    ids=[
        "an older scan",
        "as it is known",
        "the first scan again, with other counts",
        "scanned",
        "before the scan",
        "without its scan",
        "before and after",
        "scanned again",
        "never scanned",
        "the same scan",
    ],
)
def test_an_older_state_never_replaces_a_newer_one(
    tmp_path: Path, known: list[dict[str, Any]], shown: list[dict[str, Any]], expected: tuple[Any, ...]
) -> None:
    """The greater ScanTime wins, and any ScanTime over none; with equal ones what was shown last."""
    trial = Trial(tmp_path, *(stored(**changes) for changes in known))
    trial.show(*([{**ITEM, **changes}] for changes in shown))
    (row,) = trial.written(IMAGES)
    assert (row["scan_time"], row["scan_status"], row["vul_cnt"]) == expected
    assert trial.diff.listed == 1


def test_an_older_state_that_is_unchanged_does_not_undo_a_change(tmp_path: Path) -> None:
    """A late answer shows the image as the warehouse has it: the new version stays, and the image has changed."""
    trial = Trial(tmp_path, stored()).show([{**ITEM, "ScanTime": LATER}], [ITEM])
    assert versions(trial) == [("i1", 2, 12, None)]
    assert trial.kinds == {"changed": 1}


TWINS: list[dict[str, Any]] = [
    ITEM,
    {**ITEM, "ImageName": "a10:old"},
    {**ITEM, "ImageName": "z10:new", "HostCnt": 99},
    {**ITEM, "ImageName": "b10:x", "ScanTime": "", "ScanStatus": "NOT_SCAN"},
]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_the_twin_that_is_the_image_follows_from_its_contents(tmp_path: Path, order: tuple[int, ...]) -> None:
    """In whatever order an answer has them, and whatever answers show of them before and after."""
    rows = [TWINS[place] for place in order]
    trial = Trial(tmp_path).show(rows[:2], rows[1:3], rows, [rows[3]], [rows[0]], rows[2:])
    assert [(row["image_name"], row["version"]) for row in trial.written(IMAGES)] == [("a10:old", 1)]
    rejected = {json.loads(row["raw"])["ImageName"] for row in trial.written(REJECTED_VALUES)}
    assert rejected == {"l10:latest", "z10:new", "b10:x"}
    assert [(row["scan_time"], row["vul_cnt"]) for row in trial.written(IMAGE_SCANS)] == [(SCANNED, 5)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"ScanTime": LATER}, {"ImageName": "a:1", "ScanTime": SCAN}),
        ({"CreateTime": "2021-01-29T04:03:19Z"}, {"ImageName": "a:1"}),
        ({"HostCnt": 12}, {"HostCnt": 13}),
        ({"HostCnt": 12}, {"HostCnt": -1}),
        ({"New": 1}, {"New": 2}),
    ],
    ids=["the newer scan", "the newer image", "the smaller number", "rather than null", "a field that is not known"],
)
def test_what_makes_a_twin_the_image(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]) -> None:
    """The first of these two, on either side."""
    expected = record(**one).values
    for number, rows in enumerate(([one, other], [other, one])):
        directory = tmp_path / str(number)
        directory.mkdir()
        trial = Trial(directory).show([{**ITEM, **changes} for changes in rows])
        (row,) = trial.written(IMAGES)
        assert tuple(row[name] for name in API_COLUMNS) == expected


def test_listed_twice_alike_is_one_image(tmp_path: Path) -> None:
    """No second row, and nothing rejected."""
    trial = Trial(tmp_path).show([ITEM, ITEM])
    assert versions(trial) == [("i1", 1, 12, None)]
    assert trial.written(REJECTED_VALUES) == []


def test_listed_twice_with_other_contents_is_one_image_and_a_rejected_item(tmp_path: Path) -> None:
    """The first row is loaded, the second goes to rejected_values as received; later answers do not swap them."""
    twin = {"ImageID": "i1", "HostCnt": 99, "Odd": "\ud800"}
    trial = Trial(tmp_path).show([ITEM, twin, twin], [twin, ITEM], [twin])
    assert versions(trial) == [("i1", 1, 12, None)]
    assert trial.written(REJECTED_VALUES) == [
        {
            "account_id": "1",
            "reject_id": reject_id(Rejected("i1", "image_id", encode(twin), TWICE)),
            "image_id": "i1",
            "column_name": "image_id",
            "raw": '{"HostCnt":99,"ImageID":"i1","Odd":"\\ud800"}',
            "reason": TWICE,
            "request_id": "r1",
            "first_seen_at": NOW,
            "sync_id": "s2",
        }
    ]


def test_a_rejected_value_is_written_once(tmp_path: Path) -> None:
    """The image is loaded without it; faults that the warehouse has are counted and not written again, also where an
    older release wrote them."""
    held = {
        reject_id(Rejected("i1", "size", '"small"', NOT_AN_INTEGER)),
        former_reject_id(Rejected("i1", "vul_cnt", '"n/a"', NOT_AN_INTEGER)),
    }
    trial = Trial(tmp_path, rejected_ids=lambda ids: held & {*ids})
    odd = {**ITEM, "Size": "big", "HostCnt": -1, "VulCnt": "n/a"}
    trial.show([odd], [{**odd, "HostCnt": -2}], [7])
    names = ("image_id", "column_name", "raw", "request_id")
    assert [tuple(row[name] for name in names) for row in trial.written(REJECTED_VALUES)] == [
        ("i1", "host_cnt", "-1", "r1"),
        (None, "image_id", "7", "r3"),
    ]
    assert len(trial.diff.rejected) == 4
    assert [(row["size"], row["host_cnt"]) for row in trial.written(IMAGES)] == [(None, None)]


def test_known_rejected_values_are_read_only_when_there_is_one(tmp_path: Path) -> None:
    """A run that rejects nothing does not ask the warehouse."""

    def never(_: Sequence[str]) -> set[str]:
        raise AssertionError("not needed")

    assert versions(Trial(tmp_path, rejected_ids=never).show([ITEM])) == [("i1", 1, 12, None)]


def test_unknown_fields_are_kept_and_named(tmp_path: Path) -> None:
    """In `extra`, and by name for the run's row."""
    trial = Trial(tmp_path).show([{**ITEM, "New": [1]}], [{**ITEM, "ImageID": "i2", "Newer": None}])
    assert [row["extra"] for row in trial.written(IMAGES)] == ['{"New":[1]}', None]
    assert trial.diff.unknown_fields == {"New", "Newer"}


def test_a_new_definition_of_the_hash_makes_no_versions(tmp_path: Path) -> None:
    """Rows with an older hash are hashed anew from what is stored, and compare: one is unchanged, one is not."""
    rows = [stored(), stored(ImageID="i2"), stored(ImageID="i3")]
    for row in rows[:2]:
        row["row_hash"] = "0:whatever it was"
    trial = Trial(tmp_path, *rows)
    assert trial.diff.known.outdated == ["i1", "i2"]
    trial.diff.rehash(as_arrow(IMAGES, rows[:2]))
    trial.show([ITEM, {**ITEM, "ImageID": "i2", "HostCnt": 13}, {**ITEM, "ImageID": "i3"}])
    assert versions(trial) == [("i2", 2, 13, None)]
    assert trial.kinds == {"unchanged": 2, "changed": 1}


class _OlderParser(ItemParser):
    """Of a release that had no column for SuperNodeCnt."""

    def __init__(self) -> None:
        super().__init__()
        del self._fields["SuperNodeCnt"]


def test_a_column_for_a_field_that_was_in_extra_makes_no_version(tmp_path: Path) -> None:
    """What an older release wrote into `extra` has the same hash as what this one types."""
    item = {**ITEM, "SuperNodeCnt": 3}
    (old,) = _OlderParser().parse([item])
    assert not isinstance(old, Rejected)
    values = dict(zip(API_COLUMNS, old.values, strict=True))
    assert (values["super_node_cnt"], values["extra"]) == (None, '{"SuperNodeCnt":3}')
    trial = Trial(tmp_path, {**stored(), **values, "row_hash": old.row_hash}).show([item])
    assert versions(trial) == []
    assert trial.kinds == {"unchanged": 1}


@pytest.mark.parametrize(
    ("scan_times", "expected"),
    [([""], None), ([SCAN], SCANNED), ([LATER, SCAN, ""], LATER_SCANNED), (["2999-01-01T00:00:00Z", SCAN], SCANNED)],
    ids=["none", "one", "the newest", "not one of the future"],
)
def test_the_newest_scan_is_no_later_than_the_run(tmp_path: Path, scan_times: list[str], expected: int | None) -> None:
    """What the watermark is made of."""
    trial = Trial(tmp_path, observed_at=LATER_SCANNED)
    trial.show([{**ITEM, "ImageID": f"i{n}", "ScanTime": text} for n, text in enumerate(scan_times)])
    assert trial.diff.newest_scan == expected


@pytest.mark.parametrize(
    ("known", "span", "missed"),
    [
        ([], (SCANNED - 1, SCANNED), 1),
        ([], (SCANNED, SCANNED + 1), None),
        ([], (SCANNED - 2, SCANNED - 1), None),
        ([], None, None),
        ([SCAN], (SCANNED - 1, SCANNED), 0),
        ([LATER], (SCANNED - 1, SCANNED), 1),
        ([""], (SCANNED - 1, SCANNED), 1),
    ],
    ids=["unknown", "before", "after", "no audit", "known", "known with another scan", "known without a scan"],
)
def test_scans_that_should_be_known_are_missed(
    tmp_path: Path, known: list[str], span: tuple[int, int] | None, missed: int | None
) -> None:
    """An image counts once, where its ScanTime lies within the span and is not the one in the warehouse."""
    audit = Audit(Span(*span) if span else None)
    trial = Trial(tmp_path, *(stored(ScanTime=text) for text in known), audit=audit)
    trial.show([ITEM], [{**ITEM, "HostCnt": 13}])
    assert trial.diff.audit.missed == missed


def test_known_is_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of many chunks is one index: every image is found, and only the missing ones are missing."""
    monkeypatch.setattr("connector.runs.known.BATCH", 3)
    rows = [stored(ImageID=f"i{n}", deleted_at=BEFORE if n % 5 == 4 else None) for n in range(11)]
    trial = Trial(tmp_path, *rows).show([{**ITEM, "ImageID": f"i{n}"} for n in (0, 4, 10, 11)])
    assert trial.kinds == {"unchanged": 2, "returned": 1, "new": 1}
    assert trial.diff.known.missing() == ["i1", "i2", "i3", "i5", "i6", "i7", "i8"]
    assert list(trial.diff.seen()) == ["i11", "i10", "i4", "i0"]
    assert (trial.diff.known.live(), trial.diff.live_after()) == (9, 11)
