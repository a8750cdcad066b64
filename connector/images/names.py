"""Splits names into their parts: an image reference, and the name of an operating system as a scanner writes it.

The grammar of a reference is that of github.com/distribution/reference. As in Docker, the first path component is a
registry if it holds a dot, a colon or an upper-case letter, or is `localhost`. Nothing is added: `nginx` has neither a
registry nor a tag here, because the API does not say that it came from `docker.io/library` or that it was `latest`.
"""

import re
from functools import lru_cache
from typing import NamedTuple


class ImageName(NamedTuple):
    """The parts of a reference as they stand in it; None for a part that is absent or `<none>`."""

    registry: str | None
    repository: str | None
    tag: str | None
    digest: str | None


_NONE = r"<none>"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_IS_REGISTRY = r"(?=localhost/|[^/]*[.:A-Z][^/]*/)"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__|_|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?:{_NONE}|(?:{_IS_REGISTRY}(?P<registry>{_HOST})/)?(?P<repository>{_PATH}))"
    rf"(?::(?:{_NONE}|(?P<tag>{_TAG})))?(?:@(?P<digest>{_DIGEST}))?"
)
_BARE_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NO_NAME = ImageName(None, None, None, None)


def split_image_name(text: str) -> ImageName:
    """The parts of `text`; all None where it is not a reference. Never raises.

    `sha256:` with 64 hex digits, the name of an image that has none, is a digest and not a repository with a tag.
    """
    if text.startswith("sha256:") and _BARE_DIGEST.fullmatch(text):
        return ImageName(None, None, None, text)
    match = _REFERENCE.fullmatch(text)
    return _NO_NAME if match is None else ImageName._make(match.groups())


# ---- operating systems ----

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_VERSION = re.compile(r"(?:[vV](?=\d))?(.+)")
_NUMBER = re.compile(r"\b[vV]?(\d\w*(?:\.\w+)*)")
_FILLERS = frozenset({"linux", "gnu", "microsoft", "vmware"})
_FAMILIES = {
    "alibaba": "alinux",
    "aliyun": "alinux",
    "alma": "almalinux",
    "amazon": "amzn",
    "azure": "azurelinux",
    "cbl-mariner": "mariner",
    "opensuse-leap": "opensuse",
    "oracle": "ol",
    "red": "rhel",
    "redhat": "rhel",
    "suse": "sles",
    "tencent": "tencentos",
    "tlinux": "tencentos",
}


@lru_cache(maxsize=1024)
def split_os_name(text: str) -> tuple[str | None, str | None]:
    """Family and version in an OS name: `alpine:v3.12` is (`alpine`, `3.12`), `CentOS Linux 7` is (`centos`, `7`).

    The family is the first word that says something, in lower case, or that system's ID in /etc/os-release. The version
    is what follows a colon, or else the first number; a `v` before it is dropped. None for a part that is not there.
    """
    name, colon, rest = text.partition(":")
    version = _VERSION.fullmatch(rest.strip()) if colon else _NUMBER.search(name)
    words = [word for word in _WORD.findall(name.lower()) if word not in _FILLERS]
    return _FAMILIES.get(words[0], words[0]) if words else None, version[1] if version else None
