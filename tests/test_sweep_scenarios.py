"""Named ways in which 20,000 images move while they are read: what a full sweep shows, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from connector.sandbox import Churn, Fault, Fleet, LocalServer, Mix, Quirks
from connector.sweep import FullSweep, Reading
from tests.listing import fetching

IMAGES = 20_000
FLOOR = 200
DISTINCT = Mix(ties=(1, 0, 0, 0), epoch=0)
TIES = Mix(ties=(1, 1, 1, 1), epoch=0)
UNSORTABLE = Quirks(sortable=frozenset({"ScanTime"}))


@dataclass(frozen=True)
class Scenario:
    """What happens to the list, what the verdict is to be, and how many requests it may take at most."""

    reason: str
    most: int
    mix: Mix = Mix()
    churn: Churn | None = None
    quirks: Quirks = Quirks()
    faults: tuple[Fault, ...] = ()
    complete: bool = True


RESCANS, DELETIONS, INSERTS = Churn(rescan=3), Churn(delete=1), Churn(insert=2)
SCENARIOS = {
    "quiet, distinct CreateTimes": Scenario("by order", 206, DISTINCT),
    "quiet": Scenario("by order", 216),
    "quiet, tie groups of 1 to 4 alike": Scenario("by order", 216, TIES),
    "3 rescans a request": Scenario("by order", 216, churn=RESCANS),
    "1 deletion a request": Scenario("by order", 230, churn=DELETIONS),
    "3 rescans and 1 deletion a request": Scenario("by order", 230, churn=replace(RESCANS, delete=1)),
    "2 inserts a request": Scenario("by order", 240, churn=INSERTS),
    "ties permuted at every request": Scenario("by order", 216, TIES, Churn(permute_ties=True)),
    "ties permuted and 1 deletion a request": Scenario("by order", 235, TIES, Churn(delete=1, permute_ties=True)),
    "an empty page midway": Scenario("by order", 218, faults=(Fault("empty_page", at=100),)),
    "no page above 50": Scenario("by order", 440, quirks=Quirks(page_cap=50)),
    "rows twice in a page": Scenario("by order", 218, faults=(Fault("duplicate_rows", every=10, value=3),)),
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_table(scenario: Scenario) -> None:
    fleet = Fleet.seeded(IMAGES, mix=scenario.mix)
    server = LocalServer(fleet, scenario.quirks, scenario.faults, scenario.churn)
    mark = fleet.mark()
    sweep = FullSweep(Reading(fetching(server)))
    shown = {item["ImageID"] for page in sweep.pages() for item in page.items}
    lost = len(fleet.listed_throughout(mark) - shown)
    print(lost, server.requests, sweep.outcome)
