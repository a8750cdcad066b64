"""What a warehouse's failure means: from the many exceptions of dlt and the drivers to one DestinationError."""

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import tenacity
from dlt.destinations.exceptions import DestinationConnectionError
from sqlalchemy.exc import DBAPIError

from connector.errors import DestinationError, TcssError
from connector.warehouse.locations import Location

logger = logging.getLogger(__name__)

_IN_USE = "Could not set lock on file"
_INTERRUPTED = "Query interrupted"  # all that DuckDB leaves of what a signal's handler raised during a query
# What the drivers say -> what to do next; the first that is found counts. The texts were seen on DuckDB 2.0,
# SQLite 3.40, PostgreSQL 15 and MariaDB 10.11.
HINTS: tuple[tuple[str, str], ...] = (
    (_IN_USE, "DuckDB allows one program at a time: end the one named above, then run again."),
    (r"database is locked", "Another program writes to this SQLite file: wait for it, then run again."),
    (
        r"password authentication failed|no password supplied|Access denied for user '[^']*'@'[^']*' \(using|"
        r"no pg_hba.conf entry|role \"[^\"]*\" does not exist",
        "Check user name and password in the destination's URL, and that the server lets this user in from here.",
    ),
    (
        r"Connection refused|Can't connect|could not connect|timeout expired|timed out|could not translate host|"
        r"Name or service not known|nodename nor servname|No route to host|Network is unreachable",
        "Check host and port in the destination's URL, that the server runs, and that this machine may reach it.",
    ),
    (r"Read-only file system", "Check that the directory exists, and that this user may write to it."),
    (
        r"read-only|readonly|read only",
        "The database accepts no writes: name the primary server, or make the file and its directory writable.",
    ),
    (
        r"permission denied for|must be owner of|command denied to user|Access denied for user|Access denied; you need",
        "Grant this user what the README lists: create and write the dataset, and create its staging dataset.",
    ),
    (
        r"database \"[^\"]*\" does not exist|Unknown database",
        "Create the database first, or correct its name in the destination's URL.",
    ),
    (
        r"not a valid DuckDB database|file is not a database|file is encrypted",
        "The file belongs to another program: name another path.",
    ),
    (r"Trying to read a database file with version number", "A newer DuckDB wrote this file: upgrade duckdb here."),
    (
        r"libodbc|Can't open lib|Data source name not found",
        "Install unixODBC and Microsoft's ODBC driver for SQL Server on this machine.",
    ),
    (
        r"Permission denied|unable to open database file|Cannot open file|No such file or directory",
        "Check that the directory exists, and that this user may write to it.",
    ),
    (r"No space left|disk is full|could not extend file|is full", "Free space where the warehouse is, then run again."),
    (r"Incorrect string value", "Convert the database to utf8mb4, tables included."),
    (r"Out of Memory|out of memory", "Give it more memory; for DuckDB see memory_limit in the destination's URL."),
    (
        r"other objects depend on it",
        "A view of yours needs what ours no longer has: change or drop it, then run `tcss views`.",
    ),
    (r"lock timeout", "Somebody reads the views in an open transaction: run `tcss views` later."),
    (
        r"Lost connection|closed the connection|gone away",
        "The server went away in the middle. Run again once it is back.",
    ),
    (r"[Dd]eadlock", "Another load was in the way: run again."),
)

# Opens a DuckDB file that another process has open, once that has closed it: a dashboard does for each question what
# takes a moment. sqlite3 waits as long.
opening = tenacity.retry(
    retry=tenacity.retry_if_exception(lambda error: _IN_USE in str(error)),
    wait=tenacity.wait_fixed(0.05),
    stop=tenacity.stop_after_delay(5),
    reraise=True,
)


@contextmanager
def faults(location: Location, doing: str) -> Iterator[None]:
    """Turn what fails inside into a DestinationError without passwords or SQL; interrupts and our own errors pass.

    The whole chain goes to the log at debug level, without passwords. It is cut from the error, since a traceback would
    print it.
    """
    try:
        yield
    except TcssError:
        raise
    except Exception as error:
        if interrupt := next((e for e in _chain(error) if isinstance(e, KeyboardInterrupt)), None):
            raise interrupt from None
        if _root_message(error) == _INTERRUPTED:
            raise KeyboardInterrupt from None
        logger.debug("cannot %s: %s", doing, location.scrub(traceback.format_exc()))
        raise destination_error(location, doing, error) from None


def destination_error(location: Location, doing: str, error: BaseException) -> DestinationError:
    """The error that stands for `error`: what could not be done, to which warehouse, why, and what to do."""
    cause = location.scrub(_root_message(error))
    return DestinationError(f"cannot {doing} {location.display}: {cause}", hint=hint(cause))


def hint(cause: str) -> str | None:
    """The next step for a driver's message, where we know one."""
    return next((step for pattern, step in HINTS if re.search(pattern, cause, re.IGNORECASE)), None)


def _root_message(error: BaseException) -> str:
    """The innermost exception's text: its first line, since what follows may be SQL or values of rows."""
    root = list(_chain(error))[-1]
    # A driver's OperationalError(number, text) is more readable as its text.
    text = root.args[1] if len(root.args) == 2 and isinstance(root.args[0], int) else root
    lines = str(text).strip().splitlines()
    return lines[0] if lines else type(root).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """From the outermost exception to the root cause. SQLAlchemy and dlt keep the driver's own in an attribute."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = _inner(current)


def _inner(error: BaseException) -> BaseException | None:
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    if isinstance(error, AttributeError):  # dlt rolls back on the connection that it has just lost
        return error.__context__
    return error.inner_exc if isinstance(error, DestinationConnectionError) else error.__cause__
