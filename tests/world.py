"""Gives tests of whole runs a sandbox, its keys in the environment, and `tcss` run in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import duckdb
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from typer.testing import CliRunner

from connector.cli.main import app
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ACCOUNT, DEFAULT_ID, DEFAULT_KEY

ACCOUNT_ID = DEFAULT_ACCOUNT
Begun = Literal["", "prepared", "synced"]
"""What a world's warehouse has: no file; tables and views without a row; or a first sync of the fleet."""


@dataclass
class World:
    """Holds an account on a sandbox, and a DuckDB file for the account."""

    fleet: Fleet
    sandbox: Sandbox
    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "warehouse.duckdb"

    @property
    def destination(self) -> str:
        return f"duckdb:///{self.file}"

    def tcss(self, command: str, *arguments: str) -> Any:
        """Return the result of `tcss command`, for this sandbox and warehouse unless the arguments say otherwise."""
        given = [command]
        if command not in ("status", "views", "report", "prune"):
            given += ["--endpoint", self.sandbox.url]
        if command != "find":
            given += ["--destination", self.destination]
        return CliRunner().invoke(app, [*given, *arguments])

    def sync(self, *arguments: str) -> dict[str, Any]:
        """Return the row that `tcss sync --json` prints for a run that ends with 0."""
        result = self.tcss("sync", "--json", *arguments)
        assert result.exit_code == 0, result.output
        row: dict[str, Any] = json.loads(result.stdout)
        return row

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse for a change past the code under test."""
        with duckdb.connect(str(self.file)) as connection:
            yield connection

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@contextmanager
def world(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    images: int = 1500,
    *,
    fleet: Fleet | None = None,
    begun: Begun = "",
    **options: Any,
) -> Iterator[World]:
    """Yield a world with keys in the environment and no other configuration.

    A warehouse that is `begun` is a copy of one that was made once: a first sync takes 1.5 s, and a later one 0.7 s.
    """
    if begun:
        content, synced = first_sync(images if begun == "synced" else 0)
        (directory / "warehouse.duckdb").write_bytes(content)
        fleet = fleet or (deepcopy(synced) if begun == "synced" else None)
    for name, value in {
        "TENCENTCLOUD_SECRET_ID": DEFAULT_ID,
        "TENCENTCLOUD_SECRET_KEY": DEFAULT_KEY,
        "SOURCES__TCSS__METADATA": "false",
        "SOURCES__TCSS__REQUESTS_PER_SECOND": "100000",
        "HOME": str(directory),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(directory)
    # dlt reads its files once per process, and an earlier test may have had some.
    Container()[PluggableRunContext].reload_providers()
    fleet = fleet or Fleet.seeded(images, clock=wall_clock)
    with Sandbox(fleet, rate=None, **options) as sandbox:
        yield World(fleet, sandbox, directory)


@contextmanager
def apart() -> Iterator[tuple[Path, pytest.MonkeyPatch]]:
    """Yield a directory, and an environment without settings; then let dlt read the files of the test again."""
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("TCSS_", "SOURCES__"))]:
            patch.delenv(name)
        yield Path(directory), patch
    Container()[PluggableRunContext].reload_providers()


FRESH = 120  # seconds; ages of data are shown in tenths of an hour
_made: dict[int, tuple[float, bytes, Fleet]] = {}


def first_sync(images: int) -> tuple[bytes, Fleet]:
    """Return a warehouse after the first sync of a fleet, and the fleet. Without images, the run's row is deleted.

    A warehouse that is no longer fresh is made again, so that no test depends on how long the tests have run.
    """
    if images not in _made or time.monotonic() - _made[images][0] > FRESH:
        with apart() as (directory, patch), world(directory, patch, images) as made:
            assert made.sync()["images_new"] == images
            if not images:
                with made.writing() as connection:
                    connection.execute("delete from tcss.sync_runs")
            _made[images] = time.monotonic(), made.file.read_bytes(), deepcopy(made.fleet)
    return _made[images][1:]


@contextmanager
def open_elsewhere(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a DuckDB file open."""
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


@contextmanager
def open_until_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let another process hold a DuckDB file open until this process was refused; the event says so."""
    connect, refused = duckdb.connect, threading.Event()
    with open_elsewhere(file) as holder:

        def connect_and_tell(*given: Any, **options: Any) -> Any:
            try:
                return connect(*given, **options)
            except duckdb.IOException:
                if not refused.is_set():
                    refused.set()
                    holder.kill()
                raise

        monkeypatch.setattr(duckdb, "connect", connect_and_tell)
        yield refused
