"""What is done after an error, as a table; and how long the pauses are."""

from statistics import mean

import pytest

from connector.api.attempts import Attempt, Call
from connector.api.credentials import Credentials
from connector.api.decisions import Decision, History, back_off, decide
from connector.errors import ConfigurationError, TcssError, ThrottledError, TransientError, UnavailableError, from_code

CALL = Call("DescribeX", "tcss", "2020-11-01", b"{}", "https://tcss.example", None)
UNSIGNED = Attempt(CALL, 1, None)
PERMANENT = Attempt(CALL, 1, Credentials("AKIDEXAMPLE", "SECRETEXAMPLE"))
TEMPORARY = Attempt(CALL, 1, Credentials("AKIDEXAMPLE", "SECRETEXAMPLE", "TOKENEXAMPLE"))

CLOCK = "AuthFailure.SignatureExpire"
TOKEN = "AuthFailure.TokenFailure"
SECRET_ID = "AuthFailure.SecretIdNotFound"
RETRY, REFRESH, CORRECT, FAIL = Decision.RETRY_AFTER, Decision.REFRESH_KEYS, Decision.CORRECT_CLOCK, Decision.FAIL


def coded(code: str) -> TcssError:
    return from_code(code, "text", action="DescribeX")


def history(**facts: object) -> History:
    return History(0.0, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "attempt", "history", "decision"),
    [
        pytest.param(coded("RequestLimitExceeded"), PERMANENT, history(), RETRY, id="throttled"),
        pytest.param(ThrottledError("429"), PERMANENT, history(), RETRY, id="throttled-without-a-code"),
        pytest.param(TransientError("html"), UNSIGNED, history(), RETRY, id="no-usable-answer"),
        pytest.param(coded("ServiceUnavailable"), PERMANENT, history(attempts=500), RETRY, id="however-often"),
        pytest.param(coded("InternalError"), PERMANENT, history(internal_errors=4), RETRY, id="four-internal-errors"),
        pytest.param(coded("InternalError"), PERMANENT, history(internal_errors=5), FAIL, id="five-internal-errors"),
        pytest.param(TransientError("refused"), PERMANENT, history(unreached=3), RETRY, id="three-times-unreached"),
        pytest.param(TransientError("refused"), PERMANENT, history(unreached=4), FAIL, id="four-times-unreached"),
        pytest.param(coded(CLOCK), PERMANENT, history(skew=-612.0), CORRECT, id="clock"),
        pytest.param(coded(CLOCK), PERMANENT, history(skew=0.0), CORRECT, id="clock-that-seems-right"),
        pytest.param(coded(CLOCK), PERMANENT, history(), FAIL, id="clock-without-a-date"),
        pytest.param(coded(CLOCK), PERMANENT, history(skew=1.0, clock_corrected=True), FAIL, id="clock-again"),
        pytest.param(coded(CLOCK), PERMANENT, history(skew=1.0, keys_refreshed=True), CORRECT, id="clock-after-keys"),
        pytest.param(coded(TOKEN), TEMPORARY, history(), REFRESH, id="token"),
        pytest.param(coded(SECRET_ID), TEMPORARY, history(), REFRESH, id="secret-id"),
        pytest.param(coded(TOKEN), PERMANENT, history(), FAIL, id="permanent-keys"),
        pytest.param(coded(TOKEN), UNSIGNED, history(), FAIL, id="no-keys"),
        pytest.param(coded(TOKEN), TEMPORARY, history(keys_refreshed=True), FAIL, id="token-again"),
        pytest.param(coded(TOKEN), TEMPORARY, history(clock_corrected=True), REFRESH, id="token-after-clock"),
        pytest.param(coded("AuthFailure.SignatureFailure"), TEMPORARY, history(skew=1.0), FAIL, id="wrong-key"),
        pytest.param(coded("UnauthorizedOperation"), PERMANENT, history(), FAIL, id="denied"),
        pytest.param(coded("Novel.Code"), PERMANENT, history(), FAIL, id="unknown-code"),
        pytest.param(UnavailableError("redirect"), PERMANENT, history(), FAIL, id="redirect"),
        pytest.param(ConfigurationError("no CA bundle"), PERMANENT, history(), FAIL, id="setting"),
    ],
)
def test_decisions(error: TcssError, attempt: Attempt, history: History, decision: Decision) -> None:
    """Only what passes is retried; keys and clock are mended once in a call; two kinds of error are capped."""
    assert decide(error, attempt, history) is decision


def test_deciding_changes_nothing() -> None:
    """The same question has the same answer."""
    facts = history(skew=1.0)
    assert [decide(coded(CLOCK), TEMPORARY, facts) for _ in range(3)] == [CORRECT] * 3
    assert facts == history(skew=1.0)


@pytest.mark.parametrize(
    ("error", "unreached", "counted"),
    [
        (coded("InternalError"), False, (1, 0)),
        (coded("InternalError.MainDBFail"), False, (1, 0)),
        (coded("InternalError.ErrRoleNotExist"), False, (0, 0)),
        (coded("ServiceUnavailable"), False, (0, 0)),
        (TransientError("refused"), True, (0, 1)),
        (TransientError("html"), False, (0, 0)),
    ],
    ids=["internal", "detailed", "role", "other-code", "unreached", "no-code"],
)
def test_what_the_history_counts(error: TcssError, unreached: bool, counted: tuple[int, int]) -> None:
    """InternalError where it is a passing fault, and hosts that were not reached."""
    facts = history()
    facts.add(error, unreached=unreached)
    assert (facts.internal_errors, facts.unreached) == counted


@pytest.mark.parametrize(
    ("error", "longest"),
    [
        (TransientError("html"), [0.5, 1, 2, 4, 8, 16, 20, 20]),
        (ThrottledError("429"), [0.5, 1, 2, 4, 4, 4, 4, 4]),
    ],
    ids=["transient", "throttled"],
)
def test_the_back_off_doubles(error: TcssError, longest: list[float]) -> None:
    """From 0.1 s to a bound that doubles at each attempt, up to a limit that is lower where the limiter waits too."""
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    assert [back_off(RETRY, error, attempt, uniform) for attempt in range(1, 9)] == longest
    assert {low for low, _ in asked} == {0.1}
    assert back_off(RETRY, error, 100_000, uniform) == longest[-1]


def test_the_back_off_is_random() -> None:
    """Clients that were refused together do not come back together."""
    pauses = [back_off(RETRY, TransientError("html"), 20) for _ in range(2000)]
    assert 0.1 <= min(pauses) < 1
    assert 19 < max(pauses) <= 20
    assert mean(pauses) == pytest.approx(10.05, abs=1)


@pytest.mark.parametrize("decision", [REFRESH, CORRECT])
def test_what_is_mended_is_sent_again_at_once(decision: Decision) -> None:
    """New keys or a right clock do not get better by waiting."""
    assert back_off(decision, coded(CLOCK), 3) == 0.0
