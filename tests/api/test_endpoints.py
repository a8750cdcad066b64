"""Which host is asked."""

from __future__ import annotations

import pytest

from connector.api.client import Client
from connector.api.endpoints import Endpoints, base_url
from connector.errors import (
    ConfigurationError,
)
from tests.api.scripted import (
    CANARIES,
    KEYS,
)


@pytest.mark.parametrize(
    ("service", "site", "endpoint", "url"),
    [
        ("tcss", "intl", None, "https://tcss.intl.tencentcloudapi.com"),
        ("tcss", "cn", None, "https://tcss.tencentcloudapi.com"),
        ("sts", "intl", None, "https://sts.intl.tencentcloudapi.com"),
        ("sts", "cn", None, "https://sts.tencentcloudapi.com"),
        ("tcss", "intl", "https://TCSS.ap-beijing.tencentcloudapi.com/", "https://tcss.ap-beijing.tencentcloudapi.com"),
        ("sts", "cn", "https://tcss.ap-beijing.tencentcloudapi.com", "https://sts.tencentcloudapi.com"),
        ("tcss", "intl", "https://proxy.example:8443", "https://proxy.example:8443"),
        ("tcss", "intl", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("sts", "intl", "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("sts", "intl", "http://127.8.9.1:8080", "http://127.8.9.1:8080"),
        ("tcss", "intl", "http://[::1]:8080", "http://[::1]:8080"),
        ("tcss", "intl", "http://localhost:8080/", "http://localhost:8080"),
    ],
)
def test_which_host_is_asked(service: str, site: str, endpoint: str | None, url: str) -> None:
    """The site's host; an https endpoint in place of TCSS's; a loopback endpoint in place of all."""
    assert base_url(service, site=site, endpoint=endpoint) == url


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("http://tcss.intl.tencentcloudapi.com", "plain http to tcss.intl.tencentcloudapi.com is refused"),
        ("http://metadata.tencentyun.com", "plain http"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("http://localhost.example.com", "plain http"),
        ("http://10.0.0.1", "plain http"),
        ("http://0.0.0.0:80", "plain http"),
        ("tcss.intl.tencentcloudapi.com", "not just"),
        ("ftp://tcss.intl.tencentcloudapi.com", "not an https URL"),
        ("https://", "not just"),
        ("https://host/path", "not just"),
        ("https://host?x=1", "not just"),
        (f"https://user:{CANARIES[1]}@host", "not just"),
        (f"http://127.0.0.1:80@{CANARIES[1]}.example", "not just"),
        ("https://host:port", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://a..b", "not just"),
        ("https://" + "x" * 70 + ".example", "not just"),
        ("https://bücher.example", "not just"),
        ("https://a b", "not just"),
    ],
)
def test_other_endpoints_are_refused(endpoint: str, message: str) -> None:
    """Plain http leaves the machine under no disguise, and a URL that is more than a host is not quoted."""
    with pytest.raises(ConfigurationError) as caught:
        Client(KEYS, endpoints=Endpoints(endpoint=endpoint))
    assert message in str(caught.value)
    assert CANARIES[1] not in str(caught.value)


def test_an_unknown_site_is_refused() -> None:
    """A setting that cannot be used is refused before anything is asked."""
    with pytest.raises(ConfigurationError, match=r"no site 'us'. Choose one of intl, cn\."):
        Client(KEYS, endpoints=Endpoints("us"))


def test_the_urls_of_all_services() -> None:
    """TCSS and STS, at the international site if nothing else is said."""
    assert Endpoints().urls() == {
        "tcss": "https://tcss.intl.tencentcloudapi.com",
        "sts": "https://sts.intl.tencentcloudapi.com",
    }
