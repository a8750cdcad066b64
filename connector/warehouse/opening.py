"""Opens DuckDB files. Only this module does so, so that a file can do no more than hold rows.

A file may be from somebody else. Its views could read any file of this machine and load extensions, which are programs.
So each file is opened *closed*: without access to other files, to the network and to extensions, and no statement can
undo that. The URL can allow access: `?enable_external_access=true`.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import tenacity

from connector import texts
from connector.warehouse.causes import FILE_IN_USE
from connector.warehouse.locations import Location

log = texts.logger(__name__)

# Our tables need no insertion order, which costs memory to keep. DuckDB would take 80 % of the machine's memory, and a
# thread per core, each with its own share of memory; 300 MB merge 1,000,000 rows in 3 s. The URL's query may change
# all.
SETTINGS: Mapping[str, Any] = {
    "preserve_insertion_order": False,
    "memory_limit": "300MB",
    "threads": min(os.cpu_count() or 1, 4),
    "TimeZone": "UTC",
}
# For loads, one thread. With two, DuckDB inserts a part per thread and then all parts again, and a commit into 500,000
# rows took four times as long.
LOADING: Mapping[str, Any] = {**SETTINGS, "threads": 1}
# DuckDB may load an extension while it opens a file, so these settings are given at the opening.
_EXTENSIONS: Mapping[str, Any] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
_READABLE, _ACCESS = "allowed_directories", "enable_external_access"
_STORAGE = "storage_compatibility_version"
# Keys that differ in case are different, whatever the URL says: else a merge would confuse them. The lock comes last.
PINNED: Mapping[str, Any] = {"default_collation": "", "lock_configuration": True}

PATIENCE = 5.0
"""Seconds to wait for another process to close the file: a dashboard opens it for a moment per question. sqlite3 waits
as long."""
_settings_lock = threading.Lock()
_patiently = tenacity.retry(
    retry=tenacity.retry_if_exception(lambda error: FILE_IN_USE in str(error)),
    wait=tenacity.wait_fixed(0.05),
    stop=lambda state: (state.seconds_since_start or 0.0) >= PATIENCE,
    reraise=True,
)


def connect(location: Location, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Connect to the warehouse's file; the caller closes the connection. Raises DuckDB's errors."""
    return connect_to(str(location.file), settings_of(location), read_only=read_only)


def settings_of(location: Location, *readable: Path) -> dict[str, Any]:
    """Return the settings for opening the file. `readable` are directories from which a load reads files."""
    assert location.url is not None  # noqa: S101  (a file always has one)
    settings = LOADING if readable else SETTINGS
    ours = {_READABLE: [str(path) for path in readable], **settings, **_EXTENSIONS, _ACCESS: False}
    query = {name: value for name, value in location.url.query.items() if name not in (_READABLE, *PINNED)}
    return {**ours, **query, **PINNED}


def connect_to(file: str, settings: Mapping[str, Any], *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Connect with settings of `settings_of`, the last of which locks them all.

    All connections of a process to one file share the settings of the first connection. So one thread at a time makes
    settings: else another one would lock them halfway.
    """
    at_once = {name: settings[name] for name in (*_EXTENSIONS, _STORAGE) if name in settings}
    connection = _patiently(duckdb.connect)(file, read_only=read_only, config=at_once)
    try:
        with _settings_lock:
            if not connection.sql("SELECT current_setting('lock_configuration')").fetchall()[0][0]:
                for name, value in settings.items():
                    if name not in at_once and (name != _ACCESS or str(value).lower() not in ("true", "1")):
                        connection.execute(f"SET GLOBAL {name} = ?", [value])
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def new_file_named(location: Location) -> Iterator[None]:
    """Do the block, which may make the warehouse's file, and log that an older DuckDB cannot read a new file.

    With `storage_compatibility_version` in the URL, DuckDB makes a file that an older DuckDB can read.
    """
    assert location.file is not None and location.url is not None  # noqa: S101, PT018  (DuckDB always has both)
    existed = location.file.exists()
    yield
    if not existed and _STORAGE not in location.url.query:
        log.info(
            "%s is made by DuckDB %s, and an older one cannot read it; for a new file that it can, add ?%s=v1.0.0 to "
            "the URL",
            location.file,
            duckdb.__version__,
            _STORAGE,
        )
