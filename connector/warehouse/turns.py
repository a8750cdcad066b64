"""Lets the processes of one command use a DuckDB or SQLite file in turns.

Such a file has one writer, so a command that syncs several accounts at once takes the file's lock (`locks`) for all of
them, and *lends* the file to its processes. Each process asks the API when it likes, and has the file open only in its
*turn*. The system frees the turn of a process that was killed.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa


@dataclass
class _Lent:
    """What this process may use: the lent files, and the directory of the locks that the command's processes share."""

    files: frozenset[Path]
    directory: Path
    owner: int  # the process that holds the files' locks
    turn: int = -1  # the descriptor of the locked file, in our turn
    users: int = 0  # open connections of this process
    mutex: threading.Lock = field(default_factory=threading.Lock)


_lent: _Lent | None = None


def borrow(files: Iterable[Path], directory: Path) -> None:
    """Use these files in turns, for the rest of this process. The parent process holds their locks; all processes that
    share the files name the same directory."""
    global _lent
    _lent = _Lent(frozenset(file.resolve() for file in files), directory, os.getppid())
    sa.event.listen(sa.Pool, "checkout", _checkout)
    sa.event.listen(sa.Pool, "checkin", _checkin)


def is_borrowed(file: Path) -> bool:
    """Whether this process uses the file in turns."""
    return _lent is not None and file.resolve() in _lent.files


def is_owner_alive() -> bool:
    """Whether the command still runs that holds the locks of the borrowed files."""
    return _lent is None or os.getppid() == _lent.owner


@contextmanager
def account(file: Path, account_id: str) -> Iterator[None]:
    """Hold the lock of an account in a borrowed file. Raises BlockingIOError if another process of the command holds
    the lock: two names may mean one account."""
    assert _lent is not None  # noqa: S101  (the file is borrowed)
    name = sha256(f"{file.resolve()}\n{account_id}".encode()).hexdigest()
    descriptor = _locked(_lent.directory / name, fcntl.LOCK_NB)
    try:
        yield
    finally:
        os.close(descriptor)


def begin() -> None:
    """Wait for this process's turn. The turn lasts until each `begin` has had its `end`. Without `borrow`, do
    nothing."""
    if _lent is None:
        return
    with _lent.mutex:
        if not _lent.users:
            _lent.turn = _locked(_lent.directory / "turn")
        _lent.users += 1


def end() -> None:
    """End what `begin` began."""
    if _lent is None:
        return
    with _lent.mutex:
        _lent.users -= 1
        if not _lent.users:
            os.close(_lent.turn)


@contextmanager
def turn() -> Iterator[None]:
    """Do the block in this process's turn."""
    begin()
    try:
        yield
    finally:
        end()


# Every connection to SQLite comes from a pool of SQLAlchemy, and goes back to it.
def _checkout(connection: Any, record: Any, _: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        record.record_info[__name__] = True
        begin()


def _checkin(_: Any, record: Any) -> None:
    if record.record_info.pop(__name__, False):
        end()


def _locked(file: Path, option: int = 0) -> int:
    """Lock the file, and return its descriptor, which holds the lock until it is closed."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | option)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
