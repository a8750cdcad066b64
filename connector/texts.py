"""Makes texts of others safe to store and to show: bounded, and without control characters for terminals. Pure.

A text is stored exactly, up to a length. A text is made visible where a person reads the text: in the command's output,
in a log, in an error's text, in a page.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable
from itertools import islice

LONGEST = 2_000
"""The most characters of a reason or of a message that are kept."""
LONGEST_NAME = 100
"""The most characters of a name or of a code that are kept."""
MOST_NAMES = 20
LONGEST_LINE = 10_000
"""The most characters of a line in a log."""


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the text, or its beginning and how many characters follow: at most `longest` characters in all."""
    if len(text) <= longest:
        return text
    room = longest - len(_more(len(text), "characters"))
    return text[:room] + _more(len(text) - room, "characters")


def some_of(names: Iterable[str], most: int = MOST_NAMES) -> list[str]:
    """Return the names, each shortened; of more than `most` names the first, and a text that counts the others."""
    left = iter(names)
    shown = [shortened(name, LONGEST_NAME) for name in islice(left, most)]
    others = sum(1 for _ in left)
    return [*shown, _more(others).strip()] if others else shown


def _more(number: int, of: str = "") -> str:
    return f"... and {number:,} more {of}".rstrip()


def visible(text: str) -> str:
    """Return the text in one line, with escapes such as `\\x1b` for characters that a terminal obeys or does not show.

    These are control characters, line breaks, marks of direction, marks without width, and half surrogate pairs.
    """
    return text if text.isprintable() else "".join(map(_seen, text))


def _seen(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":  # spaces of other widths
        return character
    return character.encode("unicode_escape").decode("ascii")


class Visible(logging.Filter):
    """Makes the records of a logger or of a handler visible and bounded, so that no value can forge a line.

    The lines of a traceback are indented, because their texts may hold line breaks.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; always let the record pass."""
        record.msg, record.args = visible(shortened(record.getMessage(), LONGEST_LINE)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
        record.exc_text = record.exc_text and _indented(record.exc_text)
        record.stack_info = record.stack_info and _indented(record.stack_info)
        return True


def _indented(text: str) -> str:
    lines = (visible(shortened(line, LONGEST)).removeprefix(_INDENT) for line in text.split("\n"))
    return "\n".join(_INDENT + line for line in lines)


_INDENT = "    | "


def logger(name: str) -> logging.Logger:
    """Return the logger of that name; its records are made visible for every handler."""
    found = logging.getLogger(name)
    if not any(isinstance(given, Visible) for given in found.filters):
        found.addFilter(Visible())
    return found
