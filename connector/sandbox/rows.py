"""Writes answers: the fields of rows, the form of times and TotalCount, and rows that break their answer.

`Quirks` decides what the documentation leaves open.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from connector.sandbox.images import FIELDS, Item, instant_of
from connector.sandbox.orders import TIMES
from connector.sandbox.parameters import ApiError
from connector.sandbox.quirks import Quirks

# Naive times are wall-clock times of UTC+8.
_NAIVE_EPOCH = datetime(1970, 1, 1, 8)


def check(rows: Sequence[Item], quirks: Quirks) -> None:
    """Fail like a server that cannot show one of the rows.

    Raises:
        ApiError: InternalError for a poisoned row, ResponseSizeLimitExceeded for a huge row among too many.
    """
    for row in rows:
        image_id = row["ImageID"]
        if image_id in quirks.poison:
            raise ApiError("InternalError", "An internal error has occurred. Retry your request.")
        if image_id in quirks.huge and len(rows) > quirks.huge[image_id]:
            raise ApiError("ResponseSizeLimitExceeded", "The size of the response exceeds the limit.")


def written(rows: list[Item], quirks: Quirks) -> list[Item] | None:
    """Return the value of List. Callers must not change the rows: most rows are the fleet's own."""
    if quirks.breaking:
        check(rows, quirks)
    if not rows and quirks.empty_list == "null":
        return None
    return rows if quirks.plain_rows else [_row(row, quirks) for row in rows]


def total(count: int, quirks: Quirks) -> int | float | str:
    """Return the value of TotalCount for so many listed rows."""
    count = count + quirks.total_delta if quirks.total_fixed is None else quirks.total_fixed
    number = max(count, 0)
    if quirks.total_as == "integer":
        return number
    return str(number) if quirks.total_as == "text" else float(number)


def _row(row: Item, quirks: Quirks) -> Item:
    left_out = FIELDS[quirks.fields :]
    shown = {name: value for name, value in row.items() if name not in left_out} | dict(quirks.extra_fields)
    if quirks.times == "naive":
        shown |= {name: naive(shown[name]) for name in TIMES & shown.keys()}
    return shown


def naive(time: Any) -> Any:
    """Return a time as wall-clock time of UTC+8 with three digits; values that are no time stay as they are."""
    instant = instant_of(time)
    if instant is None:
        return time
    return (_NAIVE_EPOCH + timedelta(microseconds=instant)).isoformat(" ", "milliseconds")
