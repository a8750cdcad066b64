"""Limits how long a change of tables waits for the locks of others, and names who holds them.

A change that waits for a lock makes everybody wait who asks for the table later. So a change gives up after a while;
the next sync tries again.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dlt.destinations.exceptions import DatabaseException

from connector.errors import DestinationError
from connector.texts import shortened
from connector.warehouse.backends import Kind
from connector.warehouse.causes import codes_of
from connector.warehouse.errors import root_of
from connector.warehouse.locations import Location

SECONDS = 10
_TIMED_OUT = {("sqlstate", "55P03"), ("mysql", "1205")}
_LIMIT: dict[Kind, str] = {
    "postgresql": "SET lock_timeout = '{}s'",
    "mysql": "SET SESSION lock_wait_timeout = {}",
}
# Sessions that have a lock on a table of the dataset; in MySQL, whose list of such locks is off by default, those with
# an open transaction. The oldest first.
_HOLDERS: dict[Kind, str] = {
    "postgresql": "SELECT 'PID ' || a.pid || ', user ' || coalesce(a.usename, '?') || ', ' || coalesce("
    "nullif(a.application_name, ''), 'no application name') FROM pg_stat_activity AS a WHERE a.pid <> pg_backend_pid() "
    "AND EXISTS (SELECT 1 FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n "
    "ON n.oid = c.relnamespace WHERE l.pid = a.pid AND l.granted AND n.nspname = %s) ORDER BY a.xact_start",
    "mysql": "SELECT concat('connection ', p.id, ', user ', p.user, ', ', p.host) FROM information_schema.innodb_trx "
    "AS t JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id WHERE p.id <> connection_id() "
    "AND %s IS NOT NULL ORDER BY t.trx_started",
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
        holders: list[str] = []
        with suppress(DatabaseException):
            holders = [str(row[0]) for row in client.execute_sql(_HOLDERS[location.kind], location.dataset)]
        raise DestinationError(
            f"the tables of {location.display} cannot be changed: another session has a lock on them "
            f"({shortened('; '.join(holders[:3])) or 'which one cannot be seen'})",
            hint="End that session's transaction, or wait for its end: the next sync tries again.",
        ) from None
