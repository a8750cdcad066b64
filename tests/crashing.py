"""Runs a sync: killed at a chosen step, in a process of its own, or undisturbed, in this process. Steps are counted
before and after every commit. Nothing is written between the begin of a load and the extraction, nor between the
extraction and the normalization, so these are counted at their ends only."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import dlt
from dlt.common.destination.client import RunnableLoadJob

from connector.settings import Settings
from connector.sync import sync
from connector.warehouse.counting import Posture
from connector.warehouse.loading import Loader
from tests import hints
from tests.syncing import PROCESSES

STEPS = (
    (Loader, "prepare"),
    (Loader, "load"),
    (Posture, "_write"),
    (RunnableLoadJob, "run_managed"),  # a staging file or the merge of one table: its commit is inside
)
ENDS = ((dlt.Pipeline, "extract"), (dlt.Pipeline, "normalize"))


def run(settings: dict[str, Any], temporary: Path, kill_at: int | None) -> int:
    """Sync with temporary files in this directory, and return the exit code. SIGKILL strikes at step `kill_at`, counted
    from 0; None: never."""
    temporary.mkdir(exist_ok=True)
    if kill_at is None:
        with mock.patch.object(tempfile, "tempdir", str(temporary)), mock.patch("connector.runs.run.round_trip"):
            sync(settings=Settings.load(**settings))
        return 0
    process = PROCESSES.Process(target=_killed, args=(settings, str(temporary), kill_at))
    process.start()
    process.join(300)
    assert process.exitcode is not None, "a sync hangs"
    return process.exitcode


def _killed(settings: dict[str, Any], directory: str, kill_at: int) -> None:
    hints.remember()
    gc.disable()  # this process does not live long
    tempfile.tempdir = directory
    counter = itertools.count()

    def step(*_: object) -> None:
        if next(counter) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with _counted(step), mock.patch("connector.runs.run.round_trip"):
        sync(settings=Settings.load(**settings), progress=step)


@contextmanager
def _counted(step: Callable[..., None]) -> Iterator[None]:
    counted = [(*what, step) for what in STEPS] + [(*what, _nothing) for what in ENDS]
    patches = [
        mock.patch.object(owner, name, _around(getattr(owner, name), before, step)) for owner, name, before in counted
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def _nothing() -> None:
    """Be no step."""


def _around(method: Callable[..., Any], before: Callable[..., None], after: Callable[..., None]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        before()
        result = method(*args, **kwargs)
        after()
        return result

    return counted
