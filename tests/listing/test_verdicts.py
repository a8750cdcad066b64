"""What the passes of a full sweep prove, case by case: their images, their TotalCounts, and further requests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from connector.api.answers import Answer
from connector.errors import RequestRejectedError, ResponseTooLargeError, TransientError
from connector.listing.full import FIELD, LOOKS, FullSweep, _listed_twice
from connector.listing.page import ASCENDING, DESCENDING, Page
from connector.listing.proof import Evidence, Proof
from connector.listing.query import Filters, Query
from connector.listing.reasons import Cause, ListReason, Reason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

UNREADABLE = ListReason.UNREADABLE.given(place=1, code="InternalError")
REFUSES = RequestRejectedError("not so", code="InvalidParameter")
REFUSED = ListReason.REFUSED.given(rows=3, code="InvalidParameter")
BY_NAME: Filters = (("ImageName", ("web",)),)


def _items(text: str) -> list[dict[str, Any]]:
    """`a1 b- ?` are image a with CreateTime 1, image b without a CreateTime, and a row without an id. In upper case,
    an image is scanned."""
    return [
        {
            "ImageID": None if word == "?" else word[0].lower(),
            FIELD: int(word[1:]) if word[1:].lstrip("-").isdigit() else None,
            "ScanStatus": "SCANNED" if word[0].isupper() else "NOT_SCAN",
        }
        for word in text.split()
    ]


def _values(items: Sequence[Mapping[str, Any]], name: str) -> list[int | None]:
    assert name == FIELD
    return [item[FIELD] for item in items]


def _page(text: str, total: int | None = None, offset: int = 0, moment: int = 0) -> Page:
    items = _items(text)
    rows = tuple((item[FIELD], item["ImageID"]) for item in items if item["ImageID"])
    return Page(offset, items, total, None, rows, moment, moment)


def _evidence(*texts: str, total: int | Sequence[int] = 0, **found: Any) -> Evidence:
    """Of a pass to its end, in order, in as many pages. `total` is the TotalCount of all pages, or of each."""
    evidence = Evidence(ASCENDING, ended=True)
    totals = [total] * len(texts) if isinstance(total, int) else total
    for moment, (text, each) in enumerate(zip(texts, totals, strict=True)):
        page = _page(text, each, 0 if moment == 0 else 1, moment)
        evidence.note(page)
        evidence.take(page)
    for name, value in found.items():
        setattr(evidence, name, value)
    return evidence


def _reason(cause: Cause | None) -> Reason | None:
    return None if cause is None else cause.reason


@dataclass
class Script:
    """Answers request n with the n-th of `answers`, (rows, TotalCount), or raises it; `asked` are the requests."""

    answers: Sequence[tuple[str, int | None] | Exception]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, payload: dict[str, Any]) -> Answer:
        answer = self.answers[len(self.asked)]
        self.asked.append(payload)
        if isinstance(answer, Exception):
            raise answer
        return Answer({"List": _items(answer[0]), "TotalCount": answer[1]}, None)


def _sweep(answers: Sequence[tuple[str, int | None] | Exception] = (), limit: int = 100) -> tuple[FullSweep, Script]:
    script = Script(answers)
    return FullSweep(RemoteList(script, _values, 1, limit), BY_NAME), script


def _result(steps: Any) -> tuple[list[Page], Any]:
    """The pages, and what is returned after them."""
    pages: list[Page] = []
    while True:
        try:
            pages.append(next(steps))
        except StopIteration as done:
            return pages, done.value


def _shown(pages: Sequence[Page]) -> list[str]:
    return [" ".join(str(item["ImageID"]) for item in page.items) for page in pages]


# One pass, and two.


@pytest.mark.parametrize(
    ("evidence", "previous", "proof", "cause"),
    [
        (_evidence("a1 b2", total=2), None, Proof.ONE_ANSWER, None),
        (_evidence("a2 b1", total=2), None, Proof.ONE_ANSWER, None),
        (_evidence("a1 b2", "b2 c3", total=3), None, Proof.ORDER, None),
        (_evidence("a1 b2", "b2 c2", total=3, ties=1), None, Proof.TIES, None),
        (_evidence("a1 b2", "b2 c3", total=3, problem=REFUSED), None, None, REFUSED),
        (_evidence("a1 b2", "b2 c3", total=3, unreadable=UNREADABLE), None, None, UNREADABLE),
        (_evidence("a1", total=1, problem=REFUSED, unreadable=UNREADABLE), None, None, UNREADABLE),
        (_evidence("a1", "c3", total=3), None, None, ListReason.COUNT_DIFFERS.given(total=3, images=2)),
    ],
    ids=[
        "one answer",
        "one answer, not in order",
        "in order",
        "with a wide tie",
        "refused",
        "a row that cannot be read",
        "a row that cannot be read, and refused",
        "a row that was not read",
    ],
)
def test_what_one_pass_proves(
    evidence: Evidence, previous: Evidence | None, proof: Proof | None, cause: Cause | None
) -> None:
    """One answer is a snapshot whatever its order; a problem is said before all else."""
    assert _sweep()[0]._proven(evidence, previous) == (proof, cause)


UNSORTED = ListReason.UNSORTED.given()


@pytest.mark.parametrize(
    ("first", "second", "counted"),
    [
        (None, _evidence("b2 a1", "c3", total=3), False),
        (_evidence("b2 a1", "c3", total=3), _evidence("b2", "c3 a1", total=3), True),
        (_evidence("b2 a1", "c3", total=3), _evidence("b2", "d3 a1", total=3), False),
        (_evidence("b2 a1", "c3", total=3, re_reads=1), _evidence("b2", "c3 a1", total=3), False),
        (_evidence("b2 a1", "c3", total=3), _evidence("b2", "c3 a1", total=3, re_reads=1), False),
        (_evidence("b2 a1", "c3", total=4), _evidence("b2", "c3 a1", total=4), False),
    ],
    ids=["one pass", "alike", "another image", "the first was disturbed", "the second was disturbed", "one is missing"],
)
def test_what_two_passes_without_an_order_prove(first: Evidence | None, second: Evidence, counted: bool) -> None:
    """Two undisturbed passes that have read the same images, as many as TotalCount says."""
    differ = ListReason.PASSES_DIFFER.given(cause=UNSORTED)
    assert _sweep()[0]._proven(second, first) == ((Proof.COUNT, UNSORTED) if counted else (None, differ))


def test_a_pass_that_was_given_up_differs_from_all() -> None:
    """No order was lost, and there is no end."""
    evidence = _evidence("a1 b2", total=9, ended=False)
    assert _sweep()[0]._proven(evidence, None) == (None, ListReason.PASSES_DIFFER.given(cause=None))


# TotalCount contradicts a pass in order.


@pytest.mark.parametrize(
    ("evidence", "previous", "cause"),
    [
        (_evidence("a1 b2", "b2 c3", total=3), None, None),
        (_evidence("a1 b2", "b2 c3", total=3), _evidence("a1", total=1), None),
        (_evidence("a1 b2", "b2 c3", total=4), None, ListReason.COUNT_DIFFERS),
        (_evidence("a1 b2", "b2 c3", total=4), _evidence("a1", total=1), ListReason.COUNT_DIFFERS),
        (_evidence("a1 b2 b2", "b2 c3", total=4), None, None),
        (_evidence("a1 b2 b2", "b2 c3", total=3), None, None),
        (_evidence("a1 b2 b2", "b2 c3", total=5), None, ListReason.COUNT_DIFFERS),
        (_evidence("a1 b2", "b2 c3", total=2), None, ListReason.COUNT_DIFFERS),
        (_evidence("a1 b2", "b2 c3", total=2), _evidence("a1", total=1), None),
        (_evidence("a1 b2", "b2 a3", total=3), None, ListReason.COUNT_DIFFERS),
        (_evidence("a1 b2", "b2 a3", total=3), _evidence("a1", "a3", total=2), None),
        (_evidence("a1 b2", "b2 c3", total=(9, 3)), None, ListReason.TOTAL_JUMPED),
        (_evidence("a1 b2", "b2 c3", total=(9, 3)), _evidence("a1", total=1), ListReason.TOTAL_JUMPED),
        (_evidence("a1 b2", "b2 c3", total=(1, 3)), _evidence("a1", total=1), None),
        (_evidence("a1 b2", "b2 c3", total=(3, 4)), None, None),
    ],
    ids=[
        "as many",
        "as many, as before",
        "one is missing",
        "one is missing as before",
        "one more row, of an image listed twice",
        "an image listed twice, and counted once",
        "one more row, and another one",
        "more than there were at any moment",
        "more, and the list was read before",
        "at two places in one pass",
        "at two places in two passes",
        "most of the list was hidden",
        "most of the list was hidden in the second pass",
        "most of the list was hidden, and is read",
        "one came meanwhile",
    ],
)
def test_what_contradicts_a_pass_in_order(
    evidence: Evidence, previous: Evidence | None, cause: ListReason | None
) -> None:
    """A constant TotalCount that is not the number of images, and a TotalCount that jumps."""
    sweep, _ = _sweep()
    if previous is not None:
        sweep._passes.append(previous)
    assert _reason(sweep._doubt(evidence, previous)) == cause


@pytest.mark.parametrize(
    ("rows", "repeated", "moved", "moved_before", "explained"),
    [
        (1, {"a": 1}, "", None, True),
        (1, {"a": 1}, "", "", True),
        (2, {"a": 1}, "", "", False),
        (2, {"a": 1}, "b", "b", True),
        (2, {"a": 1}, "b", None, False),
        (2, {"a": 1}, "b", "c", False),
        (3, {"a": 1}, "b", "b", False),
        (1, {"a": 2}, "b", "b", False),
        (2, {"a": 1}, "a", "a", False),
        (1, {"a": 1}, "a", "a", True),
    ],
    ids=[
        "in one answer",
        "in one answer, in the second pass",
        "one too many",
        "and at two places in two passes",
        "and at two places in one pass",
        "and at two places, another in each pass",
        "one more than these",
        "one less than these",
        "both in one answer and at two places",
        "in one answer, which is at two places too",
    ],
)
def test_rows_of_images_that_are_listed_twice(
    rows: int, repeated: dict[str, int], moved: str, moved_before: str | None, explained: bool
) -> None:
    """An image at two places may have moved, so two passes have to show it there."""
    evidence = Evidence((), repeated=repeated, moved={*moved})
    previous = None if moved_before is None else Evidence((), moved={*moved_before})
    assert _listed_twice(rows, evidence, previous) is explained


@pytest.mark.parametrize(
    ("before", "read", "total", "fine"),
    [
        ("a1 b2", "a1 b2", 2, True),
        ("a1 b2", "a1 b2 c3", 3, True),
        ("a1 b2", "a1 b2 c2", 3, True),
        ("a1 b2", "a1 c1 b2", 3, False),
        ("a1 b2", "a1 b2 c-", 3, False),
        ("a1 b2", "a1 b2", 3, False),
        ("a1 b2", "b2 c3", 2, True),
        ("a1 b2", "a1 b2 b2", 3, True),
        ("a1 b2", "a1 b2 ?", 3, True),
        ("a1 b-", "a1 c1 b-", 3, True),
        ("a-", "c0 a-", 2, True),
        ("", "c1", 1, True),
    ],
    ids=[
        "the same",
        "a newer one",
        "one as new as the newest",
        "an older one",
        "one without a CreateTime",
        "fewer than TotalCount says",
        "one gone, one newer",
        "one listed twice",
        "one without an id",
        "as new as the newest that has a CreateTime",
        "the first with a CreateTime",
        "none before",
    ],
)
def test_a_second_pass_that_shows_nothing_old_for_the_first_time(
    before: str, read: str, total: int, fine: bool
) -> None:
    """What was hidden before would be an older image."""
    sweep, _ = _sweep()
    sweep._passes.append(Evidence((), values=_page(before).values))
    evidence = _evidence(read, total=total)
    assert sweep._nothing_old_is_new(evidence, Evidence(())) is fine
    assert not sweep._nothing_old_is_new(evidence, None)


# TotalCount falls, and stays there.


@pytest.mark.parametrize(
    ("earlier", "now", "unheard", "vanished", "limit", "fallen"),
    [
        ([], [100, 100], [], 9, 100, None),
        ([100, 100], [96], [], 9, 100, None),
        ([100], [50], [], 0, 100, None),
        ([100], [50], [], 5, 100, None),
        ([100], [50], [], 6, 100, (100, 50)),
        ([100], [50], [], 1, 10, None),
        ([100], [50], [], 2, 10, (100, 50)),
        ([100, 100], [50], [], 0, 100, (100, 50)),
        ([100], [50], [100], 0, 100, (100, 50)),
        ([100, 99], [50, 50], [], 0, 100, (99, 50)),
        ([52, 40, 99, 100], [50], [], 0, 100, (100, 50)),
        ([100, 96, 92, 88], [84], [], 0, 100, None),
        ([100, 100, 50], [99], [], 9, 100, None),
    ],
    ids=[
        "constant",
        "by a few",
        "after a single answer",
        "after a single answer, as many are gone as deletions explain",
        "after a single answer, more are gone",
        "small pages, one is gone",
        "small pages, two are gone",
        "after two answers",
        "after two answers, one of which no pass took",
        "a small step, and the great one",
        "a great step from where the list is now",
        "in many small steps",
        "and came back",
    ],
)
def test_a_total_count_that_fell_far_at_once(
    earlier: list[int],
    now: list[int],
    unheard: list[int],
    vanished: int,
    limit: int,
    fallen: tuple[int, int] | None,
) -> None:
    """A part of the list may be hidden since; a single answer may have had a TotalCount that was too large."""
    sweep, _ = _sweep(limit=limit)
    sweep._apart.update(dict.fromkeys(map(str, range(vanished))))
    answered = [(moment, moment, total) for moment, total in enumerate([*earlier, *unheard, *now])]
    before, between, after = (
        answered[: len(earlier)],
        answered[len(earlier) : -len(now)],
        answered[-len(now) :],
    )
    sweep._whole.listen(Evidence((), answered=before))
    evidence = Evidence((), answered=after, totals={*now}, heard=between)
    expected = ListReason.TOTAL_JUMPED.given(before=fallen[0], after=fallen[1]) if fallen else None
    assert sweep._fallen(evidence) == expected


@pytest.mark.parametrize(
    ("evidence", "earlier", "proof", "cause", "in_order"),
    [
        (_evidence("a1 b2", "b2 c3", total=3), 3, Proof.ORDER, None, True),
        (_evidence("a1 b2", "b2 c3", total=3), 9, None, ListReason.TOTAL_JUMPED, True),
        (_evidence("a1 b2", "b2 c3", total=3, problem=REFUSED), 9, None, ListReason.REFUSED, False),
        (_evidence("b2 a1", "c3", total=3), 3, None, ListReason.PASSES_DIFFER, False),
    ],
    ids=["proven", "proven, and TotalCount fell", "refused, and TotalCount fell", "without an order"],
)
def test_a_verdict(
    evidence: Evidence, earlier: int, proof: Proof | None, cause: ListReason | None, in_order: bool
) -> None:
    """A proof does not hold where TotalCount fell; another cause is told first."""
    sweep, _ = _sweep()
    sweep._whole.listen(Evidence((), answered=[(-2, -2, earlier), (-1, -1, earlier)]))
    sweep._judge(evidence, None)
    outcome = sweep.outcome
    assert (outcome.proof, _reason(outcome.cause)) == (proof, cause)
    assert (outcome.order_proven, outcome.total_count, outcome.pages, outcome.passes) == (in_order, 3, 2, 1)
    assert sweep._lost == (UNSORTED if cause is ListReason.PASSES_DIFFER else outcome.cause)


# One pass after the other.

ENDLESS = ListReason.ENDLESS.given(requests=9)
PASSES = {
    "proven": (Proof.ORDER, {}),
    "unreadable": (None, {"unreadable": UNREADABLE}),
    "unproven": (None, {}),
    "endless": (None, {"problem": ENDLESS}),
    "cut short": (None, {"problem": REFUSED}),
    "capped": (None, {}),
}


@pytest.mark.parametrize(
    ("passes", "others", "steps"),
    [
        (["proven"], {}, "0"),
        (["unreadable"], {}, "0"),
        (["unproven"] * 9, {}, "0 other-end parts 1 2"),
        (["unproven"], {"other-end"}, "0 other-end"),
        (["unproven"], {"parts"}, "0 other-end parts"),
        (["unproven", "proven"], {}, "0 other-end parts 1"),
        (["unproven", "unreadable"], {}, "0 other-end parts 1"),
        (["cut short"], {}, "0 other-end parts"),
        (["unproven", "cut short"], {}, "0 other-end parts 1"),
        (["capped"], {}, "0 other-end parts"),
        (["endless", "unproven", "unproven"], {}, "0 other-end parts 1 2"),
        (["endless", "endless"], {}, "0 other-end parts 1"),
        (["unproven", "endless", "unproven"], {}, "0 other-end parts 1 2"),
        (["proven"], {"first"}, "parts 0"),
        ([], {"first", "parts"}, "parts"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_passes_over_a_list(passes: list[str], others: set[str], steps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most three, until the list is proven or another pass would be no better. After the first one, the list is read
    from the other end and in parts; the other end and the parts in `others` prove it."""
    sweep, _ = _sweep()
    sweep._parts_first = "first" in others
    evidences = [_evidence(f"{number}1", **PASSES[name][1]) for number, name in enumerate(passes)]
    taken: list[str] = []

    def one_pass(number: int, previous: Evidence | None) -> Generator[Page, None, Any]:
        taken.append(str(number))
        assert previous is (evidences[number - 1] if number else None)
        yield _page(f"{number}1")
        sweep.outcome.proof = PASSES[passes[number]][0]
        sweep.outcome.cause = ListReason.COUNT_CAPPED.given() if passes[number] == "capped" else None
        return SimpleNamespace(evidence=evidences[number])

    def other(name: str) -> Callable[..., Generator[Page, None, bool]]:
        def read(*first: Any) -> Generator[Page, None, bool]:
            taken.append(name)
            assert [reader.evidence for reader in first] == (evidences[:1] if name == "other-end" else [])
            yield _page("x1")
            return name in others

        return read

    monkeypatch.setattr(sweep, "_pass", one_pass)
    monkeypatch.setattr(sweep, "_from_the_other_end", other("other-end"))
    monkeypatch.setattr(sweep, "_in_parts", other("parts"))
    assert len([*sweep.pages()]) == len(taken)
    assert " ".join(taken) == steps


