"""`tcss sync --all-accounts --jobs N`: accounts beside each other, as the installed command does it.

Where a test is about the accounts' processes, the command runs in a warm process of its own (`tests.warmed`), which has
imported what the command imports: a command that begins cold takes four times as much.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connector.cli.jobs import default
from connector.errors import LockedError
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import Account
from connector.tables import IMAGES
from connector.warehouse import turns
from connector.warehouse.locations import locate
from connector.warehouse.locks import lock
from tests.commands import Running, tcss, warm
from tests.warehouses import Place, place
from tests.world import first_sync

NAMES = ("first", "second", "third", "fourth", "fifth")
PATIENCE = 120  # seconds that a command has


@dataclass
class Accounts:
    """Holds accounts of one sandbox, the directory whose configuration names them, and the place that they share."""

    fleets: dict[str, Fleet]
    sandbox: Sandbox
    directory: Path
    place: Place

    def configure(self, name: str, key: str = "", endpoint: str = "") -> None:
        """Name an account in a file."""
        section = f"[sources.tcss.accounts.{name}"
        key = key or f"SECRET{name.upper()}EXAMPLE"
        with (self.directory / ".dlt" / "secrets.toml").open("a", encoding="utf-8") as file:
            file.write(f'{section}]\nendpoint = "{endpoint or self.sandbox.url}"\n')
            file.write(f'{section}.credentials]\nsecret_id = "AKID{name.upper()}EXAMPLE"\nsecret_key = "{key}"\n')

    def arguments(self, *arguments: str, as_json: bool = True) -> list[str]:
        where = ("--destination", self.place.url, "--dataset", self.place.dataset)
        form = ("--json",) if as_json else ()
        return ["sync", "--all-accounts", *form, *where, *arguments]

    def command(self, *arguments: str, as_json: bool = True) -> list[str]:
        return [sys.executable, "-P", "-m", "connector", *self.arguments(*arguments, as_json=as_json)]

    def environment(self) -> dict[str, str]:
        ours = {
            "SOURCES__TCSS__METADATA": "false",
            "SOURCES__TCSS__REQUESTS_PER_SECOND": "100000",
            "TMPDIR": str(self.directory / "tmp"),
        }
        return {**{k: v for k, v in os.environ.items() if not k.startswith(("TCSS_", "TENCENTCLOUD_"))}, **ours}

    def start(self, *arguments: str, as_json: bool = True) -> AbstractContextManager[Running]:
        """Start the command in a warm process; if it still runs after the block, kill it."""
        return tcss(self.arguments(*arguments, as_json=as_json), self.directory, self.environment())

    def sync(self, *arguments: str) -> tuple[int, dict[str, dict[str, Any]], str]:
        """Return the exit code, the line of each account by its name or its id, and stderr."""
        with self.start(*arguments) as process:
            out, err = process.communicate(PATIENCE)
        found = [json.loads(line) for line in out.splitlines()]
        assert len(found) == len({_key(line) for line in found})
        return process.returncode, {_key(line): line for line in found}, err

    def rows(self) -> dict[str, set[str]]:
        """Return the ids of the images in the warehouse that are not gone, by account."""
        found: dict[str, set[str]] = {}
        for row in self.place.table(IMAGES):
            if row["deleted_at"] is None:
                found.setdefault(row["account_id"], set()).add(row["image_id"])
        return found

    def truth(self) -> dict[str, set[str]]:
        return {_id(name): set(fleet.truth()) for name, fleet in self.fleets.items()}

    def left(self) -> list[Path]:
        """Return what is left in the directory for temporary files."""
        return sorted((self.directory / "tmp").iterdir())


def _id(name: str) -> str:
    return str(100_000_000_000 + NAMES.index(name))


def _key(line: dict[str, Any]) -> str:
    return str(line["account_id"] or line["account"])


@contextmanager
def accounts(made: Place, directory: Path, names: tuple[str, ...] = NAMES[:3]) -> Iterator[Accounts]:
    """Yield accounts of 130, 230 ... images."""
    for sub in (".dlt", "tmp"):
        (directory / sub).mkdir()
    fleets = {
        name: Fleet.seeded(130 + 100 * number, seed=number, clock=wall_clock) for number, name in enumerate(names)
    }
    served = [
        Account(fleet, f"AKID{name.upper()}EXAMPLE", f"SECRET{name.upper()}EXAMPLE", _id(name))
        for name, fleet in fleets.items()
    ]
    with Sandbox(served[0].fleet, rate=None, accounts=served) as sandbox:
        given = Accounts(fleets, sandbox, directory, made)
        for name in names:
            given.configure(name)
        yield given


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Accounts]:
    with place("duckdb", tmp_path) as made, accounts(made, tmp_path) as given:
        yield given


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Accounts]:
    with place("duckdb", tmp_path) as made, accounts(made, tmp_path, NAMES[:2]) as given:
        yield given


@contextmanager
def hanging(given: Accounts) -> Iterator[None]:
    """Give the accounts one more, whose server takes requests and never answers; it comes first."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        given.configure("a_hanging", endpoint=f"http://127.0.0.1:{port}")
        yield


