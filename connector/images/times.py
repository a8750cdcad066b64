"""Parses the times of the API, which have several shapes, into instants.

An instant is an `int`: microseconds since the Unix epoch, UTC. The shapes are those that the vendor's samples show (ISO
with T or a blank, with or without an offset, Go's `Time.String()`, unpadded dates, RFC 1123); no page states them.

`datetime.fromisoformat` parses them, but accepts more than times. So an expression first checks that a shape is known.
`email.utils` is not used for RFC 1123, because it reads the year 0050 as 2050, and an offset of -0000 as no offset.
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
_ZONES = {"GMT": "Z", "UTC": "Z"}

_OFFSET = re.compile(r"Z|[+-]\d\d:?[0-5]\d", re.ASCII)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_PLAIN_LINES = re.compile(rf"(?:(?:(?!{'|'.join(_ZERO_YEARS)}){_PLAIN.pattern})?\n)*", re.ASCII)
_ISO = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2}[T ]\d{1,2}:\d\d:\d\d)(\.\d{1,9})?"
    rf"(?:({_OFFSET.pattern})| ([+-]\d\d[0-5]\d) [A-Z]{{3,5}})?",
    re.ASCII,
)
_PADDED = len("2021-01-29T04:03:18")
_UNPADDED = re.compile(r"(?<!\d)\d(?!\d)", re.ASCII)
_RFC_1123 = re.compile(
    rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d{{1,2}}) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d:\d\d:\d\d)"
    r"(?: (GMT|UTC|[+-]\d\d[0-5]\d))?",
    re.ASCII,
)


def parse_instant(text: str, naive_offset: tzinfo) -> int | None:
    """Parse `text` to an instant in microseconds since the epoch, UTC; digits beyond microseconds are cut off.

    `naive_offset` applies where the text has no offset. None for a blank text and for zero times (years 0000 and 0001:
    "never", as MySQL and Go write it). Raises ValueError for every other text.
    """
    if _PLAIN.fullmatch(text) and not text.startswith(_ZERO_YEARS):
        return _plain_instant(text)
    if not text.strip():
        return None
    iso = _iso(text)
    return None if iso.startswith(_ZERO_YEARS) else _instant(datetime.fromisoformat(iso), naive_offset)


def parse_plain(texts: Sequence[str | None]) -> list[int | None] | None:
    """Parse many texts at once, to None for an empty text, if all others are plain (see `is_plain_rfc3339`) and after
    year 1. Else return None, so that `parse_instant` has to parse each text."""
    if not _PLAIN_LINES.fullmatch("".join([f"{text or ''}\n" for text in texts])):
        return None
    try:
        return [_plain_instant(text) if text else None for text in texts]
    except ValueError:  # a day that does not exist, or a text of several lines
        return None


def is_plain_rfc3339(text: str) -> bool:
    """Whether `text` is `YYYY-MM-DDTHH:MM:SS[.f]Z` with one to six digits of fraction.

    The instant contains all of such a text, so no copy of the text needs to be kept.
    """
    return _PLAIN.fullmatch(text) is not None


@lru_cache(maxsize=256)
def time_zone(name: str) -> tzinfo:
    """Return the zone that `name` means: `+08:00`, `-0330`, `Z`, or an IANA name. Raises ValueError for other names."""
    if _OFFSET.fullmatch(name):
        return timezone(_EPOCH - datetime.fromisoformat(f"1970-01-01T00:00{name}"))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # OSError: a directory of the database, such as `Europe`
        raise ValueError(f"not a time zone: {name!r}") from error


def _plain_instant(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def _iso(text: str) -> str:
    """Rewrite a time in ISO 8601, for `datetime.fromisoformat`. Raises ValueError where the shape is not known."""
    if found := _ISO.fullmatch(text):
        moment, fraction, offset, go_offset = found.groups("")
        moment = moment if len(moment) == _PADDED else _UNPADDED.sub(r"0\g<0>", moment)
        return moment + fraction + (offset or go_offset)
    if found := _RFC_1123.fullmatch(text):
        day, month, year, time, offset = found.groups("")
        return f"{year}-{_MONTHS.index(month) + 1:02}-{day:0>2}T{time}{_ZONES.get(offset, offset)}"
    raise ValueError(f"not a time in a known shape: {text!r}")


def _instant(moment: datetime, naive_offset: tzinfo) -> int:
    moment = moment if moment.tzinfo else moment.replace(tzinfo=naive_offset)
    instant = (moment - _EPOCH) // _MICROSECOND
    if instant > _END:
        raise ValueError(f"after the year 9999 in UTC: {moment.isoformat()}")
    return instant
