"""The full sweep: the whole list, sorted by CreateTime, as often as it takes to prove that nothing was missed."""

from __future__ import annotations

from collections.abc import Generator

from connector.errors import RequestRejectedError
from connector.listing.page import Page
from connector.listing.proof import Evidence, Outcome, Proof
from connector.listing.query import Filters, Query
from connector.listing.reader import ListReader
from connector.listing.reasons import Cause, ListReason
from connector.listing.remote import RemoteList
from connector.listing.seams import Aim

MOST_PASSES = 3  # over a list whose order is not proven: a first one, and two that may be alike
SORTS = (("CreateTime", "asc"), (None, None))  # a key that does not move; else the server's own order
REFUTED = (ListReason.UNSORTED, ListReason.WIDE_TIE)  # the next pass need not look for the order again


class FullSweep:
    """Reads the whole list.

    Complete by order: every seam of one pass closed. Complete by count: two passes in succession, undisturbed, with one
    TotalCount, gave the same ids, as many as it says. `filters` narrow the list; `expected` are the rows that it is
    likely to have. Raises what `fetch` raises.
    """

    def __init__(self, remote: RemoteList, filters: Filters = (), *, expected: int = 0) -> None:
        self._remote, self._filters, self._expected = remote, filters, expected
        self.outcome = Outcome()

    def pages(self) -> Generator[Page, None, None]:
        """All pages of all passes; an id may come several times, each time in a state that it had during the sweep."""
        previous: Evidence | None = None
        for _ in range(MOST_PASSES):
            evidence = yield from self._pass(previous)
            self._judge(evidence, previous)
            if self.outcome.complete or (evidence.problem and previous is not None and previous.problem):
                break
            previous = evidence

    def _pass(self, previous: Evidence | None) -> Generator[Page, None, Evidence]:
        lost = previous.order_lost if previous is not None else None
        aim = Aim(expected=self._expected if previous is None else 0)
        if lost in REFUTED:
            aim = Aim(orders=())
        for by, order in SORTS:
            reader = ListReader(self._remote, Query(by, order, self._filters), "CreateTime", aim)
            reader.evidence.order_lost = lost if lost in REFUTED else None
            try:
                yield from reader.pages()
                break
            except RequestRejectedError as error:
                if reader.evidence.pages or by is None:
                    raise
                self.outcome.notes = [ListReason.SORT_REJECTED.given(by=by, code=error.code)]
        return reader.evidence

    def _judge(self, evidence: Evidence, previous: Evidence | None) -> None:
        outcome = self.outcome
        outcome.add(evidence)
        outcome.total_count = evidence.latest_total
        outcome.order_proven = evidence.in_order
        outcome.proof, outcome.cause = _proven(evidence, previous)


def _proven(evidence: Evidence, previous: Evidence | None) -> tuple[Proof | None, Cause | None]:
    """What the last pass proves, with the one before it."""
    if evidence.one_answer:
        return Proof.ONE_ANSWER, None
    if evidence.in_order:
        return Proof.ORDER, None
    lost = evidence.order_lost.given() if evidence.order_lost else None
    if previous is not None and previous.countable and evidence.countable and previous.ids == evidence.ids:
        return Proof.COUNT, lost
    return None, evidence.problem or ListReason.PASSES_DIFFER.given(cause=lost)
