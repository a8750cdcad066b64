"""`connector.detail.findings` and `parsing`: rows of a set as findings, whatever the rows hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any

import pytest

from connector.detail.findings import Finding, FindingParser, vul_id
from connector.images.fields import LONGEST
from connector.tables import ASPECTS, Aspect
from connector.warehouse.views import views
from tests.detail.account import finding

PARSER = FindingParser(ASPECTS["vulnerabilities"], UTC)


def parsed(*rows: Any) -> list[Finding]:
    return list(PARSER.parse(rows).findings.values())


def test_a_row_is_a_finding() -> None:
    """Its values are those of the table, its id and hash are always the same."""
    (made,) = parsed(finding(1, level=3))
    assert made.values == ("CVE-2020-0001", "package1", "1", "2", 3)
    assert (made.occurrences, made.extra) == (1, None)
    assert made == parsed(finding(1, level=3))[0]
    assert made.finding_id.startswith("1:")


@pytest.mark.parametrize(
    ("aspect", "rows", "finding_id", "row_hash"),
    [
        (
            "vulnerabilities",
            [finding(1, level=3)],
            "1:e7c4db09d08b529632c4ac1c62434d06",
            "1:3be00c53a7c48ae4e363e3c0586e0408",
        ),
        (
            "vulnerabilities",
            [finding(7)] * 2,
            "1:600fad3984bb0ee8e8b873490ae77b4a",
            "1:e9025aab0bacb8718a1fa188d07a9dfc",
        ),
        (
            "vulnerabilities",
            [{**finding(2), "New": 1}],
            "1:5b3391ee07b72daa872d65b08a592ab3",
            "1:4f8b374697e7d31c4dcbc60d8547ca43",
        ),
        (
            "vulnerabilities",
            [{"Name": "x"}],
            "1:c7f1cac70a50a949f87640b1c819aa7e",
            "1:b7fa94347864cac36ef45be66abe8b6f",
        ),
        (
            "malware",
            [{"VirusName": "v", "Path": "/a", "Md5": "m", "Tags": ["b"], "Size": 3}],
            "1:06833d211874d166edbe7dccc9aad676",
            "1:6e7fcba384c1481caccbd32fbcca800d",
        ),
    ],
    ids=["plain", "twice", "unknown-field", "name-alone", "malware"],
)
def test_ids_and_hashes_stay_the_same(aspect: str, rows: list[Any], finding_id: str, row_hash: str) -> None:
    """Warehouses have them: another id closes a finding and opens it again, and another hash writes it again."""
    (made,) = FindingParser(ASPECTS[aspect], UTC).parse(rows).findings.values()
    assert (made.finding_id, made.row_hash) == (finding_id, row_hash)


def test_threads_share_a_parser() -> None:
    """Each set has the findings that it would have alone, and every row that is unlike all others is among the new."""
    rows = [finding(number % 100) for number in range(2_000)]
    parser = FindingParser(ASPECTS["vulnerabilities"], UTC)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(parser.parse, [rows] * 16))
    assert all(each.findings == PARSER.parse(rows).findings for each in found)
    assert {row["Name"] for row in parser.new} == {row["Name"] for row in rows}


@pytest.mark.parametrize(
    ("name", "one", "other"), [("Level", 1, True), ("Level", 2**53, 2.0**53), ("CVEID", 1, True), ("CVEID", 1, 1.0)]
)
def test_values_that_are_equal_in_python_only_are_not_the_same(name: str, one: Any, other: Any) -> None:
    """A row has the finding and the rejected values that it has alone, whatever row came before."""
    aspect, rows = ASPECTS["vulnerabilities"], [{**finding(1), name: value} for value in (one, other)]
    alone = [FindingParser(aspect, UTC).parse([row]) for row in rows]
    parser = FindingParser(aspect, UTC)
    assert [parser.parse([row]) for row in rows] == alone
    assert parser.new == rows
    assert alone[0] != alone[1]


def test_equal_rows_are_one_finding() -> None:
    """Which says how many rows it is."""
    (made,) = parsed(*[finding(1)] * 3)
    assert made.occurrences == 3
    assert made.row_hash != parsed(finding(1))[0].row_hash


def test_rows_that_differ_only_in_their_fix_are_one_finding_that_names_both() -> None:
    """In the same form, whichever comes first."""
    one, other = finding(1, fix="2", level=1), finding(1, fix="3", level=2)
    assert parsed(one, other) == parsed(other, one)
    assert parsed(one, other)[0].values[3:] == ("2 | 3", 2)


def test_what_identifies_a_finding_is_its_vulnerability_and_package() -> None:
    """Fix, level, label and texts may change while the finding stays."""
    changed = {**finding(1), "FixedVersions": "9", "Level": 4, "Tag": [], "Des": "other"}
    assert parsed(finding(1))[0].finding_id == parsed(changed)[0].finding_id
    for name in ("CVEID", "Component", "Version"):
        assert parsed(finding(1))[0].finding_id != parsed({**finding(1), name: "CVE-2021-44228"})[0].finding_id


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"CVEID": "cve-2021-44228 "}, "CVE-2021-44228"),
        ({"CVEID": "", "Name": "log4shell"}, "name:245ceca626602228444e798fa6e5bdb8"),
        ({"CVEID": "pcmgr-1", "Name": "log4shell"}, "name:245ceca626602228444e798fa6e5bdb8"),
    ],
)
def test_a_vulnerability_is_its_cve_else_its_name(item: dict[str, Any], expected: str) -> None:
    """A number of Tencent's own is no CVE."""
    assert vul_id(item) == expected


