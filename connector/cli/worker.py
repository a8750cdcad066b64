"""Syncs one account in a process that `jobs` has forked, and sends the command what a person should see."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn

from connector.api.answers import CallStats
from connector.cli import process
from connector.cli.report import Outcome, Reporter
from connector.runs.progress import IMAGES, Report

EVERY = 0.2  # seconds between two reports of an account
LOOKS = 1.0  # seconds between two looks whether the command still runs


@dataclass(frozen=True)
class Shown:
    """The progress of an account: the images of a phase so far, TotalCount, and the requests of all phases."""

    phase: str
    shown: int
    total: int | None
    stats: CallStats


@dataclass(frozen=True)
class Printed:
    """A text for the command's `stdout` or `stderr`."""

    stream: str
    text: str


@dataclass(frozen=True)
class Lent:
    """The files whose locks the command holds, a directory in which its processes take turns, and its process id."""

    files: Sequence[Path]
    directory: Path
    command: int


class Channel:
    """Sends messages of several threads to the command, one after the other: a long message is written in parts."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.RLock()

    def send(self, message: Shown | Printed | Outcome) -> None:
        with self._lock:
            self._pipe.send(message)


def work(
    name: str | None,
    sync_one: Callable[[str | None, Reporter], Outcome],
    lent: Lent,
    pipe: Connection,
    *,
    as_json: bool,
    is_drawn: bool,
) -> NoReturn:
    """Sync the account, send `Shown`, `Printed` and last the `Outcome`, and end the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the command too, which ends this process
    signal.signal(signal.SIGTERM, _terminate)
    channel = Channel(pipe)
    streams = [Sent(channel, stream) for stream in ("stdout", "stderr")]
    sys.stdout, sys.stderr = streams
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(sys.stderr)
    threading.Thread(target=_watch, args=(lent.command,), daemon=True).start()
    try:
        from connector.warehouse import turns

        turns.borrow(lent.files, lent.directory, lent.command)
        outcome = sync_one(name, _Remote(channel, as_json=as_json) if is_drawn else Reporter(as_json=as_json))
        for stream in streams:
            stream.flush()
        channel.send(outcome)
    except (KeyboardInterrupt, BrokenPipeError):
        process.end(130)
    process.end(0)


def _terminate(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _watch(command: int) -> None:
    """End this process when the command has ended, even by SIGKILL: nobody would see the result."""
    while os.getppid() == command:
        time.sleep(LOOKS)
    os.kill(os.getpid(), signal.SIGTERM)


class _Remote(Reporter):
    """Sends the progress to the command, which draws it."""

    def __init__(self, channel: Channel, *, as_json: bool) -> None:
        super().__init__(as_json=as_json)
        self._channel = channel

    @contextmanager
    def progress(self) -> Iterator[Report]:
        yield _Progress(self._channel)


class _Progress:
    """Sends progress, at most five times a second."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._phase, self._last = channel, IMAGES, 0.0

    def begin(self, phase: str) -> None:
        self._phase = phase

    def __call__(self, shown: int, total: int | None, stats: CallStats) -> None:
        if time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            self._channel.send(Shown(self._phase, shown, total, stats))


class Sent(io.TextIOBase):
    """Sends what is written, one message for each flush, so that what is printed at once stays together."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel, self._name = channel, name
        self._texts: SimpleQueue[str] = SimpleQueue()

    def write(self, text: str, /) -> int:
        self._texts.put(text)
        return len(text)

    def flush(self) -> None:
        texts: list[str] = []
        with suppress(Empty):
            while True:
                texts.append(self._texts.get_nowait())
        if texts:
            with suppress(BrokenPipeError):  # the command has ended, and nobody reads
                self._channel.send(Printed(self._name, "".join(texts)))
