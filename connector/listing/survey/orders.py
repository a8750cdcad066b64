"""Finds out how rows are sorted: with By, without By, and with a By that names no field."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from connector.listing.reasons import Cause
from connector.listing.survey.asking import CREATE_TIME, SCAN_TIME, Asking, Reply
from connector.listing.survey.findings import FEW_ROWS, FEW_VALUES, Found, NoAnswerError, cannot_tell

FEW = 5  # different values; the order of fewer may be an accident
SIGNS = {"asc": 1, "desc": -1}
UNKNOWN_BY = "NoFieldHasThisName"
NOT_SEEN, AMONG = "none seen", "among the others"


def order_words(asking: Asking) -> Cause:
    """Whether Order is read in lower and in upper case."""
    lower, upper = (asking.maybe(By=CREATE_TIME, Order=word) for word in ("desc", "DESC"))
    if lower is None and upper is None:
        asking.ask(By=CREATE_TIME, Order="desc")  # raises the same error again
    signs = [None if reply is None else _sign_by(asking, reply, CREATE_TIME) for reply in (lower, upper)]
    works = [reply is not None and sign == -1 for reply, sign in zip((lower, upper), signs, strict=True)]
    if works == [False, False]:
        raise cannot_tell(FEW_VALUES if None in signs else "the rows are not sorted by CreateTime")
    if works == [True, True]:
        return Found.BOTH_CASES.given()
    return (Found.LOWER_CASE if works[0] else Found.UPPER_CASE).given()


def default_order(asking: Asking) -> Cause:
    """Tell in which order rows come without By."""
    plain, up, down = asking.plain(), without_by(asking, "asc"), without_by(asking, "desc")
    if len(set(plain.ids)) < FEW:
        raise cannot_tell(FEW_ROWS)
    field = _field_of(asking, plain)
    if field is None and up is not None and not alike(plain, up):
        return Found.CHANGING.given()
    order = "refused" if up is None or down is None else "ignored" if alike(up, down) else "heeded"
    if field is None:
        return Found.OWN_ORDER.given(order=order)
    direction = "ascending" if _sign_by(asking, plain, field) == 1 else "descending"
    return Found.BY_FIELD.given(field=field, direction=direction, order=order)


def sorts(field: str, order: str, asking: Asking) -> Cause:
    """Tell what By=`field` does in the direction `order`."""
    reply = asking.ask(By=field, Order=word(asking, order))
    shown = _with_times(asking, reply, field)
    sign = _sign_by(asking, shown, field)
    if sign is None:
        raise cannot_tell(FEW_ROWS if len(reply.ids) < FEW else FEW_VALUES)
    other = without_by(asking, order)
    as_without_by = other is not None and alike(reply, other)
    if sign == SIGNS[order]:
        if field != CREATE_TIME and _sign_by(asking, shown, CREATE_TIME) == sign:
            raise cannot_tell("by CreateTime the rows are in the same order")
        nulls = _nulls(asking, reply, field)
        return Found.SORTED.given(nulls=nulls, as_without_by=as_without_by and shown is reply)
    if as_without_by:
        return Found.IGNORED.given()
    if sign == -SIGNS[order]:
        return Found.SORTED_BACKWARDS.given()
    return _sorted_otherwise(asking, reply)


def unknown_by(asking: Asking) -> Cause:
    """Tell what the API does with a By that names no field."""
    reply, other = asking.ask(By=UNKNOWN_BY, Order=word(asking, "desc")), without_by(asking, "desc")
    if len(set(reply.ids)) < FEW:
        raise cannot_tell(FEW_ROWS)
    if other is not None and alike(reply, other):
        return Found.IGNORED.given()
    return _sorted_otherwise(asking, reply)


def word(asking: Asking, order: str) -> str:
    """Return `order` in the letter case that the API reads: lower case, unless only upper case works."""
    try:
        upper = order_words(asking).reason is Found.UPPER_CASE
    except NoAnswerError:
        upper = asking.maybe(By=CREATE_TIME, Order="desc") is None and (
            asking.maybe(By=CREATE_TIME, Order="DESC") is not None
        )
    return order.upper() if upper else order


def without_by(asking: Asking, order: str) -> Reply | None:
    """The first rows with Order alone."""
    return asking.maybe(Order=word(asking, order))


def alike(one: Reply, other: Reply) -> bool:
    """Whether two replies show the same rows in the same order, except for a few that may have moved meanwhile."""
    places = {image_id: place for place, image_id in enumerate(other.ids)}
    shared = [places[image_id] for image_id in one.ids if image_id in places]
    enough = len(shared) >= 0.9 * max(len(one.ids), len(other.ids))
    ascents = sum(before < after for before, after in pairwise(shared))
    return enough and bool(shared) and ascents >= 0.9 * (len(shared) - 1)


def sign_of(values: Sequence[int | None]) -> int | None:
    """Return 1 for values that never fall, -1 for values that never rise, 0 for others; nulls are left out.

    Returns None where values are in order, but fewer than FEW differ, so that the order may be an accident.
    """
    told = [value for value in values if value is not None]
    rises = any(before < after for before, after in pairwise(told))
    falls = any(before > after for before, after in pairwise(told))
    if rises and falls:
        return 0
    if len(set(told)) < FEW:
        return None
    return 1 if rises else -1


def _with_times(asking: Asking, reply: Reply, field: str) -> Reply:
    """Return the reply that shows the direction of a sorted list: the last page, if the first has hardly any times."""
    values = asking.values(reply, field)
    if sign_of(values) is not None or None not in values:
        return reply
    return asking.maybe_end(By=field, Order=reply.payload["Order"]) or reply


def _sign_by(asking: Asking, reply: Reply, field: str) -> int | None:
    if field in (CREATE_TIME, SCAN_TIME):
        return sign_of(asking.values(reply, field))
    counts = [item.get(field) for item in reply.items]
    return sign_of([count for count in counts if type(count) is int]) if counts else None


def _field_of(asking: Asking, reply: Reply) -> str | None:
    """Return the field that the rows are sorted by, as far as their values show."""
    numbers = sorted(name for name in asking.fields if any(type(item.get(name)) is int for item in reply.items))
    for field in (CREATE_TIME, SCAN_TIME, *numbers):
        if _sign_by(asking, reply, field) in (1, -1):
            return field
    return None


def _sorted_otherwise(asking: Asking, reply: Reply) -> Cause:
    field = _field_of(asking, reply)
    return Found.NOT_SORTED.given() if field is None else Found.REPLACED.given(field=field)


def _nulls(asking: Asking, reply: Reply, field: str) -> str:
    """Tell where rows without a time stand: first, last or among the others."""
    if None in asking.values(reply, field):
        return _place(asking, reply, field)
    if not _without_time(asking, field):
        return NOT_SEEN
    end = asking.maybe_end(By=field, Order=reply.payload["Order"])
    if end is None:
        return "not told"
    return _place(asking, end, field) if None in asking.values(end, field) else AMONG


def _place(asking: Asking, reply: Reply, field: str) -> str:
    """Tell the same from one end of the list. If that end shows times too, it has to show all rows without a time."""
    nulls = [value is None for value in asking.values(reply, field)]
    if all(nulls):
        return "last" if reply.payload["Offset"] else "first"
    elsewhere = len(_without_time(asking, field) - {*reply.ids})
    if elsewhere > FEW or nulls not in (sorted(nulls), sorted(nulls, reverse=True)):
        return AMONG
    return "first" if nulls[0] else "last"


def _without_time(asking: Asking, field: str) -> set[str]:
    """Return the ids of the rows without a time that were seen."""
    return {image_id for image_id, item in asking.rows.items() if asking.time_of(item, field) is None}
