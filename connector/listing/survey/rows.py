"""Describes the rows and answers that the other questions have brought: shapes and names, never values."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from typing import Any

from connector.listing.reasons import Cause
from connector.listing.survey.asking import CREATE_TIME, Asking
from connector.listing.survey.findings import FEW_ROWS, NO_IMAGES, Counts, Found, Names, NoAnswerError, cannot_tell
from connector.wire import encode

LONGEST_SHAPE = 40
_NAME = re.compile(
    r"(?=(\D*\d?){2}\D*$)[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII
)  # a name with more digits may be an id or a key
_WORD = re.compile(r"[A-Za-z_]{1,32}", re.ASCII)
_TIME = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?P<between>[T ])(?P<hour>\d{1,2}):\d\d:\d\d"
    r"(?P<fraction>\.\d+)?(?P<offset>Z| ?[+-]\d\d:?\d\d( [A-Z]{3,5})?)?",
    re.ASCII,
)


def forms(field: str, asking: Asking, *, status: str | None = None) -> Cause:
    """List the shapes of a time, in the rows of a status or in all rows."""
    rows = [item for item in asking.rows.values() if status is None or item.get("ScanStatus") == status]
    if not rows:
        raise cannot_tell(NO_IMAGES if status is None else f"no image with ScanStatus {status} was seen")
    return Found.SEEN.given(seen=Counts(Counter(shape(item.get(field, ...)) for item in rows)))


def statuses(asking: Asking) -> Cause:
    """Count the words of ScanStatus."""
    if not asking.rows:
        raise cannot_tell(NO_IMAGES)
    values = [item.get("ScanStatus", ...) for item in asking.rows.values()]
    words = [value if isinstance(value, str) and _WORD.fullmatch(value) else shape(value) for value in values]
    return Found.SEEN.given(seen=Counts(Counter(words)))


def shape(value: Any) -> str:
    """Return the shape of a time, such as `YYYY-MM-DDTHH:MM:SS.fffZ`; `...` stands for a missing field."""
    if value is ... or value is None:
        return "null" if value is None else "missing"
    if not isinstance(value, str):
        return type(value).__name__
    if not value.strip():
        return "blank text" if value else "empty text"
    found = _TIME.fullmatch(value)
    return _unknown_shape(value) if found is None else f"{_never(value)}{_time_shape(found)}"


def repeated_images(asking: Asking) -> Cause:
    """Whether one answer shows an image twice, and which fields of the two rows differ."""
    if not asking.rows:
        raise cannot_tell(NO_IMAGES)
    images: set[str] = set()
    differ: set[str] = set()
    for reply in asking.replies:
        first: dict[str, dict[str, Any]] = {}
        for item in reply.items:
            other = first.setdefault(item["ImageID"], item)
            if other is not item:
                images.add(item["ImageID"])
                differ |= {
                    name for name in other.keys() | item.keys() if encode(other.get(name)) != encode(item.get(name))
                }
    return Found.REPEATS.given(images=len(images), fields=_names(differ)) if images else Found.NO_REPEATS.given()


def ties(asking: Asking) -> Cause:
    """Find the largest group of images with one CreateTime, and whether such images keep their order."""
    times = [asking.time_of(item, CREATE_TIME) for item in asking.rows.values()]
    groups = Counter(time for time in times if time is not None)
    if len(times) < 2 or not groups:
        raise cannot_tell(FEW_ROWS)
    return Found.TIES.given(largest=max(groups.values()), rows=len(times), order=_order_of_ties(asking))


def fields(asking: Asking) -> Cause:
    """List the fields that we do not know, and the documented fields that no row has."""
    if not asking.rows:
        raise cannot_tell(NO_IMAGES)
    shown = {name for item in asking.rows.values() for name in item}
    unknown, missing = _names(shown - set(asking.fields)), _names(set(asking.fields) - shown)
    return Found.UNKNOWN.given(unknown=unknown, missing=missing) if unknown else Found.ALL_KNOWN.given(missing=missing)


def request_ids(asking: Asking) -> Cause:
    """Whether every answer has its own RequestId, also the answer to a request that is sent a second time."""
    with suppress(NoAnswerError):
        asking.send(dict(asking.plain().payload))
    given = [reply.answer.request_id for reply in asking.replies]
    present = [request_id for request_id in given if request_id]
    if len(present) < len(given):
        return Found.LEFT_OUT.given(answers=len(given), missing=len(given) - len(present))
    repeats = len(present) - len(set(present))
    if repeats:
        return Found.REPEATED.given(answers=len(given), repeats=repeats)
    return Found.UNIQUE.given(answers=len(given))


def _order_of_ties(asking: Asking) -> str:
    """Compare two answers to the same question, asked in lower and in upper case."""
    one, other = (asking.maybe(By=CREATE_TIME, Order=word) for word in ("desc", "DESC"))
    if one is None or other is None:
        return "not told"
    times = asking.values(one, CREATE_TIME)
    if times != asking.values(other, CREATE_TIME) or len(set(times)) == len(times):
        return "not told"
    return "kept" if one.ids == other.ids else "changes"


def _never(text: str) -> str:
    if text.startswith(("0000", "0001")):
        return "zero time "
    return "1970-01-01 " if text.startswith("1970-01-01") else ""


def _time_shape(found: re.Match[str]) -> str:
    month, day, hour = (sign * len(found[name]) for sign, name in (("M", "month"), ("D", "day"), ("H", "hour")))
    fraction = "." + "f" * (len(found["fraction"]) - 1) if found["fraction"] else ""
    return f"YYYY-{month}-{day}{found['between']}{hour}:MM:SS{fraction}{found['offset'] or ''}"


def _unknown_shape(text: str) -> str:
    shown = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", text[:LONGEST_SHAPE]))
    return re.sub(r"[^\x20-\x7e]", "?", shown)


def _names(names: set[str]) -> Names:
    """Return the names in order; a text that may be more than a name is shown as `?`."""
    return Names(sorted({name if _NAME.fullmatch(name) else "?" for name in names}))
