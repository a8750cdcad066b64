"""Texts that others wrote, for Dagster's pages, which read a description as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.texts import visible

# What begins a link, a picture, a tag or a definition, before what makes it one.
_ACTIVE = re.compile(r"\](?=[(\[:])|!(?=\[)|<(?=[a-z/!?])|\b(?:https?|ftp):(?=//)|\bwww(?=\.)", re.IGNORECASE)


def plain(text: str) -> str:
    """The text in one line, without links, pictures and tags: a space takes them apart."""
    return _ACTIVE.sub(r"\g<0> ", visible(text))


def facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of what is not null."""
    return {name: plain(value) if isinstance(value, str) else value for name, value in row.items() if value is not None}
