"""Reads one value of a setting, whatever its place: a text of the environment, a value of TOML, or a value of Python.

Each reader returns the value in its type, or raises ValueError with the end of a sentence that begins with the name of
the setting. Blanks and line breaks around a text are dropped, because `echo` and editors leave them in secret files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

Read = Callable[[Any], Any]

_FLAGS = {**dict.fromkeys(("true", "1", "yes", "on"), True), **dict.fromkeys(("false", "0", "no", "off"), False)}
_NUMBER = re.compile(r"[+-]?(\d+|\d*\.\d+|\d+\.)(e[+-]?\d+)?|nan|[+-]?inf", re.ASCII | re.IGNORECASE)
_MOST = 1_000_000_000  # seconds in 31 years; far above it, times and timeouts overflow
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_NOT_UTF_8 = re.compile(r"[\ud800-\udfff]")  # how Python decodes such bytes of a variable or of an argument


def text(value: Any) -> str:
    """Read a text; TOML may write an account's id as an integer, and a time as its own type. The error never repeats
    the text, because it may be a secret."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"cannot be of the type {type(value).__name__}: a text is needed")
    stripped = value.strip()
    if not stripped:
        raise ValueError("is empty")
    if _CONTROL.search(stripped):
        raise ValueError("has a line break or another control character in it")
    if _NOT_UTF_8.search(stripped):
        raise ValueError("is not UTF-8")
    return stripped


def flag(value: Any) -> bool:
    """Read true or false, in the words that dlt, YAML and click know."""
    if isinstance(value, bool):
        return value
    found = _FLAGS.get(text(value).lower())
    if found is None:
        raise ValueError(f"cannot be {value!r}: true or false is needed")
    return found


def number(value: Any) -> float:
    """Read a number; a whole number stays an `int`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"cannot be {value!r}: a number is needed")
    found = _parsed(text(value)) if isinstance(value, str) else value
    if abs(found) > _MOST:
        raise ValueError(f"cannot be infinite or above {_MOST:,}: a number is needed")
    return found  # NaN is refused by the bounds


def _parsed(stripped: str) -> float:
    if not _NUMBER.fullmatch(stripped):
        raise ValueError(f"cannot be {stripped!r}: a number is needed")
    return int(stripped) if re.fullmatch(r"[+-]?\d+", stripped, re.ASCII) else float(stripped)


def whole(value: Any) -> float:
    """Read a number; a whole number becomes an `int`, however it is written."""
    found = number(value)
    return int(found) if found == found // 1 else found


def seconds(value: Any) -> float:
    """Read a duration, as a number of seconds."""
    try:
        return number(value)
    except ValueError as error:
        raise ValueError(f"{error}, of seconds") from None


def one_of(*choices: str) -> Read:
    """Make a reader of one of these words, in upper or lower case."""
    by_case = {choice.lower(): choice for choice in choices}

    def read(value: Any) -> str:
        found = by_case.get(text(value).lower())
        if found is None:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return found

    return read


def language(value: Any) -> str:
    """Read a language in the form of the API's header X-TC-Language."""
    found = text(value)
    if not re.fullmatch(r"[a-z]{2,3}-[A-Z]{2}", found):
        raise ValueError(f"cannot be {found!r}: write it like en-US or zh-CN")
    return found


def filters(value: Any) -> dict[str, Any]:
    """Read filters by name. A text is JSON, or NAME=VALUE once per value, with blanks between."""
    if isinstance(value, str):
        stripped = text(value)
        value = _json(stripped) if stripped.startswith("{") else pairs(stripped.split())
    return {name: _filter(name, values) for name, values in mapping(value).items()}


def pairs(given: Iterable[str]) -> dict[str, list[str]]:
    """Group NAME=VALUE texts by name."""
    found: dict[str, list[str]] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not (equals and name and value):
            raise ValueError(f"{pair!r} is not NAME=VALUE")
        found.setdefault(name, []).append(value)
    return found


def some_of(*choices: str) -> Read:
    """Make a reader of several of these words, in upper or lower case: a list, or one text with commas between."""
    read_one = one_of(*choices)

    def read(value: Any) -> list[str]:
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValueError(f"cannot be {value!r}: words with commas between them are needed")
        return [read_one(word) for each in given for word in (each.split(",") if isinstance(each, str) else [each])]

    return read


def mapping(value: Any) -> dict[str, Any]:
    """Read a section, or a text of JSON. The error does not repeat the value, which may be a secret."""
    if isinstance(value, str):
        value = _json(text(value))
    if not isinstance(value, Mapping):
        raise ValueError("has to be a section of names and values, or a JSON object")
    return dict(value)


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the hint for an unknown name: the most similar known name, else `otherwise`."""
    close = close_to(name, known)
    return f"Did you mean {close}?" if close else otherwise


def close_to(name: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """Return the known name that was probably meant; `alike`, from 0 to 1, is the least similarity."""
    return next(iter(get_close_matches(name, list(known), 1, alike)), None)


def _json(given: str) -> Any:
    try:
        return json.loads(given, object_pairs_hook=_once)
    except json.JSONDecodeError:
        raise ValueError("is not JSON") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("has a name twice")
    return found


def _filter(name: str, given: Any) -> str | list[str]:
    one = isinstance(given, str | int) and not isinstance(given, bool)
    found = [given] if one else given
    if not isinstance(found, list | tuple | set) or not all(isinstance(value, str | int) for value in found):
        raise ValueError(f"has {name} = {given!r}, which is neither a text nor a list of texts")
    if not all(str(value) for value in found) or not found:
        raise ValueError(f"has {name} without a value")
    texts = [str(value) for value in found]
    return texts[0] if one else sorted(texts) if isinstance(found, set) else texts  # a set has another order each time
