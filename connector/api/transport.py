"""Sends HTTP requests safely. Only this module opens sockets, and this module knows nothing of the API's answers.

Redirects are not followed, cookies are not kept, ~/.netrc is not read, and responses are bounded (`bounds`). Plain http
goes only to this machine or to its host, never through a proxy.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
import urllib3

from connector.api.answers import MAX_IN_FLIGHT
from connector.api.attempts import HttpResponse, NoResponse
from connector.api.bounds import BoundedAdapter, Bounds, TooLargeError, body_of
from connector.api.credentials import METADATA_URL
from connector.api.endpoints import is_loopback
from connector.errors import ConfigurationError, UnavailableError
from connector.redaction import Redactor, secrets_in

_PASSING = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
_METADATA_TIMEOUTS = (1.0, 1.0)
_MOST_OF_OTHERS = 100_000  # bytes of a body that is not the API's: an error page, an answer of the metadata service
_OF_VALUES = (ValueError, TypeError)  # what requests and urllib3 raise for URLs that they cannot read
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
        self._blanks: dict[str, tuple[requests.PreparedRequest, dict[str, Any]]] = {}

    def close(self) -> None:
        self._session.close()
        self._plain.close()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpResponse | NoResponse:
        """POST `body` to `url`. Ends within the sum of both timeouts, whatever the server sends."""
        try:
            blank, environment = self._blank(url)
            request = blank.copy()
            request.headers.update(headers)
            request.prepare_body(body, None)
        except (OSError, *_OF_VALUES) as error:
            return _no_response(error, self._most)
        return _exchange(self._session, request, environment, timeouts=self._timeouts, most=self._most)

    def metadata(self, url: str) -> str:
        """Return the body of `GET url` from a metadata service. Raises UnavailableError if there is no such service."""
        if not url.startswith(f"{METADATA_URL}/") and not is_loopback(urlsplit(url).hostname or ""):
            raise ConfigurationError(f"{url} is no metadata service")
        request = self._plain.prepare_request(requests.Request("GET", url))
        got = _exchange(self._plain, request, {}, timeouts=_METADATA_TIMEOUTS, most=_MOST_OF_OTHERS)
        if isinstance(got, NoResponse):
            raise UnavailableError(f"no metadata service at {url}: {got.reason}")
        if got.status != 200:
            raise UnavailableError(f"HTTP {got.status} from {url}")
        return got.body.decode(errors="replace")

    def _blank(self, url: str) -> tuple[requests.PreparedRequest, dict[str, Any]]:
        """Return what all requests to a URL have in common, with the environment's proxy and certificates.

        requests would compute this for each request, which would take a sixth of the time of a call.
        """
        if url not in self._blanks:
            environment = self._session.merge_environment_settings(url, proxies={}, stream=True, verify=None, cert=None)
            self._blanks[url] = self._session.prepare_request(requests.Request("POST", url)), dict(environment)
        return self._blanks[url]


def _exchange(
    session: requests.Session,
    request: requests.PreparedRequest,
    environment: Mapping[str, Any],
    *,
    timeouts: tuple[float, float],
    most: int,
) -> HttpResponse | NoResponse:
    """Send one request and read the response. A redirect's body is not read; a large error page counts as empty."""
    try:
        with Bounds(sum(timeouts), most):
            # Not Session.send, which would parse the redirect's target and read the redirect's body without bound.
            adapter = session.get_adapter(request.url or "")
            response = adapter.send(request, timeout=timeouts, **environment)
            try:
                body = _read(response, most)
            finally:
                response.raw.close()  # closes the connection too, unless all was read
    except (OSError, *_OF_VALUES, urllib3.exceptions.HTTPError, TooLargeError) as error:
        return _no_response(error, most)
    return HttpResponse(response.status_code, response.headers, body)


def _read(response: requests.Response, most: int) -> bytes:
    if response.status_code < 200 or 300 <= response.status_code < 400:
        return b""
    if response.status_code == 200:
        return body_of(response.raw, most)
    try:
        return body_of(response.raw, min(most, _MOST_OF_OTHERS))
    except TooLargeError:
        return b""


def _no_response(error: Exception, most: int) -> NoResponse:
    root: BaseException = error
    while inner := root.__cause__ or root.__context__:
        root = inner
    if isinstance(error, TooLargeError):
        return NoResponse(f"more than {most:,} bytes came", passes=False, connected=True, too_large=True)
    # An invalid header is part of the response. Any other wrong value is a setting, such as the URL of a proxy with its
    # password, and the text of the error would repeat that secret.
    of_answer = isinstance(error, requests.exceptions.InvalidHeader)
    of_setting = isinstance(error, _OF_VALUES) and not of_answer
    repeats = of_setting and str(root) not in _HARMLESS
    text = "the URL of the API or of a proxy cannot be used, and is not repeated here" if repeats else str(root)
    secrets = (secret for proxy in getproxies().values() for secret in secrets_in(proxy))
    return NoResponse(
        f"{type(error).__name__}: {Redactor(tuple(secrets))(text)}",
        passes=of_answer or (isinstance(error, _PASSING) and not of_setting),
        # urllib3 marks "no connection" by this first argument; an error of a broken connection has another.
        connected=not (error.args and isinstance(error.args[0], urllib3.exceptions.MaxRetryError)),
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
