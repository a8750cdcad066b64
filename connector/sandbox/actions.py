"""DescribeAssetImageList: parameters checked as documented, and the page that a fleet gives.

Parameters and filters: tencentcloud.com/document/product/1163/53169. What it leaves open is decided by `Quirks`.
The wording of errors is that of the public API gateway, as quoted in issues of its SDKs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.sandbox.images import FIELDS, Item
from connector.sandbox.listed import Where
from connector.sandbox.orders import INSERTION, Sort
from connector.sandbox.parameters import ApiError, bad_value, check_types, require, wrong_type
from connector.sandbox.quirks import Quirks
from connector.sandbox.state import Fleet

LIST_ACTION = "DescribeAssetImageList"
PARAMETERS: Mapping[str, type] = {"Limit": int, "Offset": int, "Filters": list, "By": str, "Order": str}
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

# Names of the filters -> the words that their values must be; none where any text goes.
WORDS: Mapping[str, Mapping[str, str]] = {
    "ImageName": {},
    "ImageID": {},
    "ScanStatus": STATUS_WORDS,
    "SecurityRisk": RISK_WORDS,
}

# Values of By (seen in spec examples) that name a field differently.
BY_FIELDS = {"SensitiveCount": "RiskCnt"}


@dataclass(frozen=True)
class Filter:
    """One checked element of Filters."""

    name: str
    values: tuple[str, ...]
    exact: bool | None


@dataclass(frozen=True)
class Query:
    """The checked parameters of one request."""

    limit: int
    offset: int
    filters: tuple[Filter, ...]
    by: str | None
    descending: bool


def describe_asset_image_list(fleet: Fleet, payload: Mapping[str, Any], quirks: Quirks) -> dict[str, Any]:
    """The content of `Response` (List, TotalCount) without its RequestId. The rows are not to be changed.

    Raises:
        ApiError: a parameter is unknown, of the wrong type or out of its range.
    """
    query = read_query(payload, quirks)
    if quirks.listed_twice:
        fleet.list_twice(quirks.listed_twice)
    sort = _sort(query, quirks)
    size = min(query.limit, query.limit if quirks.page_cap is None else quirks.page_cap)
    entries = fleet.view(sort, _keep(query.filters, quirks), (query.filters, *_filter_quirks(quirks)))
    if sort.column != INSERTION:
        span = (query.offset, query.offset + size)
        rows = fleet.page(entries, sort, span, permute=quirks.ties == "permuted")
    elif quirks.default_order == "shuffled":
        rows = fleet.sample(entries, max(min(size, len(entries) - query.offset), 0))
    else:
        rows = fleet.page(entries, sort, (query.offset, query.offset + size))
    total = len(entries) + quirks.total_delta if quirks.total_fixed is None else quirks.total_fixed
    return {"List": _shown(rows, quirks), "TotalCount": max(total, 0)}


def read_query(payload: Mapping[str, Any], quirks: Quirks) -> Query:
    """The parameters, checked. ApiError says which one is wrong."""
    check_types(payload, PARAMETERS)
    limit, offset = payload.get("Limit", 10), payload.get("Offset", 0)
    if limit > quirks.max_limit and quirks.limit_over_max == "error":
        raise ApiError("InvalidParameterValue.DataRange", f"Limit must be in the range [0, {quirks.max_limit}].")
    if quirks.max_offset is not None and offset > quirks.max_offset:
        raise ApiError("InvalidParameterValue.DataRange", f"Offset must be in the range [0, {quirks.max_offset}].")
    order, by = payload.get("Order", "asc"), payload.get("By")
    if (order.lower() if quirks.order_words == "any" else order) not in ("asc", "desc"):
        raise bad_value("Order", order)
    if by is not None and by not in quirks.sortable:
        if quirks.unknown_by == "reject":
            raise bad_value("By", by)
        by = None
    filters = tuple(_read_filter(raw, position) for position, raw in enumerate(payload.get("Filters", ())))
    return Query(min(limit, quirks.max_limit), offset, filters, by, order.lower() == "desc")


def _read_filter(raw: object, position: int) -> Filter:
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
    unknown = [value for value in raw["Values"] if words and value not in words]
    if unknown:
        raise bad_value(f"{where}.Values", unknown[0])
    return Filter(raw["Name"], tuple(raw["Values"]), raw.get("ExactMatch"))


def _sort(query: Query, quirks: Quirks) -> Sort:
    if query.by is not None:
        return Sort(BY_FIELDS.get(query.by, query.by), query.descending, quirks.nulls)
    if quirks.default_order == "create_time_desc":
        return Sort("CreateTime", True, quirks.nulls)
    return Sort()


def _filter_quirks(quirks: Quirks) -> tuple[str, str, str]:
    return quirks.image_id_filter, quirks.status_filter, quirks.exact_match


def _keep(filters: tuple[Filter, ...], quirks: Quirks) -> Where | None:
    """The predicate of all filters together (ANDed), None where nothing is filtered."""
    tests = [test for wanted in filters if (test := _test(wanted, quirks)) is not None]
    if len(tests) < 2:
        return tests[0] if tests else None
    return lambda item: all(test(item) for test in tests)


def _test(wanted: Filter, quirks: Quirks) -> Where | None:
    """The predicate of one filter: any of its values (ORed)."""
    mode = {"ImageID": quirks.image_id_filter, "ScanStatus": quirks.status_filter}.get(wanted.name)
    if mode == "ignored":
        return None
    if mode == "empty":
        return lambda _: False
    if wanted.name == "SecurityRisk":
        fields = [RISK_WORDS[value] for value in wanted.values]
        return lambda item: any(item.get(field) for field in fields)
    if wanted.name == "ScanStatus":
        return _one_of("ScanStatus", {STATUS_WORDS[value] for value in wanted.values})
    exact = wanted.name == "ImageID" if wanted.exact is None else wanted.exact is (quirks.exact_match == "exact")
    if exact:
        return _one_of(wanted.name, set(wanted.values))
    return lambda item: any(value in str(item.get(wanted.name, "")) for value in wanted.values)


def _one_of(field: str, values: set[str]) -> Where:
    return lambda item: item.get(field) in values


def _shown(rows: list[Item], quirks: Quirks) -> list[Item] | None:
    if not rows and quirks.empty_list == "null":
        return None
    if quirks.fields >= len(FIELDS) and not quirks.extra_fields:
        return rows
    left_out = FIELDS[quirks.fields :]
    return [{k: v for k, v in row.items() if k not in left_out} | dict(quirks.extra_fields) for row in rows]
