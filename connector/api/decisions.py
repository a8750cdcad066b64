"""Decides what to do after an attempt that ended with an error. `decide` returns a value; the client acts on it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from connector.api.attempts import Attempt
from connector.errors import TcssError, ThrottledError, TransientError

STALE_KEYS = ("AuthFailure.TokenFailure", "AuthFailure.SecretIdNotFound")
STALE_CLOCK = "AuthFailure.SignatureExpire"
MAX_INTERNAL_ERRORS = 5  # some services answer InternalError for ever
MAX_UNREACHED = 4
_SHORTEST = 0.1
_FIRST = 0.5
_LONGEST = 20.0
_LONGEST_THROTTLED = 4.0  # seconds; short, because the limiter waits as well


class Decision(Enum):
    """What to do next. Every decision but FAIL means another attempt."""

    RETRY_AFTER = "retry after a back-off"
    REFRESH_KEYS = "refresh the keys, and retry at once if there are other keys"
    CORRECT_CLOCK = "correct the clock by the skew, and retry at once"
    FAIL = "fail with this error"


@dataclass
class History:
    """Keeps what happened to one call so far. `started` is by the client's steady clock, `skew` is of the last attempt.

    `unreached` counts the attempts that may not have reached the API, at a host that has never answered as the API.
    """

    started: float
    attempts: int = 0
    internal_errors: int = 0
    unreached: int = 0
    skew: float | None = None
    keys_refreshed: bool = False
    clock_corrected: bool = False

    def add(self, error: TcssError, *, unreached: bool) -> None:
        """Count the error that an attempt ended with. Called before `decide`."""
        self.internal_errors += isinstance(error, TransientError) and (error.code or "").startswith("InternalError")
        self.unreached += unreached


def decide(error: TcssError, attempt: Attempt, history: History) -> Decision:
    """Choose what to do after `attempt` ended with `error`. `history` has counted the error already.

    Patience is not considered here: the client ends a call when its patience is over, whatever the decision.
    """
    if error.code == STALE_CLOCK:
        mendable = history.skew is not None and not history.clock_corrected
        return Decision.CORRECT_CLOCK if mendable else Decision.FAIL
    if error.code in STALE_KEYS:
        mendable = attempt.has_temporary_keys and not history.keys_refreshed
        return Decision.REFRESH_KEYS if mendable else Decision.FAIL
    if not isinstance(error, ThrottledError | TransientError):
        return Decision.FAIL
    hopeless = history.internal_errors >= MAX_INTERNAL_ERRORS or history.unreached >= MAX_UNREACHED
    return Decision.FAIL if hopeless else Decision.RETRY_AFTER


def back_off(
    decision: Decision, error: TcssError, attempt: int, uniform: Callable[[float, float], float] = random.uniform
) -> float:
    """Return the seconds to wait before attempt number `attempt + 1`: a random share of an exponentially growing time.

    After new keys or a corrected clock, the next attempt goes at once.
    """
    if decision is not Decision.RETRY_AFTER:
        return 0.0
    longest = _LONGEST_THROTTLED if isinstance(error, ThrottledError) else _LONGEST
    return uniform(_SHORTEST, min(longest, _FIRST * 2.0 ** min(attempt - 1, 10)))
