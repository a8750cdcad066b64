"""Finds out where the list ends: offsets, result windows, Limit, TotalCount, and the form of an empty answer."""

from __future__ import annotations

from typing import Any

from connector.listing.reasons import Cause
from connector.listing.survey.asking import CREATE_TIME, Asking, Reply
from connector.listing.survey.findings import Found, NoAnswerError, cannot_tell
from connector.listing.survey.orders import sorts, word

FAR = 10_000  # the usual result window of search engines (offset plus limit)
FARTHER = 100_000
MOVED = 10  # rows that may have come or gone between two requests
ONE_PAGE = "the list is not longer than a page"


def offsets(asking: Asking) -> Cause:
    """Find the largest Offset that is accepted: at the last page, at the end, and far beyond."""
    total, sort = asking.total(), asking.by_create_time()
    asked = {max(0, total - asking.at_once()), total, FAR, FARTHER} | ({FAR - asking.limit} if total > FAR else set())
    replies = {0: asking.plain()}
    refusals: dict[int, Cause] = {}
    for offset in sorted(asked):
        try:
            replies[offset] = asking.ask(offset, **sort)
        except NoAnswerError as no_answer:
            if "error" in no_answer.cause.facts:  # else the budget of requests was used up
                refusals[offset] = no_answer.cause
    accepted = max(replies)
    beyond = _beyond([reply for offset, reply in replies.items() if offset >= total])
    refused = [offset for offset in refusals if offset > accepted]
    if not refused:
        return Found.NO_LARGEST_OFFSET.given(largest=accepted, beyond=beyond)
    facts = refusals[refused[0]].facts
    return Found.OFFSET_REFUSED.given(accepted=accepted, refused=refused[0], beyond=beyond, **facts)


def window(asking: Asking) -> Cause:
    """Whether one order shows both the oldest and the newest image: a result window may cut the list."""
    if asking.total() <= asking.at_once():
        raise cannot_tell(ONE_PAGE)
    if any(sorts(CREATE_TIME, order, asking).reason is not Found.SORTED for order in ("asc", "desc")):
        raise cannot_tell("the rows are not sorted by CreateTime in both directions")
    newest = _timed(asking, asking.ask(By=CREATE_TIME, Order=word(asking, "desc")))
    end = _timed(asking, asking.end(By=CREATE_TIME, Order=word(asking, "asc")))
    if not newest or not end:
        raise cannot_tell("rows without a time fill a page at the end")
    cut = next((place for place, image_id in enumerate(newest) if image_id in end), len(newest))
    return Found.CUT.given(rows=cut) if cut > MOVED else Found.NOT_CUT.given()


def rows_at_once(asking: Asking) -> Cause:
    """Whether an answer has as many rows as were asked for."""
    rows = len(asking.plain().ids)
    if rows >= asking.total() and rows < asking.limit:
        raise cannot_tell(ONE_PAGE)
    return (Found.PAGE_FULL if rows == asking.limit else Found.PAGE_CAPPED).given(asked=asking.limit, rows=rows)


def limit(asking: Asking) -> Cause:
    """Tell what a Limit of twice the documented maximum gets."""
    usual, rows = len(asking.plain().ids), len(asking.ask(limit=2 * asking.limit).ids)
    if asking.total() <= usual:
        raise cannot_tell(ONE_PAGE)
    reason = Found.LIMIT_TAKEN if rows > usual else Found.LIMIT_LOWERED
    return reason.given(asked=2 * asking.limit, rows=rows, usual=usual)


def total_count(asking: Asking) -> Cause:
    """Whether TotalCount is an integer, the same in both directions, and the place where the list ends."""
    sort = asking.by_create_time()
    plain, last, beyond = asking.plain(), asking.maybe_end(**sort), asking.maybe(asking.total(), **sort)
    replies = [reply for reply in asking.replies if reply.whole_list]
    odd = next((form for reply in replies if (form := _written(reply)) != "an integer"), None)
    if odd is not None:
        return Found.TOTAL_NOT_INTEGER.given(written=odd)
    totals = [reply.total or 0 for reply in replies]
    least, most, answers = min(totals), max(totals), len(replies)
    if least != most:
        return Found.TOTAL_VARIES.given(least=least, most=most, answers=answers, by_order=_by_order(replies))
    if (beyond is not None and beyond.ids) or len(plain.ids) > most:
        return Found.TOTAL_TOO_SMALL.given(total=most)
    if last is not None and last.payload["Offset"] + len(last.ids) < most:
        return Found.TOTAL_TOO_LARGE.given(total=most)
    return Found.TOTAL_CONSTANT.given(total=most, answers=answers)


def empty_list(asking: Asking) -> Cause:
    """Tell how the API writes List where there are no rows."""
    asking.maybe(asking.total(), **asking.by_create_time())
    empty = [reply.answer.response for reply in asking.replies if not reply.answer.response.get("List")]
    if not empty:
        raise cannot_tell("no answer was empty")
    if any("List" not in response for response in empty):
        return Found.EMPTY_MISSING.given()
    return (Found.EMPTY_NULL if any(response["List"] is None for response in empty) else Found.EMPTY_ARRAY).given()


def _timed(asking: Asking, reply: Reply) -> list[str]:
    """Return the rows that have a CreateTime; the other rows may stand first, or last, in both directions."""
    return [item["ImageID"] for item in reply.items if asking.time_of(item, CREATE_TIME) is not None]


def _beyond(replies: list[Reply]) -> str:
    if not replies:
        return "refused"
    return "rows" if any(reply.ids for reply in replies) else "no rows"


def _written(reply: Reply) -> str:
    raw: Any = reply.answer.response.get("TotalCount")
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return "null" if raw is None else "something else"
    return {int: "an integer", float: "a decimal", str: "a text"}[type(raw)]


def _by_order(replies: list[Reply]) -> bool:
    """Whether no TotalCount occurs in both directions."""
    up, down = (
        {reply.total for reply in replies if str(reply.payload.get("Order", "")).lower() == order}
        for order in ("asc", "desc")
    )
    return not up & down
