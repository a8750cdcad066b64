"""Sends HTTP requests safely. Only this module has sockets opened, and this module knows nothing of the API's answers.

Redirects are not followed, cookies are not kept, ~/.netrc is not read, and responses are bounded (`bounds`). Plain http
goes only to this machine or to its host, never through a proxy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
import urllib3
from urllib3.util import Retry, Timeout

from connector.api.answers import MAX_IN_FLIGHT
from connector.api.attempts import HttpResponse, NoResponse
from connector.api.bounds import Bounds, TooLargeError
from connector.api.connections import BoundedAdapter, Response
from connector.api.credentials import METADATA_URL
from connector.api.endpoints import is_loopback
from connector.errors import ConfigurationError, UnavailableError
from connector.redaction import Redactor, secrets_in

_PASSING = (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
_METADATA_TIMEOUTS = (1.0, 1.0)
_MOST_OF_OTHERS = 100_000  # bytes of a body that is not the API's: an error page, an answer of the metadata service
_OF_VALUES = (ValueError, TypeError)  # what requests and urllib3 raise for URLs that they cannot read
_LOCKED_OUT = "Tunnel connection failed: 407"  # a wrong password, which locks its user out when sent again
_ONCE = Retry(0, read=False)
Trusts = Callable[[HttpResponse], bool]
_HARMLESS = ("Missing dependencies for SOCKS support.",)


class Transport:
    """Keeps connections, which threads share. `timeouts` are connect and read, in seconds.

    `most` bounds the bytes of an answer, decompressed. `proxies`: whether the proxies and certificates that the
    environment names are used.
    """

    def __init__(self, *, timeouts: tuple[float, float], most: int, proxies: bool) -> None:
        self._timeouts, self._most = timeouts, most
        self._session = _session(proxies=proxies)
        self._plain = _session(proxies=False)
        self._routes: dict[str, _Route] = {}

    def close(self) -> None:
        """Close all connections. A request that is made later opens new ones."""
        for url in list(self._routes):
            self._routes.pop(url).pool.close()
        self._session.close()
        self._plain.close()

    def post(
        self, url: str, headers: Mapping[str, str], body: bytes, trusts: Trusts = lambda _: True
    ) -> HttpResponse | NoResponse:
        """POST `body` to `url`. Ends within the sum of both timeouts, whatever the server sends.

        If `trusts` does not trust the response, its connection is closed: what came may belong to another request, and
        then the next response on the connection would too.
        """
        try:
            if (route := self._routes.get(url)) is None:
                route = self._routes[url] = _route(self._session, url)
        except (OSError, *_OF_VALUES) as error:
            return _no_response(error, self._most)
        return _exchange(route, "POST", headers, body, timeouts=self._timeouts, most=self._most, trusts=trusts)

    def metadata(self, url: str) -> str:
        """Return the body of `GET url` from a metadata service. Raises UnavailableError if there is no such service."""
        if not url.startswith(f"{METADATA_URL}/") and not is_loopback(urlsplit(url).hostname or ""):
            raise ConfigurationError(f"{url} is no metadata service")
        route = _route(self._plain, url)
        got = _exchange(route, "GET", {}, None, timeouts=_METADATA_TIMEOUTS, most=_MOST_OF_OTHERS)
        if isinstance(got, NoResponse):
            raise UnavailableError(f"no metadata service at {url}: {got.reason}")
        if got.status != 200:
            raise UnavailableError(f"HTTP {got.status} from {url}")
        return got.body.decode(errors="replace")


@dataclass(frozen=True)
class _Route:
    """The way to a URL: the connections of its pool, what the request line names, and the headers of every request.

    requests computes all of this, from the environment's proxies and certificates. requests would do so for each
    request, which would take a quarter of the time of a call.
    """

    pool: Any
    target: str
    headers: Mapping[str, str]


def _route(session: requests.Session, url: str) -> _Route:
    """Find the way to `url`. Raises OSError, ValueError or TypeError for settings that cannot be used."""
    settings = session.merge_environment_settings(url, proxies={}, stream=True, verify=None, cert=None)
    request = session.prepare_request(requests.Request("GET", url))
    adapter = session.get_adapter(url)
    if not isinstance(adapter, BoundedAdapter):
        raise TypeError("nothing bounds the answers of this URL")
    verify, proxies, cert = settings["verify"], settings["proxies"], settings["cert"]
    pool = adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
    cast(Any, adapter).cert_verify(pool, url, verify, cert)
    headers = {"Host": urlsplit(url).netloc, **request.headers}
    return _Route(pool, adapter.request_url(request, proxies), headers)


def _exchange(
    route: _Route,
    method: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    timeouts: tuple[float, float],
    most: int,
    trusts: Trusts = lambda _: True,
) -> HttpResponse | NoResponse:
    """Send one request and read the response. A redirect's body is not read; a large error page counts as empty."""
    bounds, usable = Bounds(sum(timeouts), most), False
    try:
        with bounds:
            response = route.pool.urlopen(
                method,
                route.target,
                body=body,
                headers={**route.headers, **headers},
                timeout=Timeout(connect=timeouts[0], read=timeouts[1]),
                retries=_ONCE,
                redirect=False,
                assert_same_host=False,  # the target is a whole URL where a proxy is asked
                preload_content=False,
                decode_content=False,
            )
            try:
                got = _read(response, most)
            finally:
                response.close()
        found = HttpResponse(response.status, response.headers, got)
    except (OSError, *_OF_VALUES, urllib3.exceptions.HTTPError, TooLargeError) as error:
        bounds.give_back(usable=False)
        return _no_response(error, most)
    try:
        usable = trusts(found)
    finally:
        bounds.give_back(usable=usable)
    return found


def _read(response: Response, most: int) -> bytes:
    if response.status < 200 or 300 <= response.status < 400:
        return b""
    if response.status == 200:
        return response.body(most)
    try:
        return response.body(min(most, _MOST_OF_OTHERS))
    except TooLargeError:
        return b""


def _no_response(error: Exception, most: int) -> NoResponse:
    root: BaseException = error
    while inner := root.__cause__ or (None if root.__suppress_context__ else root.__context__):
        root = inner
    if isinstance(error, TooLargeError):
        return NoResponse(f"more than {most:,} bytes came", passes=False, connected=True, too_large=True)
    # A wrong value is a setting, such as the URL of a proxy with its password, and the text of the error would repeat
    # that secret.
    of_setting = isinstance(error, _OF_VALUES)
    repeats = of_setting and str(root) not in _HARMLESS
    unmade = isinstance(error, urllib3.exceptions.MaxRetryError)  # a broken connection has another error
    named = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    text = "the URL of the API or of a proxy cannot be used, and is not repeated here" if repeats else str(root)
    secrets = (secret for proxy in getproxies().values() for secret in secrets_in(proxy))
    return NoResponse(
        f"{type(named).__name__}: {Redactor(tuple(secrets))(text)}",
        passes=isinstance(error, _PASSING) and not of_setting and not text.startswith(_LOCKED_OUT),
        connected=not unmade,
    )


def _session(*, proxies: bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = proxies
    # If a session has no auth, requests replaces our Authorization by the password that ~/.netrc has for the host.
    session.auth = lambda request: request
    session.headers.clear()
    session.headers.update(
        {"User-Agent": "tcss-connector", "Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter(pool_maxsize=MAX_IN_FLIGHT))
    return session
