"""An item of the API becomes typed values: nothing is lost, nothing is guessed, and nothing raises."""

import json
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.images.fields import (
    NO_IMAGE_ID,
    NOT_A_BOOLEAN,
    NOT_A_TEXT,
    NOT_A_TIME,
    NOT_AN_INTEGER,
    NOT_STORABLE,
    TOO_GREAT,
)
from connector.images.records import NOT_AN_OBJECT, ItemParser, Record, Rejected, hash_of_row, reject_id
from connector.tables import API_COLUMNS, IMAGES, REJECTED_VALUES
from connector.wire import decode, encode

ID = "sha256:2061084bfcc0d9ff44f479efc582e3ac9feaf96b556f6901bb39dbddfb9676b2"
DOCUMENTED: dict[str, Any] = {  # the example of the API's page
    "ImageID": ID,
    "ImageName": "l10:latest",
    "CreateTime": "2021-01-29T04:03:18Z",
    "Size": 16159906,
    "HostCnt": 12,
    "SuperNodeCnt": 1,
    "ContainerCnt": 0,
    "ScanTime": "2021-01-29T06:10:12.021Z",
    "VulCnt": 5,
    "ComponentCnt": 31,
    "VirusCnt": 141,
    "RiskCnt": 7,
    "IsTrustImage": True,
    "OsName": "alpine:v3.12",
    "AgentError": "No Error",
    "ScanError": "No Error",
    "ScanStatus": "SCANNED",
    "ScanVirusError": "No Error",
    "ScanVulError": "No Error",
    "ScanRiskError": "No Error",
    "IsSuggest": 0,
    "IsAuthorized": 12,
}
DOCUMENTED_ROW: dict[str, Any] = {
    "image_name": "l10:latest",
    "image_registry": None,
    "image_repository": "l10",
    "image_tag": "latest",
    "image_digest": None,
    "create_time": 1_611_892_998_000_000,
    "create_time_raw": None,
    "size": 16159906,
    "os_name": "alpine:v3.12",
    "os_family": "alpine",
    "os_version": "3.12",
    "host_cnt": 12,
    "super_node_cnt": 1,
    "container_cnt": 0,
    "is_trust_image": True,
    "is_suggest": 0,
    "is_authorized": 12,
    "is_latest_image": None,
    "recommended_fix": None,
    "solution": None,
    "reason": None,
    "scan_status": "SCANNED",
    "scan_time": 1_611_900_612_021_000,
    "scan_time_raw": None,
    "component_cnt": 31,
    "vul_cnt": 5,
    "critical_level_vul_cnt": None,
    "high_level_vul_cnt": None,
    "medium_level_vul_cnt": None,
    "low_level_vul_cnt": None,
    "virus_cnt": 141,
    "risk_cnt": 7,
    "agent_error": None,
    "scan_error": None,
    "scan_virus_error": None,
    "scan_vul_error": None,
    "scan_risk_error": None,
    "extra": None,
}
NOTHING = dict.fromkeys(API_COLUMNS)
PARSER = ItemParser()


def parse_any(item: Any, parser: ItemParser = PARSER) -> Record | Rejected:
    """What comes of an item that is parsed alone."""
    (parsed,) = parser.parse([item])
    return parsed


def parse(item: Any, parser: ItemParser = PARSER) -> Record:
    record = parse_any(item, parser)
    assert isinstance(record, Record)
    return record


def row(item: Any, parser: ItemParser = PARSER) -> dict[str, Any]:
    return dict(zip(API_COLUMNS, parse(item, parser).values, strict=True))


def one(field: str, received: Any, parser: ItemParser = PARSER) -> dict[str, Any]:
    """The columns that one field fills."""
    return {name: value for name, value in row({"ImageID": ID, field: received}, parser).items() if value is not None}


def test_documented_item() -> None:
    """The page's own example, which lacks the fields 23 to 30, is parsed whole."""
    record = parse(DOCUMENTED)
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == DOCUMENTED_ROW
    assert (record.image_id, record.rejected, record.unknown) == (ID, (), ())
    assert (record.create_time, record.scan_time, record.scan_status) == (
        1_611_892_998_000_000,
        1_611_900_612_021_000,
        "SCANNED",
    )


