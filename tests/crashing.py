"""Runs a sync in a process of its own, killed at a chosen step. Steps are counted before and after every commit."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import dlt
from dlt.common.destination.client import RunnableLoadJob

from connector.settings import Settings
from connector.sync import sync
from connector.warehouse.counting import Posture
from connector.warehouse.loading import Loader
from tests import hints

STEPS = (
    (Loader, "prepare"),
    (Loader, "load"),
    (dlt.Pipeline, "extract"),
    (dlt.Pipeline, "normalize"),
    (Posture, "_write"),
    (RunnableLoadJob, "run_managed"),  # a staging file or the merge of one table: its commit is inside
)


def run(settings: dict[str, Any], directory: str, kill_at: int | None) -> None:
    """Sync with temporary files in `directory`; SIGKILL strikes at step `kill_at`, counted from 0."""
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
    patches = [mock.patch.object(owner, name, _around(getattr(owner, name), step)) for owner, name in STEPS]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def _around(method: Callable[..., Any], step: Callable[..., None]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        step()
        result = method(*args, **kwargs)
        step()
        return result

    return counted
