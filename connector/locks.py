"""One sync of an account at a time. A lock dies with its holder, and is refused at once when somebody else has it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from connector.errors import LockedError

HINT = "Wait for it to end, or let the scheduler run one sync of an account at a time."


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """A lock on the database file `path` (by a file beside it), whatever the account: DuckDB has one writer."""
    try:
        lock = FileLock(f"{path}.lock", timeout=0, thread_local=False)
        lock.acquire()
    except Timeout:
        raise LockedError(f"another sync is writing to {path.name}", hint=HINT) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def server_lock(url: sa.URL, name: str) -> Iterator[None]:
    """An advisory lock `name` on a PostgreSQL, MySQL or MariaDB server, held by a connection of its own."""
    digest = hashlib.blake2b(name.encode(), digest_size=8)
    if url.get_backend_name() == "postgresql":
        statement, key = "select pg_try_advisory_lock(:key)", int.from_bytes(digest.digest(), signed=True)
    else:
        statement, key = "select get_lock(:key, 0)", f"tcss_{digest.hexdigest()}"
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            if not connection.execute(sa.text(statement), {"key": key}).scalar():
                raise LockedError(f"another sync of this account holds the lock ({name})", hint=HINT)
            yield
    finally:
        engine.dispose()
