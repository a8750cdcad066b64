"""Allows one sync at a time: a second sync is refused at once, and the lock ends with the process that holds it.

A server's lock ends with its connection, which may break while the process still runs, and somebody may delete the lock
file of a file. So the holder checks the lock before each write, with the function that `lock` gives.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from uuid import uuid4

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from connector.errors import DestinationError, LockedError
from connector.warehouse import turns
from connector.warehouse.backends import Kind
from connector.warehouse.engines import engine_of
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location

StillHeld = Callable[[], None]
"""Returns while the lock is held; raises DestinationError if the lock is lost, or if the server does not answer."""

_HINT = "Wait until it has ended. A sync that was killed holds nothing: its lock went with it."
_LOST_HINT = (
    "What was written before is whole. Run again; if it happens every time, connect to the server itself, since a "
    "pooler that gives each transaction another connection cannot hold a lock."
)

_DELETED_HINT = (
    "Run again when no other sync is writing there. A lock file may stay: a sync that was killed holds nothing."
)


@dataclass(frozen=True)
class _Advisory:
    """How a server locks a name for as long as a connection lives. `keep` stops the server from closing an idle
    connection. `options` stop routers from dropping the connection, after which the server would hold the lock for
    hours. `held` gives up after a minute.
    """

    driver: str
    options: dict[str, int]
    keep: str
    take: str
    held: str
    give: str


# The first 64 bits of the name, as PostgreSQL counts; pg_locks shows them in two halves.
_KEY = "('x' || substr(:name, 1, 16))::bit(64)::bigint"


_ADVISORY: dict[Kind, _Advisory] = {
    "postgresql": _Advisory(
        "postgresql+psycopg2",
        {"keepalives_idle": 60, "tcp_user_timeout": 60_000},
        # The setting exists since PostgreSQL 14.
        "SELECT set_config('idle_session_timeout', '0', false) "
        "WHERE current_setting('server_version_num')::int >= 140000",
        f"SELECT pg_try_advisory_lock({_KEY})",
        f"SELECT {_KEY} IN (SELECT classid::bigint << 32 | objid::bigint FROM pg_locks "  # noqa: S608  (constants)
        "WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid())",
        f"SELECT pg_advisory_unlock({_KEY})",
    ),
    "mysql": _Advisory(
        "mysql+pymysql",
        {"read_timeout": 60},
        "SET SESSION wait_timeout = 604800",
        "SELECT GET_LOCK(:name, 0)",
        "SELECT IS_USED_LOCK(:name) = CONNECTION_ID()",
        "SELECT RELEASE_LOCK(:name)",
    ),
}


def lock(location: Location, account_id: str) -> AbstractContextManager[StillHeld]:
    """Hold the lock of an account in a dataset; raises LockedError when another process or thread holds the lock.

    DuckDB and SQLite have one writer per file, so a lock file beside the warehouse locks the whole file; or the command
    holds that lock for several processes (`turns`). For databases
    without a lock that ends with its holder, nothing is locked: there the scheduler must not start a sync twice.
    """
    if location.file is not None:
        borrowed = turns.is_borrowed(location.file)
        return _turns_lock(location, location.file, account_id) if borrowed else file_lock(location, location.file)
    if location.kind in _ADVISORY:
        return _server_lock(location, account_id)
    return nullcontext(_held_by_the_process)


def _held_by_the_process() -> None:
    """Do nothing, because nothing is locked."""


def prove(location: Location) -> None:
    """Raise DestinationError unless a server keeps a lock for a connection of ours. A pooler may not: while another
    connection is in a transaction, the pooler gives ours another session."""
    if location.kind not in _ADVISORY:
        return
    with (
        lock(location, f"check {uuid4().hex}") as still_held,
        destination_errors(location, "connect to"),
        closing(_connect(location, _ADVISORY[location.kind])) as other,
    ):
        other.exec_driver_sql("BEGIN")
        still_held()
        other.exec_driver_sql("ROLLBACK")


@contextmanager
def file_lock(location: Location, file: Path) -> Iterator[StillHeld]:
    """Hold the lock of a DuckDB or SQLite file. Raises LockedError, and DestinationError for a missing directory."""
    with destination_errors(location, "lock"):
        # filelock would create the directory.
        if not file.parent.is_dir():
            raise FileNotFoundError(f"No such file or directory: {file.parent}")
        if file.is_dir():
            raise IsADirectoryError(f"Is a directory: {file}")
        # Readable by this user alone, because everybody who may open a file may lock it.
        held = FileLock(_lock_file(file), mode=0o600, blocking=False)
        try:
            held.acquire()
        except Timeout:
            raise LockedError(f"another sync is writing to {location.display}", hint=_HINT) from None
        lock_file = Path(held.lock_file)
        locked = lock_file.stat()
    try:
        yield partial(_require_file, location, lock_file, locked)
    finally:
        if not file.exists():  # the sync ended before it wrote anything: leave nothing behind
            Path(held.lock_file).unlink(missing_ok=True)
        held.release()


def _require_file(location: Location, lock_file: Path, locked: os.stat_result) -> None:
    """Raise DestinationError unless the file is there that this process has locked: others lock another one."""
    with suppress(FileNotFoundError):
        if os.path.samestat(lock_file.stat(), locked):
            return
    raise DestinationError(
        f"this sync's lock of {location.display} is lost: somebody has deleted {lock_file}", hint=_DELETED_HINT
    )


def _lock_file(file: Path) -> Path:
    """Return the lock file, beside the warehouse, so that all syncs share it, whatever their environment."""
    real = file.resolve()  # through symbolic links, so that two names of one warehouse share a lock
    shared = real.parent.stat().st_mode & stat.S_IWOTH
    return (_own_directory(real) if shared else real.parent) / f"{real.name}.lock"


def _own_directory(file: Path) -> Path:
    """Return a directory that only the warehouse's owner may enter, for a lock file in a place such as /tmp, where
    everybody could hold a lock. Raises DestinationError where another user has made that directory."""
    owner = file.stat().st_uid if file.exists() else os.geteuid()
    directory = file.with_name(f".tcss-{owner}")
    directory.mkdir(0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, 0) or stat.S_IMODE(found.st_mode) & 0o077:
        raise DestinationError(
            f"{directory} is not this user's alone, so anybody could hold the lock of {file.name} in it",
            hint="Put the warehouse into a directory of your own, or remove that one.",
        )
    return directory


@contextmanager
def _turns_lock(location: Location, file: Path, account_id: str) -> Iterator[StillHeld]:
    """Hold the lock of an account in a file whose lock the parent process holds."""
    with ExitStack() as stack:
        try:
            stack.enter_context(turns.account(file, account_id))
        except BlockingIOError:
            raise LockedError(_beside(location, account_id), hint=_HINT) from None
        yield partial(_require_owner, location)


def _require_owner(location: Location) -> None:
    if not turns.is_owner_alive():
        raise DestinationError(f"the command that holds the lock of {location.display} has ended", hint="Run again.")


def _beside(location: Location, account_id: str) -> str:
    return f"another sync of account {account_id} is writing to {location}"


@contextmanager
def _server_lock(location: Location, account_id: str) -> Iterator[StillHeld]:
    advisory = _ADVISORY[location.kind]
    name = {"name": sha256(f"tcss\n{location.dataset}\n{account_id}".encode()).hexdigest()[:48]}
    with destination_errors(location, "lock"):
        connection = _connect(location, advisory)
    try:
        with destination_errors(location, "lock"):
            connection.execute(sa.text(advisory.keep))
            taken = connection.execute(sa.text(advisory.take), name).scalar()
        if not taken:
            raise LockedError(_beside(location, account_id), hint=_HINT)
        alone = Lock()  # the jobs of a load ask in several threads

        def still_held() -> None:
            with alone:
                _require_lock(location, connection, advisory.held, name)

        try:
            yield still_held
        finally:
            # Closing the connection releases the lock too, but the server may notice a moment later.
            with suppress(SQLAlchemyError):
                connection.execute(sa.text(advisory.give), name)
    finally:
        with suppress(SQLAlchemyError):
            connection.close()


def _require_lock(location: Location, connection: sa.Connection, query: str, name: dict[str, str]) -> None:
    """Raise DestinationError unless the server says that this connection still holds the lock of this name."""
    try:
        held = connection.execute(sa.text(query), name).scalar()
    except SQLAlchemyError:
        raise DestinationError(
            f"the connection to {location.display} that holds this sync's lock is lost", hint=_LOST_HINT
        ) from None
    if not held:
        raise DestinationError(f"this sync's lock in {location.display} is lost", hint=_LOST_HINT)


def _connect(location: Location, advisory: _Advisory) -> sa.Connection:
    assert location.url is not None  # noqa: S101  (a location of these kinds always has one)
    url = location.url.set(drivername=advisory.driver)
    return engine_of(url, isolation_level="AUTOCOMMIT", connect_args=advisory.options).connect()