def only_child(pid: int) -> int:
    """Wait until a process has one child process left, and return its id."""
    found: list[str] = []

    def is_alone() -> bool:
        found[:] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return len(found) == 1

    until(is_alone)
    return int(found[0])


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "number"),
    [("duckdb", 3), ("sqlite", 5), ("postgresql", 5), ("mysql", 3)],
)
def test_every_account_has_its_rows(kind: str, number: int, tmp_path: Path) -> None:
    """First loads that race for the tables, then changes; more accounts than jobs. One account's key is wrong."""
    names = NAMES[:number]
    with place(kind, tmp_path) as made, accounts(made, tmp_path, names) as given:
        given.configure("wrong", "SECRETCANARYEXAMPLE")
        for _ in range(2):
            code, lines, err = given.sync("--jobs", str(number - 1))
            assert code == 3, err
            assert {key: line["verdict"] for key, line in lines.items()} == {
                **dict.fromkeys(map(_id, names), "complete"),
                "wrong": "failed",
            }
            assert given.rows() == given.truth()
            assert "SECRETCANARYEXAMPLE" not in err
            assert not given.left()
            for fleet in given.fleets.values():
                fleet.rescan(5)
                fleet.insert(3)


def test_what_fails_is_named_and_the_next_step_is_said_once(two: Accounts) -> None:
    """As one after the other: each summary begins with the account's name; a log line too."""
    two.configure("wrong", "SECRETCANARYEXAMPLE")
    with two.start(as_json=False) as process:
        out, err = process.communicate(PATIENCE)
    lines = out.splitlines()
    assert sorted(line.partition(":")[0] for line in lines if "complete" in line) == [
        f"account {name}" for name in sorted(two.fleets)
    ]
    assert [line.split()[0] for line in lines].count("next:") == 1
    assert lines[-1].startswith("next: ")
    assert "error: account wrong: " in err
    assert re.search(r"INFO account \w+: .* is made by DuckDB", err)


