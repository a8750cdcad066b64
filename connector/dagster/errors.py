"""Decides what Dagster does about an error: retry later, or fail at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from connector.dagster.shown import facts, plain
from connector.errors import DestinationError, LockedError, TcssError, UnavailableError

PASSING = (UnavailableError, DestinationError, LockedError)
"""Throttling, outages of the API or the warehouse, another sync of the account: a later attempt may succeed."""

RETRIES = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL)


@contextmanager
def retried(retry_number: int, policy: dg.RetryPolicy) -> Iterator[None]:
    """Ask for a retry after an error of `PASSING`, as the policy says. Fail without a retry after any other error of
    ours: keys, permission, configuration, a rejected request."""
    try:
        yield
    except PASSING as error:
        delay = policy.calculate_delay(retry_number + 1)
        raise dg.RetryRequested(max_retries=policy.max_retries, seconds_to_wait=delay) from error
    except TcssError as error:
        raise dg.Failure(description=plain(str(error)), metadata=_facts(error), allow_retries=False) from error


def _facts(error: TcssError) -> dict[str, str]:
    said = {"class": type(error).__name__, "code": error.code, "action": error.action, "request_id": error.request_id}
    return facts(said)
