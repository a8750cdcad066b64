"""The sandbox's fleet: made from a seed, changed in every way that images change, and its oracle."""

import re
from collections import Counter
from datetime import UTC, datetime

import orjson
import pytest

from connector.sandbox.images import FIELDS, OPTIONAL_FIELDS, Mix, encoded, instant_of, instant_text
from connector.sandbox.orders import Sort
from connector.sandbox.state import CHANGES, Fleet

NOW = datetime(2025, 6, 1, 8, tzinfo=UTC)
MICROSECONDS = 1_748_764_800_000_000


def contents(fleet: Fleet) -> str:
    return "\n".join(encoded(item) for item in fleet.truth().values())


def changed_fields(before: dict[str, object], after: dict[str, object]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_a_seed_gives_the_same_fleet_and_the_same_history() -> None:
    """Two fleets of one seed are equal byte for byte, and stay so under the same changes; another seed differs."""
    one, two, other = Fleet.seeded(300, 7, NOW), Fleet.seeded(300, 7, MICROSECONDS), Fleet.seeded(300, 8, NOW)
    assert contents(one) == contents(two) != contents(other)
    changes = dict.fromkeys(CHANGES, 5)
    assert one.apply(changes) == two.apply(changes)
    assert contents(one) == contents(two)


def test_an_image_has_the_thirty_fields_in_the_order_of_the_documentation() -> None:
    """Every seeded item has the first 22 fields; the last eight may be missing; the order is the API's."""
    items = Fleet.seeded(400).truth().values()
    assert {tuple(item)[:22] for item in items} == {FIELDS[:22]}
    assert all(tuple(item) == tuple(name for name in FIELDS if name in item) for item in items)
    assert {len(item) for item in items} == {22, 27, 30}
    assert OPTIONAL_FIELDS[0] == "CriticalLevelVulCnt"


def test_a_seeded_fleet_holds_the_nasty_cases() -> None:
    """What breaks loaders is there: each status, empty times and systems, ties, odd names, sizes above 2^32."""
    items = list(Fleet.seeded(3000).truth().values())
    assert {item["ScanStatus"] for item in items} == {"SCANNED", "NOT_SCAN", "SCANNING", "SCAN_ERR"}
    assert {item["ScanTime"] for item in items if item["ScanStatus"] == "NOT_SCAN"} == {""}
    assert all(item["ScanTime"] for item in items if item["ScanStatus"] == "SCANNED")
    assert all(
        item["ScanError"] or item["AgentError"] or any(map(item.get, FIELDS[16:19]))
        for item in items
        if item["ScanStatus"] == "SCAN_ERR"
    )
    assert {1, 2, 3, 4} <= set(Counter(item["CreateTime"] for item in items).values())
    assert {0, 1, 12} == {item["IsAuthorized"] for item in items}
    assert any(item["OsName"] == "" for item in items)
    assert any(item["Size"] > 2**32 for item in items)
    names = {item["ImageName"] for item in items}
    assert {"<none>:<none>", "<script>alert(1)</script>:latest", "team-🚀/rocket:1.0", ""} <= names
    assert any(re.fullmatch(r".+:5000/.+:.+", name) for name in names)
    assert any("@sha256:" in name for name in names)
    fractions = {len(item["CreateTime"].rstrip("Z").partition(".")[2]) for item in items}
    assert {0, 2, 3} <= fractions


def test_the_levels_of_a_scan_add_up_to_its_vulnerabilities() -> None:
    """VulCnt is the sum of the four levels wherever an item has them."""
    items = [item for item in Fleet.seeded(500).truth().values() if all(name in item for name in OPTIONAL_FIELDS)]
    assert all(sum(item[name] for name in OPTIONAL_FIELDS[:4]) == item["VulCnt"] for item in items)
    assert any(item["CriticalLevelVulCnt"] for item in items)


def test_a_mix_decides_what_a_fleet_is_like() -> None:
    """Shares of 1 and 0 hold for every image, and `epoch` images have the zero time of reproducible builds."""
    mix = Mix(never=0, scanning=0, failed=0, cancelled=1, bare=1, odd_names=0, ties=(1, 0, 0, 0), epoch=120)
    items = list(Fleet.seeded(200, mix=mix).truth().values())
    assert {item["ScanStatus"] for item in items} == {"CANCELED"}
    assert {len(item) for item in items} == {22}
    assert sum(item["CreateTime"] == "1970-01-01T00:00:00Z" for item in items) == 120


def test_a_tenth_of_a_fleet_can_share_one_create_time() -> None:
    """A share as `epoch` is one wide tie of exactly so many images; no other group is wider than four."""
    times = Counter(item["CreateTime"] for item in Fleet.seeded(20_000, mix=Mix(epoch=0.1)).truth().values())
    assert times.pop("1970-01-01T00:00:00Z") == 2000
    assert max(times.values()) <= 8
    assert (Mix(epoch=0.1).of_epoch(20_000), Mix(epoch=5).of_epoch(20_000), Mix(epoch=1.0).of_epoch(7)) == (2000, 5, 7)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        pytest.param(1_611_893_412_021_000, "2021-01-29T04:10:12.021Z", id="three-digits"),
        pytest.param(1_611_893_412_070_000, "2021-01-29T04:10:12.07Z", id="two-digits"),
        pytest.param(1_611_893_412_000_000, "2021-01-29T04:10:12Z", id="none"),
        pytest.param(1_611_893_410_000_000, "2021-01-29T04:10:10Z", id="seconds-that-end-in-zero"),
        pytest.param(0, "1970-01-01T00:00:00Z", id="epoch"),
    ],
)
def test_times_are_written_as_the_samples_show_them(instant: int, text: str) -> None:
    """Milliseconds with their trailing zeros trimmed, and read back to the same instant."""
    assert instant_text(instant) == text
    assert instant_of(text) == instant


