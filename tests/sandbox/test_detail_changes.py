"""Details that move, and what servers may do to them: library updates, scans, quirks and faults."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest

from connector.sandbox import ApiError, Fault, Fleet, LocalServer, Quirks, Sandbox
from connector.sandbox.control import reply
from connector.sandbox.messages import Request
from tests.sandbox.asking import over_http

IMAGE_LIST, PER_IMAGE = "DescribeAssetImageList", "DescribeAssetImageVulList"


def rows(server: LocalServer, image_id: str, **payload: Any) -> list[dict[str, Any]]:
    """The set of an image, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = server.call(PER_IMAGE, {"ImageID": image_id, "Limit": 100, "Offset": len(found), **payload})
        found += page["List"] or []
        if not page["List"] or len(found) >= page["TotalCount"]:
            return found


def bag(found: list[dict[str, Any]]) -> Counter[str]:
    """Rows without their order."""
    return Counter(json.dumps(row, sort_keys=True) for row in found)


def largest(fleet: Fleet) -> str:
    """The scanned image with most vulnerabilities."""
    scanned = [item for item in fleet.truth().values() if item["ScanStatus"] == "SCANNED"]
    return str(max(scanned, key=lambda item: item["VulCnt"])["ImageID"])


def test_a_library_update_adds_and_withdraws_and_nothing_else() -> None:
    """Counts move with the rows, ScanTime does not; the other images, and the other rows, stay as they were."""
    server = LocalServer(Fleet.seeded(150))
    fleet = server.fleet
    before = {image_id: (item, bag(rows(server, image_id))) for image_id, item in fleet.truth().items()}
    added = fleet.apply({"add_vulnerabilities": 6})["add_vulnerabilities"]
    middle = {image_id: bag(rows(server, image_id)) for image_id in before}
    withdrawn = fleet.apply({"withdraw_vulnerabilities": 4})["withdraw_vulnerabilities"]
    after = {image_id: bag(rows(server, image_id)) for image_id in before}
    assert added
    assert withdrawn
    assert {i for i in before if middle[i] != before[i][1]} == set(added)
    assert {i for i in before if after[i] != middle[i]} == set(withdrawn)
    assert all(before[i][1] < middle[i] for i in added)
    assert all(after[i] < middle[i] for i in withdrawn)
    for image_id, item in fleet.truth().items():
        assert (item["VulCnt"], item["ScanTime"]) == (after[image_id].total(), before[image_id][0]["ScanTime"])


def test_deleted_images_come_back_with_what_the_library_knows() -> None:
    """A library update reaches images that are not listed just then."""
    server = LocalServer(Fleet.seeded(80))
    image_id = largest(server.fleet)
    before = bag(rows(server, image_id))
    cve = next(row["CVEID"] for row in rows(server, image_id) if row["CVEID"])
    server.fleet.delete([image_id])
    server.fleet.details.withdraw_vulnerabilities([cve])
    server.fleet.bring_back([image_id])
    after = bag(rows(server, image_id))
    assert after < before
    assert server.fleet[image_id]["VulCnt"] == after.total()
    assert not any(json.loads(row)["CVEID"] == cve for row in after)


def test_a_quiet_scan_moves_only_the_time() -> None:
    """`scan_again` keeps the set; `rescan` counts anew, and the rows follow."""
    server = LocalServer(Fleet.seeded(40))
    image_id = largest(server.fleet)
    old, before = server.fleet[image_id], bag(rows(server, image_id))
    assert server.fleet.apply({"scan_again": [image_id]}) == {"scan_again": [image_id]}
    quiet = server.fleet[image_id]
    assert quiet == {**old, "ScanTime": quiet["ScanTime"]}
    assert quiet["ScanTime"] > old["ScanTime"]
    assert bag(rows(server, image_id)) == before
    server.fleet.rescan([image_id])
    assert len(rows(server, image_id)) == server.fleet[image_id]["VulCnt"] != old["VulCnt"]


def test_revisions_change_fix_and_tags_in_place() -> None:
    """The same findings with another fix: no count moves."""
    server = LocalServer(Fleet.seeded(40))
    before = {image_id: (item, rows(server, image_id)) for image_id, item in server.fleet.truth().items()}
    changed = set(server.fleet.apply({"revise_vulnerabilities": 3})["revise_vulnerabilities"])
    assert changed
    assert server.fleet.truth() == {image_id: item for image_id, (item, _) in before.items()}
    for image_id, (_, old) in before.items():
        new = rows(server, image_id)
        assert (new != old) is (image_id in changed)
        assert [(row["Name"], row["Component"]) for row in new] == [(row["Name"], row["Component"]) for row in old]


