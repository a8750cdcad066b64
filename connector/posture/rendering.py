"""Renders parts as HTML, by the templates in `templates`. Only the templates write HTML, and they escape every value.

A value that a template names and does not get is an error. Only this module imports Jinja.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from connector.posture.formats import number, pieces, visible, when


class Part(NamedTuple):
    """Holds a part of a document: the name of its template, and the values that the template shows."""

    template: str
    shown: Mapping[str, Any]


def render(document: str, parts: Sequence[Part]) -> str:
    """Return these parts in a row, in the template of that name."""
    return environment().get_template(f"{document}.html.jinja").render(parts=parts, hash=_hash())


def script() -> str:
    """Return the script of the tables, as an element of HTML."""
    return environment().get_template("script.html.jinja").render()


def _hash() -> str:
    """Return the script's hash for a policy (CSP) that allows no other script."""
    text = environment().get_template("tables.js").render()
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("connector.posture"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"number": number, "pieces": pieces, "when": when}
    made.tests["instant"] = lambda value: isinstance(value, datetime)
    return made


def _visible(value: Any) -> Any:
    """Make a template's value visible: no control character, and only text that UTF-8 can hold."""
    return visible(value) if type(value) is str else value