@pytest.mark.parametrize("text", ["", None, "soon", 17, "0000-00-00 00:00:00"])
def test_what_is_no_time_has_no_instant(text: object) -> None:
    """Sorting counts such a value as empty."""
    assert instant_of(text) is None


def test_a_rescan_changes_the_scan_and_nothing_else() -> None:
    """ScanTime and counts move; identity, use and CreateTime do not; the fleet's clock went on."""
    fleet = Fleet.seeded(50)
    before = fleet.truth()
    ids = fleet.rescan(20)
    after = fleet.truth()
    assert len(set(ids)) == 20
    assert {image_id for image_id in before if before[image_id] != after[image_id]} == set(ids)
    kept = set(FIELDS[:7]) | {"OsName", "IsTrustImage", "IsAuthorized"}
    assert not set().union(*(changed_fields(before[i], after[i]) for i in ids)) & kept
    assert {after[image_id]["ScanStatus"] for image_id in ids} == {"SCANNED"}
    times = [instant_of(after[image_id]["ScanTime"]) for image_id in ids]
    assert times == sorted(times, key=lambda instant: instant or 0)
    assert times[-1] == fleet.now >= MICROSECONDS


def test_counts_change_without_a_scan() -> None:
    """change_counts touches HostCnt, SuperNodeCnt, ContainerCnt and IsAuthorized only, and always something."""
    fleet = Fleet.seeded(200)
    before = fleet.truth()
    ids = fleet.change_counts(None)
    after = fleet.truth()
    differences = [changed_fields(before[image_id], after[image_id]) for image_id in ids]
    assert len(ids) == 200
    assert all(differences)
    assert set().union(*differences) == {"HostCnt", "SuperNodeCnt", "ContainerCnt", "IsAuthorized"}


def test_scans_start_and_finish() -> None:
    """start_scans leaves SCANNING, finish_scans ends all that run, some of them with an error."""
    fleet = Fleet.seeded(300, mix=Mix(scanning=0))
    started = fleet.start_scans(200)
    assert {fleet[image_id]["ScanStatus"] for image_id in started} == {"SCANNING"}
    assert sorted(fleet.finish_scans()) == sorted(started)
    assert {fleet[image_id]["ScanStatus"] for image_id in started} == {"SCANNED", "SCAN_ERR"}
    assert fleet.finish_scans() == []


def test_inserted_images_are_new_and_as_scanned_as_asked_for() -> None:
    """A share of 1 is all scanned, of 0 never scanned; CreateTimes are not all of today."""
    fleet = Fleet.seeded(10)
    scanned, never = fleet.insert(40, scanned=1.0), fleet.insert(40, scanned=0.0)
    assert len(fleet) == 90
    assert {fleet[image_id]["ScanStatus"] for image_id in scanned} == {"SCANNED"}
    assert {(fleet[image_id]["ScanStatus"], fleet[image_id]["ScanTime"]) for image_id in never} == {("NOT_SCAN", "")}
    ages = {(fleet[image_id]["CreateTime"] or "")[:10] for image_id in scanned + never}
    assert "2025-06-01" in ages
    assert len(ages) > 5


def test_deleted_images_come_back_as_they_were() -> None:
    """delete takes a number, ids or a predicate; bring_back lists the same items again, at the end."""
    fleet = Fleet.seeded(30)
    before = fleet.truth()
    first = fleet.ids()[0]
    assert fleet.delete([first]) == [first]
    never = fleet.delete(None, where=lambda item: item["ScanStatus"] == "NOT_SCAN")
    assert first not in fleet
    assert all(item["ScanStatus"] != "NOT_SCAN" for item in fleet.truth().values())
    assert fleet.bring_back([first]) == [first]
    assert fleet.ids()[-1] == first
    assert sorted(fleet.bring_back()) == sorted(never)
    assert fleet.truth() == before


def test_the_oracle_knows_what_was_listed_throughout() -> None:
    """Only what was there at the mark and never left counts; a return does not mend that; a rescan does not matter."""
    fleet = Fleet.seeded(6)
    a, b, c, d, e, f = fleet.ids()
    fleet.delete([f])
    mark = fleet.mark()
    fleet.rescan([a])
    fleet.delete([b, c])
    fleet.bring_back([c])
    new = fleet.insert(1)
    assert fleet.listed_throughout(mark) == {a, d, e}
    assert fleet.listed_since(mark) == {a, b, c, d, e, *new}


