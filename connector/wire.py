"""Decodes JSON as an API writes it, well formed or not, and makes texts that every warehouse can hold.

A bad value in an answer costs that value alone: the rest of the answer is decoded as if the value were not there. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any

import orjson

MOST_LEVELS = 1024
"""The most levels of nested arrays and objects that are decoded, by orjson and here; deeper levels are kept as text."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A received value that Python has no equal for. `text` is JSON: the number as received, or a string of the rest.

    Such a value is a number that neither 64 bits nor a double can hold, a word that JSON does not know (`NaN`), a text
    with an escape that JSON does not know, or an array or an object below `MOST_LEVELS` others.
    """

    text: str


def decode(document: bytes | str) -> Any:
    """Decode a JSON document. Raises ValueError for other texts: HTML, or an answer that was cut off.

    Of duplicate names, the last one counts. A byte that is not UTF-8 becomes a lone surrogate.
    """
    body = document.encode(errors="surrogatepass") if isinstance(document, str) else document
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    else:
        if not _may_have_long_number(body) or not _has_long_float(value) or not _LONG_NUMBER.search(body):
            return value
    return _decode_odd(body.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape"))


def encode(value: Any) -> str:
    """Encode a value as compact JSON with sorted names. Always storable: NUL and lone surrogates become escapes."""
    try:
        return orjson.dumps(value, _fragment, orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, an integer over 64 bits, or more than 254 levels
        return _encode_odd(value)


def storable(text: str) -> str:
    """Return the text, with U+FFFD in place of NUL (PostgreSQL refuses it) and lone surrogates (UTF-8 has none)."""
    return text if is_storable(text) else _NOT_STORABLE.sub("\ufffd", text)


def is_storable(text: str) -> bool:
    """Whether the text has neither NUL nor a lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")

# ---- integers over 64 bits: orjson makes floats of them. Three looks, the quickest first: the others are seldom ----

_LONGEST_INT = 2.0**63
_DIGITS = b"0" * 19
_SHAPES = bytes.maketrans(b"123456789-:,[\t\r\n", b"0" * 9 + b" " * 7)


def _may_have_long_number(body: bytes) -> bool:
    """Whether 19 digits follow each other where a number may begin; in most ids, such digits follow a letter."""
    shape = body.translate(_SHAPES)
    return b" " + _DIGITS in shape or shape.startswith(_DIGITS)


def _has_long_float(value: Any) -> bool:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        kind = value.__class__
        if kind is float:
            if not -_LONGEST_INT < value < _LONGEST_INT:
                return True
        elif kind is dict or kind is list:
            inner = value.values() if kind is dict else value
            if not _LOOKED_INTO.isdisjoint(map(type, inner)):
                waiting += [each for each in inner if each.__class__ in _LOOKED_INTO]
    return False


_LOOKED_INTO = frozenset((float, dict, list))
_LONG_NUMBER = re.compile(rb"(?:^|[:,\[\s])(?:-[0-9]{19}|[0-9]{20})")

# ---- JSON that orjson refuses, decoded without recursion ----


class _Mark(Enum):
    COMMA = ","
    COLON = ":"


@dataclass(slots=True)
class _Open:
    """An array or an object that has begun: its bracket, its place, and the values and marks in it so far."""

    bracket: str
    start: int
    parts: list[Any] = field(default_factory=list)


_SPACE = " \t\r\n"
_TOKEN = re.compile(
    rf"[{_SPACE}]*+"
    r'(?:(?P<text>"[^"\\]*+(?:\\.[^"\\]*+)*+")|(?P<mark>[,:])|(?P<open>[\[{])|(?P<close>[\]}])'
    r'|(?P<word>[^\s"\[\]{},:]++)|(?P<odd>.))',
    re.DOTALL,
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(rf"{_INTEGER.pattern}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LENIENT = json.JSONDecoder(strict=False)  # control characters may stand in texts
_WORDS = {"null": None, "true": True, "false": False}


def _decode_odd(text: str) -> Any:
    text = text.rstrip(_SPACE)
    opened = [_Open("", 0)]
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup or ""
        _expect(kind != "odd")
        if kind == "open":
            opened.append(_Open(token[kind], token.end() - 1))
        elif kind == "close":
            last = opened.pop()
            _expect(bool(opened))
            opened[-1].parts.append(_closed(last, token, level=len(opened)))
        else:
            opened[-1].parts.append(_ATOMS[kind](token[kind]))
    _expect(len(opened) == 1 and len(opened[0].parts) == 1)
    return _values(opened[0].parts)[0]


def _closed(last: _Open, token: re.Match[str], *, level: int) -> Any:
    _expect(last.bracket + token["close"] in ("[]", "{}"))
    value = _array(last.parts) if last.bracket == "[" else _object(last.parts)
    if level <= MOST_LEVELS:
        return value
    # Values further down are part of the text of the first value that is too deep.
    return Verbatim(json.dumps(token.string[last.start : token.end()])) if level == MOST_LEVELS + 1 else None


def _array(parts: list[Any]) -> list[Any]:
    _expect(not parts or len(parts) % 2 == 1)
    _expect(all(mark is _Mark.COMMA for mark in parts[1::2]))
    return _values(parts[::2])


def _object(parts: list[Any]) -> dict[str, Any]:
    _expect(not parts or len(parts) % 4 == 3)
    _expect(all(mark is _Mark.COLON for mark in parts[1::4]) and all(mark is _Mark.COMMA for mark in parts[3::4]))
    _expect(all(isinstance(name, str) for name in parts[::4]))
    return dict(zip(parts[::4], _values(parts[2::4]), strict=True))


def _values(parts: list[Any]) -> list[Any]:
    _expect(not any(isinstance(part, _Mark) for part in parts))
    return parts


def _text(quoted: str) -> Any:
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return _LENIENT.decode(quoted)
    except ValueError:  # an escape that JSON does not know
        return Verbatim(json.dumps(quoted[1:-1]))


def _word(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(word):
        return int(word) if len(word) < 21 and -(2**63) <= int(word) < 2**64 else Verbatim(word)
    if _DECIMAL.fullmatch(word):
        return float(word) if isfinite(float(word)) else Verbatim(word)
    return Verbatim(json.dumps(word))


_ATOMS: dict[str, Callable[[str], Any]] = {"mark": _Mark, "text": _text, "word": _word}


def _expect(fine: bool) -> None:
    if not fine:
        raise ValueError("not JSON")


def _fragment(value: Any) -> orjson.Fragment:
    if isinstance(value, Verbatim):
        return orjson.Fragment(value.text)
    raise TypeError


def _encode_odd(value: Any) -> str:
    written: list[str] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list | tuple):
            waiting += reversed([*_pieces(value)])
        else:
            written.append(value.text if isinstance(value, Verbatim) else json.dumps(value))
    return "".join(written)


def _pieces(value: Any) -> Iterator[Any]:
    """Yield the pieces of an array or an object: punctuation and names as texts, values still to be encoded."""
    is_object = isinstance(value, dict)
    yield Verbatim("{" if is_object else "[")
    for number, item in enumerate(sorted(value) if is_object else value):
        comma = "," if number else ""
        yield Verbatim(f"{comma}{json.dumps(item)}:" if is_object else comma)
        yield value[item] if is_object else item
    yield Verbatim("}" if is_object else "]")
