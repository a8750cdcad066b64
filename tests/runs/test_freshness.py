"""How old the data is, and what is said of a run that starts in the future."""

from __future__ import annotations

import pytest

from connector.runs.freshness import Freshness
from connector.runs.row import SyncRun
from tests.runs.test_row import run

NOW = 1_750_000_000_000_000
HOUR = 3_600_000_000
AHEAD = "a complete sync started at 2025-06-16T15:06:40Z, which is in the future, and does not count"


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.runs.freshness.now", lambda: NOW)


def ago(hours: float, **columns: object) -> SyncRun:
    return run(started_at=NOW - int(hours * HOUR), **columns)


@pytest.mark.parametrize(
    ("runs", "fresh", "told"),
    [
        ([], False, "no complete sync yet"),
        ([ago(0.5), ago(9)], True, "the last complete sync started 0.5 h ago"),
        (
            [ago(0.5, verdict="partial"), ago(0.5, filters="{}"), ago(2)],
            False,
            "the last complete sync started 2.0 h ago",
        ),
        ([ago(-24)], False, AHEAD),
        ([ago(-24), ago(0.5)], True, f"the last complete sync started 0.5 h ago; {AHEAD}"),
        ([ago(-24, verdict="failed")], False, "no complete sync yet"),
        ([ago(-1 / 60)], True, "the last complete sync started 0.0 h ago"),
    ],
    ids=["none", "fresh", "old", "in the future", "one in the future", "not complete", "clocks differ a little"],
)
def test_freshness(runs: list[SyncRun], fresh: bool, told: str) -> None:
    """By the newest complete, unfiltered run that can be believed; no age is negative."""
    found = Freshness.of(runs)
    assert (found.within(3600), str(found)) == (fresh, told)
    assert found.seconds is None or found.seconds >= 0