def test_golden_hash() -> None:
    """The hash of the example is this one for ever: another would make a false version of every image.

    It is `1:` and the BLAKE2b (16 bytes) of this text in UTF-8.
    """
    text = (
        '{"ComponentCnt":31,"ContainerCnt":0,"CreateTime":1611892998000000,"HostCnt":12,"ImageID":"' + ID + '",'
        '"ImageName":"l10:latest","IsAuthorized":12,"IsSuggest":0,"IsTrustImage":true,"OsName":"alpine:v3.12",'
        '"RiskCnt":7,"ScanStatus":"SCANNED","ScanTime":1611900612021000,"Size":16159906,"SuperNodeCnt":1,"VirusCnt":141,'
        '"VulCnt":5}'
    )
    assert parse(DOCUMENTED).row_hash == "1:3a9c8b9f670a43c3f8990f7b6609605a"
    assert blake2b(text.encode(), digest_size=16).hexdigest() == "3a9c8b9f670a43c3f8990f7b6609605a"


def test_thirty_fields() -> None:
    """All 30 fields fill their columns; a failed scan keeps its errors, its remedy and its reason."""
    item = DOCUMENTED | {
        "ImageName": "ccr.ccs.tencentyun.com:443/a/b:v1",
        "OsName": "CentOS Linux 7",
        "AgentError": "timeout",
        "ScanError": "ConnFailed",
        "ScanStatus": "SCAN_ERR",
        "ScanVirusError": "timeout",
        "ScanVulError": "MessageRegistryScan",
        "ScanRiskError": "other",
        "CriticalLevelVulCnt": 1,
        "HighLevelVulCnt": 2,
        "MediumLevelVulCnt": 3,
        "LowLevelVulCnt": 4,
        "IsLatestImage": True,
        "RecommendedFix": False,
        "Solution": "重试",
        "Reason": "超时",
    }
    assert len(item) == 30
    assert row(item) == DOCUMENTED_ROW | {
        "image_name": "ccr.ccs.tencentyun.com:443/a/b:v1",
        "image_registry": "ccr.ccs.tencentyun.com:443",
        "image_repository": "a/b",
        "image_tag": "v1",
        "os_name": "CentOS Linux 7",
        "os_family": "centos",
        "os_version": "7",
        "agent_error": "timeout",
        "scan_error": "ConnFailed",
        "scan_status": "SCAN_ERR",
        "scan_virus_error": "timeout",
        "scan_vul_error": "MessageRegistryScan",
        "scan_risk_error": "other",
        "critical_level_vul_cnt": 1,
        "high_level_vul_cnt": 2,
        "medium_level_vul_cnt": 3,
        "low_level_vul_cnt": 4,
        "is_latest_image": True,
        "recommended_fix": False,
        "solution": "重试",
        "reason": "超时",
    }
    assert parse(item).rejected == ()


def test_only_an_id() -> None:
    """Every field but ImageID may be absent."""
    record = parse({"ImageID": ID})
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == NOTHING
    assert (record.create_time, record.scan_time, record.scan_status) == (None, None, None)
    assert (record.rejected, record.unknown) == ((), ())


@pytest.mark.parametrize("absent", [None, ""], ids=["null", "empty"])
def test_absent_texts(absent: str | None) -> None:
    """Null and empty texts and times are null in every column, without a raw copy, and hash as if they were absent."""
    fields = [c.source for c in IMAGES.columns if c.type in ("text", "timestamp") and c.source not in (None, "ImageID")]
    record = parse({"ImageID": ID} | dict.fromkeys(fields, absent))
    assert record == parse({"ImageID": ID})


