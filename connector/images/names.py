"""Splits an image reference into registry, repository, tag and digest.

The grammar is that of github.com/distribution/reference. As in Docker, the first path component is a registry if it
holds a dot, a colon or an upper-case letter, or is `localhost`. Nothing is added: `nginx` has neither a registry nor a
tag here, because the API does not say that it came from `docker.io/library` or that it was `latest`.
"""

import re
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
