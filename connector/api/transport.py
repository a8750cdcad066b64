"""HTTP, and the rules that keep it safe. The only module that opens a socket; it knows nothing of the API's answers.

Redirects are not followed, cookies are not kept, and ~/.netrc is not read. What goes by plain http goes to this machine
or to its host, never through a proxy.
"""

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connector.api.answers import MAX_IN_FLIGHT
from connector.api.attempts import HttpResponse, NoResponse
from connector.api.credentials import METADATA_URL
from connector.api.endpoints import is_loopback
from connector.errors import ConfigurationError, UnavailableError

_PASSING = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
_METADATA_TIMEOUT = 1


class Transport:
    """Connections that are kept and shared by threads. `timeouts` are connect and read, in seconds.

    `proxies`: whether the proxies and certificates that the environment names are used.
    """

    def __init__(self, *, timeouts: tuple[float, float], proxies: bool) -> None:
        self._timeouts = timeouts
        self._session = _session(proxies=proxies)
        self._plain = _session(proxies=False)
        self._blanks: dict[str, tuple[requests.PreparedRequest, dict[str, Any]]] = {}

    def close(self) -> None:
        self._session.close()
        self._plain.close()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpResponse | NoResponse:
        """POST `body` to `url`."""
        try:
            blank, environment = self._blank(url)
            request = blank.copy()
            request.headers.update(headers)
            request.prepare_body(body, None)
            response = self._session.send(request, timeout=self._timeouts, allow_redirects=False, **environment)
            content = response.raw.read(decode_content=True)  # at once; requests would read it 10 KB at a time
        except (OSError, urllib3.exceptions.HTTPError) as error:
            return _no_response(error)
        return HttpResponse(response.status_code, response.headers, content)

    def metadata(self, url: str) -> str:
        """The body of `GET url` from a metadata service. Raises UnavailableError if it is not there."""
        if not url.startswith(f"{METADATA_URL}/") and not is_loopback(urlsplit(url).hostname or ""):
            raise ConfigurationError(f"{url} is no metadata service")
        try:
            response = self._plain.get(url, timeout=_METADATA_TIMEOUT, allow_redirects=False)
        except OSError as error:
            raise UnavailableError(f"no metadata service at {url}: {type(error).__name__}") from None
        if response.status_code != 200:
            raise UnavailableError(f"HTTP {response.status_code} from {url}")
        return response.content.decode(errors="replace")

    def _blank(self, url: str) -> tuple[requests.PreparedRequest, dict[str, Any]]:
        """What all requests to a URL have in common, with the environment's proxy and certificates.

        requests would work this out anew for each request, which would take a sixth of a call.
        """
        if url not in self._blanks:
            environment = self._session.merge_environment_settings(url, proxies={}, stream=True, verify=None, cert=None)
            self._blanks[url] = self._session.prepare_request(requests.Request("POST", url)), dict(environment)
        return self._blanks[url]


def _no_response(error: Exception) -> NoResponse:
    root: BaseException = error
    while inner := root.__cause__ or root.__context__:
        root = inner
    return NoResponse(
        f"{type(error).__name__}: {root}",
        passes=isinstance(error, _PASSING) and not isinstance(error, ValueError),
        # So urllib3 says that no connection came about; an error of a connection that broke has another first argument.
        connected=not (error.args and isinstance(error.args[0], urllib3.exceptions.MaxRetryError)),
    )


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
