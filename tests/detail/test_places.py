"""Which lists of hosts and containers say that what the warehouse has is gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import pytest

from connector.detail.facts import Facts
from connector.detail.parsing import NOT_A_NUMBER, NOT_AN_OBJECT, ColumnParser, Rejected
from connector.detail.places import PLACES, PlaceDiff
from connector.detail.rows import DetailRun
from connector.images.fields import LONGEST, TOO_GREAT, TOO_LARGE
from connector.runs.identity import Identity
from connector.tables import CONTAINERS, HOSTS, VULNERABILITIES, Row
from connector.wire import encode
from tests.detail.account import MINUTE, NOW, Server, finding, new_tables, run

LISTS = {
    "DescribeAssetHostList": [{"HostID": "host"}],
    "DescribeAssetContainerList": [{"ContainerID": "container", "Status": "RUNNING"}],
}


class _Places(Server):
    """An account of one host and one container, whose lists may be `empty`."""

    empty: tuple[str, ...] = ()

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        return self._page([] if action in self.empty else LISTS[action], payload)


def test_a_count_that_breaks_sums_is_a_rejected_value() -> None:
    """In the tables of details too: null in the column, and told with its reason."""
    values, rejected = ColumnParser(HOSTS.columns, UTC).parse({"ImageCnt": 2**53 + 1, "ContainerCnt": 2**53})
    assert (values["image_cnt"], values["container_cnt"]) == (None, 2**53)
    assert rejected == [Rejected("image_cnt", "9007199254740993", TOO_GREAT)]


@pytest.mark.parametrize("project", ["default", 5, ["default"], True])
def test_a_field_that_is_no_object_is_a_rejected_value(project: Any) -> None:
    """For each column that is inside that field; an empty field is null."""
    values, rejected = ColumnParser(HOSTS.columns, UTC).parse({"Project": project})
    assert (values["project_name"], values["project_id"]) == (None, None)
    raw = encode(project)
    assert rejected == [Rejected(name, raw, NOT_AN_OBJECT) for name in ("project_name", "project_id")]
    assert ColumnParser(HOSTS.columns, UTC).parse({"Project": ""})[1] == []


def test_an_unknown_field_of_an_object_is_an_unknown_field() -> None:
    """Also where an item with the same fields had no such field inside."""
    parser = ColumnParser(HOSTS.columns, UTC)
    known = {"ProjectName": "default", "ProjectID": 1}
    assert parser.unknown({"Project": known}) is None
    assert parser.unknown({"Project": {**known, "Owner": "me"}}) == '{"Project":{"Owner":"me"}}'
    assert parser.unknown({"Project": {"Owner": "me"}, "New": 1}) == '{"New":1,"Project":{"Owner":"me"}}'


@pytest.mark.parametrize("score", ["9_8", "9_8.0", "\u0669"])
def test_a_score_that_only_python_reads_is_a_rejected_value(score: str) -> None:
    """`9_8` would be 98."""
    values, rejected = ColumnParser(VULNERABILITIES.columns, UTC).parse({"CVSSV3Score": score})
    assert values["cvss_v3_score"] is None
    assert [(fault.column_name, fault.reason) for fault in rejected] == [("cvss_v3_score", NOT_A_NUMBER)]


def test_unknown_fields_that_are_too_long_for_a_row_are_rejected() -> None:
    """As those of an image are, and without what may be a password; the place is loaded all the same."""
    hosts = next(place for place in PLACES if place.table is HOSTS)
    diff = PlaceDiff(hosts, Identity("1", "now", NOW), UTC, [])
    item = {"HostID": "host", "AToken": "hunter2", "New": "x" * LONGEST}
    (made,) = diff.rows({"host": item}, whole=True, seen_before=None)
    row = dict(zip(HOSTS.column_names, made, strict=True))
    assert (row["host_id"], row["extra"]) == ("host", None)
    ((name, raw, reason),) = diff.rejected
    assert (name, len(raw), reason, "hunter2" in raw) == ("extra", LONGEST, TOO_LARGE, False)


def test_an_id_that_is_longer_than_its_column_does_not_end_the_run() -> None:
    """As an id of its own it is none, and the list is not proven; beside another id it is a rejected value."""
    containers = next(place for place in PLACES if place.table is CONTAINERS)
    long = "x" * 257
    assert [place.key({"HostID": long, "ContainerID": long}) for place in PLACES] == [None, None]
    assert [place.key({"HostID": long[:128], "ContainerID": long[1:]}) for place in PLACES] == [long[:128], long[1:]]
    diff = PlaceDiff(containers, Identity("1", "now", NOW), UTC, [])
    (made,) = diff.rows({"c": {"ContainerID": "c", "HostID": long, "ImageID": long}}, whole=True, seen_before=None)
    row = dict(zip(CONTAINERS.column_names, made, strict=True))
    assert (row["container_id"], row["host_id"], row["image_id"]) == ("c", None, None)
    assert {fault.column_name: fault.reason for fault in diff.rejected} == {
        "host_id": "longer than 128 characters",
        "image_id": "longer than 256 characters",
    }


def test_a_fact_without_its_unknown_fields_is_a_fact() -> None:
    facts = Facts("1", "now", NOW, UTC, [])
    facts.of_rows([{**finding(1), "New": "x" * LONGEST}])
    (made,) = facts.changed()
    row = dict(zip(VULNERABILITIES.column_names, made, strict=True))
    assert (row["vul_id"], row["extra"]) == ("CVE-2020-0001", None)
    assert [(fault.column_name, fault.reason) for fault in facts.rejected] == [("extra", TOO_LARGE)]


def test_an_emergency_ends_with_its_list() -> None:
    """Lists that were not read whole end nothing; a vulnerability that is on another list stays."""
    stored: list[Row] = []
    listed = {**finding(1), "PocID": "p1"}
    seen: list[tuple[bool, bool]] = []
    for number, (emergency, whole) in enumerate([(True, True), (False, False), (False, True)]):
        facts = Facts("1", "now", NOW + number, UTC, stored)
        facts.of_list(listed, emergency=emergency)
        if whole:
            facts.end_of_lists()
        stored = [dict(zip(VULNERABILITIES.column_names, row, strict=True)) for row in facts.changed()] or stored
        seen += [(row["is_emergency"], row["gone_at"] is None) for row in stored]
    assert seen == [(True, True), (True, True), (False, True)]


@pytest.mark.parametrize("step", [1, -1])
def test_the_worst_entry_of_a_cve_says_what_is_known_of_it(step: int) -> None:
    """Of several entries of one CVE, in any order; an unknown word is no severity."""
    row, tables = finding(1), new_tables()
    entry = {"CVEID": row["CVEID"], "Name": "x"}
    levels = {"p1": "LOW", "p2": "CRITICAL", "p3": "MIDDLE", "p4": "NEW"}
    listed = [{**entry, "PocID": poc, "Level": word, "CVSSV3Score": len(word)} for poc, word in levels.items()][::step]
    run(Server({}, lists={"DescribeSystemVulList": listed[:2], "DescribeWebVulList": listed[2:]}), tables)
    (made,) = tables["vulnerabilities"].values()
    facts = (made["severity"], made["level"], made["cvss_v3_score"], made["poc_ids"])
    assert facts == ("CRITICAL", "CRITICAL", 8, '["p1","p2","p3","p4"]')


def test_that_no_container_is_running_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API may have another word for it; the hosts are loaded all the same."""
    monkeypatch.setitem(LISTS, "DescribeAssetContainerList", [{"ContainerID": "c", "Status": "UP"}])
    tables = new_tables()
    run(_Places({}), tables, detail=["running"])
    assert "no container is RUNNING: 1 UP" in caplog.text
    assert (len(tables["hosts"]), len(tables["containers"])) == (1, 0)