@pytest.mark.parametrize(
    ("field", "received", "expected"),
    [
        pytest.param("VulCnt", "5", {"vul_cnt": 5}, id="integer-as-text"),
        pytest.param("VulCnt", 5.0, {"vul_cnt": 5}, id="integer-as-float"),
        pytest.param("VulCnt", 0, {"vul_cnt": 0}, id="zero-is-not-null"),
        pytest.param("Size", 2**53, {"size": 2**53}, id="greatest-integer"),
        pytest.param("Size", "9007199254740992", {"size": 2**53}, id="greatest-integer-as-text"),
        pytest.param("IsTrustImage", False, {"is_trust_image": False}, id="false-is-not-null"),
        pytest.param("IsTrustImage", "true", {"is_trust_image": True}, id="true-as-text"),
        pytest.param("IsTrustImage", "false", {"is_trust_image": False}, id="false-as-text"),
        pytest.param("IsTrustImage", 1, {"is_trust_image": True}, id="true-as-integer"),
        pytest.param("IsTrustImage", 0, {"is_trust_image": False}, id="false-as-integer"),
        pytest.param("IsSuggest", 3, {"is_suggest": 3}, id="flags-stay-integers"),
        pytest.param("ScanStatus", "SOMETHING_NEW", {"scan_status": "SOMETHING_NEW"}, id="open-set"),
        pytest.param("AgentError", "no error", {"agent_error": "no error"}, id="only-no-error-is-none"),
        pytest.param("Reason", "No Error", {"reason": "No Error"}, id="no-error-is-none-in-error-texts-only"),
        pytest.param("ImageName", "<none>:<none>", {"image_name": "<none>:<none>"}, id="dangling"),
        pytest.param("ImageName", "Not A Name", {"image_name": "Not A Name"}, id="not-a-reference"),
        pytest.param("OsName", "windows", {"os_name": "windows", "os_family": "windows"}, id="os-without-version"),
    ],
)
def test_value(field: str, received: Any, expected: dict[str, Any]) -> None:
    """A value is parsed as its column's type, also where it comes in a near form, and nothing is rejected."""
    assert one(field, received) == expected
    assert parse({"ImageID": ID, field: received}).rejected == ()


NAIVE = "2020-11-21 15:16:00"
NAIVE_INSTANT = 1_605_942_960_000_000


@pytest.mark.parametrize(
    ("field", "received", "expected"),
    [
        ("ScanTime", "2021-01-29T05:26:18.07Z", {"scan_time": 1_611_897_978_070_000}),
        ("ScanTime", NAIVE, {"scan_time": NAIVE_INSTANT, "scan_time_raw": NAIVE}),
        ("CreateTime", NAIVE, {"create_time": NAIVE_INSTANT, "create_time_raw": NAIVE}),
        ("ScanTime", "0001-01-01T00:00:00Z", {"scan_time_raw": "0001-01-01T00:00:00Z"}),
        ("CreateTime", "0000-00-00 00:00:00", {"create_time_raw": "0000-00-00 00:00:00"}),
        ("ScanTime", "1970-01-01T00:00:00Z", {"scan_time_raw": "1970-01-01T00:00:00Z"}),
        ("ScanTime", "1970-01-01 00:00:01", {"scan_time_raw": "1970-01-01 00:00:01"}),
        ("ScanTime", "1970-01-01T23:59:59Z", {"scan_time_raw": "1970-01-01T23:59:59Z"}),
        ("ScanTime", "1970-01-02T00:00:00Z", {"scan_time": 86_400_000_000}),
        ("CreateTime", "1970-01-01T00:00:00Z", {"create_time": 0}),
        ("CreateTime", "1970-01-01 08:00:00", {"create_time": 0, "create_time_raw": "1970-01-01 08:00:00"}),
        ("ScanTime", "  ", {}),
    ],
)
def test_time(field: str, received: str, expected: dict[str, Any]) -> None:
    """An instant, and the text beside it where that is not plain RFC 3339 or the instant is null.

    Zero times are null in both columns; 1970-01-01 is null for a scan and kept for a build.
    """
    assert one(field, received) == expected
    assert parse({"ImageID": ID, field: received}).rejected == ()


