"""The plan of a list in parts: it covers every id once, in few parts that have room in one answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.listing import beginnings
from connector.listing.beginnings import DIGITS, MOST_VALUES, Part, plan
from tests.listing.lists import digests
from tests.properties import examples

sizes = st.one_of(st.integers(0, 30), st.integers(0, 600), st.integers(600, 30_000))


def _covered(parts: list[Part], images: list[str]) -> list[int]:
    """For each id, the number of parts that hold it."""
    beginnings = Counter(beginning for part in parts for beginning in part.beginnings)
    lengths = {len(beginning) for beginning in beginnings}
    return [sum(beginnings[image_id[:length]] for length in lengths) for image_id in images]


@examples(15)
@given(
    images=sizes, share=st.sampled_from((0.0, 0.05, 0.5, 0.95, 1.0)), room=st.integers(1, 96), seed=st.integers(0, 9)
)
def test_every_id_is_in_one_part(images: int, share: float, room: int, seed: int) -> None:
    """However many there are and are known, and for ids that nobody knows; no filter has too many values."""
    ids = digests(images, seed)
    parts = plan(ids[: int(images * share)], images, room)
    unknown = [f"sha256:{digit}{other}" + "0" * 62 for digit in DIGITS for other in DIGITS]
    assert set(_covered(parts, ids + digests(500, seed + 100) + unknown)) == {1}
    assert max(len(part.beginnings) for part in parts) <= MOST_VALUES


@pytest.mark.thorough("100000-1100")
@pytest.mark.parametrize(("images", "most"), [(0, 1), (90, 1), (500, 7), (2_000, 24), (20_000, 220), (100_000, 1_100)])
def test_parts_of_known_ids_are_nearly_full(images: int, most: int) -> None:
    """None has more images than there is room for, and there are few more parts than that takes."""
    ids = digests(images)
    parts = plan(ids, images, 96)
    assert max(sum(map(part.holds, ids)) for part in parts[:50]) <= 96
    assert len(parts) <= most


@pytest.mark.parametrize(("images", "most"), [(90, 2), (2_000, 30), (20_000, 290)])
def test_parts_of_unknown_ids_have_room_for_chance(images: int, most: int) -> None:
    """Few of them have more images than one answer."""
    ids = digests(images)
    parts = plan((), images, 96)
    assert sum(sum(map(part.holds, ids)) > 98 for part in parts) <= len(parts) // 50
    assert len(parts) <= most


@pytest.mark.parametrize("images", [30, 300, 2_000, 6_000])
def test_a_plan_leaves_room_for_two_controls_among_26_values(images: int) -> None:
    """Nobody knows how many values a server reads: parts are small rather than filters long."""
    ids = digests(images)
    for known in (ids, ()):
        for room in (16, 96):
            assert max(len(part.beginnings) for part in plan(known, images, room)) <= 24


def _parts(*texts: str) -> list[Part]:
    """`0 1f` is the part of the ids that begin with `sha256:0` or `sha256:1f`."""
    return [Part(tuple(f"sha256:{beginning}" for beginning in text.split())) for text in texts]


def _ids(begin: str) -> list[str]:
    """Ids that begin so."""
    return [f"sha256:{beginning:0<64}" for beginning in begin.split()]


ALL = "0 1 2 3 4 5 6 7 8 9 a b c d e f"
EIGHT, NINE = "00 10 20 30 40 50 60 70", "00 10 20 30 40 50 60 70 80"


@pytest.mark.parametrize(
    ("known", "total", "room", "parts"),
    [
        ("", 0, 1, [ALL]),
        ("", 1, 1, [ALL]),
        ("", 2, 1, ["0 1 2 3 4 5 6 7", "8 9 a b c d e f"]),
        ("", 16, 2, [*DIGITS]),
        ("", 48, 8, ["0 1", "2 3", "4 5", "6 7", "8 9", "a b", "c d", "e f"]),
        (EIGHT, 8, 4, ["0 1 2 3", "4 5 6 7 8 9 a b c d e f"]),
        (EIGHT, 9, 4, ["0 1 2 3 4", "5 6 7 8 9", "a b c d e", "f"]),
        (NINE, 10, 4, ["0 1 2 3", "4 5 6 7", "8 9 a b c d e f"]),
        ("00 01 02 3a ff", 5, 3, ["0 1 2", "3 4 5 6 7 8 9 a b c d e f"]),
    ],
    ids=[
        "an empty list",
        "one image",
        "room for one of two",
        "room that a fifth is left free of",
        "room for two beginnings",
        "all are known",
        "eight of nine are known",
        "nine of ten are known",
        "unevenly spread",
    ],
)
def test_a_plan(known: str, total: int, room: int, parts: list[str]) -> None:
    """Once nine of ten images are known, parts are as full as they can be; else images count as evenly spread."""
    assert plan(_ids(known), total, room) == _parts(*parts)


@pytest.mark.parametrize(
    ("known", "total", "room", "first", "parts"),
    [
        ("", 384, 96, "0 1 2", 6),
        ("", 385, 96, "0 1 2 30 31", 6),
        ("", 1_000, 96, "0 10 11 12", 14),
        ("", 6_144, 96, "00 01 02 030 031", 82),
        ("", 20_000, 96, "000 001 002 003 004 005 006 007 008 009 00a 00b 00c 00d 00e", 274),
        ("two of each", 512, 8, "00 01 02 03", 64),
        ("two of each", 0, 8, "00 01 02 03", 64),
    ],
    ids=["384", "385", "1,000", "6,144", "20,000", "512 known", "512 known, and the list is empty now"],
)
def test_beginnings_are_no_longer_than_needed(known: str, total: int, room: int, first: str, parts: int) -> None:
    """At most 24 images share one: a digit more for each 16 times as many images, and one further where parts are
    fewer with it."""
    ids = _ids(" ".join(f"{number:02x}{more}" for number in range(256) for more in "0f")) if known else []
    planned = plan(ids, total, room)
    assert (planned[:1], len(planned)) == (_parts(first), parts)


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({}, [ALL]),
        ({0xFF: 5}, [ALL]),
        ({0x00: 5, 0xFF: 5}, ["0 1 2 3 4 5 6 7 8 9 a b c d e", "f"]),
        (
            {0x00: 3, 0x80: 2, 0x81: 9, 0x82: 1},
            ["0 1 2 3 4 5 6 7 80", "81", "82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f 9 a b c d e f"],
        ),
        ({0x00: 5, 0x1A: 5}, ["0 10 11 12 13 14 15 16 17 18 19", "1a 1b 1c 1d 1e 1f 2 3 4 5 6 7 8 9 a b c d e f"]),
        (
            {0x00: 5, 0x01: 1, 0xA0: 5},
            ["00", "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 1 2 3 4 5 6 7 8 9", "a b c d e f"],
        ),
        (
            {0x00: 5, 0x01: 1, 0xF0: 5},
            ["00", "01 02 03 04 05 06 07 08 09 0a 0b 0c", "0d 0e 0f 1 2 3 4 5 6 7 8 9 a b c d e f"],
        ),
    ],
    ids=[
        "none",
        "the last",
        "the first and the last",
        "too many alike",
        "the last of ten",
        "24 beginnings",
        "more than 24",
    ],
)
def test_parts_are_as_long_as_they_have_room_for(counts: Mapping[int, int], parts: list[str]) -> None:
    """For five images here, and for 24 beginnings: a longer part ends at a beginning with fewer digits, or else after
    12 beginnings."""
    assert [*beginnings._plan([counts.get(number, 0) for number in range(256)], 5)] == _parts(*parts)


@pytest.mark.parametrize(
    ("counts", "parts"),
    [
        ({0x000: 5, 0xFFF: 5}, ["0 1 2 3 4 5 6 7 8 9 a b c d e", "f"]),
        (
            {0x000: 5, 0x001: 1, 0x0F0: 9},
            [
                "000",
                "001 002 003 004 005 006 007 008 009 00a 00b 00c",
                "00d 00e 00f 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e",
                "0f0",
                "0f1 0f2 0f3 0f4 0f5 0f6 0f7 0f8 0f9 0fa 0fb 0fc",
                "0fd 0fe 0ff 1 2 3 4 5 6 7 8 9 a b c d e f",
            ],
        ),
        (
            {0x00F: 5, 0x010: 5, 0x200: 5},
            ["00", "01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 1", "2 3 4 5 6 7 8 9 a b c d e f"],
        ),
    ],
    ids=["the first and the last", "more than 24", "not from where a shorter beginning begins"],
)
def test_parts_of_beginnings_with_three_digits(counts: Mapping[int, int], parts: list[str]) -> None:
    """The same."""
    assert [*beginnings._plan([counts.get(number, 0) for number in range(4096)], 5)] == _parts(*parts)


def test_a_part_is_parted_further_on() -> None:
    """A part that overflows is halved: by its values, and a single one by its next digit."""
    assert Part(("sha256:a", "sha256:b", "sha256:c")).smaller() == _parts("a", "b c")
    assert Part(("sha256:a", "sha256:b", "sha256:c", "sha256:d")).smaller() == _parts("a b", "c d")
    assert _parts("a")[0].smaller() == _parts("a0 a1 a2 a3 a4 a5 a6 a7", "a8 a9 aa ab ac ad ae af")
    assert (len(_parts("a" * 11)[0].smaller()), _parts("a" * 12)[0].smaller()) == (2, [])


@pytest.mark.parametrize(
    ("image_id", "held"), [("sha256:a0", True), ("sha256:c", True), ("sha256:b", False), ("a", False), (None, False)]
)
def test_what_a_part_holds(image_id: str | None, held: bool) -> None:
    """No item without an id."""
    assert _parts("a c")[0].holds(image_id) is held
