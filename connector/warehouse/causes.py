"""Lists why a database refuses: the causes that have a next step, and how to recognise each of them.

A driver's code counts before its text, because a server may write the text in any language. The English text decides
where there is no code, as when psycopg2 cannot connect, or where one code has many causes, such as DuckDB's
IOException.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from errno import errorcode
from typing import Any, Literal

Family = Literal["sqlstate", "mysql", "sqlite", "duckdb", "errno"]
Code = tuple[Family, str]
"""Who defines the code, and the code: SQLSTATE, MySQL's error number, SQLite's primary result code, DuckDB's class of
exceptions, or the system's errno by its name."""


@dataclass(frozen=True)
class Cause:
    """A cause with its next step. `codes` holds the codes of each family, separated by spaces; `text` is a pattern of
    what drivers say in English, seen on DuckDB 2.0, SQLite 3.40, PostgreSQL 15 and MariaDB 10.11. `doing` is the step
    that fails, whatever was to be done, such as "connect to"."""

    hint: str
    text: str
    codes: Mapping[Family, str] = field(default_factory=dict)
    doing: str | None = None


UTF8_DATABASE = "Use a database that was made with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0."
FILE_IN_USE = "Could not set lock on file"

_CONNECT = "connect to"
_DIRECTORY = "Check that the directory exists, and that this user may write to it and to the file."
CAUSES: dict[str, Cause] = {
    "file in use": Cause(
        "DuckDB lets one program at a time write, while none reads: end the one named above, then run again.",
        FILE_IN_USE,
    ),
    "file open in this process": Cause(
        "This process has the file open already, with other settings: close that connection, then run again.",
        r"to same database file with a different configuration",
    ),
    "file locked": Cause(
        "Another program writes to this SQLite file: wait for it, then run again.",
        r"database is locked",
        {"sqlite": "SQLITE_BUSY"},
    ),
    "user not let in": Cause(
        "Check user name and password in the destination's URL, and that the server lets this user in from here.",
        r"password authentication failed|no password supplied|Access denied for user '[^']*'@'[^']*' \(using|"
        r"no pg_hba.conf entry|role \"[^\"]*\" does not exist",
        {"sqlstate": "28000 28P01", "mysql": "1045 1698"},
        _CONNECT,
    ),
    "server not reached": Cause(
        "Check host and port in the destination's URL, that the server runs, and that this machine may reach it.",
        r"Connection refused|Can't connect|could not connect|timeout expired|timed out|could not translate host|"
        r"Name or service not known|nodename nor servname|No route to host|Network is unreachable",
        {
            "sqlstate": "08001",
            "mysql": "2002 2003 2005",
            "errno": "ECONNREFUSED ETIMEDOUT EHOSTUNREACH ENETUNREACH gaierror",
        },
        _CONNECT,
    ),
    "option not known": Cause(
        "Correct or remove that option in the destination's URL.",
        r"invalid (?:connection|URI) (?:option|query parameter)|invalid dsn",
        doing=_CONNECT,
    ),
    "setting refused by a pooler": Cause(
        "A pooler (PgBouncer) does not pass this setting on: connect to the server itself, which a sync's lock needs "
        "too, or take that option out of the destination's URL.",
        r"unsupported startup parameter",
        doing=_CONNECT,
    ),
    "file system read-only": Cause(_DIRECTORY, r"Read-only file system", {"errno": "EROFS"}),
    "database read-only": Cause(
        "The database accepts no writes: name the primary server, turn off default_transaction_read_only, or make the "
        "file and its directory writable.",
        r"read-only|readonly|read only",
        # Not MySQL's 1290: any option may have forbidden the statement. Its text says --read-only in every language.
        {"sqlstate": "25006", "mysql": "1792 1836", "sqlite": "SQLITE_READONLY"},
    ),
    "right not granted": Cause(
        "Grant this user what docs/warehouses.md lists: for a sync, create and write the dataset, and create its "
        "staging dataset; for people who only read, SELECT.",
        r"permission denied for|must be owner of|command denied to user|Access denied for user|Access denied; you need",
        {"sqlstate": "42501", "mysql": "1044 1142 1143 1227 1370"},
    ),
    "no such database": Cause(
        "Create the database first, or correct its name in the destination's URL.",
        r"database \"[^\"]*\" does not exist|Unknown database",
        {"sqlstate": "3D000", "mysql": "1049"},
        _CONNECT,
    ),
    "file is closed": Cause(
        "A DuckDB file is opened without access to other files, to the network and to extensions, since it may be from "
        "somebody else. Where you trust the file and need these, add ?enable_external_access=true to the "
        "destination's URL, and &autoload_known_extensions=true for an extension that is installed.",
        r"disabled (?:by|through) configuration|exists in the \w+ extension|requires the extension",
    ),
    "SQLite's file": Cause(
        "This is a SQLite file: write sqlite:/// in the destination's URL, or name another path.",
        r"sqlite_scanner\S* not found",
    ),
    "another program's file": Cause(
        "The file belongs to another program: name another path.",
        r"not a valid DuckDB database|file is not a database|file is encrypted",
        {"sqlite": "SQLITE_NOTADB"},
    ),
    "newer file": Cause(
        "A newer DuckDB wrote this file: upgrade duckdb here.",
        r"Trying to read a database file with version number",
    ),
    "no ODBC driver": Cause(
        "Install unixODBC and Microsoft's ODBC driver for SQL Server on this machine.",
        r"libodbc|Can't open lib|Data source name not found",
    ),
    "a directory": Cause("Name a file in that directory.", r"Is a directory", {"errno": "EISDIR"}),
    "file not opened": Cause(
        _DIRECTORY,
        r"Permission denied|unable to open database file|Cannot open file|No such file or directory",
        {"sqlite": "SQLITE_CANTOPEN SQLITE_PERM", "errno": "ENOENT EACCES EPERM ENOTDIR"},
    ),
    "option of the URL": Cause(
        "Correct the options after the ? in the destination's URL.",
        r"unrecognized configuration parameter|Memory must have a",
    ),
    "no space": Cause(
        "Free space where the warehouse is, and where this machine keeps temporary files (TMPDIR), then run again.",
        r"No space left|disk is full|could not extend file|is full",
        {"sqlstate": "53100", "mysql": "1021 1114", "sqlite": "SQLITE_FULL", "errno": "ENOSPC EDQUOT"},
    ),
    "narrow character set": Cause(
        "Convert the database to utf8mb4, tables included.",
        r"Incorrect string value",
        {"mysql": "1366"},
    ),
    "no conversion to UTF-8": Cause(
        UTF8_DATABASE,
        r"conversion between UTF8 and \w+ is not supported",
        doing=_CONNECT,
    ),
    "primary key required": Cause(
        "The server requires primary keys, and dlt's tables have none: set sql_generate_invisible_primary_key to "
        "ON, or sql_require_primary_key (in MariaDB innodb_force_primary_key) to OFF.",
        r"without a primary key|requires a primary key",
        {"mysql": "1173 3750"},
    ),
    "no memory": Cause(
        "Give it more memory; for DuckDB see memory_limit in the destination's URL.",
        r"Out of Memory|out of memory",
        {"sqlstate": "53200", "mysql": "1037 1041", "duckdb": "OutOfMemoryException", "errno": "ENOMEM"},
    ),
    "view depends on view": Cause(
        "A view of yours needs what ours no longer has: change or drop it, then run `tcss views`.",
        r"other objects depend on it",
        {"sqlstate": "2BP01"},
    ),
    "table is locked": Cause(
        "Another session holds a lock in an open transaction. End that transaction, and run again.",
        r"lock timeout",
        {"sqlstate": "55P03"},
    ),
    "row is locked": Cause(
        "Another session holds a lock in an open transaction. End that transaction, and run again.",
        r"Lock wait timeout",
        {"mysql": "1205"},
    ),
    "connection lost": Cause(
        "The server went away in the middle. Run again once it is back.",
        r"Lost connection|closed the connection|gone away|Connection was killed|"
        r"database system is (?:starting up|shutting down|in recovery|not yet accepting)",
        {
            "sqlstate": "08003 08006 25P03 25P04 57P01 57P02 57P03 57P05",
            "mysql": "1053 1927 2006 2013 4031",
            "errno": "ECONNRESET ECONNABORTED EPIPE",
        },
    ),
    "deadlock": Cause(
        "Another load was in the way: run again.",
        r"[Dd]eadlock",
        {"sqlstate": "40001 40P01", "mysql": "1020 1213"},
    ),
    "statement ended": Cause(
        "The server has a time limit for statements that is too short for a load, or somebody has cancelled the "
        "statement: raise the limit for this user (statement_timeout, in MariaDB max_statement_time), and run again.",
        r"canceling statement due to|max_statement_time exceeded|maximum statement execution time exceeded|"
        r"Query execution was interrupted",
        {"sqlstate": "57014", "mysql": "1317 1969 3024"},
    ),
    "too many connections": Cause(
        "The server has no connection left for this user, and a sync of one account needs five: lower --jobs, or raise "
        "the server's limit, and run again.",
        r"too many clients already|remaining connection slots|too many connections",
        {"sqlstate": "53300", "mysql": "1040 1203 1226"},
        _CONNECT,
    ),
    "value does not fit": Cause(
        "Somebody has changed the column's type: give the column the type that the same column has in a new dataset, "
        "and run again.",
        r"value too long for type|out of range for type|(?:integer|smallint|bigint) out of range|"
        r"Data too long for column|Out of range value for column",
        {"sqlstate": "22001 22003", "mysql": "1264 1406"},
    ),
}
"""The causes, by a name for people. The order counts for texts alone: the first pattern that is found decides."""

