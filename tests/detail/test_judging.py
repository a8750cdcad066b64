"""`connector.detail.judging` and `queue`: when a count contradicts a set, and which images are due."""

from __future__ import annotations

from typing import Any

import pytest

from connector.detail.judging import LEAST, Figures, Rules
from connector.detail.queue import ASKED_AGAIN, LEAST_EMPTY, SETTLING, queue_of
from connector.tables import ASPECTS, Row

VULNERABILITIES = ASPECTS["vulnerabilities"]
NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


def test_a_rule_is_learnt_from_many_sets() -> None:
    """Until then only an empty set contradicts a count, and a set a count of 0."""
    rules, odd = Rules(), Figures(rows=9, subjects=7, findings=8)
    assert [bool(rules.doubt(count, odd)) for count in (None, 0, 7, 9, 5)] == [False, True, False, False, False]
    for number in range(1, LEAST + 1):
        rules.learn(number, Figures(rows=number + 2, subjects=number, findings=number + 1))
    assert rules.names == {"subjects"}
    assert [bool(rules.doubt(count, odd)) for count in (None, 7, 9, 5)] == [False, False, True, True]


def test_a_few_exceptions_break_no_rule() -> None:
    """99 % of the sets have to follow it."""
    rules = Rules.of([(number, Figures(number, number + 1, number + 1)) for number in range(1, 200)])
    rules.learn(1, Figures(5, 5, 5))
    assert rules.names == {"rows"}
    for _ in range(5):
        rules.learn(1, Figures(5, 5, 5))
    assert rules.names == set()


def image(image_id: str, **given: Any) -> Row:
    row: Row = dict.fromkeys(("critical_level_vul_cnt", "high_level_vul_cnt", "medium_level_vul_cnt"), 0)
    row |= {"low_level_vul_cnt": 3, "vul_cnt": 3, "container_cnt": 0, "deleted_at": None, "scan_status": "SCANNED"}
    return {**row, "scan_vul_error": None, "image_id": image_id, "scan_time": NOW - DAY, **given}


def marker(image_id: str, **given: Any) -> Row:
    row: Row = {"read_no": 1, "scan_time": NOW - DAY, "total_count": 3, "rows_listed": 3, "requests": 1}
    row |= {"distinct_vulnerabilities": 3, "distinct_findings": 3, "vul_cnt": 3, "verdict": "complete"}
    return {**row, "image_id": image_id, "settled": True, "level_counts": "0/0/0/3", "read_at": NOW, **given}


@pytest.mark.parametrize(
    ("listed", "read", "due"),
    [
        ({}, None, True),
        ({}, {}, False),
        ({"scan_status": "SCANNING"}, None, False),
        ({"scan_time": None}, None, False),
        ({"deleted_at": NOW}, None, False),
        ({"scan_time": NOW}, {}, True),
        ({"vul_cnt": 4}, {}, True),
        ({"low_level_vul_cnt": 2, "high_level_vul_cnt": 1}, {}, True),
        ({}, {"verdict": "partial"}, True),
        ({}, {"settled": False}, True),
        ({"scan_time": NOW - SETTLING + 1}, {"settled": False, "scan_time": NOW - SETTLING + 1}, False),
    ],
)
def test_an_image_is_due_where_its_set_is_not_that_of_now(listed: Row, read: Row | None, due: bool) -> None:
    """Never read, scanned again, counted otherwise, not proven, or read too soon after its scan."""
    reads = {} if read is None else {"a": marker("a", **read)}
    found = queue_of(VULNERABILITIES, [image("a", **listed)], reads, Rules(), NOW)
    assert len(found) == due


def test_images_in_use_come_first_and_then_the_worst() -> None:
    """And then the oldest scan."""
    images = [
        image("oldest", scan_time=NOW - 9 * DAY),
        image("worst", critical_level_vul_cnt=5),
        image("used", container_cnt=1),
        image("young", scan_time=NOW - 1),
    ]
    found = queue_of(VULNERABILITIES, images, {}, Rules(), NOW)
    assert [due.image_id for due in found.due] == ["used", "worst", "oldest", "young"]


def test_sets_that_cannot_be_proven_leave_the_time_of_a_run_to_others() -> None:
    """They come last, in turn; an image that was scanned since its read has its place again."""
    images = [image(name, container_cnt=1) for name in ("tried", "tried before")]
    images += [image("scanned since", critical_level_vul_cnt=1), image("never read")]
    ages = {"tried": 1, "tried before": 2, "scanned since": DAY + 1}
    reads = {name: marker(name, verdict="partial", read_at=NOW - age) for name, age in ages.items()}
    found = queue_of(VULNERABILITIES, images, reads, Rules(), NOW)
    assert [due.image_id for due in found.due] == ["scanned since", "never read", "tried before", "tried"]


def test_an_image_without_findings_is_believed_once_many_such_were_empty() -> None:
    """A few are asked for in each run; one that was not empty ends the belief."""
    images = [image(f"i{number}", vul_cnt=0, low_level_vul_cnt=0) for number in range(40)]
    reads = {f"r{n}": marker(f"r{n}", vul_cnt=0, total_count=0, rows_listed=0) for n in range(LEAST_EMPTY)}
    found = queue_of(VULNERABILITIES, images, reads, Rules(), NOW)
    assert (len(found.due), len(found.believed_empty)) == (ASKED_AGAIN, 40 - ASKED_AGAIN)
    reads["r0"]["total_count"] = 2
    assert len(queue_of(VULNERABILITIES, images, reads, Rules(), NOW).due) == 40