@pytest.mark.parametrize(
    ("zone", "hours"), [("+00:00", 0), ("-0330", -3.5), ("Asia/Shanghai", 8), ("America/New_York", -5)]
)
def test_naive_time_zone(zone: str, hours: float) -> None:
    """A time without an offset is parsed in the parser's zone; others are not touched by it."""
    parser = ItemParser(naive_time_zone=zone)
    naive = NAIVE_INSTANT + int((8 - hours) * 3_600_000_000)
    assert one("ScanTime", NAIVE, parser) == {"scan_time": naive, "scan_time_raw": NAIVE}
    assert row(DOCUMENTED, parser) == DOCUMENTED_ROW


def test_wrong_time_zone() -> None:
    """A zone that does not exist is refused when the parser is made."""
    with pytest.raises(ValueError, match="not a time zone: 'Mars/Base'"):
        ItemParser(naive_time_zone="Mars/Base")


@pytest.mark.parametrize(
    ("field", "received", "column", "raw", "reason"),
    [
        ("VulCnt", "n/a", "vul_cnt", '"n/a"', NOT_AN_INTEGER),
        ("VulCnt", "", "vul_cnt", '""', NOT_AN_INTEGER),
        ("VulCnt", "5.0", "vul_cnt", '"5.0"', NOT_AN_INTEGER),
        ("VulCnt", "٥", "vul_cnt", '"٥"', NOT_AN_INTEGER),
        ("VulCnt", "9" * 5000, "vul_cnt", '"' + "9" * 5000 + '"', NOT_AN_INTEGER),
        ("VulCnt", 5.5, "vul_cnt", "5.5", NOT_AN_INTEGER),
        ("VulCnt", 1e300, "vul_cnt", "1e+300", NOT_AN_INTEGER),
        ("VulCnt", -1, "vul_cnt", "-1", NOT_AN_INTEGER),
        ("VulCnt", -1.0, "vul_cnt", "-1.0", NOT_AN_INTEGER),
        ("VulCnt", True, "vul_cnt", "true", NOT_AN_INTEGER),
        ("VulCnt", [5], "vul_cnt", "[5]", NOT_AN_INTEGER),
        ("VulCnt", {"b": 1, "a": 2}, "vul_cnt", '{"a":2,"b":1}', NOT_AN_INTEGER),
        ("VulCnt", 2**53 + 1, "vul_cnt", "9007199254740993", TOO_GREAT),
        ("VulCnt", "9007199254740993", "vul_cnt", '"9007199254740993"', TOO_GREAT),
        ("VulCnt", -(2**53) - 1, "vul_cnt", "-9007199254740993", NOT_AN_INTEGER),
        ("Size", 2.0**53, "size", "9007199254740992.0", NOT_AN_INTEGER),
        ("Size", 2**63 - 1, "size", "9223372036854775807", TOO_GREAT),
        ("Size", 2**63, "size", "9223372036854775808", NOT_AN_INTEGER),
        ("Size", 2**64, "size", "18446744073709551616", NOT_AN_INTEGER),
        ("Size", "9223372036854775808", "size", '"9223372036854775808"', NOT_AN_INTEGER),
        ("IsTrustImage", 2, "is_trust_image", "2", NOT_A_BOOLEAN),
        ("IsTrustImage", "yes", "is_trust_image", '"yes"', NOT_A_BOOLEAN),
        ("IsTrustImage", "", "is_trust_image", '""', NOT_A_BOOLEAN),
        ("IsTrustImage", [], "is_trust_image", "[]", NOT_A_BOOLEAN),
        ("IsTrustImage", {}, "is_trust_image", "{}", NOT_A_BOOLEAN),
        ("ImageName", 5, "image_name", "5", NOT_A_TEXT),
        ("OsName", False, "os_name", "false", NOT_A_TEXT),
        ("AgentError", {"Code": 1}, "agent_error", '{"Code":1}', NOT_A_TEXT),
        ("ScanStatus", ["SCANNED"], "scan_status", '["SCANNED"]', NOT_A_TEXT),
        ("ScanTime", 1611900612, "scan_time", "1611900612", NOT_A_TIME),
        ("CreateTime", {}, "create_time", "{}", NOT_A_TIME),
    ],
)
def test_rejected_value(field: str, received: Any, column: str, raw: str, reason: str) -> None:
    """What does not fit its column is null there and kept whole as JSON; the rest of the image is parsed."""
    record = parse({"ImageID": ID, field: received, "HostCnt": 3})
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == NOTHING | {"host_cnt": 3}
    assert record.rejected == (Rejected(ID, column, raw, reason),)
    assert record.row_hash == parse({"ImageID": ID, "HostCnt": 3}).row_hash


