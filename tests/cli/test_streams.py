"""Whatever becomes of what is printed, a command does its work and ends with its own exit code."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from connector.sandbox import Quirks
from connector.warehouse.dictionary import data_dictionary
from tests.world import World, first_sync, world

# What the shell does with the streams: {} is the command.
STREAMS = {
    "stdout closed": "{} >&-",
    "stderr closed": "{} 2>&-",
    "both closed": "{} >&- 2>&-",
    "all closed": "{} <&- >&- 2>&-",
    "stdout full": "{} >/dev/full",
    "stderr full": "{} 2>/dev/full",
    "both full": "{} >/dev/full 2>&1",
    "both full, unbuffered": "PYTHONUNBUFFERED=1 {} >/dev/full 2>&1",
    "stdout broken": "{} | true; exit ${{PIPESTATUS[0]}}",
    "both broken": "{} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
    "both broken, unbuffered": "PYTHONUNBUFFERED=1 {} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
    "stdout read-only": "{} 1</dev/null",
    "ASCII": "PYTHONIOENCODING=ascii {}",
    "ASCII, strictly": "PYTHONIOENCODING=ascii:strict {}",
    "Latin-1": "PYTHONIOENCODING=latin-1 {}",
    "GBK": "PYTHONIOENCODING=gbk {}",
    "locale C": "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {}",
    "locale unknown": "LC_ALL=xx_YY.nothing {}",
}
QUICK = ("all closed", "ASCII, strictly")
NEW_FIELD = "Größe 中 😀"
READABLE = ("stderr closed", "stderr full", "ASCII", "ASCII, strictly", "Latin-1", "GBK", "locale C", "locale unknown")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """It is synced. What is said of its runs is not in ASCII."""
    quirks = Quirks(extra_fields={NEW_FIELD: 1})
    with (
        pytest.MonkeyPatch.context() as patch,
        world(tmp_path_factory.mktemp("account"), patch, images=20, quirks=quirks) as made,
    ):
        patch.setenv("TCSS_DESTINATION", made.destination)
        patch.setenv("TCSS_ENDPOINT", made.sandbox.url)
        made.sync()
        yield made


def syncs(account: World) -> int:
    return int(account.query("select count(*) from tcss.sync_runs")[0][0])


def run(streams: str, command: str, directory: Path) -> tuple[int, str]:
    """The exit code and what could be read, which tells of no accident."""
    line = STREAMS[streams].format(f"{sys.executable} -m connector {command}")
    done = subprocess.run(["bash", "-c", line], cwd=directory, capture_output=True, timeout=120, check=False)
    said = (done.stdout + done.stderr).decode("latin-1")
    assert not re.search("Traceback|Exception ignored|Logging error|Error in sys", said), said
    return done.returncode, done.stdout.decode("latin-1")


@pytest.mark.thorough(but=QUICK)
@pytest.mark.parametrize("streams", STREAMS)
def test_a_sync_is_done(account: World, streams: str) -> None:
    """It ends with 0, its changes are loaded, and the JSON line comes where it can be read."""
    before = syncs(account)
    account.sandbox.change({"rescan": 1})
    code, said = run(streams, "--verbose sync --json", account.directory)
    assert (code, syncs(account)) == (0, before + 1)
    rows = "select images_changed from tcss.sync_runs order by started_at desc limit 1"
    assert account.query(rows) == [(1,)]
    if streams in READABLE:
        assert json.loads(json.loads(said)["unknown_fields"]) == [NEW_FIELD]


@pytest.mark.thorough(but=("GBK",))
@pytest.mark.parametrize("streams", ["ASCII", "ASCII, strictly", "Latin-1", "GBK"])
def test_json_has_every_text_in_every_encoding(account: World, streams: str) -> None:
    """JSON says the same in ASCII."""
    code, said = run(streams, "sync --json --mode 'Möde 中 😀'", account.directory)
    assert (code, "Möde 中 😀" in json.loads(said)["error"]["message"]) == (2, True)


@pytest.mark.thorough
@pytest.mark.parametrize("streams", ["all closed", "both broken"])
def test_every_account_is_synced(account: World, streams: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them fails, which is the exit code, and the one behind it is loaded."""
    (tmp_path / "w.duckdb").write_bytes(first_sync(0)[0])
    monkeypatch.setenv("TCSS_DESTINATION", f"duckdb:///{tmp_path / 'w.duckdb'}")
    config = tmp_path / ".dlt" / "config.toml"
    config.parent.mkdir()
    config.write_text(
        '[sources.tcss.accounts.a]\naccount_id = "1"\n[sources.tcss.accounts."b 中"]\naccount_id = "2"\nmode = "é"\n'
        '[sources.tcss.accounts.c]\naccount_id = "3"\n'
    )
    code, _ = run(streams, "sync --all-accounts --json", tmp_path)
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as warehouse:
        loaded = warehouse.sql("select distinct account_id from tcss.images order by 1").fetchall()
    assert (code, loaded) == (2, [("1",), ("3",)])


COMMANDS = {
    "--help": 0,
    "--version": 0,
    "tables": 0,
    "sync --mode Möde": 2,
    "check": 0,
    "check --json": 0,
    "status": 0,
    "status --json": 0,
    "views": 0,
    "report --output page.html": 0,
    "demo --images 20": 0,
}


@pytest.mark.thorough
def test_every_command_ends_as_ever(account: World) -> None:
    """With its exit code."""
    codes = {command: run("all closed", command, account.directory)[0] for command in COMMANDS}
    assert codes == COMMANDS
    assert (account.directory / "page.html").stat().st_size > 1000


@pytest.mark.thorough("demo --images 20", "ASCII, strictly")
@pytest.mark.parametrize("streams", ["both full", "ASCII, strictly"])
@pytest.mark.parametrize("command", ["tables", "sync --mode Möde", "status", "demo --images 20"])
def test_each_way_of_printing_ends_as_ever(account: World, command: str, streams: str) -> None:
    """A long text, an error, a few lines, and tables that rich draws."""
    assert run(streams, command, account.directory)[0] == COMMANDS[command]


def test_a_sandbox_serves_though_nobody_reads_where(account: World) -> None:
    """Until it is told to end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = f"exec {sys.executable} -m connector sandbox --images 5 --port {port} >/dev/full 2>&1"
    with subprocess.Popen(["bash", "-c", line]) as process:
        try:
            await_port(port, process)
        finally:
            process.terminate()
    assert process.returncode == 0


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"ended with {process.returncode}")


@pytest.mark.thorough
def test_a_terminal_that_goes_away(account: World) -> None:
    """The progress bar's terminal is closed during the sync, which is done."""
    before = syncs(account)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "connector", "sync"], stdout=theirs, stderr=theirs, cwd=account.directory
    ) as process:
        os.close(theirs)
        os.close(ours)
    assert (process.returncode, syncs(account)) == (0, before + 1)


def test_a_slow_reader_gets_everything(account: World) -> None:
    """A pipe that does not wait (a parent may have set it so) is waited for."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with (
        subprocess.Popen([sys.executable, "-m", "connector", "tables"], stdout=writing) as process,
        os.fdopen(reading) as pipe,
    ):
        os.close(writing)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
        assert pipe.read() == f"{data_dictionary()}\n"
    assert process.returncode == 0
