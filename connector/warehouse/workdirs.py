"""Makes directories for files that are needed only during a load."""

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from connector.errors import ConfigurationError
from connector.wire import is_storable

WORK, SYNC, JOBS, DASHBOARD, DAGSTER = (f"tcss_{what}_" for what in ("work", "sync", "jobs", "dashboard", "dagster"))
"""How the names of such directories begin."""
STALE = 24 * 3600.0  # seconds after which what a killed process left is removed

_UNUSABLE = "%?\\"  # dlt takes a % in a path for a format; DuckDB ends a name at the other two
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # the last one by `ulimit -f`
_HINT = "Set TMPDIR to a directory that this user may write to, in UTF-8 and without %, ? and backslash in its name."
_FULL_HINT = (
    "Free space there, raise a limit of file sizes (ulimit -f), or set TMPDIR to a directory with more room, then run "
    "again."
)


def root() -> Path:
    """Return where such directories are made. Raises ConfigurationError."""
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError:
        raise ConfigurationError("there is no directory for temporary files", hint=_HINT) from None
    if set(found) & set(_UNUSABLE) or not is_storable(found):
        raise ConfigurationError(f"no load can go through the directory for temporary files, {found}", hint=_HINT)
    return Path(found)


def make(prefix: str = WORK) -> Path:
    """Make a new directory, which the caller removes. Raises ConfigurationError."""
    where = root()
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    except OSError as error:
        raise ConfigurationError(f"cannot make a directory in {where}: {error.strerror}", hint=_HINT) from None


@contextmanager
def held(prefix: str, stale: float = STALE) -> Iterator[Path]:
    """Make a new directory, and remove it afterwards. Directories of this user that killed processes left more than
    `stale` seconds ago, with any prefix of ours, are removed too. Raises ConfigurationError.

    Each directory is locked as long as its process lives, so that a wrong clock takes no directory from a process.
    """
    for begin in dict.fromkeys((prefix, WORK, SYNC, JOBS, DASHBOARD, DAGSTER)):
        for left in root().glob(f"{begin}*"):
            with suppress(OSError):
                _remove_left(left, stale)
    directory = make(prefix)
    with _locked(directory, wait=True):
        try:
            with _full_named():
                yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _remove_left(left: Path, stale: float) -> None:
    with _locked(left, wait=False) as descriptor:
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid() and time.time() - found.st_mtime > stale:
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(directory: Path, *, wait: bool) -> Iterator[int]:
    """Lock the directory. If another process has locked it, wait, as for one that looks whether the directory is
    stale, or else raise OSError. A link to a directory is an OSError too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def workdir(prefix: str = WORK, *, within: Path | None = None) -> Iterator[Path]:
    """Make a new directory, and remove it afterwards. What a killed process leaves goes as `held` says, or with the
    directory of a run that it is `within`. Raises ConfigurationError."""
    if within is None:
        with held(prefix) as directory:
            yield directory
    else:
        with _full_named(), tempfile.TemporaryDirectory(prefix=prefix, dir=within) as inner:
            yield Path(inner)


@contextmanager
def _full_named() -> Iterator[None]:
    """Do the block, which writes temporary files. Raises ConfigurationError if their disk is full or read-only."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        cause = os.strerror(error.errno)
        raise ConfigurationError(f"cannot write temporary files in {root()}: {cause}", hint=_FULL_HINT) from None
