"""Answers DescribeAssetImageList: checks the parameters as documented, and makes the page of a fleet.

Parameters: tencentcloud.com/document/product/1163/53169. `Quirks` decides what that page leaves open.
The wording of errors is that of the public API gateway, as quoted in issues of its SDKs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.sandbox.filters import Filter, passing, read_filter
from connector.sandbox.listed import Listed
from connector.sandbox.orders import INSERTION, Sort
from connector.sandbox.parameters import ApiError, bad_value, check_types
from connector.sandbox.quirks import Quirks
from connector.sandbox.rows import total, written

LIST_ACTION = "DescribeAssetImageList"
PARAMETERS: Mapping[str, type] = {"Limit": int, "Offset": int, "Filters": list, "By": str, "Order": str}

# Values of By (seen in examples of the API) that name a field differently.
BY_FIELDS = {"SensitiveCount": "RiskCnt"}


@dataclass(frozen=True)
class Query:
    """Holds the checked parameters of a request. `column`: the field to sort by; None for the default order."""

    limit: int
    offset: int
    filters: tuple[Filter, ...]
    column: str | None
    descending: bool


def describe_asset_image_list(
    listed: Listed, payload: Mapping[str, Any], quirks: Quirks, missing: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the content of `Response` (List, TotalCount) without its RequestId. Callers must not change the rows.

    Images whose ids are in `missing` are not on this server's list.

    Raises:
        ApiError: a parameter is unknown, of the wrong type or out of its range; or a row breaks the answer.
    """
    query = read_query(payload, quirks)
    sort = _sort(query, quirks)
    keep = passing(query.filters, quirks, missing)
    entries = listed.view(sort, keep, None if keep is None else (query.filters, quirks.passing, missing))
    count = len(entries) if quirks.window is None else min(len(entries), quirks.window)
    size = query.limit if quirks.page_cap is None else min(query.limit, quirks.page_cap)
    span = (query.offset, min(query.offset + size, count))
    if sort.column != INSERTION:
        rows = listed.page(entries, sort, span, permute=quirks.ties == "permuted")
    elif quirks.default_order == "shuffled":
        rows = listed.sample(entries, max(span[1] - span[0], 0))
    else:
        rows = listed.page(entries, sort, span)
    return {"List": written(rows, quirks), "TotalCount": total(count, quirks)}


def read_query(payload: Mapping[str, Any], quirks: Quirks) -> Query:
    """Return the checked parameters. Raises ApiError, which names the wrong parameter."""
    check_types(payload, PARAMETERS)
    limit, offset = payload.get("Limit", 10), payload.get("Offset", 0)
    if limit > quirks.max_limit and quirks.limit_over_max == "error":
        raise ApiError("InvalidParameterValue.DataRange", f"Limit must be in the range [0, {quirks.max_limit}].")
    if quirks.max_offset is not None and offset > quirks.max_offset:
        raise ApiError("InvalidParameterValue.DataRange", f"Offset must be in the range [0, {quirks.max_offset}].")
    order, by = payload.get("Order", "asc"), payload.get("By")
    if (order.lower() if quirks.order_words == "any" else order) not in ("asc", "desc"):
        raise bad_value("Order", order)
    column = None if by is None else _column(by, quirks)
    filters = tuple(read_filter(raw, position, quirks) for position, raw in enumerate(payload.get("Filters", ())))
    return Query(min(limit, quirks.max_limit), offset, filters, column, order.lower() == "desc")


def _column(by: str, quirks: Quirks) -> str | None:
    """Return the field that a value of By sorts by; None where the server ignores this By."""
    if by in quirks.by_aliases:
        return quirks.by_aliases[by]
    if by in quirks.sortable:
        return BY_FIELDS.get(by, by)
    if quirks.unknown_by == "reject":
        raise bad_value("By", by)
    return "CreateTime" if quirks.unknown_by == "create_time" else None


def _sort(query: Query, quirks: Quirks) -> Sort:
    if query.column is not None:
        return Sort(query.column, query.descending, quirks.nulls)
    if quirks.default_order == "create_time":
        return Sort("CreateTime", query.descending, quirks.nulls)
    if quirks.default_order == "create_time_desc":
        return Sort("CreateTime", True, quirks.nulls)
    return Sort()
