"""Every time shape that the vendor's samples show is one instant; nothing else is a time."""

from calendar import timegm
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.images.times import is_plain_rfc3339, parse_instant, parse_plain, time_zone

SHANGHAI = timezone(timedelta(hours=8))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2, 1, 2), datetime(9999, 12, 30), timezones=ZONES)


def us(*utc: int, micro: int = 0) -> int:
    """Microseconds since the epoch of a UTC wall clock (year, month, day, hour, minute, second)."""
    return timegm((*utc, 0, 0, 0)) * 1_000_000 + micro


def instant_of(moment: datetime) -> int:
    return timegm(moment.utctimetuple()) * 1_000_000 + moment.microsecond


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2021-01-29T04:03:18Z", us(2021, 1, 29, 4, 3, 18), id="rfc-3339"),
        pytest.param("2021-01-29T06:10:12.021Z", us(2021, 1, 29, 6, 10, 12, micro=21_000), id="milliseconds"),
        pytest.param("2021-01-29T05:26:18.07Z", us(2021, 1, 29, 5, 26, 18, micro=70_000), id="zeros-trimmed"),
        pytest.param("2021-01-29T05:26:18.1Z", us(2021, 1, 29, 5, 26, 18, micro=100_000), id="one-digit"),
        pytest.param("2021-01-29T05:26:18.123456Z", us(2021, 1, 29, 5, 26, 18, micro=123_456), id="microseconds"),
        pytest.param("2021-01-29T05:26:18.123456999Z", us(2021, 1, 29, 5, 26, 18, micro=123_456), id="nanoseconds-cut"),
        pytest.param("2026-05-09T05:48:06+08:00", us(2026, 5, 8, 21, 48, 6), id="offset"),
        pytest.param("2026-05-09T05:48:06.5-0330", us(2026, 5, 9, 9, 18, 6, micro=500_000), id="offset-without-colon"),
        pytest.param("2021-01-29 04:03:18Z", us(2021, 1, 29, 4, 3, 18), id="blank-and-z"),
        pytest.param("2020-11-21 15:16:00", us(2020, 11, 21, 7, 16, 0), id="naive"),
        pytest.param("2020-11-21T15:16:00", us(2020, 11, 21, 7, 16, 0), id="naive-t"),
        pytest.param("2021-01-30 03:31:56 +0000 UTC", us(2021, 1, 30, 3, 31, 56), id="go"),
        pytest.param("2021-01-30 03:31:56.5 +0800 CST", us(2021, 1, 29, 19, 31, 56, micro=500_000), id="go-fraction"),
        pytest.param("2020-2-2 13:00:00", us(2020, 2, 2, 5, 0, 0), id="unpadded"),
        pytest.param("2020-12-1 9:00:00", us(2020, 12, 1, 1, 0, 0), id="unpadded-hour"),
        pytest.param("Wed, 24 Nov 2021 11:31:16", us(2021, 11, 24, 3, 31, 16), id="rfc-1123-naive"),
        pytest.param("Wed, 24 Nov 2021 11:31:16 GMT", us(2021, 11, 24, 11, 31, 16), id="rfc-1123-gmt"),
        pytest.param("Wed, 3 Nov 2021 11:31:16 +0800", us(2021, 11, 3, 3, 31, 16), id="rfc-1123-offset"),
        pytest.param("Wed, 24 Nov 2021 11:31:16 -0000", us(2021, 11, 24, 11, 31, 16), id="rfc-1123-minus-zero"),
        pytest.param("Thu, 24 Nov 0050 11:31:16 UTC", us(50, 11, 24, 11, 31, 16), id="rfc-1123-early-year"),
        pytest.param("2020-1-2 3:04:05.6 +0800 CST", us(2020, 1, 1, 19, 4, 5, micro=600_000), id="go-unpadded"),
        pytest.param("1970-01-01T00:00:00Z", 0, id="epoch"),
        pytest.param("1969-12-31T23:59:59.999999Z", -1, id="before-the-epoch"),
        pytest.param("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999, id="last"),
    ],
)
def test_shape(text: str, expected: int) -> None:
    """Each shape is parsed as the instant that it names; without an offset, in the given one."""
    assert parse_instant(text, SHANGHAI) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "0000-00-00 00:00:00",
        "0001-01-01 08:05:43",
        "0001-01-01T00:00:00Z",
        "0001-01-01 00:00:00 +0000 UTC",
        "0001-01-01 08:05:43 +0805 LMT",
        "Mon, 01 Jan 0001 00:00:00",
    ],
)
def test_never(text: str) -> None:
    """Blank texts and the zero times of MySQL and Go are no instant."""
    assert parse_instant(text, SHANGHAI) is None