def test_containers_come_and_go() -> None:
    """`move_containers` replaces them all; a lower ContainerCnt takes the last ones away."""
    fleet = Fleet(
        [{"ImageID": "a", "HostCnt": 2, "ContainerCnt": 3}, {"ImageID": "b", "HostCnt": 1, "ContainerCnt": 1}]
    )
    server = LocalServer(fleet)

    def ids() -> list[str]:
        return [row["ContainerID"] for row in server.call("DescribeAssetContainerList", {})["List"]]

    before = ids()
    fleet.apply({"move_containers": ["a"]})
    moved = ids()
    assert (len(moved), moved[3:], set(moved[:3]) & set(before)) == (4, before[3:], set())
    fleet.replace({"a": {"ContainerCnt": 2}})
    assert ids() == [*moved[:2], moved[3]]


def test_the_oracle_knows_the_sets_of_former_scans() -> None:
    """`sets_at` gives what the image had at a ScanTime: one set, or one more for each library update since."""
    server = LocalServer(Fleet.seeded(60))
    fleet, image_id = server.fleet, largest(server.fleet)
    times, sizes = (
        [fleet[image_id]["ScanTime"]],
        [[len(found) for found in fleet.details.sets_at(image_id, fleet[image_id]["ScanTime"])]],
    )
    fleet.rescan([image_id])
    times.append(fleet[image_id]["ScanTime"])
    first = fleet[image_id]["VulCnt"]
    cve = next(row["CVEID"] for row in rows(server, image_id) if row["CVEID"])
    fleet.details.withdraw_vulnerabilities([cve])
    sizes.append([len(found) for found in fleet.details.sets_at(image_id, times[1])])
    assert sizes[1] == [first, fleet[image_id]["VulCnt"]]
    fleet.delete([image_id])
    assert [[len(found) for found in fleet.details.sets_at(image_id, time)] for time in times] == sizes
    assert fleet.details.sets_at(image_id, "never") == []


def test_ties_stand_still_or_swap() -> None:
    """Sorted by Level, a set stays as it is or comes in another order each time; no row is lost in one answer."""
    fleet = Fleet.seeded(60)
    image_id = next(i for i, item in fleet.truth().items() if 30 < item["VulCnt"] < 100)
    stable, permuted = LocalServer(fleet), LocalServer(fleet, Quirks(detail_ties="permuted"))
    still = [rows(stable, image_id, By="Level", Order="-") for _ in range(2)]
    swapping = [rows(permuted, image_id, By="Level", Order="-") for _ in range(2)]
    assert still[0] == still[1]
    assert swapping[0] != swapping[1]
    assert bag(swapping[0]) == bag(swapping[1]) == bag(still[0])
    assert [[row["Level"] for row in found] for found in swapping] == [
        [row["Level"] for row in found] for found in still
    ]
    assert [row["Level"] for row in still[0]] == sorted((row["Level"] for row in still[0]), reverse=True)


def test_results_can_come_later_than_the_scan_time() -> None:
    """The first three requests after a scan get the former set; or those of the first seconds."""
    fleet = Fleet.seeded(60)
    image_id = largest(fleet)
    by_number = LocalServer(fleet, Quirks(late_requests=3))
    old = fleet[image_id]["VulCnt"]
    fleet.rescan([image_id])
    new = fleet[image_id]["VulCnt"]
    totals = [by_number.call(PER_IMAGE, {"ImageID": image_id})["TotalCount"] for _ in range(5)]
    assert (totals, old != new) == ([old, old, old, new, new], True)
    by_time = LocalServer(fleet, Quirks(late_seconds=60))
    fleet.now += 61_000_000
    fleet.rescan([image_id])
    assert by_time.call(PER_IMAGE, {"ImageID": image_id})["TotalCount"] == new
    fleet.now += 61_000_000
    assert by_time.call(PER_IMAGE, {"ImageID": image_id})["TotalCount"] == fleet[image_id]["VulCnt"]


@pytest.mark.parametrize("rule", ["rows", "cves", "cve_component"])
def test_vul_cnt_may_count_something_else(rule: Any) -> None:
    """Rows, distinct CVEs, or distinct pairs of CVE and component; the three differ somewhere in the fleet."""
    server = LocalServer(Fleet.seeded(60), Quirks(vul_cnt=rule))
    shown = {row["ImageID"]: row["VulCnt"] for row in server.call(IMAGE_LIST, {"Limit": 100})["List"]}
    pairs = {
        image_id: [(row["CVEID"] or row["Name"], row["Component"]) for row in rows(server, image_id)]
        for image_id in shown
    }
    counts = {
        "rows": {image_id: len(found) for image_id, found in pairs.items()},
        "cves": {image_id: len({cve for cve, _ in found}) for image_id, found in pairs.items()},
        "cve_component": {image_id: len(set(found)) for image_id, found in pairs.items()},
    }
    assert shown == counts[rule]
    assert len({sum(found.values()) for found in counts.values()}) == 3


def test_levels_may_be_reversed() -> None:
    """1 is the worst then; the account's words stay."""
    fleet = Fleet.seeded(60)
    image_id = largest(fleet)
    rising, reversed_ = LocalServer(fleet), LocalServer(fleet, Quirks(levels="reversed"))
    assert [row["Level"] for row in rows(reversed_, image_id)] == [5 - row["Level"] for row in rows(rising, image_id)]
    critical = rows(reversed_, image_id, Filters=[{"Name": "Level", "Values": ["1"]}])
    assert len(critical) == fleet[image_id]["CriticalLevelVulCnt"] > 0
    assert rising.call("DescribeWebVulList", {})["List"] == reversed_.call("DescribeWebVulList", {})["List"]


