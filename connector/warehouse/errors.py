"""Turns the many exceptions of dlt and the drivers into one DestinationError with cause and next step."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from dlt.destinations.exceptions import DestinationConnectionError
from sqlalchemy.exc import DBAPIError

from connector import texts
from connector.errors import DestinationError, TcssError
from connector.warehouse.causes import cause_of
from connector.warehouse.holders import holders
from connector.warehouse.locations import Location

logger = texts.logger(__name__)

_INTERRUPTED = "Query interrupted"  # DuckDB's only trace of an exception that a signal handler raised during a query


@contextmanager
def destination_errors(location: Location, doing: str) -> Iterator[None]:
    """Raise the block's exceptions as DestinationError, without passwords or SQL; interrupts and our own errors pass.

    The error says that we cannot do `doing`, a verb whose object is the destination. The whole chain of exceptions goes
    to the log at debug level, without passwords. The chain is cut from the error, because a traceback would print the
    chain; the exceptions that Python keeps have no passwords either.
    """
    try:
        yield
    except TcssError:
        raise
    except Exception as error:
        chain = list(_chain(error))
        if interrupt := next((e for e in chain if isinstance(e, KeyboardInterrupt)), None):
            raise interrupt from None
        if _message(chain[-1]) == _INTERRUPTED:
            raise KeyboardInterrupt from None
        logger.debug("cannot %s: %s", doing, location.scrub(traceback.format_exc()))
        failure = _destination_error(location, doing, chain[-1])
        _disarm(error, location)
        raise failure from None


def _destination_error(location: Location, doing: str, root: BaseException) -> DestinationError:
    """Make the error: what could not be done, in which warehouse, why, and the next step."""
    message = _message(root)
    cause = cause_of(root, message)  # by what the driver says: a short password may be a part of its words
    text = location.scrub(message)
    if locked := holders(location, cause):
        text = f"{text} (another session has a lock: {location.scrub(locked)})"
    return DestinationError(
        f"cannot {(cause and cause.doing) or doing} {location.display}: {text}", hint=cause.hint if cause else None
    )


def cause_in_words(error: BaseException) -> str:
    """Return the first line of the exception at the root of a chain. May contain passwords."""
    return _message(root_of(error))


def root_of(error: BaseException) -> BaseException:
    """Return the exception at the root of a chain. May contain passwords."""
    *_, root = _chain(error)
    return root


def _disarm(error: BaseException, location: Location) -> None:
    """Remove the passwords from an exception, and cut off its chain of other exceptions."""
    error.args = tuple(location.scrub(str(arg)) for arg in error.args)
    error.__cause__ = error.__context__ = None


def _message(root: BaseException) -> str:
    """Return the first line of an exception's text, because further lines may contain SQL or values of rows."""
    if isinstance(root, OSError) and root.filename:
        return f"{root.strerror}: {root.filename}"
    # Of a driver's OperationalError(number, text), the text alone is easier to read.
    text = root.args[1] if len(root.args) == 2 and isinstance(root.args[0], int) else root
    lines = str(text).strip().splitlines()
    return lines[0] if lines else type(root).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield exceptions from the outermost to the root. SQLAlchemy and dlt keep the driver's one in an attribute."""
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
