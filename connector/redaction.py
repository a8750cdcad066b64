"""Secrets taken out of texts that others wrote, in whatever way their characters are escaped there."""

import json
import logging
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

_MASK = "***"
# Texts of a million characters pass here, so each expression reads a text once, or a bounded number of times.
_BEFORE_AT = re.compile(r"(?<![^@\s])[^@\s]++(?=@)")
_USER_INFO = re.compile(r"(?<=://)(?=[^/:]*+:).*", re.DOTALL)
_BACKSLASHES = r"\\{1,64}"  # before one character: a text in a text, six times over


@dataclass(frozen=True)
class Redactor:
    """Hides these secrets, and the user and password of any URL. As a filter of a logger, it does so in its records."""

    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Redactor({len(self.secrets)} secrets)"

    def __call__(self, text: str) -> str:
        """The text without the secrets."""
        text = self._pattern.sub(_MASK, text) if self._pattern else text
        return _BEFORE_AT.sub(lambda run: _USER_INFO.sub(_MASK, run[0], 1), text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrites a log record, traceback included, and keeps it."""
        record.msg, record.args = self(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.exc_text = record.exc_text and self(record.exc_text)  # another one may have been here before
        return True

    @property
    def _pattern(self) -> re.Pattern[str] | None:
        return _pattern(self.secrets)


@lru_cache(maxsize=16)  # each answer's RequestId is looked at
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    ways = [way for secret in longest_first for way in (_written(secret), *_in_base64(secret))]
    return re.compile("|".join(ways)) if ways else None


def secrets_in(url: str) -> tuple[str, ...]:
    """What may be secret in a text that should be a URL, well formed or not: what stands before the last `@`."""
    info = re.sub(r"^[a-zA-Z][\w+.-]*://", "", url).rpartition("@")[0]
    password = info.partition(":")[2]
    parts = [part for part in re.split("[@:/?#]", password) if len(part) >= _SHORTEST]
    return tuple(dict.fromkeys(form for text in (info, password, *parts) for form in (text, unquote(text))))


_SHORTEST = 4  # characters of a part that is hidden by itself: less would hide half of a message


def _in_base64(secret: str) -> Iterator[str]:
    """What the Base64 of any text with the secret in it has: there are three, by the place of its first byte."""
    for before in range(3) if len(secret) >= _SHORTEST else ():
        plain = b"\0" * before + secret.encode("utf-8", "surrogatepass")
        begin, end = -(-before * 8 // 6), len(plain) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield re.escape(encode(plain).decode()[begin:end])


def _written(secret: str) -> str:
    """A pattern for all ways in which programs write a text: character by character, since some escape more than
    others."""
    return "".join(rf"(?:{'|'.join(_forms(character))})" for character in secret)


def _forms(character: str) -> Iterable[str]:
    """As it is, or after backslashes, as libpq's keyword form, `repr`, JSON and shells have it; doubled, as in SQL; by
    its number; or with percent signs, which may be escaped once more, as in a URL."""
    plain = re.escape(character)
    # Before a backslash that is part of the secret, the others must be able to leave some.
    yield _BACKSLASHES if character == chr(92) else f"{_BACKSLASHES}+{plain}"
    if character in "'\"":
        yield plain * 2
    yield plain
    if character == " ":
        yield r"\+"
    yield "".join(rf"%(?:25)?(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogatepass"))
    for escaped in (json.dumps(character)[1:-1], ascii(character)[1:-1]):
        if escaped != character:
            yield rf"(?i:{re.escape(escaped)})".replace(r"\\", f"{_BACKSLASHES}+")