def test_no_text_of_a_fact_is_longer_than_a_row_can_hold() -> None:
    """Numbers, labels, words for levels and PocIDs too; the facts that fit stay."""
    facts, long = Facts("1", "now", NOW, UTC, []), "x" * (LONGEST + 1)
    facts.of_list({**finding(1), "Level": "HIGH", "PocID": "p1", "Tags": ["EXP"]}, emergency=False)
    facts.of_list({**finding(1), "Level": long, "PocID": long, "Tags": [long]}, emergency=False)
    facts.of_rows([{**finding(1), "CVEID": long, "Level": [long], "Tag": [long]}])
    rows = [dict(zip(VULNERABILITIES.column_names, row, strict=True)) for row in facts.changed()]
    assert [(row["cve_id"], row["poc_ids"], row["tags"]) for row in rows] == [
        ("CVE-2020-0001", '["p1"]', '["EXP"]'),
        (None, None, None),
    ]
    assert all(len(value) <= LONGEST for row in rows for value in row.values() if isinstance(value, str))
    assert {fault.column_name for fault in facts.rejected} == {"cve_id", "tags", "level", "poc_ids"}


@pytest.mark.parametrize(
    ("empty", "share", "verdict", "gone"),
    [
        ((), 0.5, "complete", (False, False)),
        (("DescribeAssetContainerList",), 0.5, "complete", (False, True)),
        (tuple(LISTS), 0.5, "partial", (False, False)),
        (tuple(LISTS), 1.0, "complete", (True, True)),
    ],
)
def test_an_account_without_any_place_is_not_believed(
    empty: tuple[str, ...], share: float, verdict: str, gone: tuple[bool, bool]
) -> None:
    """Its licence may be over: nothing is called gone. That its host runs no container is believed."""
    server, tables = _Places({}), new_tables()
    for number in range(2):
        made = run(server, tables, now=NOW + number * MINUTE, detail=["running"], max_delete_share=share)
        server.empty = empty
    assert made is not None
    found = tuple(row["gone_at"] is not None for name in ("hosts", "containers") for row in tables[name].values())
    assert (made.verdict, found) == (verdict, gone)


