"""Lists images with every odd value that the API could send, and their rows in every warehouse. All literal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from connector.sandbox.identity import DEFAULT_ACCOUNT

BUILT, SCANNED = "2021-01-29 04:03:18+00:00", "2021-02-03 04:05:06+00:00"
ITEM: dict[str, Any] = {
    "ImageName": "l10:latest",
    "CreateTime": "2021-01-29T04:03:18Z",
    "Size": 16159906,
    "HostCnt": 3,
    "SuperNodeCnt": 1,
    "ContainerCnt": 2,
    "ScanTime": "2021-02-03T04:05:06Z",
    "VulCnt": 6,
    "VirusCnt": 0,
    "RiskCnt": 4,
    "IsTrustImage": True,
    "OsName": "alpine:v3.12",
    "AgentError": "",
    "ScanError": "",
    "ScanStatus": "SCANNED",
    "ScanVirusError": "No Error",
    "ScanVulError": "",
    "ScanRiskError": "",
    "IsSuggest": 1,
    "IsAuthorized": 12,
    "ComponentCnt": 14,
    "CriticalLevelVulCnt": 0,
    "HighLevelVulCnt": 1,
    "MediumLevelVulCnt": 2,
    "LowLevelVulCnt": 3,
    "IsLatestImage": False,
    "RecommendedFix": True,
    "Solution": "",
    "Reason": "",
}
ROW: dict[str, Any] = {
    "account_id": DEFAULT_ACCOUNT,
    "image_name": "l10:latest",
    "image_registry": None,
    "image_repository": "l10",
    "image_tag": "latest",
    "image_digest": None,
    "create_time": BUILT,
    "create_time_raw": None,
    "size": 16159906,
    "os_name": "alpine:v3.12",
    "os_family": "alpine",
    "os_version": "3.12",
    "host_cnt": 3,
    "super_node_cnt": 1,
    "container_cnt": 2,
    "is_trust_image": True,
    "is_suggest": 1,
    "is_authorized": 12,
    "is_latest_image": False,
    "recommended_fix": True,
    "solution": None,
    "reason": None,
    "scan_status": "SCANNED",
    "scan_time": SCANNED,
    "scan_time_raw": None,
    "component_cnt": 14,
    "vul_cnt": 6,
    "critical_level_vul_cnt": 0,
    "high_level_vul_cnt": 1,
    "medium_level_vul_cnt": 2,
    "low_level_vul_cnt": 3,
    "virus_cnt": 0,
    "risk_cnt": 4,
    "agent_error": None,
    "scan_error": None,
    "scan_virus_error": None,
    "scan_vul_error": None,
    "scan_risk_error": None,
    "extra": None,
}


@dataclass(frozen=True)
class Odd:
    """Holds differences from ITEM and from ROW, by ImageID, and the rejected values: (column, JSON)."""

    item: dict[str, Any] = field(default_factory=dict)
    row: dict[str, Any] = field(default_factory=dict)
    rejected: tuple[tuple[str, str], ...] = ()


def _times(text: str, instant: str | None) -> Odd:
    """Return the case of a text as both times; the text is kept beside them."""
    row = {"create_time": instant, "scan_time": instant, "create_time_raw": text, "scan_time_raw": text}
    return Odd({"CreateTime": text, "ScanTime": text}, row)


def _text(text: str) -> Odd:
    """Return the case of a text that is stored unchanged, in columns of every kind."""
    fields = {"Solution": text, "ScanStatus": text, "ScanRiskError": text}
    return Odd(fields, {"solution": text, "scan_status": text, "scan_risk_error": text})


LONG = "é" * 100_000  # 200 KB: more than MySQL's TEXT
TIMES = {
    "microseconds": Odd(
        {"CreateTime": "2021-01-29T04:03:18.000001Z", "ScanTime": "2021-02-03T04:05:06.999999Z"},
        {"create_time": "2021-01-29 04:03:18.000001+00:00", "scan_time": "2021-02-03 04:05:06.999999+00:00"},
    ),
    "nanoseconds": _times("2021-01-29T04:03:18.123456789Z", "2021-01-29 04:03:18.123456+00:00"),
    "without a zone": _times("2021-01-29 12:03:18", BUILT),
    "with a zone": _times("2021-01-29T12:03:18+08:00", BUILT),
    "west": _times("2021-01-28T23:33:18-04:30", BUILT),
    "Go": _times("2021-01-29 12:03:18.5 +0800 CST", "2021-01-29 04:03:18.500000+00:00"),
    "unpadded": _times("2021-1-29 12:03:18", BUILT),
    "RFC 1123": _times("Fri, 29 Jan 2021 04:03:18 GMT", BUILT),
    "a leap day": _times("2024-02-29T23:59:59+00:00", "2024-02-29 23:59:59+00:00"),
    "Go's zero": _times("0001-01-01T00:00:00Z", None),
    "MySQL's zero": _times("0000-00-00 00:00:00", None),
    "1970": Odd(
        {"CreateTime": "1970-01-01T00:00:00Z", "ScanTime": "1970-01-01T00:00:00Z"},
        {"create_time": "1970-01-01 00:00:00+00:00", "scan_time": None, "scan_time_raw": "1970-01-01T00:00:00Z"},
    ),
    "1969": Odd({"CreateTime": "1969-07-20T20:17:40Z"}, {"create_time": "1969-07-20 20:17:40+00:00"}),
    "the year 2": Odd({"CreateTime": "0002-01-01T00:00:00Z"}, {"create_time": "0002-01-01 00:00:00+00:00"}),
    "after 2038": Odd({"CreateTime": "2038-01-19T03:14:08Z"}, {"create_time": "2038-01-19 03:14:08+00:00"}),
    "the last": Odd({"CreateTime": "9999-12-31T23:59:59.999999Z"}, {"create_time": "9999-12-31 23:59:59.999999+00:00"}),
    "never": Odd({"ScanTime": "", "ScanStatus": "NOT_SCAN"}, {"scan_time": None, "scan_status": "NOT_SCAN"}),
    "no time": Odd(
        {"CreateTime": "yesterday", "ScanTime": None},
        {"create_time": None, "create_time_raw": "yesterday", "scan_time": None},
        (("create_time", '"yesterday"'),),
    ),
    "no such day": Odd(
        {"CreateTime": "2021-02-29T00:00:00Z"},
        {"create_time": None, "create_time_raw": "2021-02-29T00:00:00Z"},
        (("create_time", '"2021-02-29T00:00:00Z"'),),
    ),
}
TEXTS = {
    "emoji": _text("镜像 🚀👩\u200d🚀 e\u0301 \u202eabc"),
    "quotes": _text("'it''s' \"so\" `x` ’ $$ $tcss$ /* -- */ ; DROP TABLE images; --"),
    "backslashes": _text("C:\\temp\\new \\' \\\" \\\\ \\N \\x00 \\u0000 %\\_"),
    "placeholders": _text("%s %(name)s %% :name ::text ? $1 {data} {{x}} ${HOME} @var"),
    "white space": _text(" \t leading and trailing \r\n\v\f\u00a0\u2028 "),
    "control characters": _text("\x01\x08\x1a\x1b\x7f\ufeff\ufffd\ufffe\uffff"),
    "words": _text("NULL"),
    "COPY's null": _text("\\N"),
    "a number": _text("007"),
    "long": Odd({"ScanError": LONG, "Solution": LONG + "🚀"}, {"scan_error": LONG, "solution": LONG + "🚀"}),
    "NUL": Odd({"Reason": "a\0b"}, {"reason": "a\ufffdb"}, (("reason", '"a\\u0000b"'),)),
}
NUMBERS = {
    "the greatest": Odd({"Size": 2**53, "VulCnt": 2**53}, {"size": 2**53, "vul_cnt": 2**53}),
    "over 32 bits": Odd({"Size": 2**32, "HostCnt": 2**31}, {"size": 2**32, "host_cnt": 2**31}),
    "over 53 bits": Odd({"Size": 2**53 + 1}, {"size": None}, (("size", "9007199254740993"),)),
    "zero": Odd({"Size": 0, "RiskCnt": 0}, {"size": 0, "risk_cnt": 0}),
    "too great": Odd({"Size": 2**63}, {"size": None}, (("size", "9223372036854775808"),)),
    "negative": Odd({"VulCnt": -1}, {"vul_cnt": None}, (("vul_cnt", "-1"),)),
    "digits": Odd({"VulCnt": "5", "RiskCnt": 5.0}, {"vul_cnt": 5, "risk_cnt": 5}),
    "no number": Odd({"VulCnt": "many"}, {"vul_cnt": None}, (("vul_cnt", '"many"'),)),
    "other truths": Odd(
        {"IsTrustImage": 0, "IsLatestImage": "true", "RecommendedFix": "maybe"},
        {"is_trust_image": False, "is_latest_image": True, "recommended_fix": None},
        (("recommended_fix", '"maybe"'),),
    ),
}


def _as_sent(text: str | bytes) -> orjson.Fragment:
    """Return a value as the API sends it; the value need not be JSON."""
    return orjson.Fragment(text)


# Values that no JSON library writes, but that many read: see `connector.wire`.
BAD = {
    "a lone surrogate": Odd(
        {"Solution": _as_sent(r'"a\ud83d"'), "CreateTime": _as_sent(r'"\ude00"')},
        {"solution": "a\ufffd", "create_time": None, "create_time_raw": "\ufffd"},
        (("solution", r'"a\ud83d"'), ("create_time", r'"\ude00"')),
    ),
    "no UTF-8": Odd(
        {"ImageName": _as_sent(b'"caf\xe9"')},
        {"image_name": "caf\ufffd", "image_repository": None, "image_tag": None},
        (("image_name", r'"caf\udce9"'),),
    ),
    "raw control characters": Odd({"Reason": _as_sent('"a\tb\r\nc\x1b"')}, {"reason": "a\tb\r\nc\x1b"}),
    "raw NUL": Odd({"Reason": _as_sent('"a\0b"')}, {"reason": "a\ufffdb"}, (("reason", r'"a\u0000b"'),)),
    "no escape": Odd({"AgentError": _as_sent(r'"C:\path"')}, {"agent_error": None}, (("agent_error", r'"C:\\path"'),)),
    "over a double": Odd({"VulCnt": _as_sent("1e400")}, {"vul_cnt": None}, (("vul_cnt", "1e400"),)),
    "over 64 bits": Odd(
        {"Size": _as_sent("18446744073709551617"), "RiskCnt": _as_sent("-9223372036854775809")},
        {"size": None, "risk_cnt": None},
        (("size", "18446744073709551617"), ("risk_cnt", "-9223372036854775809")),
    ),
    "5,000 digits": Odd({"HostCnt": _as_sent("7" * 5000)}, {"host_cnt": None}, (("host_cnt", "7" * 5000),)),
    "no exact double": Odd({"Size": 2.0**53}, {"size": None}, (("size", "9007199254740992.0"),)),
    "words": Odd(
        {"VulCnt": _as_sent("NaN"), "IsTrustImage": _as_sent("True"), "OsName": _as_sent("undefined")},
        {"vul_cnt": None, "is_trust_image": None, "os_name": None, "os_family": None, "os_version": None},
        (("vul_cnt", '"NaN"'), ("is_trust_image", '"True"'), ("os_name", '"undefined"')),
    ),
    "a deep nest": Odd(
        {"VirusCnt": _as_sent("[" * 1020 + "]" * 1020)}, {"virus_cnt": None}, (("virus_cnt", "[" * 1020 + "]" * 1020),)
    ),
    "bad new fields": Odd(
        {
            "Digits": _as_sent("1" + "0" * 30),
            "Score": _as_sent("1e400"),
            "Text": _as_sent(r'"\ud83d"'),
            "Word": _as_sent("-Infinity"),
            "Deep": _as_sent("[" * 3000 + "]" * 3000),
        },
        {
            # An item is inside three other levels, and 1,024 levels are decoded.
            "extra": f'{{"Deep":{"[" * 1020}"{"[" * 1980}{"]" * 1980}"{"]" * 1020},"Digits":1{"0" * 30}'
            r',"Score":1e400,"Text":"\ud83d","Word":"-Infinity"}'
        },
    ),
    "repeated names": Odd({"Twice": _as_sent('{"a":1,"a":2}')}, {"extra": '{"Twice":{"a":2}}'}),
}
OTHERS = {
    "nothing but nulls": Odd(dict.fromkeys(ITEM), {**dict.fromkeys(ROW), "account_id": DEFAULT_ACCOUNT}),
    "new fields": Odd(
        {"SbomCnt": 2**64 - 1, "Layers": [{"Cmd": "a\0'\"\\ %s 🚀", "Empty": None}], "None": None},
        {"extra": '{"Layers":[{"Cmd":"a\\u0000\'\\"\\\\ %s 🚀","Empty":null}],"SbomCnt":18446744073709551615}'},
    ),
    # Ids that careless SQL could misread, and the longest id.
    "CASE": Odd(),
    "case": Odd(),
    "'; DROP TABLE images; --": Odd(),
    "%s :name \\": Odd(),
    "🚀" * 256: Odd(),
}
ODD: dict[str, Odd] = {"plain": Odd(), **TIMES, **TEXTS, **NUMBERS, **BAD, **OTHERS}


def items() -> list[dict[str, Any]]:
    """Return the images as the API would list them."""
    return [{"ImageID": image_id, **ITEM, **odd.item} for image_id, odd in ODD.items()]


def rows() -> list[dict[str, Any]]:
    """Return the columns of `images` that come from the API, by ImageID."""
    return [{"image_id": image_id, **ROW, **odd.row} for image_id, odd in sorted(ODD.items())]


def rejected() -> list[tuple[str, str, str]]:
    """Return (image_id, column_name, raw), sorted."""
    return sorted((image_id, *value) for image_id, odd in ODD.items() for value in odd.rejected)