def test_an_image_can_be_listed_twice() -> None:
    """The second row counts in the list and not in the truth; it goes with its image."""
    fleet = Fleet.seeded(3)
    image_id = fleet.ids()[1]
    assert fleet.list_twice({image_id: {"HostCnt": 99}, "sha256:unknown": {}}) == [image_id]
    assert fleet.list_twice({image_id: {"HostCnt": 99}}) == []
    assert (len(fleet), len(fleet.truth()), len(fleet.ids())) == (4, 3, 3)
    rows = fleet.page(fleet.view(Sort("CreateTime")), Sort("CreateTime"), (0, 10))
    assert sorted(row["HostCnt"] for row in rows if row["ImageID"] == image_id)[-1] == 99
    assert len(fleet.rescan(10)) == 3
    fleet.delete([image_id])
    assert len(fleet) == 2


def test_a_fleet_remembers_what_it_is_told_to() -> None:
    """From `remember` on, so many former states are lists of their own, in any order; before, only the present one."""
    fleet = Fleet({"ImageID": letter, "HostCnt": 1} for letter in "abc")
    fleet.delete(["c"])
    assert fleet.as_it_was(1) is fleet
    fleet.remember(2)
    for number in (5, 6, 7):
        fleet.replace({"a": {"HostCnt": number}})
    past = [fleet.as_it_was(revisions) for revisions in range(4)]
    sort = Sort("HostCnt", descending=True)
    assert [[row["HostCnt"] for row in then.page(then.view(sort), sort, (0, 9))] for then in past] == [
        [7, 1],
        [6, 1],
        [5, 1],
        [5, 1],
    ]


def test_recreated_images_have_another_create_time() -> None:
    """It is the instant of the change, the other fields stay, and the list by CreateTime knows."""
    fleet = Fleet.seeded(30, mix=Mix(epoch=0))
    before = fleet.truth()
    (image_id,) = fleet.recreate(1)
    assert changed_fields(before[image_id], fleet[image_id]) == {"CreateTime"}
    assert instant_of(fleet[image_id]["CreateTime"]) == fleet.now
    sort = Sort("CreateTime", descending=True)
    assert fleet.page(fleet.view(sort), sort, (0, 1)) == [fleet[image_id]]
    assert fleet.apply({"recreate": [image_id]}) == {"recreate": [image_id]}


def test_fields_can_be_set_to_anything() -> None:
    """replace puts values of any type, for tests of the loader, and the truth of before stays as it was."""
    fleet = Fleet([{"ImageID": "a", "HostCnt": 1}])
    before = fleet.truth()
    fleet.replace({"a": {"HostCnt": "many", "New": None}})
    assert fleet["a"] == {"ImageID": "a", "HostCnt": "many", "New": None}
    assert before == {"a": {"ImageID": "a", "HostCnt": 1}}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_integers_that_no_answer_can_carry_are_refused(number: int) -> None:
    """Where they are set, and not by a connection that is dropped; nothing has changed."""
    with pytest.raises(ValueError, match="cannot carry the fields ImageID, VulCnt: Integer exceeds 64-bit range"):
        Fleet([{"ImageID": "a", "VulCnt": number}])
    fleet = Fleet([{"ImageID": "a"}, {"ImageID": "b"}])
    fleet.delete(["b"])
    changes = {"VulCnt": {"nested": [number]}}
    for change, image_id in ((fleet.replace, "a"), (fleet.list_twice, "a"), (fleet.alter_gone, "b")):
        with pytest.raises(ValueError, match="cannot carry the fields VulCnt"):
            change({image_id: changes})
    assert (fleet.truth(), fleet.gone()) == ({"a": {"ImageID": "a"}}, {"b": {"ImageID": "b"}})
    assert fleet.replace({"a": {"VulCnt": 2**64 - 1}}) == ["a"]


def test_mistakes_are_refused() -> None:
    """A second row by accident and an unknown change are errors."""
    fleet = Fleet([{"ImageID": "a"}])
    with pytest.raises(ValueError, match="listed already"):
        Fleet([{"ImageID": "a"}, {"ImageID": "a"}])
    with pytest.raises(ValueError, match="no change is called 'explode'"):
        fleet.apply({"explode": 1})
    with pytest.raises(ValueError, match=r"insert takes a whole number of at most 64 bits, and not 1\.8"):
        fleet.apply(orjson.loads(f'{{"insert": {2**64}}}'))


def test_a_clock_of_ones_own_stamps_the_changes() -> None:
    """With `clock`, a scan has the clock's time."""
    fleet = Fleet.seeded(5, clock=lambda: MICROSECONDS + 1_000_000)
    (image_id,) = fleet.rescan(1)
    assert fleet[image_id]["ScanTime"] == "2025-06-01T08:00:01Z"