def test_two_vulnerabilities_without_a_cve_that_share_a_title_are_two() -> None:
    """Where another number tells them apart."""
    one, other = ({**finding(7), "CVEID": number} for number in ("CNVD-2021-1", "CNVD-2021-2"))
    assert len(parsed(one, other)) == 2


def test_unknown_fields_of_rows_that_are_one_finding_stay_json() -> None:
    """All of them, in the same form whichever row comes first."""
    one, other = {**finding(1), "New": 1}, {**finding(1), "New": 2}
    assert parsed(one, other) == parsed(other, one)
    assert parsed(one, other, one)[0].extra == '[{"New":1},{"New":2}]'


@pytest.mark.parametrize("rows", [[{"New": "x" * LONGEST}], [{"New": [n, "x" * (LONGEST // 2)]} for n in range(3)]])
def test_unknown_fields_that_are_too_long_for_a_row_are_rejected(rows: list[Any]) -> None:
    """As those of an image are: a row that no statement of MySQL holds would end each run."""
    found = PARSER.parse([{**finding(1), **row} for row in rows])
    (made,) = found.findings.values()
    assert (made.extra, made.occurrences) == (None, len(rows))
    assert [(fault.column_name, len(fault.raw)) for fault in found.rejected] == [("extra", LONGEST)]


def test_fixes_that_are_together_too_long_are_rejected() -> None:
    found = PARSER.parse([finding(1, fix=str(number) * (LONGEST // 2)) for number in (1, 2, 3)])
    (made,) = found.findings.values()
    assert made.finding_id == parsed(finding(1))[0].finding_id
    assert (made.values[3], made.occurrences) == (None, 3)
    assert [(fault.column_name, len(fault.raw)) for fault in found.rejected] == [("fixed_versions", LONGEST)]


def test_nothing_that_is_received_is_lost_without_a_word() -> None:
    """Values of another type are rejected, unknown fields are kept, and so is a row that is no object."""
    found = PARSER.parse([{**finding(1), "Level": "n/a", "New": {"a": 1}}, "no object"])
    (made,) = found.findings.values()
    assert made.values[4] is None
    assert made.extra == '{"New":{"a":1}}'
    assert [(fault.column_name, fault.raw) for fault in found.rejected] == [
        ("level", '"n/a"'),
        ("finding_id", '"no object"'),
    ]


@pytest.mark.parametrize("aspect", ASPECTS.values(), ids=ASPECTS)
def test_an_aspect_has_a_view_of_its_table(aspect: Aspect) -> None:
    """Which shows its whole sets alone: the markers are read too."""
    (view,) = (view for view in views() if view.name == aspect.view)
    assert {aspect.table.name, "image_reads"} <= view.details


def test_malware_is_another_table_and_no_other_code() -> None:
    """Arrays are stored as JSON; a later scan of the same file changes nothing."""
    parser = FindingParser(ASPECTS["malware"], UTC)
    row = {
        "Path": "/a",
        "VirusName": "v",
        "Md5": "0",
        "Tags": ["x"],
        "LatestScanTime": "2026-01-01 00:00:00",
        "Size": 3,
    }
    (made,) = parser.parse([row]).findings.values()
    assert dict(zip([c.name for c in ASPECTS["malware"].columns], made.values, strict=True))["tags"] == '["x"]'
    (later,) = parser.parse([{**row, "LatestScanTime": "2026-01-02 00:00:00"}]).findings.values()
    assert (later.finding_id, later.row_hash) == (made.finding_id, made.row_hash)
