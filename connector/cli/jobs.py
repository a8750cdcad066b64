"""Syncs several accounts beside each other, for `tcss sync --all-accounts`: a process for each account under way.

A sync waits for the API most of the time. This process imports what a sync needs, once, and forks a process for each
account when its turn comes; the memory ends with the process. What fails, hangs or is killed in one process harms no
other. The processes send what they would print, and this process prints it, a whole message at a time.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TYPE_CHECKING, Any

from connector.cli.board import Board
from connector.cli.report import Outcome, Reporter
from connector.cli.worker import Lent, Shown, work
from connector.errors import TcssError
from connector.settings import Settings

if TYPE_CHECKING:
    from connector.warehouse.locations import Location

JOBS_PER_CORE = 4
"""How many syncs pay off for each core, because a sync waits most of the time."""
# By the numbers of glibc's mallopt: all threads of a process share one arena (M_ARENA_MAX), and blocks of 128 kB or
# more go back to the system when they are freed (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD). Each process would else keep a
# tenth of its memory for nothing.
_MALLOC = {-8: 1, -3: 131_072, -1: 131_072}
_PATIENCE = 10.0  # seconds for a process to clean up before it is killed


@dataclass
class _Job:
    name: str | None
    process: ForkProcess
    outcome: Outcome | None = None


def default(accounts: int) -> int:
    """Return how many accounts pay off at once on this machine."""
    return min(accounts, JOBS_PER_CORE * (os.cpu_count() or 1))


class Jobs:
    """Syncs each account in a process of its own, at most `most` at once."""

    def __init__(self, sync_one: Callable[[str | None, Reporter], Outcome], most: int, reporter: Reporter) -> None:
        self._sync_one, self._most, self._reporter = sync_one, most, reporter
        self._context = multiprocessing.get_context("fork")
        self._under_way: dict[Connection, _Job] = {}

    def run(self, names: Sequence[str | None], locations: Sequence[Location]) -> list[Outcome]:
        """Sync the accounts, and return their outcomes in the order of their ends. `locations` are the warehouses."""
        _give_memory_back()
        _import(locations)
        waiting, outcomes = deque(names), []
        with _lent(locations) as lent, Board.of(len(names)) as board, self._ending():
            while waiting or self._under_way:
                while waiting and len(self._under_way) < self._most:
                    self._start(waiting.popleft(), lent, is_drawn=board.is_drawn)
                for pipe in wait(self._under_way):
                    outcomes += self._receive(pipe, board)  # type: ignore[arg-type]
        return outcomes

    def _start(self, name: str | None, lent: Lent, *, is_drawn: bool) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        options = {"as_json": self._reporter.as_json, "is_drawn": is_drawn}
        process = self._context.Process(target=work, args=(name, self._sync_one, lent, theirs), kwargs=options)
        process.start()
        theirs.close()  # so that the end of the process ends the pipe
        self._under_way[ours] = _Job(name, process)

    def _receive(self, pipe: Connection, board: Board) -> list[Outcome]:
        """Show a message of a process; if the process has ended, return its outcome."""
        job = self._under_way[pipe]
        try:
            message = pipe.recv()
        except Exception:  # the process has ended, or what it sends is cut off
            del self._under_way[pipe]
            pipe.close()
            return [self._ended(job, board)]
        if isinstance(message, Outcome):
            job.outcome = message
        elif isinstance(message, Shown):
            board.show(job.name, message)
        else:
            board.print(message)
        return []

    def _ended(self, job: _Job, board: Board) -> Outcome:
        job.process.join()
        board.end(job.name)
        if job.outcome is not None:
            return job.outcome
        with board.aside():
            self._reporter.failed(_died(job.process.exitcode or 0), account=job.name)
        return Outcome(1)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Where the block ends early, end the processes under way, each of which cleans up as at Ctrl-C."""
        try:
            yield
        finally:
            under_way = [job.process for job in self._under_way.values()]
            for process in under_way:
                process.terminate()
            for process in under_way:
                process.join(_PATIENCE)
                process.kill()
                process.join()


def _died(exitcode: int) -> TcssError:
    """Return the error of a process that sent no outcome."""
    how = f"was killed by {signal.Signals(-exitcode).name}" if exitcode < 0 else f"ended with {exitcode}"
    return TcssError(f"the process of this account {how}", hint="If memory is short, lower --jobs. Run again.")


def locations_of(names: Sequence[str | None], given: Mapping[str, Any]) -> list[Location]:
    """Return the warehouses of the accounts. Accounts whose settings cannot be used are left out, and fail later."""
    from connector.warehouse.locations import locate

    found = []
    for name in names:
        try:
            settings = Settings.load(name, **given)
            found.append(locate(settings.destination, settings.dataset))
        except TcssError:
            continue
    return found


def _give_memory_back() -> None:
    """Let the system have freed memory at once, in this process and those to come, where malloc is glibc's."""
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOC.items():
            mallopt(parameter, value)


def _import(locations: Sequence[Location]) -> None:
    """Import what a sync needs, once for all processes, and keep the garbage collector off these objects: it would
    write into memory that the processes share."""
    import connector.detail.run
    import connector.detail.store
    import connector.runs.run
    import connector.sync
    import connector.warehouse.probes  # noqa: F401
    from connector.warehouse.pipeline import import_destination

    for location in {location.kind: location for location in locations}.values():
        import_destination(location)
    gc.collect()
    gc.freeze()


@contextmanager
def _lent(locations: Sequence[Location]) -> Iterator[Lent]:
    """Hold the locks of the DuckDB and SQLite files among the locations, and yield them, with a directory for turns.

    A file that another command writes to is left out: each account of that file says so.
    """
    from connector.warehouse import workdirs
    from connector.warehouse.locks import file_lock

    by_file = {location.file: location for location in locations if location.file is not None}
    files = []
    with workdirs.workdir(workdirs.JOBS) as directory, ExitStack() as stack:
        for file, location in by_file.items():
            try:
                stack.enter_context(file_lock(location, file))
                files.append(file)
            except TcssError:
                continue
        yield Lent(files, directory, os.getpid())
