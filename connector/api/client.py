"""Calls of the API, done right: paced, signed afresh each time, judged by their body, and sent again while that helps.

The only module that opens a socket.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from connector.api.answers import MAX_IN_FLIGHT, Answer, Call, CallStats, clock_skew, judge
from connector.api.credentials import METADATA_URL, Credentials, Provider, Static
from connector.api.endpoints import INTERNATIONAL, Endpoints, is_loopback
from connector.api.keyring import Keyring
from connector.api.limiter import Limiter
from connector.api.signing import sign
from connector.errors import (
    AccessError,
    ConfigurationError,
    TcssError,
    ThrottledError,
    TransientError,
    UnavailableError,
)

log = logging.getLogger(__name__)

_STS_VERSION = "2018-08-13"
_STS_REGION = "ap-guangzhou"  # STS demands a region, and answers the same in each
_CONTENT_TYPE = "application/json"
_STALE_KEYS = ("AuthFailure.TokenFailure", "AuthFailure.SecretIdNotFound")
_STALE_CLOCK = "AuthFailure.SignatureExpire"
_INTERNAL_ATTEMPTS = 5  # some services answer InternalError for ever
_UNREACHED_ATTEMPTS = 4
MIN_IN_FLIGHT = 8
_FASTEST = 200.0  # requests a second that one process can read
_WARN_EVERY = 5.0
_PASSING = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
_BACKOFF = wait_random_exponential(multiplier=0.5, min=0.1, max=20)
_BACKOFF_THROTTLED = wait_random_exponential(multiplier=0.5, min=0.1, max=4)  # the limiter waits as well


@dataclass(frozen=True)
class Limits:
    """How fast, and how long. Times are in seconds.

    `requests_per_second` is the server's limit for each action. `patience` bounds a call, waiting included; the attempt
    then under way may end later. `timeouts` are those of an attempt: connect and read.
    """

    requests_per_second: float = 20.0
    patience: float = 300.0
    timeouts: tuple[float, float] = (10.0, 60.0)

    def __post_init__(self) -> None:
        if self.requests_per_second <= 0:
            raise ConfigurationError("requests_per_second must be more than 0")


@dataclass(frozen=True)
class Clock:
    """Time, for tests to replace. `steady` gives seconds that never go back, `now` gives Unix seconds.

    `sleep` waits so many seconds; None: a sleep that `Client.close` ends.
    """

    steady: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] | None = None


class Client:
    """Calls the API of one account. Safe for concurrent calls from many threads.

    Attribute `skew`: the server's clock less ours in seconds by the last Date header, None at first.
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
        self._clock, self._now, self._sleep = clock.steady, clock.now, clock.sleep or self._wait
        provider = Static(credentials) if isinstance(credentials, Credentials) else credentials
        self._keyring = Keyring(provider, self, self._now)
        # What goes by plain http goes to this machine or its host, never through a proxy.
        self._session = _session(proxies=self._urls["tcss"].startswith("https:"))
        self._plain = _session(proxies=False)
        self._blanks: dict[str, tuple[requests.PreparedRequest, dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._limiters: dict[tuple[str, str], Limiter] = {}
        self._stats = CallStats()
        self._latency = 0.0  # of the fastest answer so far, in seconds
        self._answered: set[str] = set()
        self._correction = 0.0
        self._warned_at = float("-inf")
        self.skew: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and end every call that another thread waits in, with UnavailableError."""
        self._closed.set()
        self._session.close()
        self._plain.close()

    def _wait(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise UnavailableError("the client was closed meanwhile")

    @property
    def host(self) -> str:
        """The host that is asked for images."""
        return urlsplit(self._urls["tcss"]).netloc

    @property
    def stats(self) -> CallStats:
        """A copy of the counters."""
        with self._lock:
            return replace(self._stats)

    def in_flight(self) -> int:
        """How many requests must be under way for the limit to be used, at the latency seen so far.

        Twice what the fastest answer calls for, because a slow one holds back those that were asked for after it. The
        mean would grow with the requests that wait for each other, and they with it.
        """
        with self._lock:
            needed = 4 + round(2 * self._latency * min(self._limits.requests_per_second, _FASTEST))
        return min(max(needed, MIN_IN_FLIGHT), MAX_IN_FLIGHT)

    def call(
        self, action: str, payload: Mapping[str, Any], *, service: str = "tcss", version: str = "2020-11-01"
    ) -> Answer:
        """The answer to one action. `payload` is JSON-able, in the API's own names.

        Raises ThrottledError or TransientError when patience is over, and at once the class of `errors` that the code
        stands for where waiting does not help. Nothing below `Response` is checked.
        """
        return self._run(self._new(action, payload, service, version, self._keyring))

    def account_id(self) -> str:
        """The root account's UIN, by STS GetCallerIdentity. Raises what `call` raises."""
        call = self._new("GetCallerIdentity", {}, "sts", _STS_VERSION, self._keyring)
        call.region = _STS_REGION
        answer = self._run(call)
        if not (account := answer.response.get("AccountId")):
            raise UnavailableError("no AccountId in the answer", action=call.action, request_id=answer.request_id)
        return str(account)

    def origin(self) -> str:
        """Where the keys in use were found, without secrets. Raises CredentialsError if there are none."""
        return self._keyring.current().origin

    def sts(self, action: str, payload: Mapping[str, Any], *, region: str, keys: Credentials | None) -> dict[str, Any]:
        """For `credentials.Network`."""
        keyring = Keyring(Static(keys), self, self._now) if keys else None
        call = self._new(action, payload, "sts", _STS_VERSION, keyring)
        call.region, call.hidden = region, str(payload.get("WebIdentityToken", ""))
        return self._run(call).response

    def metadata(self, url: str) -> str:
        """For `credentials.Network`."""
        if not url.startswith(f"{METADATA_URL}/") and not is_loopback(urlsplit(url).hostname or ""):
            raise ConfigurationError(f"{url} is no metadata service")
        try:
            response = self._plain.get(url, timeout=1, allow_redirects=False)
        except OSError as error:
            raise UnavailableError(f"no metadata service at {url}: {type(error).__name__}") from None
        if response.status_code != 200:
            raise UnavailableError(f"HTTP {response.status_code} from {url}")
        return response.content.decode(errors="replace")

    def _new(
        self, action: str, payload: Mapping[str, Any], service: str, version: str, keyring: Keyring | None
    ) -> Call:
        if service not in self._urls:
            raise ConfigurationError(f"no host is known for service {service}")
        body = orjson.dumps(payload)
        return Call(action, service, version, body, self._urls[service], keyring, self._clock())

    def _run(self, call: Call) -> Answer:
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, TcssError) and self._helps(call, error)),
            wait=_wait,
            stop=lambda state: self._is_over(call, state.upcoming_sleep),
            sleep=self._sleep,
            before_sleep=self._warn,
            reraise=True,
        )
        try:
            return retrying(self._attempt, call)
        except TcssError as error:
            if error.action == call.action and isinstance(error, ThrottledError | TransientError):
                error.hint = f"Gave up after {self._clock() - call.started:.0f} s. {error.hint}"
            raise

    def _attempt(self, call: Call) -> Answer:
        call.keys = call.keyring.current() if call.keyring else None
        limiter = self._limiter(call)
        went = limiter.take(again=call.attempt > 0)
        call.attempt += 1
        begun = self._clock()
        outcome = self._send(call)
        request_id = outcome.request_id
        took = self._clock() - begun
        self._count(call, outcome, took)
        result = "ok" if isinstance(outcome, Answer) else outcome.code or type(outcome).__name__
        log.debug(
            "%s attempt %d: %s, request id %s, %.0f ms", call.action, call.attempt, result, request_id, 1000 * took
        )
        if isinstance(outcome, Answer):
            return outcome
        if isinstance(outcome, ThrottledError):
            limiter.throttled(outcome.message, went)
        raise outcome

    def _send(self, call: Call) -> Answer | TcssError:
        try:
            blank, environment = self._blank(call.url)
            request = blank.copy()
            request.headers.update(self._headers(call))
            request.prepare_body(call.body, None)
            response = self._session.send(request, timeout=self._limits.timeouts, allow_redirects=False, **environment)
            body = response.raw.read(decode_content=True)  # at once; requests would read it 10 KB at a time
        except (OSError, urllib3.exceptions.HTTPError) as error:
            return self._not_sent(call, error)
        call.skew = clock_skew(response.headers.get("Date"), self._now())
        if call.skew is not None:
            self.skew = call.skew
        outcome = judge(call, response, body)
        if isinstance(outcome, Answer) or outcome.code is not None:
            self._answered.add(call.host)
        elif isinstance(outcome, TransientError) and 400 <= response.status_code < 500:
            self._unreached(call, outcome)
        return outcome

    def _blank(self, url: str) -> tuple[requests.PreparedRequest, dict[str, Any]]:
        """What all requests to a URL have in common, with the environment's proxy and certificates. Worked out anew for
        each of them, as requests does it, this would take a sixth of a call."""
        if url not in self._blanks:
            environment = self._session.merge_environment_settings(url, proxies={}, stream=True, verify=None, cert=None)
            self._blanks[url] = self._session.prepare_request(requests.Request("POST", url)), dict(environment)
        return self._blanks[url]

    def _headers(self, call: Call) -> dict[str, str]:
        timestamp = int(self._now() + self._correction)
        headers = {
            "Host": call.host,
            "Content-Type": _CONTENT_TYPE,
            "X-TC-Action": call.action,
            "X-TC-Version": call.version,
            "X-TC-Timestamp": str(timestamp),
            "X-TC-Language": self._language,
            "Authorization": "SKIP",  # what STS wants for a request that carries its own proof
        }
        if call.region:
            headers["X-TC-Region"] = call.region
        if call.keys:
            headers["Authorization"] = sign(
                secret_id=call.keys.secret_id,
                secret_key=call.keys.secret_key,
                service=call.service,
                host=call.host,
                body=call.body,
                timestamp=timestamp,
                content_type=_CONTENT_TYPE,
            )
            if call.keys.token:
                headers["X-TC-Token"] = call.keys.token
        return headers

    def _not_sent(self, call: Call, error: Exception) -> TcssError:
        root: BaseException = error
        while inner := root.__cause__ or root.__context__:
            root = inner
        text = f"{call.host} cannot be reached: {type(error).__name__}: {root}"
        passing = isinstance(error, _PASSING)
        if isinstance(error, ValueError) or not passing:
            return call.failed(ConfigurationError, text, "Check --endpoint, and the proxy and CA settings.")
        outcome = call.failed(TransientError, text, "Check the network and the proxy.")
        # So urllib3 says that no connection came about; one that broke later has another first argument.
        if error.args and isinstance(error.args[0], urllib3.exceptions.MaxRetryError):
            self._unreached(call, outcome)
        return outcome

    def _unreached(self, call: Call, outcome: TcssError) -> None:
        if call.host not in self._answered:
            call.unreached += 1
            outcome.hint = f"{call.host} has never answered: check the network, the proxy, --endpoint and --site."

    def _is_over(self, call: Call, pause: float) -> bool:
        """Whether the next attempt could go only after patience has ended, by its pause or by the limiter's pace."""
        return self._clock() - call.started + max(pause, self._limiter(call).delay()) > self._limits.patience

    def _helps(self, call: Call, error: TcssError) -> bool:
        """Whether to send again. Keys and clock are mended here, once a call."""
        if error.action != call.action:
            return False  # from the search for keys, which has been patient already
        if error.code == _STALE_CLOCK:
            return self._correct_clock(call, error)
        if error.code in _STALE_KEYS:
            return self._renew_keys(call)
        if not isinstance(error, ThrottledError | TransientError):
            return False
        call.internal += (error.code or "").startswith("InternalError")
        return call.internal < _INTERNAL_ATTEMPTS and call.unreached < _UNREACHED_ATTEMPTS

    def _correct_clock(self, call: Call, error: TcssError) -> bool:
        if call.skew is None:
            return False
        error.hint = f"The server's clock is {call.skew:+.0f} s from this machine's. {error.hint}"
        again = not call.clock_corrected
        call.clock_corrected, self._correction = True, call.skew
        return again

    def _renew_keys(self, call: Call) -> bool:
        if call.keys_renewed or not (call.keyring and call.keys and call.keys.token):
            return False
        call.keys_renewed = True
        return call.keyring.renew(call.keys)

    def _limiter(self, call: Call) -> Limiter:
        with self._lock:
            key = (call.service, call.action)
            if key not in self._limiters:
                self._limiters[key] = Limiter(self._limits.requests_per_second, clock=self._clock, sleep=self._sleep)
            return self._limiters[key]

    def _count(self, call: Call, outcome: Answer | TcssError, took: float) -> None:
        with self._lock:
            if isinstance(outcome, Answer):
                self._latency = min(took, self._latency or took)
            self._stats.requests += 1
            self._stats.retries += call.attempt > 1
            self._stats.throttled += isinstance(outcome, ThrottledError)
            self._stats.first_request_id = self._stats.first_request_id or outcome.request_id
            self._stats.last_request_id = outcome.request_id or self._stats.last_request_id

    def _warn(self, state: RetryCallState) -> None:
        with self._lock:
            if self._clock() - self._warned_at < _WARN_EVERY:
                return
            self._warned_at = self._clock()
        log.warning("%s Sending again in %.1f s.", state.outcome and state.outcome.exception(), state.upcoming_sleep)


def _session(*, proxies: bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = proxies
    # Without an auth of its own, requests replaces our Authorization by what ~/.netrc has for the host.
    session.auth = lambda request: request
    session.headers.clear()
    session.headers.update(
        {"User-Agent": "tcss-connector", "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
    )
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=MAX_IN_FLIGHT))
    return session


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, AccessError):
        return 0.0  # mended already
    return (_BACKOFF_THROTTLED if isinstance(error, ThrottledError) else _BACKOFF)(state)