@pytest.mark.parametrize(("status", "verdict", "gone"), [("ONLINE", "partial", False), ("OFFLINE", "complete", True)])
def test_an_empty_list_of_containers_is_not_believed_against_the_counts_of_hosts(
    status: str, verdict: str, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the API may be down. A host whose agent is not online may keep its last count."""
    monkeypatch.setitem(LISTS, "DescribeAssetHostList", [{"HostID": "h", "Status": status, "ContainerCnt": 2}])
    server, tables = _Places({}), new_tables()
    run(server, tables, detail=["running"])
    server.empty = ("DescribeAssetContainerList",)
    made = run(server, tables, now=NOW + MINUTE, detail=["running"])
    assert made is not None
    assert (made.verdict, [row["gone_at"] is not None for row in tables["containers"].values()]) == (verdict, [gone])
    if verdict == "partial":
        assert str(made.verdict_reason).endswith("the list is empty, and hosts that are online count 2 containers")


def test_a_run_of_a_clock_that_was_ahead_does_not_say_when_a_place_was_last_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a container that is gone would have been seen after it went."""
    server, tables = _Places({}), new_tables()
    for at in (NOW, NOW + 100 * 24 * 60 * MINUTE):
        run(server, tables, now=at, detail=["running"])
    for row in tables["containers"].values():
        row["last_seen_at"] = NOW
    monkeypatch.setitem(LISTS, "DescribeAssetContainerList", [])
    run(server, tables, now=NOW + 2 * MINUTE, detail=["running"])
    (gone,) = tables["containers"].values()
    assert (gone["last_seen_at"], gone["gone_at"]) == (NOW, NOW + 2 * MINUTE)


def test_lists_that_are_empty_from_the_middle_of_a_run_on_are_not_believed() -> None:
    """Its licence may be over since: the host that the run has seen is not listed any more either."""

    class Ending(_Places):
        def call(self, action: str, payload: Mapping[str, Any]) -> Any:
            if self.requests and action == "DescribeAssetContainerList":
                self.empty = tuple(LISTS)
            return super().call(action, payload)

    server, tables = Ending({}), new_tables()
    run(server, tables, detail=["running"])
    server.requests = ["ending"]
    made = run(server, tables, now=NOW + MINUTE, detail=["running"])
    assert made is not None
    assert (made.verdict, made.verdict_reason) == (
        "partial",
        "DescribeAssetContainerList: the list is empty, and so is DescribeAssetHostList since",
    )
    assert [row["gone_at"] for row in tables["containers"].values()] == [None]


def test_lists_of_vulnerabilities_that_are_empty_from_the_second_on_are_not_believed() -> None:
    """What the list before had is not gone, and no emergency is over."""

    class Ending(Server):
        def call(self, action: str, payload: Mapping[str, Any]) -> Any:
            if self.requests and action == "DescribeWebVulList":
                self.lists.clear()
            return super().call(action, payload)

    names = ("System", "Web", "Emergency")
    lists = {f"Describe{name}VulList": [{**finding(n), "PocID": f"p{n}"}] for n, name in enumerate(names, 1)}
    tables = new_tables()
    assert _verdict(run(Server({}, lists=lists), tables)) == "complete"
    ending = Ending({}, lists=dict(lists), requests=["before"])
    assert _verdict(run(ending, tables, now=NOW + MINUTE)) == "partial"
    rows = tables[VULNERABILITIES.name].values()
    assert sorted((row["gone_at"], row["is_emergency"]) for row in rows) == [(None, False), (None, False), (None, True)]


def _verdict(made: DetailRun | None) -> str | None:
    return None if made is None else made.verdict
