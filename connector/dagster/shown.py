"""Makes texts of others safe for Dagster's pages, which read a description as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.texts import visible

# Signs that begin a link, a picture, a tag or a definition if the sign in the look-ahead follows.
_ACTIVE = re.compile(r"\](?=[(\[:])|!(?=\[)|<(?=[a-z/!?])|\b(?:https?|ftp):(?=//)|\bwww(?=\.)", re.IGNORECASE)


def plain(text: str) -> str:
    """Return the text in one line; a space breaks each link, picture and tag."""
    return _ACTIVE.sub(r"\g<0> ", visible(text))


def facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values as metadata, without nulls."""
    return {name: plain(value) if isinstance(value, str) else value for name, value in row.items() if value is not None}
