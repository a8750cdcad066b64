"""What a thread beside a sweep changes for the whole process, which may be a scheduler's."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from connector.runs.beside import RequestsFirst

OURS, USUAL = 0.0005, 0.0041


@pytest.fixture
def usual() -> Iterator[float]:
    """The process has an interval of its own."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(USUAL)
    yield sys.getswitchinterval()
    sys.setswitchinterval(before)


def test_two_syncs_leave_the_process_its_interval(usual: float) -> None:
    """Of two that overlap, the first one to begin is the first one to end; the other one keeps its interval."""
    first = second = RequestsFirst()
    first.__enter__()
    second.__enter__()
    assert sys.getswitchinterval() == pytest.approx(OURS)
    first.__exit__()
    assert sys.getswitchinterval() == pytest.approx(OURS)
    second.__exit__()
    assert sys.getswitchinterval() == usual
    with first:
        assert sys.getswitchinterval() == pytest.approx(OURS)
    assert sys.getswitchinterval() == usual


@pytest.mark.usefixtures("usual")
def test_an_interval_that_another_has_set_meanwhile_stays() -> None:
    """It is not ours to take back."""
    with RequestsFirst():
        sys.setswitchinterval(0.002)
    assert sys.getswitchinterval() == pytest.approx(0.002)


@pytest.mark.usefixtures("usual")
def test_a_shorter_interval_stays() -> None:
    """Requests go in time anyway."""
    sys.setswitchinterval(0.0001)
    shorter = sys.getswitchinterval()
    with RequestsFirst():
        assert sys.getswitchinterval() == shorter
    assert sys.getswitchinterval() == shorter
