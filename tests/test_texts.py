"""What others wrote is stored up to a length, and obeyed by nobody who shows it."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from connector import texts
from connector.cli import demo, streams
from connector.errors import TcssError
from connector.sandbox import Quirks
from connector.sandbox.messages import Reply, Request
from connector.sandbox.server import Sandbox
from connector.texts import LONGEST, LONGEST_LINE, Visible, shortened, some_of, visible
from tests.world import World, world

EVIL = "\x1b]8;;http://x\x07\x1b[2J\r\n2026-01-01 INFO fine\x9b31m\u202egnp\u2066\u200b\ufeff\x85\u2028"
OBEYED = {"Cc", "Cf", "Zl", "Zp", "Cs"}
ANY = st.text(st.characters(exclude_categories=()))


def obeyed(text: str) -> list[str]:
    """The characters of a text that a terminal may obey, or does not show."""
    return [ascii(c) for c in text if c != "\n" and unicodedata.category(c) in OBEYED]


@given(ANY)
def test_nothing_in_a_visible_text_is_obeyed(text: str) -> None:
    """And it is made visible once, however often it is asked for."""
    assert obeyed(visible(text)) == []
    assert "\n" not in visible(text)
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("text", ["", "plain", "Größe 中 😀", "a\u3000b\u00a0c", "C:\\new", "مرحبا"])
def test_what_is_visible_stays_as_it_is(text: str) -> None:
    """In any script."""
    assert visible(text) == text


def test_escapes_are_those_of_python() -> None:
    """As people know them."""
    assert visible("\x1b[0m\n\x9b\u202e\U000e0041") == r"\x1b[0m\n\x9b\u202e\U000e0041"


@given(ANY, st.integers(60, 200))
def test_a_text_is_shortened_once(text: str, longest: int) -> None:
    """What is left out is counted, and an error that is pickled stays as it is."""
    short = shortened(text, longest)
    assert len(short) <= longest
    assert shortened(short, longest) == short
    assert short == text or text.startswith(short[: short.index("... and ")])


def test_of_many_names_the_others_are_counted() -> None:
    """A long name is shortened."""
    assert some_of(["a", "b"], 2) == ["a", "b"]
    assert some_of(map(str, range(39)), 2) == ["0", "1", "... and 37 more"]
    assert some_of(["x" * 1000]) == ["x" * 71 + "... and 929 more characters"]


def test_a_long_message_of_an_error_is_shortened() -> None:
    """With its code."""
    error = TcssError("x" * 9999, code="y" * 9999)
    assert (len(error.message), len(error.code or "")) == (2000, 100)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a plain handler of somebody else writes of the root logger."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def test_our_loggers_are_visible_to_every_handler(logged: io.StringIO) -> None:
    """A value cannot forge a line, nor fill a disk; a traceback's lines are indented."""
    log = texts.logger("connector.of_a_test")
    assert texts.logger("connector.of_a_test").filters == log.filters
    log.warning("said: %s", EVIL)
    log.warning("%s", "x" * 10**6)
    try:
        raise ValueError(EVIL)
    except ValueError:
        log.exception("failed")
    lines = logged.getvalue().splitlines()
    assert lines == logged.getvalue().split("\n")[:-1]
    assert obeyed(logged.getvalue()) == []
    assert lines[0].startswith(r"WARNING said: \x1b]8;;http://x\x07\x1b[2J\r\n2026-01-01")
    assert LONGEST_LINE - 9 < len(lines[1]) <= len("WARNING ") + LONGEST_LINE
    assert lines[2] == "ERROR failed"
    assert all(line.startswith("    | ") for line in lines[3:])


def test_a_handler_of_the_command_makes_every_logger_visible() -> None:
    """Those of libraries, too; twice is as good as once."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(Visible())
    handler.addFilter(Visible())
    record = logging.LogRecord("dlt", logging.ERROR, "x.py", 1, "%s", (EVIL,), None, sinfo="Stack:\n  evil\x1b")
    assert handler.filter(record)
    handler.emit(record)
    assert stream.getvalue().count("\n") == 3
    assert obeyed(stream.getvalue()) == []


def test_the_streams_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever prints is visible; rich draws as ever."""
    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        raw = streams._UnfailingFile(file.fileno(), "w", closefd=False)
        stream = streams._text(raw, file)
        print(EVIL, "\ttab", file=stream)
        stream.writelines([EVIL])
        Console(file=streams.drawing(stream), force_terminal=True).print("[bold]x")
        stream.close()
        raw.close()
    shown = (tmp_path / "out").read_text(encoding="utf-8")
    assert shown.count(visible(EVIL).replace(r"\n", "\n")) == 2
    assert obeyed(shown) == [ascii("\x1b")] * 2
    assert "\x1b[1mx" in shown


