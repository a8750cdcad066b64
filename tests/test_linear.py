"""Every expression reads a long text in time that grows with the text.

What takes as long as the square of the text would take far more CPU than the process has in which all run.
"""

from __future__ import annotations

import ast
import multiprocessing
import resource
import runpy
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import connector
from connector.api.answers import clock_skew
from connector.api.credentials import Credentials
from connector.detail.find import Wanted
from connector.detail.places import program
from connector.images.names import split_image_name, split_os_name
from connector.images.times import parse_instant, parse_plain
from connector.listing.survey import rows
from connector.redaction import Redactor, secrets_in
from connector.warehouse import causes
from connector.wire import decode, storable

LONG = 300_000
LIMIT = 240  # seconds of CPU for all of them, which need 15

Check = Callable[[str], Any]


def pattern(key: str) -> Check:
    """All that a pattern can be asked. Its module is read without the package around it, which may need Dagster."""
    module, name = key.split(":")
    file = Path(connector.__file__).parent.joinpath(*module.split(".")).with_suffix(".py")
    found = runpy.run_path(str(file))[name]

    def ask(text: str) -> None:
        given = text.encode("latin-1") if isinstance(found.pattern, bytes) else text
        found.fullmatch(given)
        found.search(given)
        found.sub(given[:0], given)

    return ask


def escaped(text: str) -> Any:
    """An answer that orjson refuses, for a byte that is not UTF-8."""
    return decode(b'{"a":"\xff","b":' + text.encode("latin-1") + b"}")


def times(text: str) -> None:
    parse_plain([text, "2021-01-29T04:03:18Z", text])
    parse_instant(text, UTC)


redact = Redactor(("hidden\\\\word/+ '",))
OS_NAME = ("a", "a-", "v", "linux ", "1.", "-os", "x86_", "32 ", "loong", "é", "a-v1", "1_alpha", "none-")

# Each use of `re`: what to run, and texts to run it with, each of them repeated up to LONG characters.
USES: dict[str, tuple[Check, tuple[str, ...]]] = {
    "api.credentials:__post_init__": (lambda text: Credentials(text, text), ("x", "x\n")),
    "api.endpoints:_HOST": (pattern("api.endpoints:_HOST"), ("a.", "a", "-.")),
    "api.pace:_LIMIT": (pattern("api.pace:_LIMIT"), ("limit", "limit  ", "limit 9", "9")),
    "images.fields:_DIGITS": (pattern("images.fields:_DIGITS"), ("1", "1 ")),
    **dict.fromkeys(
        ("images.names:_REFERENCE", "images.names:_BARE_DIGEST"),
        (
            split_image_name,
            ("a", "a.", "a-", "a/", "A/", "a:", "a_", "A.a", ":", "/", "a@a+", "a@a:0", "[a:", "<none>"),
        ),
    ),
    **{
        f"images.names:{name}": (split_os_name, OS_NAME)
        for name in ("_WORD", "_NUMBER", "_LEADING_NUMBER", "_MACHINE", "_ENDINGS")
    },
    **{
        f"images.times:{name}": (
            times,
            ("0", " ", "1 ", "2021-01-29T04:03:18Z\n", "2021-01-29 04:03:18.0", "\n", "Mon, 1 "),
        )
        for name in ("_OFFSET", "_PLAIN", "_PLAIN_LINES", "_ISO", "_UNPADDED", "_RFC_1123")
    },
    "detail.find:matches": (
        lambda text: Wanted("CVE-1-1", is_cve=True).matches(cast(Any, SimpleNamespace(cve_id=text))),
        ("CVE-", "CVE-1", "CVE-1-", "1"),
    ),
    "detail.find:means": (
        lambda text: Wanted("x", is_cve=False).means(cast(Any, SimpleNamespace(cve_id=text, poc_id=None, name=None))),
        (" ", ",", " ,", "a", "a ", "|"),
    ),
    "detail.findings:_CVE": (pattern("detail.findings:_CVE"), ("CVE-", "CVE-2020-1", "1")),
    "detail.places:_PROGRAM": (program, ("a", "a:", " ", "[ ", "'a", "a/")),
    "dagster.shown:_ACTIVE": (pattern("dagster.shown:_ACTIVE"), ("]", "!", "<", "http", "www", "www.", "a", "](")),
    "listing.page:_COUNT": (pattern("listing.page:_COUNT"), ("1", "1.0", ".")),
    "listing.parts:_ID": (pattern("listing.parts:_ID"), ("sha256:", "a")),
    "listing.survey.findings:_CODE": (pattern("listing.survey.findings:_CODE"), ("A", "Aa.", "A.")),
    "listing.survey.rows:_NAME": (lambda text: rows._names({text}), ("a", "1", "a1", "_")),
    "listing.survey.rows:_TIME": (rows.shape, ("1", "2021-01-29 04:03:18.1", "2021-1-1 1:01:01 ")),
    "listing.survey.rows:_WORD": (pattern("listing.survey.rows:_WORD"), ("a", "_")),
    "listing.survey.rows:_unknown_shape": (rows.shape, ("a", "1", "é")),
    "posture.formats:_PIECE": (pattern("posture.formats:_PIECE"), ("a", "/", "a/", "-:")),
    "posture.formats:_UNSEEN": (pattern("posture.formats:_UNSEEN"), ("a", "\0")),
    "posture.queries:_MISSING": (pattern("posture.queries:_MISSING"), ("no such ", "Undefined")),
    "posture.queries:_VALUE": (pattern("posture.queries:_VALUE"), ("filter_", "filter_a ", "a")),
    "runs.policy:error_code": (
        lambda text: import_module("connector.runs.policy").error_code(ValueError(text)),
        ("aA",),
    ),
    "warehouse.causes:cause_of": (
        lambda text: causes.cause_of(ValueError(), text),
        ('database "', "conversion between UTF8 and a", "invalid connection ", "is ", "a"),
    ),
    "warehouse.descriptions:_COLUMN_LINE": (pattern("warehouse.descriptions:_COLUMN_LINE"), ("`a` ", "`", "a\n")),
    "warehouse.descriptions:_OLD_COMMENT": (pattern("warehouse.descriptions:_OLD_COMMENT"), (" COMMENT '", "''", "\\")),
    "redaction:_BEFORE_AT": (redact, ("://", "://a", "://a:", "://@", ":", "a@", "://a:b@")),
    "redaction:_USER_INFO": (redact, ("://", "://a", "://a:", "://:", "://a:b@", "://a@")),
    "redaction:_pattern": (redact, ("\\", "\\\\h", "hidden", "hidden\\", "%25", "'", "h\\", "&#", "&amp;")),
    "redaction:secrets_in": (secrets_in, ("a", "a@", ":", "/", "://", "a:b@", "%", "%41")),
    "wire:_DECIMAL": (escaped, ("1", "1.", "1e", "-", "0.1")),
    "wire:_INTEGER": (escaped, ("1", "0", "-1")),
    "wire:_LONG_NUMBER": (escaped, ("1", ":1", "-1", "11111111111111111111,", ":")),
    "wire:_NOT_STORABLE": (storable, ("é", "\0")),
    "wire:_TOKEN": (escaped, (" ", " \x0b", '"', '\\"', '"\\', "[", "[1,", "{", '{"a":', "a", "a ", "\x0b", "],", ",")),
}
"""By module, and by the variable or else the function that holds the expression."""

