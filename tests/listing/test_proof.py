"""What reading a list has shown: TotalCounts that fall and come back, rows that were not read, rows listed twice."""

from __future__ import annotations

import pytest

from connector.listing.page import ASCENDING, Page, image_id_of
from connector.listing.proof import MOST_LEFT_OUT, Evidence, Outcome, Proof, is_great_step
from connector.listing.reasons import ListReason

Answered = tuple[int, int, int]


def _page(text: str, total: int | None, sent: int = 0, came: int = 0, offset: int = 0) -> Page:
    """`a1 b2` are images a and b with sort values 1 and 2; `-` is an item without an id."""
    items = [{"ImageID": "" if word == "-" else word[0]} for word in text.split()]
    rows = tuple((int(word[1:]), word[0]) for word in text.split() if word != "-")
    assert len(rows) == sum(image_id_of(item) is not None for item in items)
    return Page(offset, items, total, None, rows, sent, came)


def _evidence(*pages: Page) -> Evidence:
    evidence = Evidence(ASCENDING)
    for page in pages:
        evidence.note(page)
        evidence.take(page)
    return evidence


@pytest.mark.parametrize(
    ("answered", "dip"),
    [
        ([], None),
        ([(1, 2, 10), (3, 4, 10), (5, 6, 10)], None),
        ([(1, 2, 10), (3, 4, 9), (5, 6, 10)], (9, 10)),
        ([(1, 2, 10), (3, 4, 9), (5, 6, 9), (7, 8, 10)], (9, 10)),
        ([(1, 2, 10), (3, 4, 9), (5, 6, 9)], None),
        ([(1, 2, 9), (3, 4, 10), (5, 6, 10)], None),
        ([(1, 2, 10), (3, 4, 8), (5, 6, 9)], (8, 9)),
        ([(1, 2, 10), (3, 4, 8), (5, 6, 12)], (8, 10)),
        ([(1, 2, 10), (3, 6, 9), (4, 5, 10)], None),
        ([(1, 4, 10), (2, 3, 9), (5, 6, 10)], None),
        ([(1, 4, 10), (2, 5, 9), (3, 6, 10)], None),
        ([(1, 2, 10), (3, 8, 9), (4, 5, 10), (9, 10, 10)], (9, 10)),
        ([(1, 2, 10), (3, 4, 11), (5, 6, 12), (7, 8, 13)], None),
        ([(1, 2, 13), (3, 4, 12), (5, 6, 11), (7, 8, 10)], None),
    ],
    ids=[
        "no answer",
        "one number",
        "fell and came back",
        "low twice",
        "fell",
        "rose",
        "came back only in part",
        "came back, and rose",
        "under way with the answer after it",
        "under way with the answer before it",
        "all under way at once",
        "one under way with it, one later",
        "rose three times",
        "fell three times",
    ],
)
def test_a_total_count_that_falls_and_comes_back(answered: list[Answered], dip: tuple[int, int] | None) -> None:
    """Answers as (sent, came, TotalCount): only those that were there before, or asked for after, are compared."""
    evidence = _evidence(*(_page("", total, sent, came) for sent, came, total in answered))
    expected = None if dip is None else ListReason.TOTAL_DIPPED.given(low=dip[0], high=dip[1])
    assert evidence.dip() == expected


@pytest.mark.parametrize(
    ("before", "after", "great"),
    [
        (3, 2, False),
        (4, 2, True),
        (40, 38, False),
        (41, 38, True),
        (1000, 950, False),
        (1000, 949, True),
        (2, 4, False),
    ],
)
def test_a_great_step_is_more_than_one_image_and_a_twentieth(before: int, after: int, great: bool) -> None:
    """Deletions between two answers explain less. Of few images, one may go."""
    assert is_great_step(before, after) == great


@pytest.mark.parametrize("totals", [(100, 90, 90), (90, 90, 100)], ids=["fell", "rose"])
def test_a_step_of_total_count_is_said_with_both_numbers(totals: tuple[int, ...]) -> None:
    """In the order in which the answers came."""
    evidence = _evidence(*(_page("", total, 2 * number, 2 * number + 1) for number, total in enumerate(totals)))
    assert evidence.jump() == ListReason.TOTAL_JUMPED.given(before=totals[0], after=totals[-1])
    assert evidence.hidden() == evidence.jump()


def test_the_order_in_which_answers_are_taken_does_not_matter() -> None:
    """A dip is a matter of when they were asked for and when they came."""
    pages = [_page("", total, sent, came) for sent, came, total in [(1, 2, 10), (3, 4, 9), (5, 6, 10)]]
    assert _evidence(*pages[::-1]).dip() == ListReason.TOTAL_DIPPED.given(low=9, high=10)


@pytest.mark.parametrize(
    ("pages", "unread"),
    [
        ([_page("a1 b2", 2)], 0),
        ([_page("a1 b2", 3)], 1),
        ([_page("a1 b2", 3), _page("b2 c3", 3)], 0),
        ([_page("a1 b2 c3", 2)], -1),
        ([_page("a1 b2", 5), _page("b2 c3", 4)], 0),
        ([_page("a1 b2", None)], 0),
        ([_page("a1 - c3", 3)], 0),
        ([_page("a1 a1 b2", 3)], 1),
    ],
    ids=[
        "all read",
        "one unread",
        "read in two pages",
        "more than there are",
        "TotalCount changed",
        "no TotalCount",
        "an item without an id",
        "listed twice",
    ],
)
def test_what_a_constant_total_count_says_is_unread(pages: list[Page], unread: int) -> None:
    """Rows that were not read; 0 where TotalCount was not one number."""
    assert _evidence(*pages).unread == unread


