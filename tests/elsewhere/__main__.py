"""Runs the tests on a busy machine in Shanghai; and with a clock that is a day, then a year ahead.

Run it as `make test-elsewhere`. Each run has only one cause, so that a failed run names what broke the test. Each
run has its own directory for temporary files: a sync removes files of others that are a day old by its clock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOPS_PER_CORE = 4
DAY = 86_400


@dataclass(frozen=True)
class Cause:
    """Describes how the machine differs from that of a test's author."""

    loops_per_core: int = 0
    zone: str | None = None
    seconds_ahead: int = 0


CAUSES = {
    "busy, in Shanghai": Cause(loops_per_core=LOOPS_PER_CORE, zone="Asia/Shanghai"),
    "a day later": Cause(seconds_ahead=DAY),
    "a year later": Cause(seconds_ahead=365 * DAY),
}


@contextmanager
def busy_loop() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def clock(directory: Path) -> Path:
    """Compile the library of `clock.c`, and return its path."""
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("a C compiler is needed for a clock that is ahead: install gcc")
    library = directory / "clock.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("clock.c")], check=True
    )
    return library


def run(cause: Cause, library: Path, directory: Path, arguments: list[str]) -> int:
    """Run pytest, and return its exit code."""
    directory.mkdir()
    directory.chmod(0o755)
    environ = {**os.environ, "TMPDIR": str(directory)}
    if cause.zone:
        environ |= {"TZ": cause.zone, "LC_ALL": "C"}
    if cause.seconds_ahead:
        environ |= {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(cause.seconds_ahead)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider"]
    with ExitStack() as loops:
        for _ in range(cause.loops_per_core * (os.cpu_count() or 1)):
            loops.enter_context(busy_loop())
        return subprocess.run([*command, *arguments], env=environ, check=False).returncode


def main() -> None:
    """Run the tests with each cause; arguments after `-m tests.elsewhere` are for pytest, such as a file."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        directory = Path(made)
        directory.chmod(0o755)
        library = clock(directory)
        codes = {
            name: run(cause, library, directory / str(number), sys.argv[1:])
            for number, (name, cause) in enumerate(CAUSES.items())
        }
    print(codes)  # noqa: T201
    sys.exit(max(codes.values()))


if __name__ == "__main__":
    main()