@pytest.mark.parametrize("text", ["n/a", "2024-10-23T06:16****"])
def test_rejected_time(text: str) -> None:
    """A text that is no time stands in the raw column too."""
    record = parse({"ImageID": ID, "ScanTime": text})
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == NOTHING | {"scan_time_raw": text}
    assert record.rejected == (Rejected(ID, "scan_time", f'"{text}"', NOT_A_TIME),)


@pytest.mark.parametrize(
    ("received", "stored", "raw"),
    [
        ("a\x00b", "a\ufffdb", '"a\\u0000b"'),
        ("a\ud800", "a\ufffd", '"a\\ud800"'),
        ("\udfff镜\x00", "\ufffd镜\ufffd", '"\\udfff\\u955c\\u0000"'),
    ],
    ids=["nul", "surrogate", "both"],
)
def test_text_that_cannot_be_stored(received: str, stored: str, raw: str) -> None:
    """PostgreSQL has no NUL and UTF-8 no lone surrogate: the column gets U+FFFD, and what was received is kept."""
    record = parse({"ImageID": ID, "Reason": received})
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == NOTHING | {"reason": stored}
    assert record.rejected == (Rejected(ID, "reason", raw, NOT_STORABLE),)


@pytest.mark.parametrize(
    ("name", "received", "column"),
    [
        ("Reason", "x" * 200_001, "reason"),
        ("Reason", "\0" * 200_001, "reason"),
        ("AgentError", "x" * 200_001, "agent_error"),
        ("ImageName", "x" * 200_001, "image_name"),
        ("OsName", "é" * 200_001, "os_name"),
        ("ScanTime", " " * 200_001, "scan_time"),
        ("CreateTime", "x" * 200_001, "create_time"),
        ("Size", "9" * 200_001, "size"),
        ("IsTrustImage", ["x" * 200_001], "is_trust_image"),
        ("Novel", {"x" * 200_001: 1}, "extra"),
        ("ImageID", "x" * 200_001, "image_id"),
    ],
)
def test_what_is_too_large_to_store(name: str, received: Any, column: str) -> None:
    """The column stays empty, and the beginning of what was received is kept."""
    (record,) = ItemParser().parse([{"ImageID": ID, name: received}])
    rejected = (record,) if isinstance(record, Rejected) else record.rejected
    assert [(each.column_name, len(each.raw)) for each in rejected] == [(column, 200_000)]
    if isinstance(record, Record):
        assert dict(zip(API_COLUMNS, record.values, strict=True)) == NOTHING


def test_the_longest_text_that_is_stored() -> None:
    """All of it."""
    long = "é" * 200_000
    record = parse({"ImageID": ID, "Reason": long})
    assert (dict(zip(API_COLUMNS, record.values, strict=True))["reason"], record.rejected) == (long, ())


def test_time_that_cannot_be_stored() -> None:
    """A broken text in a time is one rejected value; the raw column holds its storable form."""
    record = parse({"ImageID": ID, "ScanTime": "\x00now"})
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == NOTHING | {"scan_time_raw": "\ufffdnow"}
    assert record.rejected == (Rejected(ID, "scan_time", '"\\u0000now"', NOT_A_TIME),)


def test_several_rejected_values() -> None:
    """Each value is rejected by itself, in the order of the columns."""
    rejected = parse({"VulCnt": "x", "Size": -1, "ImageName": 1, "ImageID": ID}).rejected
    assert [r.column_name for r in rejected] == ["image_name", "size", "vul_cnt"]