def test_an_account_that_hangs_holds_no_other_up_and_ctrl_c_ends_all(two: Accounts) -> None:
    """The others end and are printed meanwhile; nothing is left of the account that was under way."""
    two.place.file.write_bytes(first_sync(0)[0])
    with hanging(two), two.start("--jobs", "2") as process:
        lines = [json.loads(process.stdout.readline()) for _ in two.fleets]
        assert {line["verdict"] for line in lines} == {"complete"}
        child = only_child(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(PATIENCE)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted: nothing was loaded that is not whole"
    assert not Path(f"/proc/{child}").exists()
    assert not two.left()
    assert two.rows() == two.truth()


@pytest.mark.thorough
def test_an_account_whose_process_is_killed_is_an_error_of_its_own(three: Accounts) -> None:
    """As the system kills it when memory is short. Exit code 1, and a line like that of every failure."""
    with hanging(three), three.start("--jobs", "2") as process:
        lines = [json.loads(process.stdout.readline()) for _ in three.fleets]
        child = only_child(process.pid)
        os.kill(child, signal.SIGKILL)
        out, err = process.communicate(PATIENCE)
    assert process.returncode == 1
    assert {line["verdict"] for line in lines} == {"complete"}
    failed = json.loads(out)
    assert (failed["verdict"], failed["account"]) == ("failed", "a_hanging")
    assert "account a_hanging: the process of this account was killed by SIGKILL" in err


@pytest.mark.thorough
def test_with_the_command_its_processes_end(three: Accounts) -> None:
    """Even if it is killed, when it cannot end them; the next command finds a file that nobody locks."""
    with hanging(three), three.start("--jobs", "2") as process:
        for _ in three.fleets:
            process.stdout.readline()
        child = only_child(process.pid)
        process.kill()
        process.wait()
        until(lambda: not Path(f"/proc/{child}").exists())
    with lock(three.place.location, "1"):
        assert three.rows() == three.truth()


def test_a_file_that_another_command_locks_is_refused_by_each_account(three: Accounts) -> None:
    """Exit code 7, at once."""
    with lock(three.place.location, "1"):
        code, lines, _ = three.sync()
    assert code == 7
    assert {line["error"]["class"] for line in lines.values()} == {"LockedError"}
    assert sorted(line["account"] for line in lines.values()) == sorted(three.fleets)


@pytest.mark.thorough
def test_a_terminal_shows_each_account_under_way(three: Accounts) -> None:
    """A line for each, and how many have ended; what is printed is above the lines, and the lines are gone at last."""
    with hanging(three):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            three.command("--jobs", "2", as_json=False),
            cwd=three.directory,
            env={**three.environment(), "TERM": "xterm", "COLUMNS": "100"},
            stdout=theirs,
            stderr=theirs,
            stdin=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            shown = ""

            def read() -> bool:
                nonlocal shown
                if select.select([ours], [], [], 0)[0]:
                    shown += os.read(ours, 65536).decode()
                return len(re.findall(r"account \w+: complete", shown)) == len(three.fleets) and "3/4" in shown

            until(read)
            process.terminate()
            until(lambda: process.poll() is not None)
        os.close(ours)
    assert re.search(r"\w+: images .*/\d30", shown)
    assert process.returncode == 143


def take_turns(url: str, directory: str, account: str, *, waits: bool = True) -> None:
    """Take the lock of an account and two turns within one another, as a process of the command does."""
    location = locate(url)
    turns.borrow([location.file or Path()], Path(directory), os.getppid())
    try:
        with lock(location, account) as still_held, turns.turn(), turns.turn():
            sys.stdout.write("turn\n")
            sys.stdout.flush()
            if waits:
                sys.stdin.read()
            still_held()
            sys.stdout.write("still held\n")
    except LockedError as error:
        sys.stdout.write(f"{error}\n")


def take(made: Place, account: str = "1", *, waits: bool = False) -> AbstractContextManager[Running]:
    return warm(partial(take_turns, waits=waits), made.url, str(made.directory), account)


def test_another_process_of_the_command_waits_for_its_turn(tmp_path: Path) -> None:
    """A turn ends with the last of its blocks, or with its process, even by SIGKILL."""
    with place("duckdb", tmp_path) as made, take(made, waits=True) as first:
        assert first.stdout.readline() == "turn\n"
        with take(made, account="2") as second:
            until(lambda: f"-> FLOCK  ADVISORY  WRITE {second.pid} " in Path("/proc/locks").read_text())
            assert not select.select([second.stdout], [], [], 0)[0]
            first.kill()
            assert second.stdout.readline() == "turn\n"


def test_two_names_of_one_account_are_refused(tmp_path: Path) -> None:
    """Their runs would number the versions of the same images."""
    with place("duckdb", tmp_path) as made, take(made, waits=True) as first:
        first.stdout.readline()
        with take(made) as second:
            assert second.stdout.readline().startswith("another sync of account 1 is writing to ")
        assert first.communicate(PATIENCE) == ("still held\n", "")


def test_a_process_whose_command_has_ended_writes_nothing(tmp_path: Path) -> None:
    """The command's lock is gone, so another command may write."""
    with place("duckdb", tmp_path) as made, warm(begin, made.url, str(tmp_path)) as parent:
        assert parent.stdout.readline() == "turn\n"
        parent.kill()
        parent.wait()
        assert "the command that holds the lock" in parent.communicate(PATIENCE)[1]


def begin(url: str, directory: str) -> None:
    """Be a command with one process, which shares its streams; that process goes on where stdin ends."""
    if os.fork():
        signal.pause()
    take_turns(url, directory, "1")


@pytest.mark.parametrize(("accounts", "most"), [(1, 1), (2, 2), (10_000, 4 * (os.cpu_count() or 1))])
def test_the_default_is_bounded_by_the_machine(accounts: int, most: int) -> None:
    """However many accounts there are."""
    assert default(accounts) == most
