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
# Characters. The grammar ends a name at 255 and a tag at 128. On longer texts the expressions take quadratic time.
_LONGEST_REFERENCE = 1024
_LONGEST_OS_NAME = 256


def split_image_name(text: str) -> ImageName:
    """Split `text` into its parts; all are None where `text` is not a reference. Never raises.

    `sha256:` with 64 hex digits, the name of an image that has none, is a digest and not a repository with a tag.
    """
    if text.startswith("sha256:") and _BARE_DIGEST.fullmatch(text):
        return ImageName(None, None, None, text)
    match = _REFERENCE.fullmatch(text) if len(text) <= _LONGEST_REFERENCE else None
    return _NO_NAME if match is None else ImageName._make(match.groups())


# ---- operating systems ----

_LETTER = r"[^\W\d_]"
_WORD = re.compile(
    rf"k3os|{_LETTER}+?(?:-{_LETTER}+?)*?(?=-?v[0-9])|{_LETTER}+(?:-{_LETTER}+)*",  # the v is the version's
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*(?:_(?:alpha|beta|rc|pre)[0-9]*|H[12])?", re.IGNORECASE)
_LEADING_NUMBER = re.compile(rf"v?({_NUMBER.pattern})", re.IGNORECASE)
_MACHINE = re.compile(
    r"x86[_-]64|amd64|a(?:arch|rm)64|ppc64(?:le|el)?|s390x|riscv64|loong(?:arch)?64"
    rf"|(?<!{_LETTER})(?:x86|x64|i[3-6]86|armv[5-8]\w*)|(?:32|64)[ _-]?(?:bits?|位)",
    re.IGNORECASE,
)
_FILLERS = frozenset({"linux", "gnu", "microsoft", "vmware", "unknown", "none"})
_ENDINGS = re.compile(r"(?:-(?:linux|os|server|stream|release))+")
# Other names of a system than its ID in /etc/os-release.
_FAMILIES = {
    "alibaba": "alinux",
    "aliyun": "alinux",
    "alma": "almalinux",
    "amazon": "amzn",
    "amazonlinux": "amzn",
    "archlinux": "arch",
    "azure": "azurelinux",
    "bigcloud": "bclinux",
    "cbl-mariner": "mariner",
    "clear": "clear-linux-os",
    "common": "mariner",  # Common Base Linux Mariner
    "container-optimized": "cos",
    "huawei": "hce",
    "mint": "linuxmint",
    "opensuse-leap": "opensuse",
    "opensuse-tumbleweed": "opensuse",
    "oracle": "ol",
    "oraclelinux": "ol",
    "red": "rhel",
    "red-hat": "rhel",
    "redhat": "rhel",
    "rockylinux": "rocky",
    "suse": "sles",
    "tencent": "tencentos",
    "tlinux": "tencentos",
    "uniontech": "uos",
}


def split_os_name(text: str) -> tuple[str | None, str | None]:
    """Split an OS name into family and version: `alpine:v3.12` is (`alpine`, `3.12`), `centos7.6.0_x64` is (`centos`,
    `7.6.0`).

    The family is the first meaningful word, in lower case, or that system's ID in /etc/os-release. The version is the
    text after a colon, or else the first number behind the family, without the `v` before the number and without the
    text behind it. Names of machines (`x86_64`) are no versions. A missing part is None; both parts are None where the
    text is longer than any name.
    """
    return _split_os_name(text) if len(text) <= _LONGEST_OS_NAME else (None, None)


@lru_cache(maxsize=1024)
def _split_os_name(text: str) -> tuple[str | None, str | None]:
    name, colon, rest = _MACHINE.sub(" ", text).partition(":")
    word = next((found for found in _WORD.finditer(name) if found[0].lower() not in _FILLERS), None)
    family = _ENDINGS.sub("", word[0].lower()) if word else None
    version = _version_behind(rest.strip()) if colon else _number_in(name[word.end() if word else 0 :])
    return _FAMILIES.get(family, family) if family else None, version


def _version_behind(colon: str) -> str | None:
    """Return the number that the text begins with, else the whole text if it is one word (`edge`, `bookworm/sid`)."""
    if number := _LEADING_NUMBER.match(colon):
        return number[1]
    return _number_in(colon) if " " in colon else colon or None


def _number_in(text: str) -> str | None:
    number = _NUMBER.search(text)
    return number[0] if number else None
