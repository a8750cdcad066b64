"""Reasons and their facts, for programs and for people."""

from __future__ import annotations

import pytest

from connector.listing.proof import Outcome, Proof
from connector.listing.reasons import ListReason


def test_a_cause_is_prose_only_at_the_edge() -> None:
    """A program compares reasons; a person reads the sentence, with the facts and causes that belong to it."""
    cause = ListReason.SCAN_TIME.given(cause=ListReason.ENDLESS.given(requests=7))
    assert (cause.reason, cause.reason.code) == (ListReason.SCAN_TIME, "scan_time")
    assert str(cause) == "ScanTime: the list did not end within 7 requests"


def test_a_sentence_names_its_facts() -> None:
    """A fact that is missing is a mistake of ours, and no half sentence."""
    with pytest.raises(KeyError):
        str(ListReason.ENDLESS.given())


@pytest.mark.parametrize(
    ("outcome", "complete", "reason"),
    [
        (Outcome(), False, ""),
        (Outcome(Proof.ORDER), True, "by order"),
        (
            Outcome(Proof.COUNT, ListReason.UNSORTED.given()),
            True,
            "by count, since the sort values are not in order",
        ),
        (Outcome(None, ListReason.CHEAPER.given()), False, "a full sweep needs fewer requests"),
    ],
    ids=["nothing yet", "proven", "proven otherwise", "not proven"],
)
def test_the_reason_of_an_outcome(outcome: Outcome, complete: bool, reason: str) -> None:
    """Complete is what has a proof."""
    assert (outcome.complete, outcome.reason) == (complete, reason)
