"""Names the sessions for whose locks a statement has waited too long."""

from contextlib import suppress

import sqlalchemy as sa

from connector.texts import shortened
from connector.warehouse.backends import Kind
from connector.warehouse.causes import CAUSES, Cause
from connector.warehouse.engines import engine_of
from connector.warehouse.locations import Location

# Sessions that have a lock on a table of the dataset; in MySQL, whose list of such locks is off by default, those with
# an open transaction. The oldest first.
QUERIES: dict[Kind, str] = {
    "postgresql": "SELECT 'PID ' || a.pid || ', user ' || coalesce(a.usename, '?') || ', ' || coalesce("
    "nullif(a.application_name, ''), 'no application name') FROM pg_stat_activity AS a WHERE a.pid <> pg_backend_pid() "
    "AND EXISTS (SELECT 1 FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n "
    "ON n.oid = c.relnamespace WHERE l.pid = a.pid AND l.granted AND n.nspname = %s) ORDER BY a.xact_start",
    "mysql": "SELECT concat('connection ', p.id, ', user ', p.user, ', ', p.host) FROM information_schema.innodb_trx "
    "AS t JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id WHERE p.id <> connection_id() "
    "AND %s IS NOT NULL ORDER BY t.trx_started",
}
_DRIVERS: dict[Kind, str] = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}
_WAITED = (CAUSES["table is locked"], CAUSES["row is locked"])
UNSEEN = "which one cannot be seen"


def holders(location: Location, cause: Cause | None) -> str:
    """Return who holds the locks, in words, if `cause` is a wait for them that ended; else an empty text."""
    if cause not in _WAITED or location.kind not in QUERIES or location.url is None:
        return ""
    found: list[str] = []
    with (
        suppress(sa.exc.SQLAlchemyError),
        engine_of(location.url.set(drivername=_DRIVERS[location.kind])).connect() as c,
    ):
        found = [str(row[0]) for row in c.exec_driver_sql(QUERIES[location.kind], (location.dataset,))]
    return listed(found)


def listed(found: list[str]) -> str:
    """Write the first sessions in words, each once."""
    return shortened("; ".join([*dict.fromkeys(found)][:3])) or UNSEEN