@pytest.mark.parametrize("image_id", [None, "", " ", 5, True, [], {}, "x" * 257, "a\x00", "\ud800"], ids=repr)
def test_item_without_a_usable_id(image_id: Any) -> None:
    """An item whose ImageID cannot be a key is one rejected value: the whole item."""
    item = {"VulCnt": "n/a", "ImageID": image_id}
    assert parse_any(item) == Rejected(
        None, "image_id", json.dumps(item, sort_keys=True, separators=(",", ":")), NO_IMAGE_ID
    )


def test_item_without_an_id() -> None:
    """So is an item that has none."""
    assert parse_any({"VulCnt": 5}) == Rejected(None, "image_id", '{"VulCnt":5}', NO_IMAGE_ID)


@pytest.mark.parametrize(
    ("item", "raw"),
    [(None, "null"), ("x", '"x"'), (5, "5"), ([], "[]"), ([{"ImageID": ID}], f'[{{"ImageID":"{ID}"}}]')],
)
def test_item_that_is_no_object(item: Any, raw: str) -> None:
    """And so is whatever is not an object."""
    assert parse_any(item) == Rejected(None, "image_id", raw, NOT_AN_OBJECT)


def test_longest_id() -> None:
    """An ImageID may fill its column."""
    assert parse({"ImageID": "x" * 256}).image_id == "x" * 256


def test_unknown_fields() -> None:
    """Fields without a column go as received, sorted, into one JSON object; empty ones are only announced."""
    record = parse(DOCUMENTED | {"Zone": {"b": [1, None], "a": "é"}, "New": 1.5, "Null": None, "Empty": ""})
    expected = DOCUMENTED_ROW | {"extra": '{"New":1.5,"Zone":{"a":"é","b":[1,null]}}'}
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == expected
    assert record.unknown == ("Empty", "New", "Null", "Zone")
    assert record.rejected == ()


def test_unknown_field_beside_all_known_ones() -> None:
    """Nor is a field overlooked in an item that lacks none of those that we know."""
    record = parse(dict.fromkeys(FIELDS) | {"ImageID": ID, "New": 1})
    assert dict(zip(API_COLUMNS, record.values, strict=True)) == NOTHING | {"extra": '{"New":1}'}
    assert record.unknown == ("New",)


def test_only_empty_unknown_fields() -> None:
    """Unknown fields that are all empty make no `extra`, and change no hash."""
    record = parse(DOCUMENTED | {"New": None, "Newer": ""})
    assert (record.values, record.row_hash) == (parse(DOCUMENTED).values, parse(DOCUMENTED).row_hash)


def test_unknown_field_that_cannot_be_stored() -> None:
    """Names and values with NUL or lone surrogates are escaped in `extra`, and names are storable."""
    record = parse({"ImageID": ID, "a\ud800": "\x00"})
    assert row({"ImageID": ID, "a\ud800": "\x00"}) == NOTHING | {"extra": '{"a\\ud800":"\\u0000"}'}
    assert record.unknown == ("a\ufffd",)


DIFFERENT_ITEMS = [
    DOCUMENTED,
    DOCUMENTED | {"VulCnt": 6},
    DOCUMENTED | {"VulCnt": None},
    DOCUMENTED | {"IsTrustImage": False},
    DOCUMENTED | {"ScanTime": "2021-01-29T06:10:12.022Z"},
    DOCUMENTED | {"AgentError": "timeout"},
    DOCUMENTED | {"ImageName": "l10:older"},
    DOCUMENTED | {"ImageID": "sha256:0"},
    DOCUMENTED | {"VulCnt": 31, "ComponentCnt": 5},
    DOCUMENTED | {"New": 1},
    DOCUMENTED | {"New": 2},
    DOCUMENTED | {"New": {"a": None}},
    DOCUMENTED | {"New": {}},
]