@dataclass
class Readers:
    """Makes readers that yield `pages`, lose the order, and leave `evidence`; or raise an error that is given for their
    sort."""

    pages: Sequence[str]
    evidence: Evidence
    loses: ListReason | None = None
    rejects: Mapping[str | None, Exception] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    def __call__(self, remote: RemoteList, query: Query, field_name: str, aim: Aim) -> Any:
        assert isinstance(remote, RemoteList)
        self.asked.append((query, field_name, aim))
        return SimpleNamespace(evidence=self.evidence, pages=lambda: self._pages(query.by))

    def _pages(self, by: str | None) -> Iterator[Page]:
        if by in self.rejects:
            raise self.rejects[by]
        yield from map(_page, self.pages)
        self.evidence.order_lost = self.loses or self.evidence.order_lost


BY_TIME, OWN = Query("CreateTime", "asc", BY_NAME), Query(None, None, BY_NAME)
NO_ORDERS = [ListReason.UNSORTED, ListReason.WIDE_TIE, ListReason.NOT_TURNED]


@pytest.mark.parametrize(
    ("number", "lost_before", "aim", "lost"),
    [
        (0, None, Aim(expected=7), None),
        (1, None, Aim(shift=True), None),
        (2, None, Aim(), None),
        (1, ListReason.SEAM_OPEN, Aim(shift=True), None),
        (2, ListReason.SEAM_OPEN, Aim(), None),
        *((1, lost, Aim(orders=(), shift=True), lost) for lost in NO_ORDERS),
        *((2, lost, Aim(orders=()), lost) for lost in NO_ORDERS),
    ],
)
def test_the_aim_of_a_pass(
    number: int, lost_before: ListReason | None, aim: Aim, lost: ListReason | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second pass has other boundaries. An order that was refuted is not looked for again, and its loss stays the
    reason."""
    readers = Readers(["a1 b2"], _evidence("a1 b2", total=2))
    monkeypatch.setattr("connector.listing.full.ListReader", readers)
    sweep, _ = _sweep()
    sweep._expected, sweep._first = 7, _page("a1", 9)
    previous = Evidence((), order_lost=lost_before) if number else None
    pages, reader = _result(sweep._pass(number, previous))
    assert (_shown(pages), readers.asked) == (["a b"], [(BY_TIME, FIELD, aim)])
    assert reader.evidence.order_lost == lost
    assert reader.evidence.totals == ({2} if number else {2, 9})  # the page that was read before all passes
    assert [*sweep._read()] == ["a", "b"]


def test_a_pass_of_a_sweep_that_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows are asked for ahead, no parts are tried first, and no TotalCount is known."""
    readers = Readers(["a1 b2"], _evidence("a1 b2", total=2))
    monkeypatch.setattr("connector.listing.full.ListReader", readers)
    sweep, _ = _sweep()
    assert _shown([*sweep.pages()]) == ["a b"]
    assert readers.asked == [(BY_TIME, FIELD, Aim())]
    assert (sweep.outcome.reason, sweep.outcome.notes, readers.evidence.totals) == ("in one answer", [], {2})


def test_a_sort_that_is_rejected_leaves_the_servers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """For all passes; if the server rejects its own order too, that is an error."""
    readers = Readers(["a1 b2"], _evidence("a1 b2", total=2), None, {"CreateTime": REFUSES})
    monkeypatch.setattr("connector.listing.full.ListReader", readers)
    sweep, _ = _sweep()
    assert _shown(_result(sweep._pass(0, None))[0]) == ["a b"]
    assert sweep.outcome.notes == [ListReason.SORT_REJECTED.given(by="CreateTime", code="InvalidParameter")]
    assert _shown(_result(sweep._pass(1, Evidence(())))[0]) == ["a b"]
    assert [query for query, *_ in readers.asked] == [BY_TIME, OWN, OWN]
    readers.rejects = {None: REFUSES}
    with pytest.raises(RequestRejectedError):
        _result(sweep._pass(2, Evidence(())))


@pytest.mark.parametrize(
    ("evidence", "previous", "proof", "counted"),
    [
        (_evidence("a1", "b2", total=2), None, Proof.ORDER, False),
        (_evidence("a1", "b2", total=2, end_unseen=True), None, Proof.ORDER, True),
        (_evidence("a1", "b2", total=2, end_unseen=True, problem=REFUSED), None, None, False),
        (_evidence("b2 a1", "c3", total=3), None, None, False),
        (_evidence("b2 a1", "c3", total=3), _evidence("b2 a1 c3", total=3), Proof.COUNT, True),
    ],
    ids=["in order", "in order, without an end", "refused, without an end", "one pass", "two alike passes"],
)
def test_what_is_counted_apart(
    evidence: Evidence, previous: Evidence | None, proof: Proof | None, counted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list whose end no order proves."""
    readers = Readers(["a1"], replace(evidence), evidence.order_lost)
    monkeypatch.setattr("connector.listing.full.ListReader", readers)
    apart: list[Any] = []
    sweep, _ = _sweep()
    monkeypatch.setattr(sweep, "_count_apart", lambda *given: apart.append(given) or iter([_page("z1")]))
    pages, reader = _result(sweep._pass(0, previous))
    assert (_shown(pages), sweep.outcome.proof) == (["a", *(["z"] if counted else [])], proof)
    assert apart == ([(reader.evidence, BY_TIME)] if counted else [])


@pytest.mark.parametrize(
    ("number", "found", "can", "pages"),
    [
        (0, {}, True, 3),
        (0, {"order_lost": ListReason.UNSORTED}, True, 1),
        (0, {"order_lost": ListReason.UNSORTED}, False, 3),
        (0, {"order_lost": ListReason.SEAM_OPEN, "unreadable": UNREADABLE}, True, 3),
        (1, {"order_lost": ListReason.UNSORTED}, True, 3),
        (1, {}, True, 3),
    ],
    ids=["in order", "without an order", "and without parts", "a row that cannot be read", "the second pass", "both"],
)
def test_a_pass_ends_where_parts_are_better(
    number: int, found: dict[str, Any], can: bool, pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the order is lost, in the first pass; its requests are stopped."""
    monkeypatch.setattr("connector.listing.full.PartsReader", Parts(Evidence(()), can))
    closed: list[bool] = []

    def read() -> Iterator[Page]:
        try:
            yield from (_page("a1"), _page("b2"), _page("c3"))
        finally:
            closed.append(True)

    sweep, _ = _sweep()
    reader: Any = SimpleNamespace(evidence=_evidence("a1", total=3, **found), pages=read)
    assert len(_result(sweep._as_long_as_it_pays(reader, number))[0]) == pages
    assert closed == [True]


# Scanned and other images, counted apart.

CAPPED = (None, ListReason.COUNT_CAPPED)
COUNTED, ORDERED = (Proof.COUNT, None), (Proof.ORDER, None)


@pytest.mark.parametrize(
    ("proof", "answers", "expected"),
    [
        (Proof.COUNT, [("a1 b2", 2), ("C3", 1)], COUNTED),
        (Proof.COUNT, [("a1 b2", 2), ("C3", 2)], CAPPED),
        (Proof.ORDER, [("a1 b2", 2), ("C3", 2)], CAPPED),
        (Proof.COUNT, [("", 0), ("A1 B2 C3", 3)], COUNTED),
        (Proof.COUNT, [("a1 b2 c3", 3), ("", 0)], COUNTED),
        (Proof.COUNT, [("a1 b2 c3", 3), ("", None)], COUNTED),
        (Proof.COUNT, [("", None), ("A1 B2 C3", 3)], COUNTED),
        (Proof.COUNT, [("a1 b2 C3", 3), ("C3", 3)], COUNTED),
        (Proof.COUNT, [("a1 b2", 3), ("a1 b2 C3", 3)], COUNTED),
        (Proof.COUNT, [("a1 b2 C3", 3), ("a1 b2 C3", 3)], COUNTED),
        (Proof.COUNT, [("a1 b2", 1), ("D4", 2)], (None, ListReason.PASSES_DIFFER)),
        (Proof.COUNT, [("a1 d4", 1), ("C3", 2)], (None, ListReason.PASSES_DIFFER)),
        (Proof.ORDER, [("a1 d4", 1), ("C3", 2)], ORDERED),
        (Proof.COUNT, [REFUSES, ("C3 b2 a1", 3)], COUNTED),
        (Proof.COUNT, [REFUSES, ("D4 C3 b2", 3)], (None, ListReason.PASSES_DIFFER)),
        (Proof.COUNT, [("a1 b2", 2), REFUSES, ("C3 b2 a1", 3)], COUNTED),
    ],
    ids=[
        "as many",
        "more",
        "more, in order",
        "all are scanned",
        "none is scanned",
        "no TotalCount of the scanned ones",
        "no TotalCount of the others",
        "a scanned image among the others",
        "another image among the scanned ones",
        "the filter is ignored",
        "a scanned image that was not read",
        "another image that was not read",
        "an image that was not read, in order",
        "the filter is refused",
        "the filter is refused, and an image was not read",
        "one word of the filter is refused",
    ],
)
def test_scanned_images_and_the_others_are_counted_apart(
    proof: Proof, answers: list[tuple[str, int | None] | Exception], expected: tuple[Proof | None, ListReason | None]
) -> None:
    """Together no more than TotalCount, and all of them read; not where the filter does not tell them apart."""
    sweep, _ = _sweep(answers, limit=10)
    sweep._lost, sweep.outcome.proof = UNSORTED, proof
    evidence = _evidence("a1 b2 c3", total=3, re_reads=1)
    pages, _ = _result(sweep._count_apart(evidence, Query("CreateTime", "asc", BY_NAME)))
    assert (sweep.outcome.proof, _reason(sweep.outcome.cause)) == expected
    assert (sweep.outcome.proof is None) == (sweep.outcome.proof != proof)
    differ = expected[1] is ListReason.PASSES_DIFFER
    assert evidence.re_reads == (2 if differ else 1)
    facts = {"cause": UNSORTED} if differ else {"total": 3, "apart": 4}
    assert sweep.outcome.cause is None or sweep.outcome.cause.facts == facts
    assert len(pages) == (1 if REFUSES in answers else 2)


@pytest.mark.parametrize(
    ("sort", "asked"),
    [
        (Query("CreateTime", "asc", BY_NAME), {"By": "CreateTime", "Order": "desc"}),
        (Query(None, None, BY_NAME), {}),
    ],
    ids=["by CreateTime", "the server's own order"],
)
@pytest.mark.parametrize("refused", [False, True])
def test_they_are_asked_for_from_the_other_end(sort: Query, asked: dict[str, Any], refused: bool) -> None:
    """As many as an answer holds; the whole list where the filter is refused."""
    sweep, script = _sweep([REFUSES if refused else ("a1", 1), ("B2", 1)], limit=10)
    _result(sweep._count_apart(_evidence("a1 b2", total=2), sort))
    name = {"Name": "ImageName", "Values": ["web"]}
    unscanned = {"Name": "ScanStatus", "Values": ["scanning", "scanErr", "notScan"]}
    scanned = {"Name": "ScanStatus", "Values": ["scanned"]}
    filters = [[name, unscanned], [name]] if refused else [[name, unscanned], [name, scanned]]
    assert script.asked == [{"Limit": 10, "Offset": 0, "Filters": each, **asked} for each in filters]


# Two passes that meet.


def _reader(tail: Page | None, **found: Any) -> Any:
    """A pass with this tail."""
    return SimpleNamespace(tail=tail, evidence=_evidence("a1", total=1, **found))


E5, H8 = ("e5 f6 g7", 10), ("h8 g7 f6", 10)  # of the list a1 b2 c3 d4 e5 f6 g7 h8 i9 j10, from both ends


@pytest.mark.parametrize(
    ("answers", "met", "requests"),
    [
        ([E5, H8, E5, H8], True, 4),
        ([("f6 g7 h8", 10), H8, E5, H8, E5], True, 5),
        ([E5, H8, E5, ("g7 f6 e5", 9), ("e5 f6 g7", 9), ("g7 f6 e5", 9)], True, 6),
        ([E5, H8, ("f6 g7 h8", 10), ("g7 f6 e5", 10)] * 2, False, 8),
        ([("e5 f6 g7", 11), ("h8 g7 f6", 11), ("e5 f6 g7", 11)], False, 3),
        ([E5, ("h8 g7 f6", 11), E5], False, 3),
        ([("e5 f6 g7", 11), H8, ("e5 f6 g7", 11), H8], False, 4),
        ([("b2 c3 d4", 10), H8, ("b2 c3 d4", 10)], False, 3),
        ([E5, ("h8 g7 ?", 10), E5], False, 3),
        ([E5, ("i9 h8 g7", 10), E5], False, 3),
        ([E5, H8, REFUSES], False, 3),
        ([E5, ResponseTooLargeError("too large")], False, 2),
    ],
    ids=[
        "at rest",
        "at rest from the second look on",
        "at rest from the third look on",
        "never at rest",
        "a row between",
        "a row between, by the second look",
        "a row between, by the third look",
        "the place is not shown from the first end",
        "a row without an id",
        "the place is not shown from the other end",
        "refused",
        "too large",
    ],
)
def test_two_passes_meet_where_no_row_is_left(
    answers: list[tuple[str, int | None] | Exception], met: bool, requests: int
) -> None:
    """Six rows before CreateTime 7 and four from there on, twice in turn."""
    sweep, script = _sweep(answers)
    first, second = _reader(_page("e5 f6 g7", 10, 4)), _reader(_page("h8 g7 f6", 10, 2))
    pages, result = _result(sweep._have_met(first, second, 7))
    assert (result, len(script.asked)) == (met, requests)
    assert len(pages) == requests - isinstance(answers[requests - 1], Exception)
    assert sweep._apart == {key: value for page in pages for key, value in page.values.items()}
    name = {"Name": "ImageName", "Values": ["web"]}
    places = [{"Offset": 4, "Order": "asc"}, {"Offset": 2, "Order": "desc"}] * LOOKS
    assert script.asked == [{"Limit": 3, "By": FIELD, "Filters": [name], **each} for each in places[:requests]]


HIDDEN = {"totals": {9, 1}, "answered": [(1, 1, 9), (2, 2, 1)]}
TAIL = _page("e5 f6 g7", 10, 4)


@pytest.mark.parametrize(
    ("first", "second", "met"),
    [
        (_reader(TAIL, nulls=True), _reader(TAIL), True),
        (_reader(TAIL), _reader(TAIL, nulls=True), True),
        (_reader(TAIL, nulls=True, **HIDDEN), _reader(TAIL), False),
        (_reader(TAIL, nulls=True), _reader(TAIL, **HIDDEN), False),
        (_reader(None, nulls=True), _reader(TAIL), False),
        (_reader(TAIL, nulls=True), _reader(None), False),
    ],
    ids=["nulls", "nulls from the other end", "hidden", "hidden from the other end", "no page", "no other page"],
)
def test_passes_of_which_no_place_needs_to_be_read(first: Any, second: Any, met: bool) -> None:
    """Where images without a CreateTime were read, none stands at the end of both; where TotalCount jumped, all may."""
    sweep, script = _sweep()
    assert _result(sweep._have_met(first, second, 7)) == ([], met)
    assert script.asked == []


def test_an_empty_page_is_read_again_as_one_row() -> None:
    """A request for no row would be refused."""
    sweep, script = _sweep([E5, ("", 10), E5])
    assert not _result(sweep._have_met(_reader(TAIL), _reader(_page("", 10, 10)), 7))[1]
    assert [asked["Limit"] for asked in script.asked] == [3, 1, 3]


# The rest of a list that was cut short, from the other end.


@pytest.mark.parametrize(
    ("tail", "found"),
    [
        ("a1 b2", {}),
        ("a1 b2", {"problem": ListReason.ENDLESS.given(requests=9)}),
        ("a1 b2", {"problem": REFUSED, "order_lost": ListReason.UNSORTED}),
        ("a1 b-", {"problem": REFUSED}),
        ("", {"problem": REFUSED}),
        (None, {"problem": REFUSED}),
    ],
    ids=["read to its end", "endless", "without an order", "ends without a CreateTime", "ends with no row", "no page"],
)
def test_lists_that_are_not_read_from_the_other_end(tail: str | None, found: dict[str, Any]) -> None:
    """No passes could meet there."""
    sweep, script = _sweep()
    first = _reader(None if tail is None else _page(tail, 9), **found)
    assert _result(sweep._from_the_other_end(first)) == ([], False)
    assert script.asked == []


@pytest.mark.parametrize("cut_short", [REFUSED, ListReason.END_HIDDEN.given()], ids=["refused", "hidden"])
@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"nulls": True}, (Proof.BOTH_ENDS, None)),
        ({"nulls": True, **HIDDEN}, (None, ListReason.GAP.given(total=9))),
        ({"nulls": True, "problem": REFUSED}, (None, UNSORTED)),
    ],
    ids=["met", "a gap", "cut short again"],
)
def test_the_rest_of_a_list_that_was_cut_short(
    cut_short: Cause, found: dict[str, Any], outcome: tuple[Proof | None, Cause | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down to the last CreateTime of the first pass."""
    second, asked = _reader(TAIL, **found), []
    second.pages = lambda: iter([_page("z9 y8")])
    monkeypatch.setattr("connector.listing.full.ListReader", lambda *aims: asked.append(aims) or second)
    sweep, _ = _sweep()
    sweep.outcome.cause = UNSORTED
    pages, result = _result(sweep._from_the_other_end(_reader(_page("a1 b2 c3", 9), problem=cut_short)))
    assert (_shown(pages), sweep._apart) == (["z y"], {"z": 9, "y": 8})
    assert asked == [(sweep._remote, Query(FIELD, "desc", BY_NAME), FIELD, Aim(DESCENDING, until=3))]
    proven = outcome[0] is not None
    assert (result, sweep.outcome.proof, sweep.outcome.cause) == (proven, *outcome)
    assert (sweep.outcome.order_proven, sweep.outcome.passes) == (proven, 1)
    assert sweep._lost == (outcome[1] if outcome[1] != UNSORTED else None)


# Parts.


@dataclass
class Parts:
    """A reader of parts whose evidence is known; `known` and `first` are what it was given."""

    evidence: Evidence
    can: bool = True
    listed: list[str] = field(default_factory=list)
    known: set[str] | None = None
    first: Page | None = None

    def __call__(self, remote: RemoteList, filters: Filters, listed: list[str]) -> Parts:
        assert (isinstance(remote, RemoteList), filters) == (True, BY_NAME)
        self.listed = listed
        return self

    def can_be_had(self) -> bool:
        return self.can

    def pages(self, known: set[str], first: Page | None) -> Iterator[Page]:
        self.known, self.first = known, first
        yield _page("d4")


FELL = {"answered": [(1, 1, 9), (2, 2, 9), (3, 3, 3)]}


@pytest.mark.parametrize(
    ("evidence", "proven"),
    [
        (_evidence("a1", "b2", "c3", total=3), True),
        (_evidence("a1 b2 b2", "c3", total=4), True),
        (_evidence("a1", "b2", "c3", total=(3, 3, 4)), True),
        (_evidence("a1", "b2", total=3), False),
        (_evidence("a1", "b2", "c3", total=3, problem=REFUSED), False),
        (_evidence("a1", "b2", "c3", total=3, **FELL), False),
        (_evidence("a1", "b2", "c3", total=3, problem=REFUSED, **FELL), False),
    ],
    ids=[
        "all",
        "one listed twice",
        "one came meanwhile",
        "one is missing",
        "with a problem",
        "TotalCount fell",
        "with a problem, and TotalCount fell",
    ],
)
def test_what_parts_prove(evidence: Evidence, proven: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing where they have a problem, where a constant TotalCount contradicts them, or where it fell."""
    monkeypatch.setattr("connector.listing.full.PartsReader", Parts(replace(evidence)))
    sweep, _ = _sweep()
    sweep._apart, sweep._lost, sweep.outcome.order_proven = {"a": 1}, UNSORTED, True
    _, result = _result(sweep._in_parts())
    outcome = sweep.outcome
    assert (result, outcome.proof, outcome.cause) == (proven, *((Proof.PARTS, UNSORTED) if proven else (None, None)))
    assert (outcome.order_proven, outcome.total_count) == (not proven, evidence.answered[-1][2])
    assert (outcome.passes, outcome.pages) == (1, evidence.pages)


def test_the_ids_that_were_read_are_those_of_all_pages() -> None:
    """Each once, the newest last. Those of other passes count as vanished where a pass does not show them."""
    sweep, _ = _sweep(limit=100)
    sweep._apart = {"c": 3}
    first, second = _evidence("a1 b2", total=2), _evidence("b2 d4 e", total=3)
    sweep._passes = [first, second]
    assert [*sweep._read()] == ["c", "a", "b", "d", "e"]
    assert (sweep._read_before(first), sweep._read_before(second)) == (second.values, first.values)
    third = _evidence("f6", total=1)
    assert sweep._read_before(third) == {"a": 1, "b": 2, "d": 4, "e": None}


@pytest.mark.parametrize("is_pass", [True, False], ids=["a pass", "parts"])
def test_ids_that_another_pass_has_read_have_vanished(is_pass: bool) -> None:
    """A pass's own ids have not; those of a pass before parts have."""
    sweep, _ = _sweep(limit=2)
    many = _evidence(" ".join(f"{letter}1" for letter in "abcdefgh"), total=8)
    few = _evidence("a1", total=1)
    sweep._passes = [many] if not is_pass else [few]
    sweep._whole.listen(Evidence((), answered=[(1, 1, 8)]))
    few.answered = [(2, 2, 1)]
    assert (sweep._fallen(few) is not None) == (not is_pass)


@pytest.mark.parametrize("can", [True, False])
@pytest.mark.parametrize(
    ("read", "first"), [({}, "a b"), ({"a": 1, "b": None}, None)], ids=["nothing was read", "a pass came before"]
)
def test_parts_are_planned_from_all_ids_that_are_known(
    read: dict[str, int | None], first: str | None, can: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids that were just listed are the controls; the list's first page is read where none are."""
    parts = Parts(_evidence("a1", total=1), can)
    monkeypatch.setattr("connector.listing.full.PartsReader", parts)
    sweep, script = _sweep([("a1 b2", 2)])
    sweep._apart, sweep._known = {**read}, lambda: {"b", "c"}
    pages, result = _result(sweep._in_parts())
    assert (_shown(pages), result) == ([*([first] if first else []), *(["d"] if can else [])], can)
    assert (parts.listed, parts.known) == (["a", "b"], {"a", "b", "c"} if can else None)
    assert parts.first is (pages[0] if first and can else None)
    assert sweep._first is (pages[0] if first else None)
    name = {"Name": "ImageName", "Values": ["web"]}
    assert script.asked == ([{"Limit": 100, "Offset": 0, "Filters": [name]}] if first else [])


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ResponseTooLargeError("too large"), False),
        (TransientError("failed", code="InternalError"), False),
        (TransientError("timeout"), True),
    ],
    ids=["too large", "failing", "down"],
)
def test_a_first_page_that_cannot_be_had_leaves_the_list_to_a_pass(error: Exception, raised: bool) -> None:
    """Unless the server is down."""
    sweep, _ = _sweep([error] * 8)
    with pytest.raises(TransientError) if raised else nullcontext():
        assert _result(sweep._in_parts()) == ([], False)