# Only the user's own settings, and requests to the sandbox, come here.
OWN = (
    *("settings.", "sandbox.", "cli.places:", "detail.find:of", "detail.find:other_names", "warehouse.locations:"),
    "warehouse.urls:",
)

# Loops that are not ours.
OTHERS: dict[str, tuple[Check, tuple[str, ...]]] = {
    "Date": (lambda text: clock_skew(text, 0.0, 0.0), ("(", " ", "Wed, 1 ", "1:", "+1", "-", ",", "1 Jan ")),
}


def _uses() -> Iterator[str]:
    """Each call of the module `re` in connector/."""
    root = Path(connector.__file__).parent
    for file in sorted(root.rglob("*.py")):
        module = ".".join(file.relative_to(root).with_suffix("").parts)
        yield from (f"{module}:{name}" for name in _names(ast.parse(file.read_text()), ""))


def _names(node: ast.AST, inside: str) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        inside = node.name
    if isinstance(node, ast.Assign) and not inside:
        inside = ast.unparse(node.targets[0])
    if (
        isinstance(node, ast.Call)
        and ast.unparse(node.func).startswith("re.")
        and ast.unparse(node.func) != "re.escape"
    ):
        yield inside
    for child in ast.iter_child_nodes(node):
        yield from _names(child, inside)


def _run_all() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
    for check, texts in {*USES.values(), *OTHERS.values()}:
        for text in texts:
            long = text * (LONG // len(text))
            for each in (long, f"!{long}", f'"{long}!'):
                with suppress(Exception):  # most are no times, numbers or JSON
                    check(each)


def test_every_expression_has_its_worst_texts() -> None:
    """A new use of `re` needs an entry here."""
    assert {use for use in _uses() if not use.startswith(OWN)} == USES.keys()


@pytest.mark.thorough
def test_long_texts_are_read_in_time() -> None:
    """The process comes to its end."""
    process = multiprocessing.get_context("forkserver").Process(target=_run_all)
    process.start()
    process.join()
    assert process.exitcode == 0