def test_hash_tells_items_apart() -> None:
    """Another value in any field, known or not, is another hash."""
    assert len({parse(item).row_hash for item in DIFFERENT_ITEMS}) == len(DIFFERENT_ITEMS)


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(dict(reversed(DOCUMENTED.items())), id="order-of-keys"),
        pytest.param(DOCUMENTED | {"Solution": None, "New": None}, id="null-and-absent"),
        pytest.param(DOCUMENTED | {"Solution": "", "ScanError": ""}, id="empty-and-no-error"),
        pytest.param(DOCUMENTED | {"VulCnt": "5", "Size": 16159906.0, "IsTrustImage": "true"}, id="near-forms"),
        pytest.param(DOCUMENTED | {"ScanTime": "2021-01-29T14:10:12.021+08:00"}, id="same-instant"),
    ],
)
def test_hash_of_the_same(same: dict[str, Any]) -> None:
    """The hash is of values: order, empty fields and ways of writing make no version."""
    assert parse(same).row_hash == parse(DOCUMENTED).row_hash


@pytest.mark.parametrize("field", ["VulCnt", "IsTrustImage", "ImageName", "OsName", "Solution"])
def test_hash_outlives_a_new_column(field: str) -> None:
    """An image that does not change keeps its hash when a count, flag or text that was unknown gets its column."""
    older = ItemParser()
    del older._fields[field]
    item = DOCUMENTED | {"Solution": ""}
    assert parse(item, older).row_hash == parse(item).row_hash


def test_reject_id() -> None:
    """A fault is known by image, column and reason, whatever the value is."""
    rejected = Rejected(ID, "vul_cnt", '"n/a"', NOT_AN_INTEGER)
    others = [
        rejected._replace(image_id=None),
        rejected._replace(image_id="sha256:0"),
        rejected._replace(column_name="size"),
        rejected._replace(reason="another"),
        Rejected(f'{ID}","vul_cnt', "", '"n/a"', NOT_AN_INTEGER),
    ]
    assert reject_id(rejected) == "bc3017b7ff9c1a5b6e3f84f8caeb9a32"
    assert reject_id(rejected) == reject_id(rejected._replace(raw='"n"'))
    assert reject_id(rejected) not in {reject_id(other) for other in others}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"HostCnt":1,"ImageName":"a"}', '{"HostCnt":2,"ImageName":"a"}', True),
        ('{"HostCnt":1,"ImageName":"a"}', '{"HostCnt":1,"ImageName":"b"}', False),
        ('{"ImageID":1,"ImageName":"a"}', '{"ImageID":2,"ImageName":"a"}', False),
        ('{"CreateTime":"1","ImageName":"a"}', '{"CreateTime":"2","ImageName":"a"}', False),
        ('{"New":1}', '{"New":2}', False),
        ("[1]", "[2]", False),
    ],
)
def test_a_rejected_item_is_known_by_what_does_not_change(one: str, other: str, *, same: bool) -> None:
    """Another item is another fault, since nothing else keeps its contents; other counts of the same item are not."""
    first, second = (reject_id(Rejected(None, "image_id", raw, NO_IMAGE_ID)) for raw in (one, other))
    assert (first == second) is same


TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS
NEAR = st.sampled_from(
    ["5", "true", "No Error", "", "2021-01-29T04:03:18Z", NAIVE, "0001-01-01 00:00:00", "alpine:v3", "a/b:c"]
)
JSON = st.recursive(
    SCALARS | NEAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)
FIELDS = [c.source for c in IMAGES.columns if c.source is not None and not c.derived]
ITEMS = st.dictionaries(st.sampled_from([*FIELDS, "New", "Newer"]), JSON).map(lambda item: {"ImageID": ID} | item)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def check_storable(item: Any) -> None:
    record = parse_any(item)
    rejected = (record,) if isinstance(record, Rejected) else record.rejected
    if isinstance(record, Record):
        built = IMAGES.arrow([("1", record.image_id, *record.values, 1, 0, 0, None, record.row_hash, "s", None)])
        built.validate(full=True)
        assert not any("\0" in text for text in record.values if isinstance(text, str))
    rows = [("1", reject_id(r), *r, None, 0, "s") for r in rejected]
    REJECTED_VALUES.arrow(rows).validate(full=True)
    assert not any("\0" in text for r in rejected for text in r if text is not None)


