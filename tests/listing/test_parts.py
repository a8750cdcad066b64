"""A list in parts by ImageID: no answer is believed that its controls contradict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest

from connector.api.answers import Answer
from connector.errors import ResponseTooLargeError, TcssError, ThrottledError, TransientError
from connector.listing.beginnings import Part
from connector.listing.page import Page
from connector.listing.parts import ROOM, PartsReader, _Question
from connector.listing.proof import Evidence
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList
from connector.sandbox import Fault, Fleet, Quirks
from tests.listing.lists import DAY, Change, Item, Watched, digests, items

DIGITS = "0123456789abcdef"
LIMIT = 20
SUBSTRING = Quirks(image_id_match="substring")
PREFIX = Quirks(image_id_match="prefix")


def listed(count: int) -> list[Item]:
    """`count` images with such ids, a day apart."""
    named = zip(items(DAY * number for number in range(count)), digests(count), strict=True)
    return [{**item, "ImageID": image_id} for item, image_id in named]


# The reader.


@pytest.mark.parametrize("total", [10**9, 10**17])
def test_a_billion_images_are_not_planned_for(total: int) -> None:
    """The parts of a list that shows a few images and claims many are given up after a few hundred requests."""
    asked = 0
    ids = digests(300)

    def fetch(payload: dict[str, Any]) -> Answer:
        nonlocal asked
        asked += 1
        wanted = tuple(payload["Filters"][0]["Values"]) if "Filters" in payload else ("sha256:",)
        found = [{"ImageID": i, "CreateTime": None} for i in ids if i.startswith(wanted)]
        whole = "Filters" in payload
        return Answer({"List": found[:100], "TotalCount": len(found) if whole else total}, None)

    reader = PartsReader(RemoteList(fetch, lambda items, _: [None] * len(items), 1), (), ids)
    assert reader.can_be_had()
    for _ in reader.pages(ids[:100]):
        pass
    assert reader.evidence.problem is not None
    assert asked < 400


def _reader(watched: Watched, shown: int = LIMIT, limit: int = LIMIT, in_flight: int = 1) -> PartsReader:
    return PartsReader(watched.remote(in_flight, limit), (), watched.fleet.ids()[:shown])


def _read(
    quirks: Quirks,
    count: int = 100,
    *,
    faults: tuple[Fault, ...] = (),
    change: Change = lambda watched, number: None,
    known: bool = True,
) -> tuple[set[str], Evidence, Watched]:
    """What was missed in parts, the evidence, and the server."""
    watched = Watched(Fleet(listed(count)), quirks, faults, change)
    reader = _reader(watched)
    assert reader.can_be_had()
    shown = {item["ImageID"] for page in reader.pages(watched.fleet.ids() if known else ()) for item in page.items}
    return watched.throughout - shown, reader.evidence, watched


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("quirks", [SUBSTRING, PREFIX], ids=["substring", "prefix"])
def test_a_list_in_parts(quirks: Quirks, known: bool) -> None:
    """Whether the server looks for the text at the beginning of ids or anywhere in them."""
    missed, evidence, _ = _read(quirks, known=known)
    assert (missed, evidence.problem, evidence.ended, evidence.unread) == (set(), None, True, 0)


def test_each_part_stands_between_two_controls() -> None:
    """Ids that were just listed: the first value and the last one, with beginnings between them."""
    _, _, watched = _read(SUBSTRING)
    asked = [payload["Filters"][0]["Values"] for payload in watched.server.payloads if "Filters" in payload]
    parts = [values for values in asked if len(values[0]) == 71 and len(values) > 1]
    assert parts
    for values in parts:
        first, *beginnings, last = values
        assert (len(first), len(last), first != last) == (71, 71, True)
        assert max(map(len, beginnings)) < 20
        assert not first.startswith(tuple(beginnings))
        assert not last.startswith(tuple(beginnings))


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(),
        replace(SUBSTRING, image_id_filter="ignored"),
        replace(SUBSTRING, image_id_filter="empty"),
        replace(SUBSTRING, filter_values_max=0),
    ],
    ids=["exact", "ignored", "empty", "refused"],
)
def test_a_server_that_does_not_find_beginnings_is_asked_once(quirks: Quirks) -> None:
    """What is learnt holds for the server."""
    watched = Watched(Fleet(listed(100)), quirks)
    remote = watched.remote(limit=LIMIT)
    shown = watched.fleet.ids()[:LIMIT]
    assert [PartsReader(remote, (), shown).can_be_had() for _ in range(3)] == [False, False, False]
    assert (remote.server.finds_prefixes, watched.server.requests) == (False, 1)


@pytest.mark.parametrize(
    ("ids", "filters", "limit"),
    [
        (["i0001", "i0002"], (), LIMIT),
        ([*digests(5), "i0001"], (), LIMIT),
        ([digest.upper() for digest in digests(5)], (), LIMIT),
        (digests(1), (), LIMIT),
        (digests(5), (("ImageID", ("sha256:0",)),), LIMIT),
        (digests(5), (), ROOM),
    ],
    ids=["no digests", "one that is none", "upper case", "one image", "filtered by id already", "no room"],
)
def test_lists_that_have_no_parts(ids: list[str], filters: tuple[tuple[str, tuple[str, ...]], ...], limit: int) -> None:
    """Nothing is asked."""
    watched = Watched(Fleet(listed(100)), SUBSTRING)
    assert not PartsReader(watched.remote(limit=limit), filters, ids).can_be_had()
    assert watched.server.requests == 0


@pytest.mark.parametrize("read", [1, 2, 3, 5])
def test_a_filter_of_which_only_the_first_values_are_read_is_noticed(read: int) -> None:
    """The last control does not come back."""
    _, evidence, _ = _read(replace(SUBSTRING, filter_values=read))
    assert (evidence.problem, evidence.ended) == (ListReason.ID_FILTER.given(), False)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_26_values_are_enough(known: bool) -> None:
    """More are sent in no filter, however many images there are."""
    _, evidence, watched = _read(replace(SUBSTRING, filter_values_max=26), 700, known=known)
    values = [len(given["Values"]) for payload in watched.server.payloads for given in payload.get("Filters", [])]
    assert (evidence.problem, max(values) <= 26) == (None, True)


def test_a_filter_that_refuses_so_many_values_ends_the_reading() -> None:
    """It is no error of the sweep."""
    _, evidence, _ = _read(replace(SUBSTRING, filter_values_max=3))
    assert evidence.problem == ListReason.ID_FILTER.given()


Payload = dict[str, Any]


def _read_from(images: list[Item], server: Callable[[Watched, Payload], Any]) -> tuple[set[str], Evidence]:
    """What was missed in parts of a server that filters in another way, and the evidence. Images come and go."""
    watched = Watched(Fleet(images), SUBSTRING, change=lambda watched, _: watched.fleet.apply({"rescan": 1}))
    remote = replace(watched.remote(limit=LIMIT), fetch=lambda payload: server(watched, payload))
    reader = PartsReader(remote, (), watched.fleet.ids()[:LIMIT])
    assert reader.can_be_had()
    shown = {item["ImageID"] for page in reader.pages(watched.fleet.ids()[: len(images) - 5]) for item in page.items}
    return watched.throughout - shown, reader.evidence


def test_rows_that_do_not_belong_to_the_part_are_not_believed() -> None:
    """A filter that finds the names of images too: here one of them has the digest of its base in its name."""
    images = listed(100)
    base = images[0]["ImageID"]

    def fetch(watched: Watched, payload: Payload) -> Any:
        answer = watched.fetch(payload)
        (given,) = payload.get("Filters", [{"Values": []}])
        rows, named = answer.response["List"], watched.fleet[images[50]["ImageID"]]
        if len(given["Values"]) < 2 or not base.startswith(tuple(given["Values"])) or named in rows:
            return answer
        return replace(answer, response={"List": [*rows, named], "TotalCount": len(rows) + 1})

    assert _read_from(images, fetch)[1].problem == ListReason.ID_FILTER.given()


def test_ids_of_another_form_are_looked_for() -> None:
    """The first page has none, and no part would hold one."""
    images = listed(100)
    images[90] = {**images[90], "ImageID": "sha512:" + images[90]["ImageID"][7:]}
    missed, evidence = _read_from(images, Watched.fetch)
    assert (len(missed), evidence.problem) == (1, ListReason.OTHER_IDS.given())


def test_a_list_that_shrinks_unevenly_does_not_hide_ids_of_another_form() -> None:
    """None, one or two images go between two answers, so that counts of different moments may agree by chance."""
    for seed in range(30):
        images, rng = listed(300), Random(seed)
        images[290]["ImageID"] = "sha512:" + "0" * 64

        def change(watched: Watched, number: int, rng: Random = rng) -> None:
            ids = [image_id for image_id in watched.fleet.ids() if image_id.startswith("sha256:")]
            watched.fleet.delete(rng.sample(ids, rng.randint(0, 2)))

        watched = Watched(Fleet(images, seed=seed), SUBSTRING, change=change)
        reader = PartsReader(watched.remote(), (), digests(300)[-20:])
        shown = {item["ImageID"] for page in reader.pages(digests(300)) for item in page.items}
        assert images[290]["ImageID"] in shown or reader.evidence.problem is not None


def test_beginnings_of_all_lengths_are_tried() -> None:
    """A server that wants ten characters at least finds nothing for shorter ones, and its controls all the same."""

    def fetch(watched: Watched, payload: Payload) -> Any:
        filters = [
            {**given, "Values": [text for text in given["Values"] if len(text) >= 10]}
            for given in payload.get("Filters", [])
        ]
        return watched.fetch({**payload, "Filters": filters} if filters else payload)

    missed, evidence = _read_from(listed(100), fetch)
    assert (bool(missed), evidence.problem) == (True, ListReason.ID_FILTER.given())


def test_a_part_that_overflows_is_halved() -> None:
    """Of 100 images only 20 are known, and those are not where the others are."""
    watched = Watched(Fleet(listed(100)), SUBSTRING)
    reader = _reader(watched)
    assert reader.can_be_had()
    pages = list(reader.pages(watched.fleet.ids()[:20]))
    assert {image_id for page in pages for image_id in page.places} == watched.fleet.truth().keys()
    assert (reader.evidence.problem, reader.evidence.unread) == (None, 0)


@pytest.mark.parametrize("delta", [3, -3])
def test_a_total_count_that_contradicts_its_rows_comes_to_an_end(delta: int) -> None:
    """Parts are not halved for ever."""
    _, evidence, watched = _read(replace(SUBSTRING, total_delta=delta))
    assert evidence.problem is not None
    assert watched.server.requests <= 60


def test_pages_that_are_capped_leave_no_room() -> None:
    """Where it is not known yet how few rows the server gives, the reading ends soon."""
    _, evidence, watched = _read(replace(SUBSTRING, page_cap=6))
    assert (evidence.problem, watched.server.requests <= 60) == (ListReason.PARTS_OVERFLOW.given(), True)


def test_a_cap_that_is_known_makes_smaller_parts() -> None:
    """A pass has learnt it before."""
    watched = Watched(Fleet(listed(100)), replace(SUBSTRING, page_cap=10))
    reader = _reader(watched)
    reader._remote.server.cap = 10
    assert reader.can_be_had()
    shown = {item["ImageID"] for page in reader.pages(watched.fleet.ids()) for item in page.items}
    assert (shown, reader.evidence.problem) == (watched.fleet.truth().keys(), None)


def test_controls_that_are_deleted_are_replaced() -> None:
    """Ids that were just listed may be gone when the part is asked for."""

    def change(watched: Watched, number: int) -> None:
        values = watched.server.payloads[-1].get("Filters", [{"Values": [""]}])[0]["Values"]
        if len(values[0]) == 71 and not deleted:
            deleted.append(values[0])
            watched.fleet.delete(deleted)

    deleted: list[str] = []
    missed, evidence, _ = _read(SUBSTRING, change=change)
    assert (missed, evidence.problem, len(deleted)) == (set(), None, 1)


def test_what_moves_is_in_its_part_all_the_same() -> None:
    """Rescans, insertions and deletions at every request: every image that was there throughout is read."""
    missed, evidence, _ = _read(
        SUBSTRING, 300, change=lambda watched, number: watched.fleet.apply({"rescan": 3, "insert": 1, "delete": 1})
    )
    assert (missed, evidence.problem) == (set(), None)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_part_that_was_not_whole_is_found_again(known: bool) -> None:
    """A shard was silent for one part: known images are missing at once, and TotalCount says it of the others."""
    quirks, silent = replace(SUBSTRING, shards=5), Fault("silent_shard", at=6, value=2)
    missed, evidence, _ = _read(quirks, faults=(silent,), known=known)
    assert (missed, evidence.unread, evidence.problem) == (set(), 0, None)


def test_rows_repeated_in_place_of_others_are_asked_for_again() -> None:
    """An answer that shows an image twice may lack another one."""
    missed, evidence, _ = _read(SUBSTRING, faults=(Fault("duplicate_rows", at=5, value=3),))
    assert (missed, evidence.problem, evidence.listed_twice) == (set(), None, 0)


@pytest.mark.parametrize("at", range(5, 15))
@pytest.mark.parametrize(("name", "value", "known"), [("silent_shard", 2, True), ("duplicate_rows", 3, False)])
def test_a_part_that_was_not_whole_is_found_again_while_the_list_grows(
    name: str, value: int, known: bool, at: int
) -> None:
    """TotalCount says nothing then: known images that are missing do, and rows that are there twice."""
    missed, evidence, _ = _read(
        replace(SUBSTRING, shards=5),
        150,
        faults=(Fault(name, at=at, value=value),),
        change=lambda watched, number: watched.fleet.apply({"insert": 1}),
        known=known,
    )
    assert not (evidence.problem is None and missed)


def test_images_that_are_listed_twice_are_read() -> None:
    """Both rows are in the answer of one part."""
    twice = {image_id: {"HostCnt": -1} for image_id in digests(100)[::20]}
    missed, evidence, _ = _read(replace(SUBSTRING, listed_twice=twice))
    assert (missed, evidence.problem, evidence.listed_twice, evidence.unread) == (set(), None, 5, 5)


def test_a_large_row_halves_its_part() -> None:
    """As an overflow does."""
    missed, evidence, _ = _read(replace(SUBSTRING, huge={digests(100)[50]: 9}))
    assert (missed, evidence.problem) == (set(), None)


def test_a_row_at_which_the_server_fails_ends_the_reading() -> None:
    """A pass by CreateTime finds the row, and reads all others."""
    _, evidence, _ = _read(replace(SUBSTRING, poison=frozenset({digests(100)[50]})))
    assert evidence.problem == ListReason.REFUSED.given(rows=len(evidence.ids), code="InternalError")


@pytest.mark.parametrize(
    "quirks", [{"poison": frozenset({digests(1)[0]})}, {"huge": {digests(1)[0]: 0}}], ids=["failing", "too large"]
)
def test_a_row_that_cannot_be_shown_does_not_fail_the_try(quirks: dict[str, Any]) -> None:
    """That row is found by the id that is tried. The filter is tried again, with another id."""
    ids = digests(20)
    watched = Watched(Fleet(listed(20)), replace(SUBSTRING, **quirks))
    remote = watched.remote(limit=LIMIT)
    assert not PartsReader(remote, (), ids[::-1]).can_be_had()
    assert PartsReader(remote, (), ids).can_be_had()


@pytest.mark.parametrize(
    ("name", "error"),
    [("throttle", ThrottledError), ("request_timeout", TransientError)],
)
def test_an_error_of_the_api_is_raised(name: str, error: type[Exception]) -> None:
    """It says nothing about the filter."""
    for first in (1, 2, 5):
        with pytest.raises(error):
            _read(SUBSTRING, faults=(Fault(name, at=range(first, 100)),))


NEWEST = "sha256:abc" + "0" * 61
BESIDE = ["sha256:abc" + f"{number}" * 61 for number in range(1, 4)]


@pytest.mark.parametrize(
    ("found", "total", "finds"),
    [
        ([NEWEST], 1, True),
        ([NEWEST], None, True),
        ([*BESIDE, NEWEST], 9, True),
        (BESIDE, 4, True),
        (BESIDE[:1], 2, True),
        (BESIDE, 3, False),
        (BESIDE, None, False),
        ([], 4, False),
        ([], 0, False),
        ([NEWEST, "sha256:abd" + "0" * 61], 2, False),
    ],
    ids=[
        "the image",
        "the image, no TotalCount",
        "the image among others",
        "others, and more than the answer shows",
        "one other, and more than the answer shows",
        "all others",
        "others, no TotalCount",
        "a count alone",
        "nothing",
        "an image that begins otherwise",
    ],
)
def test_what_a_beginning_finds(found: list[str], total: int | None, finds: bool) -> None:
    """The newest image that was listed, or so many others that they fill the answer. Two listed images are enough, and
    room for one in an answer."""
    asked: list[Payload] = []

    def fetch(payload: Payload) -> Answer:
        asked.append(payload)
        return Answer({"List": [{"ImageID": image_id} for image_id in found], "TotalCount": total}, None)

    remote = RemoteList(fetch, lambda items, _: [None] * len(items), 1, ROOM + 1)
    assert PartsReader(remote, (), [digests(1)[0], NEWEST]).can_be_had() == finds
    (payload,) = asked
    assert (payload["Limit"], payload["Filters"]) == (5, [{"Name": "ImageID", "Values": [NEWEST[:10]]}])


@dataclass
class Cutting:
    """Gives ten rows at once, those that are asked for by their whole id first, and counts no others.

    `large` requests for the count of so many beginnings get no answer.
    """

    ids: list[str]
    large: int = 0

    def __call__(self, payload: Payload) -> Answer:
        wanted = tuple(payload["Filters"][0]["Values"]) if "Filters" in payload else ("sha256:",)
        if payload["Limit"] == 1 and len(wanted) == self.large:
            raise ResponseTooLargeError("too large")
        found = sorted((i for i in self.ids if i.startswith(wanted)), key=lambda image_id: image_id not in wanted)
        rows = found[payload["Offset"] :][: min(10, payload["Limit"])]
        total = len(found) if payload["Limit"] == 1 else min(len(found), 10)
        return Answer(
            {"List": [{"ImageID": image_id, "CreateTime": None} for image_id in rows], "TotalCount": total}, None
        )


@pytest.mark.parametrize(
    ("more", "large", "problem"),
    [(0, 0, None), (12, 0, ListReason.PARTS_OVERFLOW.given()), (0, 16, ListReason.PARTS_OVERFLOW.given())],
    ids=["whole", "cut", "too large"],
)
def test_a_part_that_is_cut_and_counted_so(more: int, large: int, problem: Any) -> None:
    """Where no answer has had more rows, the part may go on: it is asked for what follows. `more` images are in the
    first part, and not known. An answer that is too large to be sent is no whole part either."""
    known = [f"sha256:{digit}{number}" + "0" * 62 for digit in DIGITS[:8] for number in range(3)]
    unknown = [f"sha256:0{digit}" + "1" * 62 for digit in DIGITS[4:]][:more]
    server = Cutting([*known, *unknown], large)
    reader = PartsReader(RemoteList(server, lambda items, _: [None] * len(items), 1, 12), (), known[-2:])
    assert reader.can_be_had()
    shown = {image_id for page in reader.pages(known) for image_id in page.places}
    assert (reader.evidence.problem, reader.evidence.ended) == (problem, problem is None)
    assert (shown == {*server.ids}) == (not more)


A_PART, SMALLEST = Part(("sha256:a",)), Part(("sha256:" + "a" * 12,))
CONTROLS = ("sha256:c" + "0" * 63, "sha256:d" + "0" * 63)
IN_PART = [f"sha256:a{number}" + "0" * 62 for number in range(4)]
ID_FILTER, OVERFLOW = ListReason.ID_FILTER.given(), ListReason.PARTS_OVERFLOW.given()


def _shown(*ids: str, total: int | None = -1) -> Page:
    rows = tuple((None, image_id) for image_id in ids)
    return Page(0, [{"ImageID": i} for i in ids], len(ids) if total == -1 else total, None, rows)


@pytest.mark.parametrize(
    ("answer", "tries", "part", "again", "problem"),
    [
        (_shown(*CONTROLS), 1, A_PART, [], None),
        (_shown(*CONTROLS, *IN_PART[:3]), 1, A_PART, [], None),
        (_shown(*CONTROLS, *IN_PART), 1, A_PART, [1, 1], None),
        (_shown(*CONTROLS, *IN_PART), 3, A_PART, [1, 1], None),
        (ResponseTooLargeError("large"), 1, A_PART, [1, 1], None),
        (_shown(*CONTROLS, *IN_PART), 1, SMALLEST, [], OVERFLOW),
        (ResponseTooLargeError("large"), 1, SMALLEST, [], OVERFLOW),
        (_shown(*CONTROLS, "sha256:b" + "0" * 63), 1, A_PART, [], ID_FILTER),
        (_shown(*CONTROLS, ""), 1, A_PART, [], ID_FILTER),
        (_shown(*CONTROLS, total=None), 1, A_PART, [], ID_FILTER),
        (_shown(*CONTROLS, total=1), 1, A_PART, [], ID_FILTER),
        (_shown(*CONTROLS, total=3), 1, A_PART, [2], None),
        (_shown(*CONTROLS, total=3), 2, A_PART, [3], None),
        (_shown(*CONTROLS, total=3), 3, A_PART, [4], OVERFLOW),
        (_shown(CONTROLS[0], IN_PART[0]), 1, A_PART, [2], None),
        (_shown(CONTROLS[1], IN_PART[0]), 2, A_PART, [3], None),
        (_shown(CONTROLS[0], IN_PART[0]), 3, A_PART, [4], ID_FILTER),
        (_shown(*CONTROLS, IN_PART[0], IN_PART[0]), 1, A_PART, [2], None),
        (_shown(*CONTROLS, IN_PART[0], IN_PART[0]), 2, A_PART, [], None),
        (_shown(*CONTROLS, "sha256:e" + "0" * 63), 1, Part(("sha256:e",)), [2], None),
        (_shown(*CONTROLS, "sha256:e" + "0" * 63), 2, Part(("sha256:e",)), [], None),
    ],
    ids=[
        "an empty part",
        "a part with room",
        "a full answer",
        "a full answer in the end",
        "too large an answer",
        "a full answer of the smallest part",
        "too large an answer of the smallest part",
        "an image of another part",
        "an image without an id",
        "no TotalCount",
        "too small a TotalCount",
        "not all rows",
        "not all rows, again",
        "never all rows",
        "no last control",
        "no first control, again",
        "never a control",
        "an image twice",
        "an image twice, again",
        "a known image is missing",
        "a known image is missing, again",
    ],
)
def test_what_is_asked_instead_of_a_part(
    answer: Page | TcssError, tries: int, part: Part, again: list[int], problem: Any
) -> None:
    """`again` says for the how many-th time. Six rows fill an answer, and two images of one part were known."""
    reader = PartsReader(RemoteList(Mock(), lambda *_: [], 1, 6), (), CONTROLS)
    reader._known = [f"sha256:e{number}" + "0" * 62 for number in range(2)]
    questions = reader._judge(_Question(part, CONTROLS, tries), answer)
    assert ([question.tries for question in questions], reader.evidence.problem) == (again, problem)
    halved = again == [1, 1]
    assert [question.part for question in questions] == (part.smaller() if halved else [part] * len(again))


def test_an_error_that_says_nothing_of_a_part_is_raised() -> None:
    """It ends the reading."""
    reader = PartsReader(RemoteList(Mock(), lambda *_: [], 1, 6), (), CONTROLS)
    with pytest.raises(TransientError):
        reader._judge(_Question(A_PART, CONTROLS), TransientError("reset"))


@pytest.mark.parametrize(("gone", "lacks"), [(0, False), (1, False), (2, True)], ids=["none", "a twentieth", "more"])
def test_known_images_that_are_missing(gone: int, lacks: bool) -> None:
    """Up to a twentieth may be gone. Images of other parts are not asked for."""
    known = sorted(f"sha256:{digit}{number:02}" + "0" * 61 for digit in "9ab" for number in range(20))
    reader = PartsReader(RemoteList(Mock(), lambda *_: [], 1, 100), (), CONTROLS)
    reader._known = known
    assert reader._lacks_known(A_PART, _shown(*CONTROLS, *known[20 + gone : 40])) == lacks


@pytest.mark.parametrize(
    ("listed", "tries", "controls"),
    [
        ("e0 e1 e2 e3 a0 e4", 1, "e4 e3"),
        ("e0 e1 e2 e3 a0 e4", 2, "e2 e1"),
        ("e0 e1 e2 e3 a0 e4", 3, "e0 e4"),
        ("e0 e1 e1", 1, "e1 e0"),
        ("e0 a0 e1 a1", 1, "e1 e0"),
        ("e0 a0 a1", 1, "a1 a0"),
    ],
    ids=["the newest", "again", "once more", "listed again", "two others", "one other"],
)
def test_the_controls_of_a_part(listed: str, tries: int, controls: str) -> None:
    """The newest images that were listed and are not in the part, others each time; as far as there are two."""
    of = {word: f"sha256:{word}" for word in listed.split()}
    reader = PartsReader(RemoteList(Mock(), lambda *_: [], 1, 6), (), [of[word] for word in listed.split()])
    asked = reader._question(A_PART, tries)
    assert (asked.part, asked.tries, [*asked.controls]) == (A_PART, tries, [of[word] for word in controls.split()])
