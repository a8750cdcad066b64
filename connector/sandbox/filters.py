"""Reads the Filters of DescribeAssetImageList, checked as documented, and tells which rows pass them.

Filters: tencentcloud.com/document/product/1163/53169. `Quirks` decides what that page leaves open.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from connector.sandbox.listed import Where
from connector.sandbox.parameters import ApiError, bad_value, check_types, require, wrong_type
from connector.sandbox.quirks import Quirks

FILTER_KEYS: Mapping[str, type] = {"Name": str, "Values": list, "ExactMatch": bool}

# Words of the ScanStatus filter -> ScanStatus of the images (they are spelt differently).
STATUS_WORDS = {"notScan": "NOT_SCAN", "scanning": "SCANNING", "scanned": "SCANNED", "scanErr": "SCAN_ERR"}

# Values of the SecurityRisk filter -> field that must be true or above 0. VulCnt was documented until 2026.
RISK_WORDS = {
    "VulCnt": "VulCnt",
    "VirusCnt": "VirusCnt",
    "RiskCnt": "RiskCnt",
    "IsTrustImage": "IsTrustImage",
    "CriticalLevelVul": "CriticalLevelVulCnt",
    "HighLevelVul": "HighLevelVulCnt",
    "MediumLevelVul": "MediumLevelVulCnt",
    "LowLevelVul": "LowLevelVulCnt",
}

# Names of the filters -> the words that their values may be; empty where any text is allowed.
WORDS: Mapping[str, Mapping[str, str]] = {
    "ImageName": {},
    "ImageID": {},
    "ScanStatus": STATUS_WORDS,
    "SecurityRisk": RISK_WORDS,
}


@dataclass(frozen=True)
class Filter:
    """Holds one checked element of Filters, with the values that the server reads."""

    name: str
    values: tuple[str, ...]
    exact: bool | None


def read_filter(raw: object, position: int, quirks: Quirks) -> Filter:
    """Return the element of Filters at `position`, checked. Raises ApiError, which says what is wrong."""
    where = f"Filters.{position}"
    if not isinstance(raw, dict):
        raise wrong_type(where)
    check_types(raw, FILTER_KEYS, f"{where}.")
    require(raw, ("Name", "Values"), f"{where}.")
    if not all(type(value) is str for value in raw["Values"]):
        raise wrong_type(f"{where}.Values")
    words = WORDS.get(raw["Name"])
    if words is None:
        raise bad_value(f"{where}.Name", raw["Name"])
    if quirks.filter_values_max is not None and len(raw["Values"]) > quirks.filter_values_max:
        message = f"The length of the parameter `{where}.Values` exceeds {quirks.filter_values_max}."
        raise ApiError("InvalidParameterValue.LengthLimit", message)
    values = _read_values(raw, quirks)
    unknown = [value for value in values if words and value not in words]
    if unknown:
        raise bad_value(f"{where}.Values", unknown[0])
    return Filter(raw["Name"], values, raw.get("ExactMatch"))


def _read_values(raw: Mapping[str, Any], quirks: Quirks) -> tuple[str, ...]:
    """Return the values that the server reads; the server ignores the others."""
    values = tuple(raw["Values"])[: quirks.filter_values]
    return values[: quirks.status_values] if raw["Name"] == "ScanStatus" else values


def passing(filters: tuple[Filter, ...], quirks: Quirks, missing: frozenset[str] = frozenset()) -> Where | None:
    """Return the predicate of the rows that are listed; None where all rows are.

    A row passes all filters (ANDed), is not among the `missing` ids, and lies in a shard that is up.
    """
    tests = [test for wanted in filters if (test := _test(wanted, quirks)) is not None]
    if missing:
        tests.append(lambda item: item["ImageID"] not in missing)
    if quirks.down_shards:
        shards, down = quirks.shards, frozenset(quirks.down_shards)
        tests.append(lambda item: shard_of(item["ImageID"], shards) not in down)
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda item: all(test(item) for test in tests)


def shard_of(image_id: str, shards: int) -> int:
    """Return the shard that holds an image, among so many shards: 0 to shards - 1."""
    return crc32(image_id.encode()) % shards


def _test(wanted: Filter, quirks: Quirks) -> Where | None:
    """Return the predicate of one filter: any of its values (ORed)."""
    mode = {"ImageID": quirks.image_id_filter, "ScanStatus": quirks.status_filter}.get(wanted.name)
    if mode == "ignored":
        return None
    if mode == "empty" or not wanted.values:
        return lambda _: False
    if wanted.name == "SecurityRisk":
        fields = [RISK_WORDS[value] for value in wanted.values]
        return lambda item: any(item.get(field) for field in fields)
    if wanted.name == "ScanStatus":
        return _one_of("ScanStatus", {STATUS_WORDS[value] for value in wanted.values})
    return _matching(wanted, quirks)


def _matching(wanted: Filter, quirks: Quirks) -> Where:
    """Return the predicate of a filter by text: ImageName or ImageID."""
    by_id, name = wanted.name == "ImageID", wanted.name
    by_default = by_id and quirks.image_id_match == "exact"
    if by_default if wanted.exact is None else wanted.exact is (quirks.exact_match == "exact"):
        return _one_of(name, set(wanted.values))
    any_of = re.compile("|".join(map(re.escape, wanted.values)))
    match = any_of.match if by_id and quirks.image_id_match == "prefix" else any_of.search
    return lambda item: match(str(item.get(name, ""))) is not None


def _one_of(field: str, values: set[str]) -> Where:
    return lambda item: item.get(field) in values