def test_an_image_is_listed_twice_where_one_answer_shows_it_twice() -> None:
    """Pages that overlap show images again too, and these do not count; an answer more does not make it more."""
    assert _evidence(_page("a1 b2", 3), _page("b2 c3", 3)).listed_twice == 0
    evidence = _evidence(_page("a1 a1 b2", 5), _page("a1 a1 b2 c3 c3", 5), _page("b2 c3 c3", 5))
    assert (evidence.repeated, evidence.listed_twice, evidence.unread) == ({"a": 1, "c": 1}, 2, 2)


@pytest.mark.parametrize(
    ("total", "listed_twice"), [(3, 1), (2, 0), (4, 0)], ids=["confirmed", "contradicted", "more is missing"]
)
def test_an_outcome_counts_rows_listed_twice_where_total_count_confirms_them(total: int, listed_twice: int) -> None:
    """An answer may repeat a row by mistake."""
    outcome = Outcome()
    outcome.add(_evidence(_page("a1 a1 b2", total)))
    assert outcome.listed_twice == listed_twice


def test_an_outcome_counts_all_passes() -> None:
    """Pages, and rows with those that were shown before."""
    outcome = Outcome()
    for evidence in (_evidence(_page("a1 b2", 3), _page("b2 c3", 3)), _evidence(_page("a1 b2 c3", 3))):
        evidence.seam_repairs = 2
        outcome.add(evidence)
    assert (outcome.passes, outcome.pages, outcome.rows_listed, outcome.seam_repairs) == (2, 3, 7, 4)


def test_an_image_with_two_sort_values_has_moved() -> None:
    """It may have been read at neither place."""
    assert _evidence(_page("a1 b2", 3), _page("b3 c3", 3)).moved == {"b"}


def test_what_one_page_of_several_has_shown_stays() -> None:
    """Rows without a value; the most rows of an image in one answer; and TotalCounts, where answers had one."""
    null = Page(0, [{"ImageID": "n"}], 5, None, ((None, "n"),))
    evidence = _evidence(_page("a1 a1 a1 b2", 5), null, _page("a1 a1 c3", None))
    assert (evidence.nulls, evidence.repeated) == (True, {"a": 2})
    for page in (_page("a1", 7, 1, 2), _page("b2", None, 3, 4)):
        evidence.hear(page)
    assert evidence.heard == [(1, 2, 7)]


def test_answers_in_a_row_that_show_nothing_new_are_counted() -> None:
    """From the last page with an image that no page before had."""
    evidence, idle = Evidence(ASCENDING), []
    for text in ("a1 b2", "b2 a1", "b2", "b2 c3", "c3"):
        evidence.take(_page(text, 3))
        idle.append(evidence.idle)
    assert idle == [0, 1, 2, 0, 1]


def test_one_answer_with_more_rows_than_total_count_contradicts_it() -> None:
    """Whatever later answers say. An empty answer behind the end does not."""
    assert not _evidence(_page("a1 b2", 2), _page("", 2, offset=7)).contradicted
    assert _evidence(_page("a1 b2", 1), _page("a1 b2", 2)).contradicted


def test_an_order_is_what_no_answer_contradicts() -> None:
    """The first reason why it is lost counts."""
    evidence = _evidence(_page("a1 b2", 4), _page("d4 c3", 4))
    assert evidence.order_lost == ListReason.UNSORTED
    evidence.lose_order(ListReason.WIDE_TIE)
    assert (evidence.order_lost, evidence.in_order) == (ListReason.UNSORTED, False)


def test_rows_that_cannot_be_read_end_a_pass_when_there_are_many() -> None:
    """The first place is named."""
    evidence = Evidence(ASCENDING)
    for place in range(MOST_LEFT_OUT):
        evidence.leave_out(10 + place, "InternalError")
    assert (evidence.left_out, evidence.problem) == (3, None)
    evidence.leave_out(90, "InternalError")
    assert evidence.problem == ListReason.UNREADABLE.given(place=10, code="InternalError")


def test_a_proof_says_itself_to_people() -> None:
    """In the run's row."""
    assert {proof.name: proof.value for proof in Proof} == {
        "ONE_ANSWER": "in one answer",
        "ORDER": "by order",
        "TIES": "by order, wide ties by their size",
        "BOTH_ENDS": "by order, from both ends",
        "PARTS": "by parts of the ids",
        "COUNT": "by count",
        "WATERMARK": "by order, down to the watermark",
    }


@pytest.mark.parametrize(
    ("shown", "totals", "said"),
    [
        ("a1 b2", (2,), None),
        ("a1 b2", (3,), "TotalCount is 3 in every answer, and 2 images were read"),
        ("a1 a1 b2", (3,), None),
        ("a1 a1 b2", (2,), None),
        ("a1 a1 b2", (4,), "TotalCount is 4 in every answer, and 2 images were read"),
        ("a1 b2", (1,), None),
        ("a1 b2", (3, 4), None),
    ],
    ids=[
        "as many",
        "one unread",
        "one listed twice",
        "one listed twice and counted once",
        "one unread beside that",
        "more read than counted",
        "a changing one",
    ],
)
def test_rows_that_a_constant_total_count_has_and_the_pass_has_not(
    shown: str, totals: tuple[int, ...], said: str | None
) -> None:
    """They are said with both numbers, unless images that are listed twice explain them."""
    evidence = _evidence(*(_page(shown, total) for total in totals))
    cause = evidence.uncounted()
    assert (None if cause is None else str(cause)) == said
