"""Directories for files that live as long as a load."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from connector.errors import ConfigurationError

_UNUSABLE = "%?\\"  # dlt takes the % of a path for a format, and DuckDB ends a name at the others
_HINT = "Set TMPDIR to a directory that this user may write to, without %, ? and backslash in its name."


def root() -> Path:
    """Where such directories are made. Raises ConfigurationError."""
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError:
        raise ConfigurationError("there is no directory for temporary files", hint=_HINT) from None
    if set(found) & set(_UNUSABLE):
        raise ConfigurationError(f"no load can go through the directory for temporary files, {found}", hint=_HINT)
    return Path(found)


def make(prefix: str = "tcss_") -> Path:
    """A new directory, which the caller removes. Raises ConfigurationError."""
    where = root()
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    except OSError as error:
        raise ConfigurationError(f"cannot make a directory in {where}: {error.strerror}", hint=_HINT) from None


def remove_left(prefix: str, seconds: float) -> None:
    """Removes this user's directories that killed processes left: those that nobody has touched for so long."""
    for left in root().glob(f"{prefix}*"):
        with suppress(OSError):
            found = left.lstat()
            if found.st_uid == os.geteuid() and time.time() - found.st_mtime > seconds:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def workdir(prefix: str = "tcss_") -> Iterator[Path]:
    """A new directory, removed afterwards. Raises ConfigurationError."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=root()) as directory:
        yield Path(directory)
