"""One sync at a time: a lock that is refused at once when it is held, and that dies with the process that holds it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from connector.backends import Kind
from connector.errors import LockedError
from connector.failures import faults
from connector.locations import Location

_HINT = "Wait until it has ended. A sync that was killed holds nothing: its lock went with it."


@dataclass(frozen=True)
class _Advisory:
    """How a server locks a name for as long as a connection lives. `keep` stops the server from ending an idle one, and
    `options` routers on the way, after which the server would hold the lock for hours."""

    driver: str
    options: dict[str, int]
    keep: str
    take: str
    give: str


_ADVISORY: dict[Kind, _Advisory] = {
    "postgresql": _Advisory(
        "postgresql+psycopg2",
        {"keepalives_idle": 60},
        # The setting exists since PostgreSQL 14.
        "SELECT set_config('idle_session_timeout', '0', false) "
        "WHERE current_setting('server_version_num')::int >= 140000",
        "SELECT pg_try_advisory_lock(('x' || substr(:name, 1, 16))::bit(64)::bigint)",
        "SELECT pg_advisory_unlock(('x' || substr(:name, 1, 16))::bit(64)::bigint)",
    ),
    "mysql": _Advisory(
        "mysql+pymysql",
        {},
        "SET SESSION wait_timeout = 604800",
        "SELECT GET_LOCK(:name, 0)",
        "SELECT RELEASE_LOCK(:name)",
    ),
}


def lock(location: Location, account_id: str) -> AbstractContextManager[None]:
    """Hold the lock of an account in a dataset; raises LockedError when another process or thread holds it.

    DuckDB and SQLite have one writer a file, so there it is a lock of the whole file, beside it. Where we know no
    lock that dies with its holder, nothing is locked: there the scheduler must not start a sync twice.
    """
    if location.file is not None:
        return _file_lock(location, location.file)
    if location.kind in _ADVISORY:
        return _server_lock(location, account_id)
    return nullcontext()


@contextmanager
def _file_lock(location: Location, file: Path) -> Iterator[None]:
    held = FileLock(_lock_file(file), blocking=False)
    with faults(location, "lock"):
        # filelock would create the directory.
        if not file.parent.is_dir():
            raise FileNotFoundError(f"No such file or directory: {file.parent}")
        try:
            held.acquire()
        except Timeout:
            raise LockedError(f"another sync is writing to {location.display}", hint=_HINT) from None
    try:
        yield
    finally:
        if not file.exists():  # the sync ended before it wrote anything: leave nothing behind
            _lock_file(file).unlink(missing_ok=True)
        held.release()


def _lock_file(file: Path) -> Path:
    # Through symbolic links, so that two names of one warehouse share a lock.
    real = file.resolve()
    return real.with_name(real.name + ".lock")


@contextmanager
def _server_lock(location: Location, account_id: str) -> Iterator[None]:
    advisory = _ADVISORY[location.kind]
    name = {"name": sha256(f"tcss\n{location.dataset}\n{account_id}".encode()).hexdigest()[:48]}
    with faults(location, "lock"):
        connection = _connect(location, advisory)
    try:
        with faults(location, "lock"):
            connection.execute(sa.text(advisory.keep))
            taken = connection.execute(sa.text(advisory.take), name).scalar()
        if not taken:
            raise LockedError(
                f"another sync of account {account_id} is writing to {location.dataset} in {location.display}",
                hint=_HINT,
            )
        try:
            yield
        finally:
            # Closing releases it too, but the server may take a moment to see it.
            with suppress(SQLAlchemyError):
                connection.execute(sa.text(advisory.give), name)
    finally:
        with suppress(SQLAlchemyError):
            connection.close()


def _connect(location: Location, advisory: _Advisory) -> sa.Connection:
    assert location.url is not None  # noqa: S101  (a location of these kinds always has one)
    url = location.url.set(drivername=advisory.driver)
    engine = sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=advisory.options)
    return engine.connect()
