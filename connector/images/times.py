"""Reads the times of the API: several shapes, one instant.

An instant is an `int`: microseconds since the Unix epoch, UTC. The shapes are those that the vendor's samples show (ISO
with T or a blank, with or without an offset, Go's `Time.String()`, unpadded dates, RFC 1123); no page states them.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_END = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_ZERO_YEARS = ("0000", "0001")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_OFFSET = re.compile(r"Z|[+-]\d\d:?[0-5]\d", re.ASCII)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_PLAIN_LINES = re.compile(rf"(?:(?:(?!{'|'.join(_ZERO_YEARS)}){_PLAIN.pattern})?\n)*", re.ASCII)
_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})[T ]"
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?"
    r"(?:(?P<offset>Z|[+-]\d\d:?[0-5]\d)| (?P<go_offset>[+-]\d\d[0-5]\d) [A-Z]{3,5})?",
    re.ASCII,
)
_RFC_1123 = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>\d{{1,2}}) (?P<month>{'|'.join(_MONTHS)}) (?P<year>\d{{4}}) "
    r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?: (?P<offset>GMT|UTC|[+-]\d\d[0-5]\d))?",
    re.ASCII,
)


def parse_instant(text: str, naive_offset: tzinfo) -> int | None:
    """The instant that `text` names, in microseconds since the epoch, UTC; digits beyond microseconds are cut off.

    `naive_offset` applies where the text has no offset. None for a blank text and for zero times (years 0000 and 0001:
    "never", as MySQL and Go write it). Raises ValueError for every other text.
    """
    if _PLAIN.fullmatch(text) and not text.startswith(_ZERO_YEARS):
        return _plain_instant(text)
    if not text.strip():
        return None
    match = _ISO.fullmatch(text) or _RFC_1123.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time in a known shape: {text!r}")
    parts = match.groupdict(default="")
    return None if parts["year"] in _ZERO_YEARS else _instant(parts, naive_offset)


def parse_plain(texts: Sequence[str | None]) -> list[int | None] | None:
    """The instants of many texts at once, None for an empty one, if each other is plain (see `is_plain_rfc3339`) and
    after year 1. If not, the answer is None, and `parse_instant` has to tell."""
    if not _PLAIN_LINES.fullmatch("".join([f"{text or ''}\n" for text in texts])):
        return None
    try:
        return [_plain_instant(text) if text else None for text in texts]
    except ValueError:  # a day that does not exist, or a text of several lines
        return None


def is_plain_rfc3339(text: str) -> bool:
    """Whether `text` is `YYYY-MM-DDTHH:MM:SS[.f]Z` with one to six digits of fraction.

    Of such a text the instant says it all, and no copy needs to be kept.
    """
    return _PLAIN.fullmatch(text) is not None


@lru_cache(maxsize=256)
def time_zone(name: str) -> tzinfo:
    """The zone that `name` means: `+08:00`, `-0330`, `Z`, or an IANA name. Raises ValueError for anything else."""
    if _OFFSET.fullmatch(name):
        return _fixed_offset(name)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: a directory of the database, such as `Europe`
        hint = "give an offset such as +08:00, or a name such as Asia/Shanghai"
        raise ValueError(f"not a time zone: {name!r} ({hint})") from error


def _plain_instant(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def _instant(parts: dict[str, str], naive_offset: tzinfo) -> int:
    offset = parts["offset"] or parts.get("go_offset")
    moment = datetime(
        int(parts["year"]),
        _month(parts["month"]),
        int(parts["day"]),
        int(parts["hour"]),
        int(parts["minute"]),
        int(parts["second"]),
        int(parts.get("fraction", "").ljust(6, "0")[:6]),
        time_zone(offset) if offset else naive_offset,
    )
    instant = (moment - _EPOCH) // _MICROSECOND
    if instant > _END:
        raise ValueError(f"after the year 9999 in UTC: {moment.isoformat()}")
    return instant


def _month(text: str) -> int:
    return int(text) if text.isdecimal() else _MONTHS.index(text) + 1


def _fixed_offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    size = timedelta(hours=hours, minutes=minutes)
    return timezone(-size if text[0] == "-" else size)
