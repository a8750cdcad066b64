"""Splits the name of an operating system, as a scanner writes it, into family and version."""

import re
from functools import lru_cache

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
