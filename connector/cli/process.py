"""Runs the command's process from start to end: Ctrl-C and SIGTERM are never lost, and the process ends at once."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import typer

from connector.cli.streams import make_unfailing
from connector.errors import TcssError

# dlt would send errors, with the values of variables, and telemetry to addresses that a file of the working directory
# names. Arrow's own allocator keeps what was freed: a quarter of the memory of a small sync.
_VARIABLES = {
    "RUNTIME__SENTRY_DSN": "",
    "RUNTIME__SLACK_INCOMING_HOOK": "",
    "RUNTIME__DLTHUB_DSN": "",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "WARNING",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
_terminations: list[int] = []  # SIGTERM, if it came: the exception that it raises may lose its type on its way


def run(command: Callable[[], object]) -> None:
    """Call the command, which ends with SystemExit. SIGTERM becomes KeyboardInterrupt, as Ctrl-C does."""

    def terminate(*_: object) -> NoReturn:
        _terminations.append(signal.SIGTERM)
        raise KeyboardInterrupt

    code: int | str | None = 1
    try:
        make_unfailing()
        for name, value in _VARIABLES.items():
            os.environ.setdefault(name, value)
        signal.signal(signal.SIGTERM, terminate)
        sys.unraisablehook = partial(_interrupt_again, sys.unraisablehook)
        # Else garbage collection takes a tenth of each start, and finds nothing in the imports.
        gc.set_threshold(50_000)
        # Registered first, so called last. Without it, Python would free every module's objects, for a third of a
        # second.
        atexit.register(lambda: end(code if isinstance(code, int) else bool(code)))
        command()
    except SystemExit as ended:
        # Typer calls every interrupt Ctrl-C.
        code = 143 if ended.code == 130 and _terminations else ended.code
        raise
    except KeyboardInterrupt:
        leave()


@contextmanager
def reported(reporter: Any, unexpected: int = 1) -> Iterator[None]:
    """Turn errors into a message and an exit code; Ctrl-C ends with 130, SIGTERM with 143.

    `unexpected` replaces exit code 1 in a command that gives code 1 another meaning.
    """
    try:
        yield
    except TcssError as error:
        reporter.failed(error)
        raise typer.Exit(unexpected if error.exit_code == 1 else error.exit_code) from None
    except KeyboardInterrupt:
        leave()
    except typer.Exit:
        raise
    except Exception as error:
        reporter.crashed(error)
        raise typer.Exit(unexpected) from None


def leave() -> NoReturn:
    """End the process after a KeyboardInterrupt: with 143 if SIGTERM came, else with 130."""
    word, code = ("terminated", 143) if _terminations else ("interrupted", 130)
    sys.stderr.write(f"{word}: nothing was loaded that is not whole\n")
    end(code)


def end(code: int) -> NoReturn:
    """End the process at once, even if threads wait for answers that nobody needs. All clean-up has been done."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _interrupt_again(usual: Callable[[Any], Any], lost: Any) -> None:
    """Send an interrupt again, a moment later, if it came while Python freed an object, such as dlt's DuckDB
    connections: Python ignores exceptions at that time."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        usual(lost)
        return
    number = signal.SIGTERM if _terminations else signal.SIGINT  # a background job ignores SIGINT
    while True:
        try:
            threading.Timer(0.01, os.kill, (os.getpid(), number)).start()
            return
        except KeyboardInterrupt:  # on a busy machine it comes before we have left here, where Python ignores it too
            continue
