"""`connector.detail.sets`: when the answers prove that a set is whole, and what is asked for until then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from connector.detail.sets import Manner, ReadSet, SetReader
from connector.errors import RequestRejectedError, ResponseTooLargeError
from connector.tables import ASPECTS
from tests.detail.account import NOW, Image, Server, as_set, finding

VULNERABILITIES = ASPECTS["vulnerabilities"]
Change = Callable[[int, Image], None]


def server_of(rows: list[dict[str, Any]], *, change: Change = lambda *_: None, **given: Any) -> Server:
    """A server with one image, which `change` may alter before each request; the first one has number 0."""
    image = Image(NOW, rows)
    server = Server({"image": image}, **given)
    server.before = lambda _: change(len(server.requests), image)
    return server


def read(server: Server, manner: Manner | None = None) -> ReadSet:
    def fetch(payload: Mapping[str, Any]) -> Any:
        return server.call(VULNERABILITIES.action, payload)

    return SetReader(fetch, VULNERABILITIES, manner).read("image")


def rows(count: int, *, levels: int = 4) -> list[dict[str, Any]]:
    return [finding(number, level=number % levels + 1) for number in range(count)]


def test_a_row_that_changes_without_a_scan_does_not_count_twice() -> None:
    """Else it would take the place of a row that no answer has shown."""
    malware = ASPECTS["malware"]

    def row(number: int, latest: str) -> dict[str, Any]:
        return {"VirusName": "v", "Path": f"/{number}", "RiskLevel": 1, "LatestScanTime": latest}

    def fetch(payload: Mapping[str, Any]) -> Any:
        """Row 100 never comes; row 0 comes at the end as well, with another time."""
        shown = [*(row(number, "then") for number in range(100)), row(0, "now")]
        start, level = payload["Offset"], payload.get("Filters")
        return SimpleNamespace(response={"List": [] if level else shown[start : start + 100], "TotalCount": 101})

    found = SetReader(fetch, malware).read("image")
    assert (found.whole, found.reason) == (False, "100 rows were shown, and TotalCount is 101")


def test_rows_with_other_labels_in_each_answer_do_not_count_twice() -> None:
    """Ten rows of the first page have them. They do not stand for the ten rows of the second page."""
    many = [finding(number, level=1) for number in range(110)]

    def turn(number: int, image: Image) -> None:
        labels = ["CanBeFixed", "NETWORK", "POC"][number % 3 :]
        image.rows = [{**row, "Tag": labels} if 90 <= place < 100 else row for place, row in enumerate(many)]

    found = read(server_of(many, change=turn))
    assert found.whole
    assert as_set(found.rows) == as_set(many)


@pytest.mark.parametrize(
    ("count", "requests"), [(0, 1), (1, 1), (99, 1), (100, 2), (101, 2), (196, 2), (197, 3), (1000, 11)]
)
def test_a_set_costs_a_request_for_each_page(count: int, requests: int) -> None:
    """Pages after the first one share three rows with the page before them. After a full page that seems to be the last
    one, another request shows that no row follows."""
    found = read(server_of(rows(count)))
    assert (found.whole, found.total, found.requests) == (True, count, requests)
    assert as_set(found.rows) == as_set(rows(count))


def test_equal_rows_count_as_often_as_they_are() -> None:
    """Also where a page ends between them."""
    many = [finding(number // 4, level=1) for number in range(400)]
    found = read(server_of(many))
    assert (found.whole, found.reason) == (True, "in order")
    assert as_set(found.rows) == as_set(many)


def test_rows_that_change_places_are_read_by_levels() -> None:
    """Each level is a snapshot where it fits a page."""
    found = read(server_of(rows(300), permuted=True))
    assert (found.whole, found.reason) == (True, "in 4 parts")
    assert as_set(found.rows) == as_set(rows(300))


def test_without_a_filter_the_rows_of_several_passes_are_united() -> None:
    """Until as many were seen as TotalCount says."""
    found = read(server_of(rows(300, levels=1), permuted=True, splits=False))
    assert (found.whole, found.reason) == (True, "united")
    assert as_set(found.rows) == as_set(rows(300, levels=1))


def test_a_row_that_is_never_shown_is_missed() -> None:
    """TotalCount says one more than any answer shows."""
    server = server_of(rows(150))
    page = server._page
    server._page = lambda rows, payload, cap=None: page(rows, payload, cap)  # type: ignore[method-assign]

    def hidden(payload: Mapping[str, Any]) -> Any:
        answer = server.call(VULNERABILITIES.action, payload)
        answer.response["TotalCount"] += not payload.get("Filters")
        return answer

    found = SetReader(hidden, VULNERABILITIES).read("image")
    assert (found.whole, found.reason) == (False, "150 rows were shown, and TotalCount is 151")


def test_a_set_that_moves_is_read_again() -> None:
    """And given up where it does not come to rest."""

    def once(number: int, image: Image) -> None:
        if number == 1:
            image.rows = rows(151)

    found = read(server_of(rows(150), change=once))
    assert (found.whole, found.total, found.requests) == (True, 151, 4)

    def always(number: int, image: Image) -> None:
        image.rows = rows(150 + number)

    found = read(server_of(rows(150), change=always))
    assert (found.whole, found.reason) == (False, "TotalCount was 154, and then 155")


def test_a_change_between_two_parts_is_noticed() -> None:
    """The whole set is counted before the parts, and after them."""
    left = [row for row in rows(300) if row["CVEID"] != "CVE-2020-0004"]  # of level 1, which is the first part

    def between(number: int, image: Image) -> None:
        if number == 4:
            image.rows = left

    found = read(server_of(rows(300), permuted=True, change=between))
    assert (found.whole, found.total) == (True, 299)
    assert as_set(found.rows) == as_set(left)


@pytest.mark.parametrize(("count", "shown", "reason"), [(150, 100, "rows follow"), (250, 197, "rows follow")])
def test_a_total_count_that_is_too_small_by_all_rows_that_follow_is_noticed(
    count: int, shown: int, reason: str
) -> None:
    """Where the pages up to there are full: else a set would be cut short, and called whole."""
    server = server_of(rows(count))

    def fetch(payload: Mapping[str, Any]) -> Any:
        answer = server.call(VULNERABILITIES.action, payload)
        answer.response["TotalCount"] = shown
        return answer

    found = SetReader(fetch, VULNERABILITIES).read("image")
    assert not found.whole
    assert reason in found.reason


def test_a_total_count_of_the_rows_of_its_answer_is_noticed() -> None:
    """Such a server would show 100 findings of each image."""
    server = server_of(rows(150))

    def fetch(payload: Mapping[str, Any]) -> Any:
        answer = server.call(VULNERABILITIES.action, payload)
        answer.response["TotalCount"] = len(answer.response["List"])
        return answer

    found = SetReader(fetch, VULNERABILITIES).read("image")
    assert (found.whole, found.reason) == (False, "TotalCount was 100, and then 51")


@pytest.mark.parametrize(("count", "copies"), [(150, 2), (200, 40)])
def test_equal_rows_that_stand_far_apart_are_counted_by_their_places(count: int, copies: int) -> None:
    """A package at many paths gives equal rows, which no one answer shows all. A server that keeps its order shows them
    at the same places, wherever pages begin; of one whose equal levels change places, no such set is believed."""
    many = rows(count // copies, levels=1) * copies
    found = read(server_of(many))
    assert (found.whole, found.reason, as_set(found.rows)) == (True, "in 4 parts", as_set(many))
    shown = read(server_of(many, permuted=True))
    assert not shown.whole or as_set(shown.rows) == as_set(many)


def test_pages_that_are_too_large_are_asked_for_in_smaller_ones() -> None:
    """The smaller limit is kept for the sets that follow."""
    server, manner = server_of(rows(60)), Manner()
    inner = server.call

    def call(action: str, payload: Mapping[str, Any]) -> Any:
        if payload["Limit"] > 30:
            raise ResponseTooLargeError("too large")
        return inner(action, payload)

    server.call = call  # type: ignore[method-assign]
    assert read(server, manner).whole
    assert manner.limit == 25


@pytest.mark.parametrize("most", [0, 1, 12])
def test_an_image_of_large_rows_does_not_make_the_pages_of_all_others_small(most: int) -> None:
    """With a page of one row, each set of the run would take more requests than it has rows."""
    manner, server = Manner(), server_of(rows(14))

    def fetch(payload: Mapping[str, Any]) -> Any:
        if payload["Limit"] > most:
            raise ResponseTooLargeError("too large")
        return server.call(VULNERABILITIES.action, payload)

    reader = SetReader(fetch, VULNERABILITIES, manner)
    if most:
        assert reader.read("image").whole
    else:
        with pytest.raises(ResponseTooLargeError):
            reader.read("image")
    assert manner.limit == (25 if most else 100)


def test_a_spelling_of_order_that_is_refused_is_not_asked_again() -> None:
    """Words, signs, and no sort at all are tried in turn."""
    server, manner, asked = server_of(rows(10)), Manner(), []
    inner = server.call

    def call(action: str, payload: Mapping[str, Any]) -> Any:
        asked.append(payload.get("Order"))
        if "Order" in payload:
            raise RequestRejectedError("no such order", code="InvalidParameter")
        return inner(action, payload)

    server.call = call  # type: ignore[method-assign]
    assert read(server, manner).whole
    assert read(server, manner).whole
    assert asked == ["desc", "-", None, None]


@pytest.mark.parametrize(("status", "whole"), [(2, True), ("2", True), (None, True), (1, False), ("3", False)])
def test_malware_is_whole_once_its_scan_has_ended(status: Any, whole: bool) -> None:
    """The list of malware says beside its rows how its scan went; a number may be written as a text."""
    server = server_of([])

    def fetch(payload: Mapping[str, Any]) -> Any:
        answer = server.call("DescribeAssetImageVirusList", payload)
        answer.response["VirusScanStatus"] = status
        return answer

    found = SetReader(fetch, ASPECTS["malware"]).read("image")
    assert (found.whole, found.reason) == (
        whole,
        "in one answer" if whole else f"VirusScanStatus is {status}, and not 2",
    )
