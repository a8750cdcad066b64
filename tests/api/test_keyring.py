"""When keys are looked for, and when they are renewed."""

import threading

import pytest

from connector.api.credentials import (
    Credentials,
    Provider,
)
from connector.api.keyring import Keyring
from connector.errors import TcssError, TransientError
from tests.api.sources import GIVEN, NOW, Network, Source


class Now:
    def __init__(self) -> None:
        self.seconds = float(NOW)

    def __call__(self) -> float:
        return self.seconds


def expiring(name: str, seconds: int) -> Credentials:
    return Credentials(f"AKID{name}", "SECRETEXAMPLE", "TOKENEXAMPLE", (NOW + seconds) * 1_000_000)


def keyring(source: Provider) -> tuple[Keyring, Now]:
    now = Now()
    return Keyring(source, Network(), now), now


def test_permanent_keys_are_looked_for_once() -> None:
    """What does not expire is not looked for again."""
    source = Source(GIVEN)
    ring, now = keyring(source)
    ring.current()
    now.seconds += 1e9
    assert ring.current() == GIVEN
    assert source.asked == 1


def test_temporary_keys_are_renewed_five_minutes_before_they_expire() -> None:
    """Until 301 seconds before the end they are used, from 300 seconds on there are new ones."""
    old, new = expiring("OLD", 7200), expiring("NEW", 14400)
    ring, now = keyring(Source(old, new))
    seen = []
    for left in (7200, 301, 300, 0):
        now.seconds = NOW + 7200 - left
        seen.append(ring.current().secret_id)
    assert seen == ["AKIDOLD", "AKIDOLD", "AKIDNEW", "AKIDNEW"]


def test_a_failed_renewal_is_no_error_while_the_keys_are_valid() -> None:
    """It is tried again every half minute, and raised once they have expired."""
    source = Source(expiring("OLD", 7200), TransientError("STS is away"))
    ring, now = keyring(source)
    ring.current()
    for left in (300, 290, 269, 1):
        now.seconds = NOW + 7200 - left
        assert ring.current().secret_id == "AKIDOLD"
    assert source.asked == 4
    now.seconds = NOW + 7200
    with pytest.raises(TransientError, match="STS is away"):
        ring.current()


def test_refused_temporary_keys_are_looked_for_again() -> None:
    """A caller whose keys were refused learns whether there are others now."""
    source = Source(expiring("OLD", 7200), expiring("NEW", 7200))
    ring, _ = keyring(source)
    assert ring.renew(ring.current()) is True
    assert ring.current().secret_id == "AKIDNEW"
    assert ring.renew(ring.current()) is False
    assert source.asked == 3


def test_refused_permanent_keys_are_not() -> None:
    """They do not change."""
    source = Source(GIVEN)
    ring, _ = keyring(source)
    assert ring.renew(ring.current()) is False
    assert source.asked == 1


def test_one_thread_renews_for_all() -> None:
    """Eight threads with the same refused keys cause one look-up, and all get the new ones."""
    source = Source(expiring("OLD", 7200), expiring("NEW", 7200))
    ring, _ = keyring(source)
    refused, start, results = ring.current(), threading.Barrier(8), []

    def renew() -> None:
        start.wait(30)
        results.append((ring.renew(refused), ring.current().secret_id))

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [(True, "AKIDNEW")] * 8
    assert source.asked == 2


def test_a_source_that_has_gone_is_an_error() -> None:
    """A role that is taken away in the middle of a run is named."""
    ring, now = keyring(Source(expiring("OLD", 400), None, origin="CVM role"))
    ring.current()
    now.seconds += 400
    with pytest.raises(TcssError, match="CVM role: keys missing"):
        ring.current()


def test_keys_that_expire_during_a_failed_renewal_are_not_used() -> None:
    """Their refusal would hide that STS does not answer, and is of a class that nobody tries again."""

    class Slow(Source):
        def find(self, transport: object) -> Credentials | None:
            now.seconds += 300 * (self.asked > 0)
            return super().find(transport)

    ring, now = keyring(Slow(expiring("OLD", 7200), TransientError("STS is away"), expiring("NEW", 14400)))
    ring.current()
    now.seconds = NOW + 7200.0 - 250.0
    with pytest.raises(TransientError, match="STS is away"):
        ring.current()
    assert ring.current().secret_id == "AKIDNEW"