# ---- whole runs ----


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The API sends 50 unknown fields of which the names are evil, and long."""
    fields = {f"{EVIL}{number}{'x' * 3000}": 1 for number in range(50)}
    with world(tmp_path, monkeypatch, images=120, quirks=Quirks(extra_fields=fields)) as made:
        yield made


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """After its first sync."""
    with world(tmp_path, monkeypatch, images=50, begun="synced") as made:
        yield made


@pytest.mark.thorough
def test_unknown_fields_are_bounded_and_shown(account: World, logged: io.StringIO) -> None:
    """Stored and printed: the first 20 of 50 names, and how many more there are. JSON says what is stored."""
    run = account.sync()
    names = json.loads(run["unknown_fields"])
    assert (len(names), names[-1], max(map(len, names))) == (21, "... and 30 more", 100)
    assert names[0].startswith(EVIL)
    assert [json.loads(line)["unknown_fields"] for line in account.tcss("status", "--json").stdout.splitlines()] == [
        run["unknown_fields"]
    ]
    assert obeyed(account.tcss("status").output + account.tcss("sync").output + logged.getvalue()) == []


@pytest.mark.thorough
def test_a_warehouse_with_long_texts_goes_on_working(account: World) -> None:
    """An older release stored all names of all fields, and errors as they came."""
    account.sync()
    long = "repeat(chr(27) || 'x', 200000)"
    with account.writing() as warehouse:
        columns = "unknown_fields, verdict_reason, mode_reason, first_request_id, endpoint"
        for number in range(30):
            warehouse.execute(
                f"insert into tcss.sync_runs by name select * replace ('{number}' as sync_id, "
                f"{', '.join(f'{long} as {name}' for name in columns.split(', '))}) from tcss.sync_runs limit 1"
            )
    account.sync()
    status = account.tcss("status", "--json", "--limit", "50")
    assert (status.exit_code, len(status.stdout.splitlines())) == (0, 32)
    assert len(status.stdout) < 30 * 5 * 20_000 * 7
    assert obeyed(account.tcss("status").output) == []


def test_an_error_of_the_api_is_shown(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, and when what was stored of it is shown later. JSON says what is stored."""
    message = json.dumps(f"{EVIL}{'x' * 10_000}").encode()
    answer = Sandbox._api_reply

    def refused(sandbox: Sandbox, request: Request) -> Reply:
        """Refuse every page but the first one, whichever page is asked for first."""
        reply = answer(sandbox, request)
        if request.headers["x-tc-action"] != "DescribeAssetImageList" or not json.loads(request.body)["Offset"]:
            return reply
        body = b'{"Response":{"Error":{"Code":"UnauthorizedOperation","Message":%s},"RequestId":"r"}}' % message
        return replace(reply, body=body)

    monkeypatch.setattr(Sandbox, "_api_reply", refused)
    result = account.tcss("sync")
    assert (result.exit_code, obeyed(result.output), result.output.count("error: ")) == (3, [], 1)
    (row,) = (json.loads(line) for line in account.tcss("status", "--json").stdout.splitlines())
    assert (row["verdict"], row["reason_code"]) == ("failed", "permission_denied_error")
    assert "\x1b]8;;http://x\x07\x1b[2J" in row["verdict_reason"]
    assert len(row["verdict_reason"]) <= LONGEST
    assert obeyed(account.tcss("status").output) == []


def test_a_name_is_no_markup_of_rich(synced: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In the tables of the demo."""
    with synced.writing() as warehouse:
        warehouse.execute(
            "update tcss.images set image_name = '[link=http://x]a[/link][bold]' || chr(27), container_cnt = 1"
        )
    demo._ask(synced.file)
    shown = capsys.readouterr().out
    assert r"[link=http://x]a[/link][bold]\x1b" in shown
    assert obeyed(shown) == []
