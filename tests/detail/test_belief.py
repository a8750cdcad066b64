"""What is believed by counts alone: that an image has no findings, and that a set is whole."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from connector.detail.judging import LEAST
from connector.detail.queue import ASKED_AGAIN, LEAST_EMPTY
from connector.detail.reading import BATCH
from connector.errors import TransientError
from tests.detail.account import MINUTE, NOW, Image, Server, finding, new_tables, run, shown

SCANNED = NOW - 10_000 * MINUTE
PACKAGE = ("vulnerabilities", "image_vulnerabilities", "image_reads")
VICTIM = (("CVE-2020-0001", "package1", "1"),)


class _Blind(Server):
    """The images list counts 0, whatever an image has."""

    def counted(self, image: Image) -> int:
        return 0

    def levels(self, image: Image) -> dict[str, int]:
        return dict.fromkeys(("low", "medium", "high", "critical"), 0)


class _BlindTo(Server):
    """The images list counts 0 of images in use."""

    def counted(self, image: Image) -> int:
        return 0 if image.containers else super().counted(image)


class _Short(Server):
    """No answer shows the last of five findings, and TotalCount says that there are four."""

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        rows = self.images[payload["ImageID"]].rows if "ImageID" in payload else []
        return self._page(rows[:-1], payload) if len(rows) == 5 else super().call(action, payload)


class _EndingEarly(Server):
    """Fails from the second set on."""

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        if "ImageID" in payload and self.requests.count("DescribeAssetImageVulList"):
            raise TransientError("the server is down")
        return super().call(action, payload)


def _empty(count: int) -> dict[str, Image]:
    return {f"empty{number}": Image(SCANNED, []) for number in range(count)}


def test_a_set_that_contradicts_a_count_of_0_is_not_believed_to_be_empty_later() -> None:
    """Its findings stay, although enough other images whose count is 0 were empty, and come before it in the queue."""
    images, tables = _empty(LEAST_EMPTY) | {"victim": Image(SCANNED, [finding(1)])}, new_tables()
    run(Server(images), tables)
    images["victim"].scan_time += MINUTE
    for number in (1, 2):
        made = run(_Blind(images), tables, now=NOW + number * 60 * MINUTE)
        assert made is not None
        assert (made.verdict, made.closed, made.images_unproven) == ("partial", 0, 1)
        assert shown(tables, "victim") == VICTIM
        images |= {f"used{each}": Image(SCANNED, [], containers=1) for each in range(ASKED_AGAIN)}


def test_images_like_one_that_contradicts_its_count_are_asked_for() -> None:
    """In the run that sees the contradiction they stay in the queue, and the next run asks for them."""
    images, tables = _empty(LEAST_EMPTY), new_tables()
    run(Server(images), tables)
    images |= {f"full{number}": Image(SCANNED, [finding(1)]) for number in range(ASKED_AGAIN + 4)}
    first = run(_Blind(images), tables, now=NOW + 60 * MINUTE)
    second = run(_Blind(images), tables, now=NOW + 120 * MINUTE)
    assert first is not None
    assert second is not None
    assert (first.verdict, first.images_unproven, first.images_behind) == ("partial", ASKED_AGAIN, 4)
    assert (second.verdict, second.images_unproven, second.images_behind) == ("partial", ASKED_AGAIN + 4, 0)


def test_images_that_contradict_their_counts_do_not_take_the_time_of_every_run() -> None:
    """In use, as many as a batch, and there is time for one: they are not proven, and the next run reads others."""
    images = {f"odd{number}": Image(SCANNED, [finding(1)], containers=1) for number in range(BATCH)}
    images |= {"other": Image(SCANNED, [finding(2)])}
    server, tables = _BlindTo(images), new_tables()
    for number, read in enumerate((0, 1)):
        made = run(server, tables, now=NOW + number * 60 * MINUTE, steady=count().__next__, detail_patience=2)
        assert made is not None
        assert (made.verdict, made.images_read) == ("partial", read)
    assert len(shown(tables, "other")) == 1


def test_sets_that_break_a_rule_do_not_end_it() -> None:
    """However many there are, and in however many runs: a set of which no answer shows the last row is never shown."""
    images, tables = {f"whole{n}": Image(SCANNED, [finding(n), finding(n + 50)]) for n in range(LEAST)}, new_tables()
    run(Server(images), tables)
    images |= {f"short{number}": Image(SCANNED, [finding(each) for each in range(5)]) for number in range(8)}
    for number in (1, 2):
        made = run(_Short(images), tables, now=NOW + number * 60 * MINUTE)
        assert made is not None
        assert (made.verdict, made.images_unproven) == ("partial", 8)
        assert {shown(tables, f"short{each}") for each in range(8)} == {()}


class _Updated(Server):
    """Each image has another finding before `updates` of the look-ups that follow a read, without a scan."""

    updates: int = 1

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        if action == "DescribeAssetImageList" and self.updates:
            self.updates -= 1
            for image in self.images.values():
                image.rows = [*image.rows, finding(50 + self.updates)]
        return super().call(action, payload)


def test_counts_of_a_set_that_came_after_the_read_are_not_those_of_the_set_that_was_read() -> None:
    """While no rule is known by which a count checks its set: the image is read once more, or in the next run."""
    images, tables = {name: Image(SCANNED, [finding(1)]) for name in "abc"}, new_tables()
    server = _Updated(images)
    made = run(server, tables)
    assert made is not None
    assert (made.verdict, made.images_read, [len(shown(tables, name)) for name in images]) == ("complete", 3, [2] * 3)
    server.updates = 3
    images["d"] = Image(SCANNED, [finding(1)])
    made = run(server, tables, now=NOW + 60 * MINUTE)
    assert made is not None
    assert (made.verdict, made.images_read, made.images_behind) == ("behind", 0, 1)
    for number in (2, 3):
        made = run(server, tables, now=NOW + number * 60 * MINUTE)
    assert made is not None
    assert (made.verdict, [len(shown(tables, name)) for name in images]) == ("complete", [5, 5, 5, 4])


def test_an_image_whose_scan_failed_is_not_called_clean() -> None:
    """Its list is empty, and its count is 0: that the scan has failed is what the run says."""
    images, tables = _empty(LEAST_EMPTY), new_tables()
    run(Server(images), tables)
    images["failed"] = Image(SCANNED, [], error="timeout")
    made = run(Server(images), tables, now=NOW + 60 * MINUTE)
    assert made is not None
    assert (made.verdict, made.images_unproven, made.verdict_reason) == ("partial", 1, "1 x the scan failed")


def test_sets_whose_rows_the_warehouse_has_lost_are_read_again() -> None:
    """Findings, or the facts that they join to: a table that somebody has emptied is filled again."""
    images, tables = {"a": Image(SCANNED, [finding(1), finding(2)])}, new_tables()
    run(Server(images), tables)
    before = shown(tables, "a")
    for number, name in enumerate(("image_vulnerabilities", "vulnerabilities"), 1):
        tables[name].clear()
        made = run(Server(images), tables, now=NOW + number * 60 * MINUTE)
        assert made is not None
        assert (made.verdict, made.images_read) == ("complete", 1)
        assert shown(tables, "a") == before


@pytest.mark.parametrize("table", ["image_vulnerabilities", "vulnerabilities"])
@pytest.mark.parametrize("is_pipeline", [False, True], ids=["sync", "pipeline"])
def test_a_run_that_ends_early_leaves_sets_due_whose_rows_are_lost(
    table: str, is_pipeline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first sets that are read again have rows, so that the table is not empty any more: the others have none
    yet, and are not called complete. Nor is a finding that comes back called absent before."""
    monkeypatch.setattr("connector.detail.run.BATCH", 1)
    images, tables = {name: Image(SCANNED, [finding(ord(name))]) for name in "abc"}, new_tables()
    run(Server(images), tables)
    before = {name: shown(tables, name) for name in images}
    rows = set(tables["image_vulnerabilities"])
    tables[table].clear()
    arriving = PACKAGE if is_pipeline else None
    early = run(_EndingEarly(images), tables, now=NOW + 60 * MINUTE, arriving=arriving)
    last = run(Server(images), tables, now=NOW + 120 * MINUTE, arriving=arriving)
    assert early is not None
    assert last is not None
    assert (early.verdict, last.verdict) == ("failed", "complete")
    assert {name: shown(tables, name) for name in images} == before
    assert {row["absent_at"] for row in tables["image_vulnerabilities"].values()} == {None}
    assert table == "image_vulnerabilities" or set(tables["image_vulnerabilities"]) == rows


def test_lists_of_vulnerabilities_that_are_all_empty_are_not_believed() -> None:
    """Without a licence they are empty, and nothing was due that would say so: no vulnerability is gone."""
    row, tables = finding(1), new_tables()
    listed = {"DescribeSystemVulList": [{"PocID": "p1", "CVEID": row["CVEID"], "Name": row["Name"], "Level": "HIGH"}]}
    run(Server({"a": Image(SCANNED, [row])}, lists=listed), tables)
    server = Server({"a": Image(SCANNED, [row])})
    for share, verdict, gone_at in ((0.2, "partial", None), (1.0, "complete", NOW + MINUTE)):
        made = run(server, tables, now=NOW + MINUTE, max_delete_share=share)
        assert made is not None
        assert made.verdict == verdict
        assert [row["gone_at"] for row in tables["vulnerabilities"].values()] == [gone_at]
