"""Runs `tcss`, or a function, in a warm process of its own, which has imported what both need (`tests.warmed`)."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TextIO
from unittest import mock

from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from tests.syncing import PROCESSES


class Running:
    """Holds a process under way. It leads a process group, as a shell's command does."""

    def __init__(self, process: BaseProcess, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> None:
        assert process.pid is not None
        self.pid: int = process.pid
        self.stdout = stdout
        self._process, self._stdin, self._stderr = process, stdin, stderr

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """End stdin, wait for the end, and return the rest of stdout, and stderr. Kill a process that hangs."""
        self._stdin.close()
        watch = threading.Timer(timeout, self.kill)
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.append(self._stderr.read()))
        for thread in (watch, reader):
            thread.start()
        rest = self.stdout.read()
        reader.join()
        self._process.join()
        watch.cancel()
        return rest, *errors

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.join()


def tcss(arguments: Sequence[str], directory: Path, environment: Mapping[str, str]) -> AbstractContextManager[Running]:
    """Start `tcss` with these arguments and variables. It leaves out the round trip of texts, as our other syncs do."""
    return warm(_tcss, list(arguments), str(directory), dict(environment))


@contextmanager
def warm(function: Callable[..., None], *given: Any) -> Iterator[Running]:
    """Start a process that calls the function; if it still runs after the block, kill it."""
    (their_in, stdin), (stdout, their_out), (stderr, their_err) = (PROCESSES.Pipe(duplex=False) for _ in range(3))
    theirs = (their_in, their_out, their_err)
    process = PROCESSES.Process(target=_run, args=(theirs, function, *given))
    process.start()
    for pipe in theirs:
        pipe.close()
    with ExitStack() as stack:
        ours = [stack.enter_context(_text(pipe, mode)) for pipe, mode in ((stdin, "w"), (stdout, "r"), (stderr, "r"))]
        stack.callback(process.join)
        stack.callback(process.kill)
        yield Running(process, *ours)


def _text(pipe: Connection, mode: str) -> TextIO:
    with pipe:
        return os.fdopen(os.dup(pipe.fileno()), mode, encoding="utf-8")


def _run(streams: tuple[Connection, ...], function: Callable[..., None], *given: Any) -> None:
    os.setsid()
    for number, pipe in enumerate(streams):
        with pipe:
            os.dup2(pipe.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    function(*given)


def _tcss(arguments: list[str], directory: str, environment: dict[str, str]) -> None:
    from connector.cli.main import main

    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # else the one of the process that was forked
    sys.argv = ["tcss", *arguments]
    Container()[PluggableRunContext].reload_providers()
    with mock.patch("connector.runs.run.round_trip"):
        main()
