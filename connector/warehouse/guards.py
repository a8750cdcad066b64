"""Asks before each job of a load whether the account's lock is still held.

A package has several jobs, and a job may take long: it has many rows, or dlt tries it again, as after the restart of a
server. Another sync may have run meanwhile, and the job would write older rows over that sync's rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationTerminalException

from connector.errors import DestinationError


class Guard:
    """Asks `still_held`. `lost` is the error that said that the lock is lost."""

    def __init__(self, still_held: Callable[[], None]) -> None:
        self._still_held = still_held
        self.lost: DestinationError | None = None

    def __call__(self) -> None:
        """Raise dlt's exception for a job that is not to be tried again if the lock is lost."""
        try:
            self._still_held()
        except DestinationError as error:
            self.lost = error
            raise DestinationTerminalException(str(error)) from error


class Guarded:
    """A part of a destination of dlt: its clients ask `guard` before each job."""

    guard: Guard | None = None

    def client(self, *given: Any, **options: Any) -> Any:
        client = super().client(*given, **options)  # type: ignore[misc]
        client.guard = self.guard
        return client


class GuardedClient:
    """A part of a client of dlt."""

    guard: Guard | None = None

    def prepare_load_job_execution(self, job: Any) -> None:
        if self.guard is not None:
            self.guard()
        super().prepare_load_job_execution(job)  # type: ignore[misc]


def guarded(pipeline: dlt.Pipeline, still_held: Callable[[], None]) -> Guard:
    """Let the jobs of a pipeline of `open_pipeline` ask `still_held`, where its destination is `Guarded`."""
    guard = Guard(still_held)
    if isinstance(pipeline.destination, Guarded):
        pipeline.destination.guard = guard
    return guard
