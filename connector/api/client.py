"""Makes calls of the API: each attempt waits for its turn, is signed anew and judged; calls retry while that helps."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from connector import texts
from connector.api.answers import CLOCK_SLACK, Answer, CallStats, clock_skew, is_elsewhere, judge, replayed
from connector.api.attempts import Attempt, Call, HttpResponse, NoResponse
from connector.api.credentials import Credentials, Provider, Static
from connector.api.decisions import Decision, History, back_off, decide
from connector.api.endpoints import INTERNATIONAL, Endpoints
from connector.api.keyring import Keyring
from connector.api.limiter import Limiter
from connector.api.replays import Replays
from connector.api.traffic import Traffic
from connector.api.transport import Transport
from connector.errors import ConfigurationError, TcssError, ThrottledError, TransientError, UnavailableError

log = texts.logger(__name__)

_STS_VERSION = "2018-08-13"
_STS_REGION = "ap-guangzhou"  # STS demands a region, and answers the same in each
_LONGEST_ACCOUNT_ID = 64  # characters; the column is that wide
_WARN_EVERY = 5.0


@dataclass(frozen=True)
class Limits:
    """Limits how fast requests go and how long a call may take. Times are in seconds.

    `requests_per_second` is the server's limit for each action. `patience` bounds a call, waiting included; an attempt
    that is under way when patience ends may end later. `timeouts` are connect and read; their sum bounds an attempt.
    `answer_bytes` bounds the decompressed bytes of one answer.
    """

    requests_per_second: float = 20.0
    patience: float = 300.0
    timeouts: tuple[float, float] = (10.0, 60.0)
    answer_bytes: int = 16_000_000

    def __post_init__(self) -> None:
        if self.requests_per_second <= 0:
            raise ConfigurationError("requests_per_second must be more than 0")


@dataclass(frozen=True)
class Clock:
    """Gives the time; tests replace it. `steady` gives seconds that never go back, `now` gives Unix seconds.

    `sleep` waits a number of seconds; None stands for a sleep that `Client.close` ends.
    """

    steady: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] | None = None


class Client:
    """Calls the API of one account. Safe for concurrent calls from many threads.

    Attribute `skew`: the server's clock less ours, in seconds, by the last Date header; None before the first answer.
    """

    def __init__(
        self,
        credentials: Credentials | Provider,
        *,
        endpoints: Endpoints = INTERNATIONAL,
        language: str = "en-US",
        limits: Limits = Limits(),
        clock: Clock = Clock(),
    ) -> None:
        self._urls = endpoints.urls()
        self._language = language
        self._limits = limits
        self._closed = threading.Event()
        self._steady, self._now, self._sleep = clock.steady, clock.now, clock.sleep or self._sleep_until_closed
        provider = Static(credentials) if isinstance(credentials, Credentials) else credentials
        self._correction = 0.0  # seconds that are added to our clock, for timestamps and for the life of keys
        self._keyring = Keyring(provider, self, self._corrected)
        proxies = self._urls["tcss"].startswith("https:")
        self._transport = Transport(timeouts=limits.timeouts, most=limits.answer_bytes, proxies=proxies)
        self._lock = threading.Lock()
        self._limiters: dict[tuple[str, str], Limiter] = {}
        self._traffic = Traffic()
        self._replays = Replays()
        self._answered: set[str] = set()  # hosts that have sent an answer of the API
        self._warned_at = float("-inf")
        self.skew: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. A call that waits in another thread ends with UnavailableError."""
        self._closed.set()
        self._transport.close()

    @property
    def host(self) -> str:
        """The host that is asked for images."""
        return urlsplit(self._urls["tcss"]).netloc

    @property
    def stats(self) -> CallStats:
        """A copy of the counters."""
        return self._traffic.stats

    def in_flight(self, action: str) -> int:
        """Return how many requests of the action must be under way to use the whole limit, at the present latency."""
        return self._traffic.in_flight(action, self._limits.requests_per_second)

    def now(self) -> int:
        """Return the present in microseconds, by the server's clock where ours is wrong by more than CLOCK_SLACK."""
        skew = self.skew or 0.0
        return int((self._now() + (skew if abs(skew) > CLOCK_SLACK else 0.0)) * 1e6)

    def refuse_answers(self, request_ids: Iterable[str]) -> None:
        """Treat later answers with one of these RequestIds as replayed, as if this client had received them before."""
        self._replays.remember(request_ids)

    def call(
        self,
        action: str,
        payload: Mapping[str, Any],
        *,
        service: str = "tcss",
        version: str = "2020-11-01",
        tally: CallStats | None = None,
    ) -> Answer:
        """Return the answer to one action. `payload` can be written as JSON, and uses the API's own names. `tally`
        counts the attempts of this call, beside `stats`.

        Raises ThrottledError or TransientError when patience is over. Where waiting does not help, raises at once the
        class of `errors` that belongs to the API's error code, and ConfigurationError for a text that is not UTF-8.
        Nothing below `Response` is checked.
        """
        if service not in self._urls:
            raise ConfigurationError(f"no host is known for service {service}")
        url = self._urls[service]
        return self._run(Call(action, service, version, _body(action, payload), url, self._keyring, tally=tally))

    def account_id(self) -> str:
        """Return the UIN of the root account, from STS GetCallerIdentity. Raises what `call` raises."""
        call = self._sts("GetCallerIdentity", {}, region=_STS_REGION, keyring=self._keyring)
        answer = self._run(call)
        account = answer.response.get("AccountId")
        account_id = str(account).strip() if type(account) in (str, int) else ""
        if not account_id.isalnum() or len(account_id) > _LONGEST_ACCOUNT_ID:
            raise UnavailableError(
                "no AccountId in the answer",
                action=call.action,
                request_id=answer.request_id,
                hint="Try later; if it stays, give --account-id, which spares this request.",
            )
        return account_id

    def origin(self) -> str:
        """Return where the keys in use were found, without secrets. Raises CredentialsError if there are no keys."""
        return self._keyring.current().origin

    def sts(self, action: str, payload: Mapping[str, Any], *, region: str, keys: Credentials | None) -> dict[str, Any]:
        """Implement `credentials.Network`."""
        keyring = Keyring(Static(keys), self, self._corrected) if keys else None
        return self._run(self._sts(action, payload, region=region, keyring=keyring)).response

    def metadata(self, url: str) -> str:
        """Implement `credentials.Network`."""
        return self._transport.metadata(url)

    def _sts(self, action: str, payload: Mapping[str, Any], *, region: str, keyring: Keyring | None) -> Call:
        hidden = str(payload.get("WebIdentityToken", ""))
        body = _body(action, payload)
        return Call(action, "sts", _STS_VERSION, body, self._urls["sts"], keyring, region=region, hidden=hidden)

    def _run(self, call: Call) -> Answer:
        """Take a turn, send, judge, decide, obey: until an answer comes, no retry can help, or patience ends."""
        history = History(started=self._steady())
        limiter = self._limiter(call)
        while True:
            keys = call.keyring.current() if call.keyring else None
            went = limiter.take(again=history.attempts > 0)
            history.attempts += 1
            attempt = Attempt(call, history.attempts, keys)
            outcome = self._send(attempt, history)
            if isinstance(outcome, Answer):
                return outcome
            if isinstance(outcome, ThrottledError):
                limiter.throttled(outcome.message, went)
            decision = decide(outcome, attempt, history)
            pause = back_off(decision, outcome, attempt.number)
            if not self._obey(decision, attempt, history) or self._is_over(history, max(pause, limiter.delay())):
                raise self._given_up(outcome, history)
            self._warn(outcome, pause)
            self._sleep(pause)

    def _send(self, attempt: Attempt, history: History) -> Answer | TcssError:
        """Send, judge, and count. Errors are returned and not raised, because `decide` takes them as values."""
        begun, sent = self._steady(), self._now()
        timestamp = int(sent + self._correction)
        headers = attempt.headers(timestamp=timestamp, language=self._language)
        judged: list[Answer | TcssError] = []

        def trusts(got: HttpResponse) -> bool:
            """Whether the API has answered, and not with an old answer."""
            judged.append(self._judge(attempt, history, got, sent, timestamp))
            return isinstance(judged[0], Answer) or judged[0].code is not None

        got = self._transport.post(attempt.call.url, headers, attempt.call.body, trusts)
        outcome = judged[0] if judged else self._judge(attempt, history, got, sent, timestamp)
        took = self._steady() - begun
        self._traffic.count(attempt, outcome, took)
        result = "ok" if isinstance(outcome, Answer) else outcome.code or type(outcome).__name__
        action, request_id = attempt.call.action, outcome.request_id
        log.debug("%s attempt %d: %s, request id %s, %.0f ms", action, attempt.number, result, request_id, 1000 * took)
        return outcome

    def _judge(
        self, attempt: Attempt, history: History, got: HttpResponse | NoResponse, sent: float, timestamp: int
    ) -> Answer | TcssError:
        """Decide what `got` means: by itself, by earlier answers, and by whether the host ever answered as the API."""
        if isinstance(got, HttpResponse):
            history.skew = clock_skew(got.headers.get("date"), sent, self._now())
        is_dated = attempt.keys is not None and history.skew is not None
        ahead = timestamp - sent - (history.skew or 0.0) if is_dated else 0.0
        outcome = judge(attempt, got, history.skew, ahead)
        if isinstance(outcome, Answer) and self._replays.is_replayed(outcome.request_id):
            outcome = replayed(attempt, outcome)  # the Date of a replayed answer is old as well
        elif history.skew is not None and (isinstance(outcome, Answer) or outcome.code is not None):
            self.skew = history.skew  # only the API tells the time: a proxy may be wrong
        host = attempt.call.host
        if isinstance(outcome, Answer):
            self._answered.add(host)
            return outcome
        if outcome.code is not None:
            self._answered.add(host)
        unreached = host not in self._answered and is_elsewhere(got, outcome)
        if unreached:
            settings = "--endpoint, --site, HTTPS_PROXY and REQUESTS_CA_BUNDLE"
            outcome.hint = f"{host} has never answered: check the network, {settings}."
        history.add(outcome, unreached=unreached)
        return outcome

    def _obey(self, decision: Decision, attempt: Attempt, history: History) -> bool:
        """Carry out the decision, except for the wait; return whether to retry."""
        if decision is Decision.CORRECT_CLOCK:
            history.clock_corrected, self._correction = True, history.skew or 0.0
        if decision is Decision.REFRESH_KEYS:
            history.keys_refreshed = True
            keyring, keys = attempt.call.keyring, attempt.keys
            return keyring is not None and keys is not None and keyring.renew(keys)
        return decision is not Decision.FAIL

    def _is_over(self, history: History, wait: float) -> bool:
        """Whether the next attempt, after `wait` seconds, could go only after patience has ended."""
        return self._steady() - history.started + wait > self._limits.patience

    def _given_up(self, error: TcssError, history: History) -> TcssError:
        if isinstance(error, ThrottledError | TransientError):
            error.hint = f"Gave up after {self._steady() - history.started:.0f} s. {error.hint}"
        return error

    def _limiter(self, call: Call) -> Limiter:
        with self._lock:
            key = (call.service, call.action)
            if key not in self._limiters:
                self._limiters[key] = Limiter(self._limits.requests_per_second, clock=self._steady, sleep=self._sleep)
            return self._limiters[key]

    def _warn(self, error: TcssError, pause: float) -> None:
        with self._lock:
            if self._steady() - self._warned_at < _WARN_EVERY:
                return
            self._warned_at = self._steady()
        log.warning("%s Sending again in %.1f s.", error, pause)

    def _corrected(self) -> float:
        return self._now() + self._correction

    def _sleep_until_closed(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise UnavailableError("the client was closed meanwhile")


def _body(action: str, payload: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError:  # a variable or an argument had other bytes
        hint = "Write what is sent, such as a name or a filter, in UTF-8."
        raise ConfigurationError("a text cannot be sent, because it is not UTF-8", action=action, hint=hint) from None