def test_other_quirks_show_in_answers() -> None:
    """Null lists, pages too large, totals that move, unknown tags and fields, no licence, unknown ids."""
    fleet = Fleet.seeded(60)
    image_id = largest(fleet)
    about = {"ImageID": image_id, "Limit": 60}

    def told(payload: dict[str, Any] | None = None, action: str = PER_IMAGE, times: int = 1, **quirks: Any) -> Any:
        server = LocalServer(fleet, Quirks(**quirks))
        try:
            return [server.call(action, about if payload is None else payload) for _ in range(times)][-1]
        except ApiError as error:
            return error.code

    total = fleet[image_id]["VulCnt"]
    assert told(licensed=False, empty_list="null") == {"List": None, "TotalCount": 0, "RequestId": "local-1"}
    assert told(payload={}, action="DescribeSystemVulList", licensed=False)["List"] == []
    assert told(payload={}, action="DescribeAssetHostList", licensed=False)["List"] != []
    assert told(detail_most_rows=50) == "ResponseSizeLimitExceeded"
    assert len(told(payload={**about, "Limit": 50}, detail_most_rows=50)["List"]) == 50
    assert [told(times=times, total_moves=3)["TotalCount"] for times in (1, 2, 3)] == [total, total + 3, total]
    marked = told(extra_tags=("NEW_WORD",), detail_extra_fields={"Arch": "x"})["List"]
    assert {("NEW_WORD" in row["Tag"], row["Arch"]) for row in marked} == {(True, "x")}
    assert told(payload={"ImageID": "gone"}, unknown_ids="empty")["TotalCount"] == 0
    assert told(refused={PER_IMAGE: "AuthFailure.UnauthorizedOperation"}) == "AuthFailure.UnauthorizedOperation"
    assert told(payload={}, action="DescribeWebVulList", refused={PER_IMAGE: "UnauthorizedOperation"})["List"] != []


def test_a_refusal_names_its_action() -> None:
    """The message of a refused action says which it was."""
    for server in (
        LocalServer(Fleet(), Quirks(refused={PER_IMAGE: "UnauthorizedOperation"})),
        LocalServer(Fleet(), faults=[Fault("unauthorized", action=PER_IMAGE)]),
    ):
        with pytest.raises(ApiError, match=rf"\(tcss:{PER_IMAGE}\)"):
            server.call(PER_IMAGE, {"ImageID": "a"})


def test_faults_of_errors_and_pages_hit_lists_of_details() -> None:
    """By action and number, as for images; other actions are not hit."""
    fleet = Fleet.seeded(60)
    about = {"ImageID": largest(fleet)}
    faults = [
        Fault("internal_error", at=1, action=PER_IMAGE),
        Fault("short_page", at=2, value=4, action=PER_IMAGE),
        Fault("extra_rows", at=3, value=2, action=PER_IMAGE),
        Fault("missing_list", at=4, action=PER_IMAGE),
    ]
    server = LocalServer(fleet, faults=faults)
    assert len(server.call("DescribeWebVulList", {})["List"]) == 10
    with pytest.raises(ApiError, match="InternalError"):
        server.call(PER_IMAGE, about)
    assert [len(server.call(PER_IMAGE, about).get("List", "missing")) for _ in range(4)] == [4, 12, 7, 10]
    assert server.backend.fired == {"internal_error": 1, "short_page": 1, "extra_rows": 1, "missing_list": 1}


def test_changes_between_answers_and_over_http() -> None:
    """`detail_churn` is called after each answer to a list of details; the control API takes the changes too."""
    fleet, seen = Fleet.seeded(20), []
    server = LocalServer(fleet, detail_churn=lambda _, number: seen.append(number))
    for action in ("DescribeAssetHostList", IMAGE_LIST, "DescribeWebVulList"):
        server.call(action, {})
    assert seen == [1, 2]
    sandbox = Sandbox(fleet)
    answer = reply(sandbox, Request("POST", "/-/change", {}, b'{"add_vulnerabilities": 5, "scan_again": 2}'))
    changed = json.loads(answer.body)
    assert (answer.status, len(changed["scan_again"])) == (200, 2)
    assert all(fleet[image_id]["ScanStatus"] == "SCANNED" for image_id in changed["scan_again"])


def test_each_action_has_a_rate_of_its_own() -> None:
    """Where one request a second is let in, the second one of an action is refused, and the first of another is not."""
    now = time.time()
    sandbox = Sandbox(Fleet.seeded(5), rate=1, clock=lambda: now)
    actions = ("DescribeAssetHostList", "DescribeAssetHostList", "DescribeWebVulList", IMAGE_LIST)
    answers = [over_http(sandbox, {}, action) for action in actions]
    assert [answer.get("Error", {}).get("Code") for answer in answers] == [None, "RequestLimitExceeded", None, None]
