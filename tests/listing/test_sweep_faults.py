"""Every fault that needs no socket, at the first, a middle and the last request, alone and in pairs.

Three outcomes are allowed: every row and complete, an error, or not complete with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from connector.errors import TcssError
from connector.listing.full import FullSweep
from connector.listing.incremental import IncrementalSweep
from connector.sandbox import FAULTS, Fault, Fleet, Quirks
from tests.listing.lists import DAY, NOW, Watched, instant, items

IMAGES, LIMIT = 23, 5
NAMES = [name for name, layer in FAULTS.items() if layer != "wire"]
SINCE = NOW - 6 * DAY
TIMES = [NOW - DAY * number for number in range(1, IMAGES + 1)]
# Scanned a day apart but for three images; two images share each CreateTime.
LISTED = items((DAY * (number // 2) for number in range(IMAGES)), [*TIMES[:-3], None, None, None])
Sweep = FullSweep | IncrementalSweep


def _full(watched: Watched) -> Sweep:
    return FullSweep(watched.remote(limit=LIMIT))


def _by_count(watched: Watched) -> Sweep:
    """The same of a server that ignores the sort."""
    return FullSweep(watched.remote(limit=LIMIT))


def _incremental(watched: Watched) -> Sweep:
    return IncrementalSweep(watched.remote(limit=LIMIT), since=SINCE, now=NOW)


def _wanted(sweep: Sweep) -> dict[str, Any]:
    whole = isinstance(sweep, FullSweep)
    return {item["ImageID"]: item for item in LISTED if whole or instant(item) is None or (instant(item) or 0) >= SINCE}


def _outcome(make: Callable[[Watched], Sweep], faults: Iterable[Fault] = ()) -> tuple[str, int]:
    """What came of a sweep under faults, and its requests; AssertionError for any other outcome."""
    unsortable = make is _by_count
    listed = LISTED[11:] + LISTED[:11]  # an order of arrival that is neither that of CreateTime nor of ScanTime
    sortable = frozenset() if unsortable else Quirks().sortable
    watched = Watched(Fleet(listed), Quirks(max_limit=LIMIT, sortable=sortable), tuple(faults))
    sweep = make(watched)
    try:
        shown = {item["ImageID"]: item for page in sweep.pages() for item in page.items}
    except TcssError as error:
        return f"{type(error).__name__}", watched.server.requests
    truth = {item["ImageID"]: item for item in LISTED}
    assert shown.items() <= truth.items()
    if sweep.outcome.complete:
        assert _wanted(sweep).items() <= shown.items()
        return "complete", watched.server.requests
    assert sweep.outcome.reason
    return "not complete", watched.server.requests


SWEEPS = {"full": _full, "by count": _by_count, "incremental": _incremental}
REQUESTS = {name: _outcome(make)[1] for name, make in SWEEPS.items()}
POSITIONS = {name: (1, (requests + 1) // 2, requests) for name, requests in REQUESTS.items()}
SINGLES = [(name, fault, at) for name in SWEEPS for fault in NAMES for at in POSITIONS[name]]
IDS = [f"{name}, {fault} at {at}" for name, fault, at in SINGLES]

# Each fault alone leaves a sweep complete, but for these.
REFUSALS = {
    "expired_signature": "ClockError",
    "token_failure": "CredentialsError",
    "unauthorized": "PermissionDeniedError",
}
OTHERWISE = {
    ("incremental", "response_too_large", 1): "ResponseTooLargeError",  # it asks for one row there
    ("incremental", "response_too_large", 3): "not complete",  # smaller pages: a full sweep costs as little
    ("incremental", "wrong_total", 4): "not complete",  # TotalCount falls and comes back
    ("incremental", "stale_page", 3): "not complete",  # the answer to another question
}


def test_the_requests_of_a_quiet_list() -> None:
    """Without a fault all three are complete, so that the positions below are the first, a middle and the last one."""
    assert {name: _outcome(make) for name, make in SWEEPS.items()} == {
        "full": ("complete", 12),
        "by count": ("complete", 15),
        "incremental": ("complete", 7),
    }


@pytest.mark.parametrize(("name", "fault", "at"), SINGLES, ids=IDS)
def test_one_fault(name: str, fault: str, at: int) -> None:
    """A sweep bears one fault: it reads again what was wrong. A refusal is raised, and whatever is doubtful is said."""
    outcome, _ = _outcome(SWEEPS[name], [Fault(fault, at=at)])
    if name == "by count" and fault not in REFUSALS:
        assert outcome in ("complete", "not complete")  # a pass with a repair proves nothing
    else:
        assert outcome == OTHERWISE.get((name, fault, at), REFUSALS.get(fault, "complete"))


@pytest.mark.thorough("anywhere")
@pytest.mark.parametrize("where", ["in the next request", "anywhere"])
@pytest.mark.parametrize(("name", "fault", "at"), SINGLES, ids=IDS)
def test_two_faults(name: str, fault: str, at: int, where: str) -> None:
    """No second fault, in the next request or at a position, makes a sweep complete that has missed a row."""
    outcomes = {
        _outcome(SWEEPS[name], [Fault(fault, at=at), Fault(other, at=second)])[0]
        for other in NAMES
        for second in (POSITIONS[name] if where == "anywhere" else (at + 1,))
    }
    assert outcomes <= {"complete", "not complete", "ResponseTooLargeError", *REFUSALS.values()}
