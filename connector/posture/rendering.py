"""Parts into HTML, by the templates in `templates`. Only the templates write HTML, and they escape every value.

A value that a template names and does not get is an error. This module alone imports Jinja.
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
    """A part of a document: the name of its template, and the values that the template shows."""

    template: str
    shown: Mapping[str, Any]


def render(document: str, parts: Sequence[Part]) -> str:
    """These parts in a row, in the template of that name."""
    return environment().get_template(f"{document}.html.jinja").render(parts=parts, hash=_hash())


def script() -> str:
    """The script of the tables, as an element of HTML."""
    return environment().get_template("script.html.jinja").render()


def _hash() -> str:
    """What a policy (CSP) names the script by, so that it admits no other one."""
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
    """Whatever a template shows: no text can bring a control character, or what UTF-8 cannot hold."""
    return visible(value) if type(value) is str else value
