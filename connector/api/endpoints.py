"""Chooses the host of each service, and checks an endpoint that replaces the host."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from connector.errors import ConfigurationError

SERVICES = ("tcss", "sts")
_DOMAINS = {"intl": "intl.tencentcloudapi.com", "cn": "tencentcloudapi.com"}
_HOST = re.compile(r"[0-9a-z_:-]{1,63}(\.[0-9a-z_-]{1,63})*")


@dataclass(frozen=True)
class Endpoints:
    """The hosts in use. `site` is intl or cn; `endpoint` replaces the site's host (`https://`, or loopback `http://`)."""

    site: str = "intl"
    endpoint: str | None = None

    def urls(self) -> dict[str, str]:
        """Return the URL of each service. Raises ConfigurationError for a site or an endpoint that cannot be used."""
        return {service: base_url(service, site=self.site, endpoint=self.endpoint) for service in SERVICES}


INTERNATIONAL = Endpoints()


def base_url(service: str, *, site: str = "intl", endpoint: str | None = None) -> str:
    """Return the URL of `service`. A loopback `http://` endpoint serves STS too; an `https://` endpoint only TCSS."""
    if site not in _DOMAINS:
        raise ConfigurationError(f"no site {site!r}", hint=f"Choose one of {', '.join(_DOMAINS)}.")
    if endpoint is not None:
        url = _checked(endpoint)
        if service == "tcss" or url.startswith("http:"):
            return url
    return f"https://{service}.{_DOMAINS[site]}"


def _checked(endpoint: str) -> str:
    hint = "Write https://<host>, or http://<loopback address>:<port> for a sandbox."
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError("the endpoint is not a URL", hint=hint) from None
    if "@" in parts.netloc or parts.path not in ("", "/") or parts.query or parts.fragment or not _HOST.fullmatch(host):
        raise ConfigurationError("the endpoint is not just a scheme, a host and a port", hint=hint)
    if parts.scheme not in ("https", "http"):
        raise ConfigurationError("the endpoint is not an https URL", hint=hint)
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"plain http to {host} is refused: keys and data would be readable", hint=hint)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
