"""`connector.redaction`: a secret is found however it is written."""

from __future__ import annotations

import html
import json
import logging
import string
from collections.abc import Callable
from io import StringIO
from urllib.parse import quote, quote_plus

import pytest
from psycopg2.extensions import make_dsn
from sqlalchemy.engine import URL

from connector.redaction import Redactor

CHARACTERS = (*(" " + string.ascii_letters[:3] + string.digits[:2] + string.punctuation), *"éÿ中🚀\t\n\u0301\u202e")
WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": quote,
    "percent, slash too": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%C3", "%c3"),
    "percent, blank as plus": quote_plus,
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "every character in percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "SQLAlchemy": lambda text: str(
        URL.create("x", "u", text, "h").render_as_string(hide_password=False).partition("u:")[2]
    ),
    "libpq": lambda text: make_dsn(password=text),
    "repr": repr,
    "ascii": ascii,
    "repr of repr": lambda text: repr(repr(text)),
    "JSON": json.dumps,
    "JSON, Unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "JSON of Gson": lambda text: json.dumps(text).translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&='"}),
    "JSON of Go in JSON": lambda text: json.dumps(json.dumps(text).replace("&", r"\u0026")),
    "HTML": html.escape,
    "HTML of Go's templates": lambda text: html.escape(text).replace("+", "&#43;").replace("&quot;", "&#34;"),
    "HTML by numbers": lambda text: "".join(c if c.isalnum() else f"&#x{ord(c):X};" for c in text),
    "small letters": lambda text: text.lower(),
    "SQL": lambda text: "'" + text.replace("'", "''") + "'",
    "SQL, backslashes": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'",
}


@pytest.mark.parametrize("way", WAYS)
def test_each_character_is_hidden(way: str) -> None:
    """Neither the beginning nor the end of a secret stays, whatever stands between them."""
    for character in CHARACTERS:
        secret = f"CANARY{character}X9{character}{character}WORD"
        written = WAYS[way](secret)
        found = Redactor((secret,))(f"before {written} after")
        assert found.startswith("before ")
        assert found.endswith(" after")
        for part in ("CANARY", "X9", "WORD"):
            assert part not in found.replace("password", "").upper(), (way, character, found)


def test_other_texts_stay() -> None:
    """A secret that is empty or not there changes nothing, and of several the longest goes first."""
    assert Redactor(("",))("text") == "text"
    assert Redactor(("secret",))("text secre t") == "text secre t"
    assert Redactor(("pass", "password"))("a password") == "a ***"
    assert html.escape("<>") == Redactor(("x",))("&lt;&gt;")


def test_user_and_password_of_any_url_are_hidden() -> None:
    """Also of one that is not known."""
    assert Redactor(())("at mysql://u:p%40@h/d") == "at mysql://***@h/d"


def test_it_filters_a_logger_with_its_tracebacks() -> None:
    """As dlt's: message, arguments, and the exceptions behind an exception."""
    logger, written = logging.Logger("dlt-like"), StringIO()
    logger.addHandler(logging.StreamHandler(written))
    for secret in ("other", "a'b c", "a'b c"):  # equal ones are one
        logger.addFilter(Redactor((secret,)))
    said = {"cause": "password=a\\'b c.", "error": "uri a%27b%20c.", "message": "a'b+c."}
    try:
        try:
            raise ValueError(said["cause"])
        except ValueError as error:
            raise RuntimeError(said["error"]) from error
    except RuntimeError:
        logger.exception("failed with %s", said["message"])
    text = written.getvalue()
    assert (len(logger.filters), text.count("***.")) == (2, 3)
    assert not any(each in text for each in said.values())
    assert "RuntimeError" in text
    assert "ValueError" in text


def test_a_redactor_does_not_show_its_secrets() -> None:
    """Not in its `repr` either."""
    assert "canary" not in repr(Redactor(("canary",)))