@pytest.mark.parametrize(
    "text",
    [
        "2024-10-23T06:16****",
        "2024-10-31 18:00:..",
        "n/a",
        "2021-01-29",
        "20210129T040318Z",
        "2021-W04-5T04:03:18Z",
        "2021-01-29T040318Z",
        "2021-01-29_04:03:18Z",
        "2021-01-29T04:03:18+08",
        "2021-01-29T04:03:18+08:00:30",
        "2021-01-29T04:03:18 +0800",
        "2021-01-29T04:03Z",
        "2021-01-29T04:03:18,5Z",
        "2021-01-29T04:03:18.Z",
        "2021-01-29T04:03:18.1234567890Z",
        "2021-01-29t04:03:18z",
        "2021-01-29T04:03:18Z\n",
        " 2021-01-29T04:03:18Z",
        "2021-01-29T04:03:18Z UTC",
        "2021-02-30T04:03:18Z",
        "2021-13-01 04:03:18",
        "2021-01-29T24:00:00Z",
        "2021-01-29T04:03:60Z",
        "2021-01-29T04:03:18+24:00",
        "2021-01-29T04:03:18+08:60",
        "9999-12-31T23:59:59-08:00",
        "٢٠٢١-01-29T04:03:18Z",
        "1611893098",
        "Wed, 24 Foo 2021 11:31:16",
        "2021-01-29T04:03:18Z\x00",
    ],
)
def test_not_a_time(text: str) -> None:
    """Whatever is not one of the shapes, or not in the calendar, is an error and not a guess."""
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text, SHANGHAI)


def test_naive_time_follows_daylight_saving() -> None:
    """A named zone gives a naive time the offset that it had on that day."""
    berlin = ZoneInfo("Europe/Berlin")
    assert parse_instant("2021-01-29 12:00:00", berlin) == us(2021, 1, 29, 11, 0, 0)
    assert parse_instant("2021-07-29 12:00:00", berlin) == us(2021, 7, 29, 10, 0, 0)


@given(MOMENTS, st.sampled_from("T "))
def test_any_moment_with_an_offset(moment: datetime, separator: str) -> None:
    """ISO of any moment, in any offset, is that moment, whatever the naive offset."""
    assert parse_instant(moment.isoformat(separator), timezone.max) == instant_of(moment)


@given(MOMENTS)
def test_any_moment_without_an_offset(moment: datetime) -> None:
    """ISO without an offset is the moment in the naive offset."""
    assert parse_instant(moment.replace(tzinfo=None).isoformat(), moment.tzinfo or UTC) == instant_of(moment)


@given(MOMENTS, st.booleans())
def test_any_moment_in_the_shapes_of_go_and_of_rfc_1123(moment: datetime, padded: bool) -> None:
    """In any offset, with and without zeros before the day."""
    day = f"{moment.day:02}" if padded else moment.day
    go = f"{moment.year:04}-{moment.month}-{day} {moment:%H:%M:%S}.{moment.microsecond:06} {moment:%z} CST"
    assert parse_instant(go, timezone.max) == instant_of(moment)
    month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * moment.month - 3 :][:3]
    text = f"Mon, {day} {month} {moment.year:04} {moment:%H:%M:%S %z}"
    assert parse_instant(text, timezone.max) == instant_of(moment.replace(microsecond=0))


