"""Takes secrets out of texts that others wrote, however their characters are escaped there."""

import html
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
_USER_INFO = re.compile(r"(?<=://)(?![^/:]*+:\*\*\*\Z)(?=[^/:]*+:).*", re.DOTALL)  # unless the password is hidden
_BACKSLASHES = r"\\{1,64}"  # before one character: a text in a text, six times over


@dataclass(frozen=True)
class Redactor:
    """Hides these secrets, and the user and password of any URL, in texts and, as a logger's filter, in log records."""

    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Redactor({len(self.secrets)} secrets)"

    def __call__(self, text: str) -> str:
        """Return the text without the secrets."""
        text = self._pattern.sub(_MASK, text) if self._pattern else text
        return _BEFORE_AT.sub(lambda run: _USER_INFO.sub(_MASK, run[0], 1), text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a log record, traceback included, and keep the record."""
        record.msg, record.args = self(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.exc_text = record.exc_text and self(record.exc_text)  # maybe rewritten by another filter
        return True

    @property
    def _pattern(self) -> re.Pattern[str] | None:
        return _pattern(self.secrets)


@lru_cache(maxsize=16)  # the RequestId of each answer is checked
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    longest_first = sorted(filter(None, secrets), key=len, reverse=True)
    ways = [way for secret in longest_first for way in (_written(secret), *_in_base64(secret))]
    return re.compile("|".join(ways), re.IGNORECASE) if ways else None  # names of hosts are written in small letters


def secrets_in(url: str) -> tuple[str, ...]:
    """Return what may be secret in a text that should be a URL, well formed or not: all before the last `@`."""
    info = re.sub(r"^[a-zA-Z][\w+.-]*://", "", url).rpartition("@")[0]
    password = info.partition(":")[2]
    parts = [part for part in re.split("[@:/?#]", password) if len(part) >= _SHORTEST]
    return tuple(dict.fromkeys(form for text in (info, password, *parts) for form in (text, unquote(text))))


_SHORTEST = 4  # characters of the shortest part that is hidden by itself: shorter ones would hide half of a message


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what the Base64 of every text with the secret contains: three forms, by the place of its first byte."""
    for before in range(3) if len(secret) >= _SHORTEST else ():
        plain = b"\0" * before + secret.encode("utf-8", "surrogatepass")
        begin, end = -(-before * 8 // 6), len(plain) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield re.escape(encode(plain).decode()[begin:end])


def _written(secret: str) -> str:
    """Return a pattern for all ways in which programs write a text, character by character, because some programs
    escape more characters than others."""
    return "".join(rf"(?:{'|'.join(_forms(character))})" for character in secret)


def _forms(character: str) -> Iterable[str]:
    """Yield the character as it is; after backslashes, as in libpq's keyword form, `repr`, JSON and shells; doubled, as
    in SQL; by its number or its name, as in JSON and HTML; and with percent signs, which may be escaped again, as in a
    URL."""
    plain = re.escape(character)
    # Before a backslash that is part of the secret, the others must be able to leave some.
    yield _BACKSLASHES if character == chr(92) else f"{_BACKSLASHES}+{plain}"
    if character in "'\"":
        yield plain * 2
    yield plain
    if character == " ":
        yield r"\+"
    yield "".join(f"%(?:25)?{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    if not character.isalnum():  # Gson writes = as \u003d, and Go's templates write + as &#43;
        number = ord(character)
        yield rf"{_BACKSLASHES}+(?:x|u00){number:02x}"
        yield rf"&(?:amp;)?#(?:0*{number}|x0*{number:x});"
    for escaped in (json.dumps(character)[1:-1], ascii(character)[1:-1], html.escape(character)):
        if escaped != character:
            yield rf"{re.escape(escaped)}".replace(r"\\", f"{_BACKSLASHES}+")
