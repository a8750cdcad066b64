"""`make test-elsewhere`: the tests on a busy machine in Shanghai, today, a day later and a year later.

Directories for temporary files are of each run's own: a sync removes what others left there a day ago by its clock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DAY = 86_400
SHIFTS = {"today": 0, "a day later": DAY, "a year later": 365 * DAY}
LOOPS_PER_CORE = 4


@contextmanager
def busy_loop() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def clock(directory: Path) -> Path:
    """The library of `clock.c`, compiled."""
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("a C compiler is needed for a clock that is ahead: install gcc")
    library = directory / "clock.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("clock.c")], check=True
    )
    return library


def run(shift: int, library: Path, directory: Path, arguments: list[str]) -> int:
    """pytest's exit code."""
    directory.mkdir()
    directory.chmod(0o755)
    elsewhere = {"TZ": "Asia/Shanghai", "LC_ALL": "C", "TMPDIR": str(directory)}
    later = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)} if shift else {}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *arguments], env={**os.environ, **elsewhere, **later}, check=False).returncode


def main() -> None:
    """Runs all three; what follows `-m tests.elsewhere` is for pytest, such as the name of a file."""
    codes: dict[str, int] = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        directory.chmod(0o755)
        library = clock(directory)
        for _ in range(LOOPS_PER_CORE * (os.cpu_count() or 1)):
            stack.enter_context(busy_loop())
        for name, shift in SHIFTS.items():
            codes[name] = run(shift, library, directory / str(shift), sys.argv[1:])
    print(codes)  # noqa: T201
    sys.exit(max(codes.values()))


if __name__ == "__main__":
    main()