@given(MOMENTS, st.integers(1, 9), st.integers(0, 999))
def test_fraction_digits(moment: datetime, digits: int, nanoseconds: int) -> None:
    """A fraction of one to nine digits is parsed to the microsecond, never rounded."""
    fraction = f"{moment.microsecond:06}{nanoseconds:03}"[:digits]
    text = f"{moment.astimezone(UTC):%H:%M:%S}.{fraction}Z"
    text = f"{moment.astimezone(UTC).date().isoformat()}T{text}"
    micro = int(fraction[:6].ljust(6, "0"))
    assert parse_instant(text, SHANGHAI) == instant_of(moment.replace(microsecond=micro))
    assert is_plain_rfc3339(text) == (digits <= 6)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text(text: str) -> None:
    """Of any text at all the answer is an instant, None or ValueError."""
    try:
        answer = parse_instant(text, SHANGHAI)
    except ValueError:
        return
    assert answer is None or isinstance(answer, int)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("2021-01-29T04:03:18Z", True),
        ("2021-01-29T04:03:18.021Z", True),
        ("2021-01-29T04:03:18.123456Z", True),
        ("2021-01-29T04:03:18.1234567Z", False),
        ("2021-01-29T04:03:18.Z", False),
        ("2021-01-29T04:03:18+00:00", False),
        ("2021-01-29T04:03:18z", False),
        ("2021-01-29 04:03:18Z", False),
        ("2021-1-29T04:03:18Z", False),
        ("2021-01-29T04:03:18Z\n", False),
        ("", False),
    ],
)
def test_plain_rfc3339(text: str, plain: bool) -> None:
    """Only RFC 3339 in UTC with at most six fraction digits says all that the text says."""
    assert is_plain_rfc3339(text) is plain


PLAIN = ["2021-01-29T04:03:18Z", "1969-12-31T23:59:59.9Z", "9999-12-31T23:59:59.999999Z", "0002-01-01T00:00:00Z"]
OTHERS = [
    "0001-01-01T00:00:00Z",
    "0000-00-00T00:00:00Z",
    "2021-02-30T04:03:18Z",
    "2021-01-29T04:03:60Z",
    "2021-01-29 04:03:18",
    " ",
    "\n",
    "2021-01-29T04:03:18Z\n2021-01-29T04:03:18Z",
    "2021-01-29T04:03:18Z\n",
]


def test_plain_times_at_once() -> None:
    """Plain times are parsed together as each by itself; null and an empty text are no time."""
    assert parse_plain([*PLAIN, "", None]) == [*(parse_instant(text, SHANGHAI) for text in PLAIN), None, None]
    assert parse_plain([]) == []


@pytest.mark.parametrize("text", OTHERS)
def test_a_time_that_is_not_plain_is_left_to_a_closer_look(text: str) -> None:
    """One text of another shape, or that names no moment, and nothing is said about the others."""
    assert parse_plain([PLAIN[0], text, PLAIN[1]]) is None
    assert parse_plain([text]) is None


@given(st.lists(st.sampled_from([*PLAIN, *OTHERS, ""]) | st.text(st.characters(exclude_categories=()))))
def test_any_times_at_once(texts: list[str]) -> None:
    """Of any texts, what is said of all is what is said of each."""
    instants = parse_plain(texts)
    if instants is not None:
        assert instants == [parse_instant(text, SHANGHAI) for text in texts]


@pytest.mark.parametrize(
    ("name", "hours"),
    [("+08:00", 8.0), ("+0800", 8.0), ("-03:30", -3.5), ("Z", 0.0), ("UTC", 0.0), ("Asia/Shanghai", 8.0)],
)
def test_time_zone(name: str, hours: float) -> None:
    """A zone is an offset or an IANA name."""
    assert time_zone(name).utcoffset(datetime(2021, 1, 29)) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "name", ["", "+8", "+24:00", "08:00", "Mars/Base", "Europe", "../etc/passwd", "zone.tab", "\x00"]
)
def test_not_a_time_zone(name: str) -> None:
    """Anything else is refused with ValueError, whatever the zone database makes of it."""
    with pytest.raises(ValueError, match=r"."):
        time_zone(name)