_BY_CODE: dict[Code, Cause] = {
    (family, code): cause
    for cause in CAUSES.values()
    for family, codes in cause.codes.items()
    for code in codes.split()
}


def hint(error: BaseException, text: str) -> str | None:
    """Return the next step for a driver's error, None if unknown. `text` is the part of the error that is shown."""
    found = cause_of(error, text)
    return found.hint if found else None


def cause_of(error: BaseException, text: str) -> Cause | None:
    """Find the cause of an error by its codes, else by its text."""
    by_code = (_BY_CODE[code] for code in codes_of(error) if code in _BY_CODE)
    by_text = (cause for cause in CAUSES.values() if re.search(cause.text, text, re.IGNORECASE))
    return next(by_code, None) or next(by_text, None)


def codes_of(error: Any) -> Iterator[Code]:
    """Yield the codes that an exception of a driver or of the system carries."""
    driver = type(error).__module__
    if state := getattr(error, "pgcode", None) or getattr(error, "sqlstate", None):  # of psycopg2; of ADBC
        yield "sqlstate", str(state)
    if name := getattr(error, "sqlite_errorname", None):  # extended, such as SQLITE_READONLY_DIRECTORY
        yield "sqlite", "_".join(name.split("_")[:2])
    if driver.startswith("pymysql") and error.args:
        yield "mysql", str(error.args[0])
    if driver.startswith(("_duckdb", "duckdb")):
        yield "duckdb", type(error).__name__
    if isinstance(error, OSError):
        # The error of an unknown host has its own numbers, which may be equal to those of other errnos.
        yield "errno", "gaierror" if isinstance(error, socket.gaierror) else errorcode.get(error.errno or 0, "")
