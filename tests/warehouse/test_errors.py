"""`connector.warehouse.errors`: one readable error out of the chains that dlt and the drivers raise."""

from __future__ import annotations

import pickle
import subprocess
import sys
import traceback
from itertools import pairwise

import pytest
import sqlalchemy as sa

from connector.errors import DestinationError, LockedError
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import locate

PLACE = locate("postgresql://u:p%40ssword@h/d")


def fail(*chain: BaseException) -> None:
    """Raise the first, caused by the second, and so on."""
    for error, cause in pairwise(chain):
        error.__cause__ = cause
    raise chain[0]


def test_the_root_cause_is_what_the_reader_sees() -> None:
    """One line: what could not be done, where, why, and the next step; no SQL and no values of rows."""
    driver = sa.exc.OperationalError("INSERT INTO t", {"name": "value"}, Exception(1045, "Access denied for user 'u'"))
    with pytest.raises(DestinationError) as caught, destination_errors(PLACE, "load into"):
        fail(RuntimeError("dlt's story\nin many lines"), driver)
    assert str(caught.value) == (
        "cannot load into postgresql://u:***@h/d: Access denied for user 'u'. Grant this user what "
        "docs/warehouses.md lists: for a sync, create and write the dataset, and create its staging dataset; for "
        "people who only read, SELECT."
    )


def test_a_file_that_cannot_be_opened_is_named() -> None:
    """Such as the lock file of another user, beside a warehouse that this user may write to."""
    with pytest.raises(DestinationError, match=r"Permission denied: /w/a\.lock\. Check that the directory"):  # noqa: SIM117
        with destination_errors(PLACE, "lock"):
            raise PermissionError(13, "Permission denied", "/w/a.lock")


def test_what_dlt_stumbles_over_after_a_lost_connection_is_not_the_cause() -> None:
    """It rolls back on a connection that it has already set to None."""
    rollback = AttributeError("'NoneType' object has no attribute 'rollback'")
    rollback.__context__ = ConnectionError("server closed the connection unexpectedly")
    with pytest.raises(DestinationError, match="server closed the connection"), destination_errors(PLACE, "load into"):
        fail(RuntimeError("dlt's story"), rollback)


def test_a_password_is_not_in_the_error_nor_in_its_traceback() -> None:
    """The chain is cut, because a traceback prints every exception in it; the error still pickles."""
    with pytest.raises(DestinationError) as caught, destination_errors(PLACE, "read"):
        fail(ValueError("first"), ValueError('invalid dsn: "postgresql://u:p%40ssword@h/d", password p@ssword'))
    shown = "".join(traceback.format_exception(caught.value))
    assert "ssword@" not in shown
    assert "p@ssword" not in shown
    assert "first" not in shown
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_our_own_errors_pass() -> None:
    """They already say what to do."""
    with pytest.raises(LockedError, match="as it was"), destination_errors(PLACE, "lock"):
        raise LockedError("as it was")


def test_an_interrupt_that_dlt_wrapped_is_an_interrupt_again() -> None:
    """Ctrl-C ends the run, with its own exit code."""
    with pytest.raises(KeyboardInterrupt), destination_errors(PLACE, "load into"):
        fail(RuntimeError("step failed"), KeyboardInterrupt())


def test_an_interrupt_that_duckdb_made_an_error_of_is_an_interrupt_again() -> None:
    """In the midst of a query, DuckDB keeps nothing of it but `Query interrupted`.

    It waits for what its other threads have begun, which in this query would be for hours: so there is one thread.
    """
    program = """
import duckdb, os, signal, threading
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import locate

duckdb.execute("SET threads = 1")
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    with destination_errors(locate("duckdb:///w.duckdb"), "read"):
        duckdb.execute("select count(*) from range(100000000) a, range(100000) b where a.range % 7 = b.range % 3")
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
