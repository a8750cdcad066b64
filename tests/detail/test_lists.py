"""Lists of an account whose items share a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, cast

import pytest

from connector.api.answers import CallStats
from connector.detail.actions import IMAGES_OF
from connector.detail.find import Finder, Wanted
from connector.detail.lists import key_by, read_list
from tests.detail.account import Answer, Image, Server, finding, new_tables, run


def _item(number: int, **fields: Any) -> dict[str, Any]:
    return {"PocID": f"p{number}", "CVEID": f"CVE-2024-{number:04}", **fields}


def _read(items: Sequence[Any], **moods: Any) -> Any:
    return read_list(_Server(items, **moods).fetch, key_by("PocID"), in_flight=1)


class _Server:
    """Lists items. `shuffled` is another order in every answer; `more` are items that TotalCount counts, and that no
    answer shows."""

    def __init__(self, items: Sequence[Any], *, shuffled: bool = False, more: int = 0) -> None:
        self._items, self._random, self._more = list(items), Random(1) if shuffled else None, more

    def fetch(self, payload: Mapping[str, Any]) -> Answer:
        if self._random is not None:
            self._random.shuffle(self._items)
        start = payload["Offset"]
        total = len(self._items) + self._more
        return Answer({"List": self._items[start : start + payload["Limit"]], "TotalCount": total}, None)


class _Client:
    """Lists vulnerabilities, and one image that has them."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items
        self.stats = CallStats()

    def call(self, action: str, payload: Mapping[str, Any]) -> Answer:
        lists = {"DescribeSystemVulList": self._items, IMAGES_OF: [{"ImageID": "a"}]}
        return _Server(lists.get(action, ())).fetch(payload)


@pytest.mark.parametrize("count", [5, 150, 320])
def test_an_item_whose_key_another_one_has_leaves_the_list_whole(count: int) -> None:
    """In one answer, and in several: both items are there, once."""
    items = [_item(number) for number in range(count)]
    items.insert(3, _item(2, CVEID="CVE-2024-9999"))
    listed = _read(items)
    assert (listed.reason, len(listed.items)) == (None, count)
    assert {item["CVEID"] for item in (*listed.items.values(), *listed.repeated)} == {item["CVEID"] for item in items}
    assert len(listed.repeated) == 1


def test_a_list_that_lacks_items_is_not_whole_because_others_are_repeated() -> None:
    """As many are repeated in one answer as TotalCount has more: two more are missing then, or the order changes."""
    items = [*(_item(number) for number in range(150)), _item(149), _item(149)]
    assert _read(items, more=1).reason is not None
    assert _read(items, shuffled=True).reason is not None


def test_vulnerabilities_that_share_a_pocid_are_all_known() -> None:
    """The aspect is complete; before, it was `partial` in every run."""
    row, tables = finding(1), new_tables()
    listed = {"DescribeSystemVulList": [_item(1), _item(1, CVEID="CVE-2024-0002"), _item(1)]}
    made = run(Server({"a": Image(1_700_000_000_000_000, [row])}, lists=listed), tables)
    assert made is not None
    assert (made.verdict, made.verdict_reason) == ("complete", None)
    assert {row["cve_id"] for row in tables["vulnerabilities"].values()} == {
        row["CVEID"],
        "CVE-2024-0001",
        "CVE-2024-0002",
    }


def test_a_search_finds_each_vulnerability_of_a_pocid() -> None:
    """Whichever comes first; what images have the PocID is shown once."""
    items = [_item(1, Name="leak"), _item(1, Name="leak", CVEID="CVE-2024-0002"), _item(1, Name="leak")]
    for order in (items, items[::-1]):
        found = Finder(cast(Any, _Client(order)), 1).find(Wanted.of("CVE-2024-0002"))
        assert [(one.poc_id, one.cve_id) for one in found.vulnerabilities] == [("p1", "CVE-2024-0002")]
        assert [(image.image_id, image.poc_ids) for image in found.images or ()] == [("a", ["p1"])]
        assert found.reasons == []