def test_a_rejected_item_that_was_cut_has_an_id() -> None:
    """Its text is no JSON any more."""
    rejected = parse_any({"ImageID": ["x"], "Reason": "y" * 300_000})
    assert isinstance(rejected, Rejected)
    assert len(rejected.raw) < 300_000
    assert len(reject_id(rejected)) == 32


@given(JSON | ITEMS)
def test_any_item(item: Any) -> None:
    """Of any JSON value comes a row, or rejected values, that every warehouse can store."""
    check_storable(item)


ODD = [{}, [], None, "x", {"ImageID": ID}, {"ImageID": None}, {"ImageID": " "}, {"ImageID": 5}, {"ImageID": "x" * 257}]
PLAIN = {name: st.sampled_from([value, None]) for name, value in DOCUMENTED.items()}
ANSWERS = st.lists(
    st.fixed_dictionaries({}, optional=PLAIN).map(lambda item: {"ImageID": ID} | item) | ITEMS | st.sampled_from(ODD),
    max_size=5,
)


@given(ANSWERS)
def test_together_as_alone(items: list[Any]) -> None:
    """What comes of an item does not depend on those that it is parsed with."""
    assert repr(PARSER.parse(items)) == repr([parse_any(item) for item in items])


@pytest.mark.parametrize("beside", [DOCUMENTED, {"ImageID": ID}, None], ids=["plain", "bare", "no-object"])
@pytest.mark.parametrize("field", FIELDS)
def test_each_value_beside_others(field: str, beside: Any) -> None:
    """Neither a plain value nor an odd one is parsed in another way for what stands beside it in its field."""
    values = [None, "", "x", "é", "\0", "No Error", "5", 5, -1, 2**53, 2**53 + 1, 5.0, True, False, [], {}, NAIVE]
    times = [
        "2021-01-29T04:03:18Z",
        "2021-02-30T04:03:18Z",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "2021-01-29T04:03:18Z\n2021-01-29T04:03:18Z",
        "\n",
    ]
    odd: list[Any] = [{"ImageID": ID, field: value} for value in [*values, *times]]
    for item in odd:
        assert PARSER.parse([beside, item, beside]) == [parse_any(beside), parse_any(item), parse_any(beside)]
    assert PARSER.parse(odd) == [parse_any(item) for item in odd]


@pytest.mark.parametrize("depth", [253, 254, 255, 500, 5000])
def test_nested_item(depth: int) -> None:
    """Neither does depth raise, and the text is kept."""
    value = nested(depth)
    assert encode(value) == "[" * (depth + 1) + "]" * (depth + 1)
    check_storable(value)
    check_storable({"ImageID": ID, "VulCnt": value, "New": value})


@given(ITEMS, st.randoms(use_true_random=False))
def test_order_of_keys(item: dict[str, Any], random: Any) -> None:
    """The order of an item's keys changes nothing at all."""
    keys = list(item)
    random.shuffle(keys)
    assert repr(parse_any({key: item[key] for key in keys})) == repr(parse_any(item))


@given(ITEMS)
def test_null_is_absent(item: dict[str, Any]) -> None:
    """A field that is null is a field that is absent: same values, same hash."""
    with_nulls, without = parse_any(item), parse_any({k: v for k, v in item.items() if v is not None})
    if isinstance(with_nulls, Record) and isinstance(without, Record):
        assert (with_nulls.values, with_nulls.row_hash) == (without.values, without.row_hash)
        assert with_nulls.rejected == without.rejected


@given(ITEMS)
def test_hash_of_a_stored_row(item: dict[str, Any]) -> None:
    """The hash can be had again from the row as stored, of every item that the client can receive."""
    record = parse_any(decode(encode(item)))
    if isinstance(record, Record):
        stored = {"image_id": record.image_id, **dict(zip(API_COLUMNS, record.values, strict=True))}
        assert hash_of_row(stored) == record.row_hash
