"""Limits how long a change of tables waits for the locks of others, and names who holds them.

A change that waits for a lock makes everybody wait who asks for the table later. So a change gives up after a while;
the next sync tries again. All other statements wait longer (`engines.SESSION`).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dlt.destinations.exceptions import DatabaseException

from connector.errors import DestinationError
from connector.warehouse.backends import Kind
from connector.warehouse.causes import codes_of
from connector.warehouse.errors import root_of
from connector.warehouse.holders import QUERIES, listed
from connector.warehouse.locations import Location

SECONDS = 10
_TIMED_OUT = {("sqlstate", "55P03"), ("mysql", "1205")}
_LIMIT: dict[Kind, str] = {
    "postgresql": "SET lock_timeout = '{}s'",
    "mysql": "SET SESSION lock_wait_timeout = {}",
}


def limit(client: Any, kind: Kind) -> None:
    """Let the session of dlt's SQL client wait for a lock no longer than `SECONDS`."""
    if kind in _LIMIT:
        client.execute_sql(_LIMIT[kind].format(SECONDS))


@contextmanager
def holders_named(client: Any, location: Location) -> Iterator[None]:
    """Raise the end of a wait as a DestinationError that names the sessions which hold the lock, as far as the user may
    see them."""
    try:
        yield
    except DatabaseException as error:
        if not _TIMED_OUT & set(codes_of(root_of(error))):
            raise
        found: list[str] = []
        with suppress(DatabaseException):
            found = [str(row[0]) for row in client.execute_sql(QUERIES[location.kind], location.dataset)]
        raise DestinationError(
            f"the tables of {location.display} cannot be changed: another session has a lock on them ({listed(found)})",
            hint="End that session's transaction, or wait for its end: the next sync tries again.",
        ) from None
