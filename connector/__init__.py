"""Loads Tencent Container Security images into a SQL warehouse, current and historical, losing no row silently.

`sync` keeps a warehouse up to date; `tcss` does the same as a dlt source. Importing this package does not import dlt.
"""

import sys

# Under `python -m connector`, Python looks for modules in the working directory first, which may be somebody else's.
if (
    sys.argv[:1] == ["-m"]
    and any(text.removeprefix("-m").partition(".")[0] == "connector" for text in sys.orig_argv)
    and not sys.flags.safe_path
    and sys.path[0] != __file__.rpartition("/connector/")[0]
):
    del sys.path[0]

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connector.errors import (
    AccessError,
    AccountStateError,
    ClockError,
    ConfigurationError,
    CredentialsError,
    DestinationError,
    LockedError,
    PermissionDeniedError,
    RequestRejectedError,
    ResponseTooLargeError,
    TcssError,
    ThrottledError,
    TransientError,
    UnavailableError,
)

if TYPE_CHECKING:
    from connector.runs.row import SyncRun
    from connector.settings import Settings
    from connector.source import make_views, tcss
    from connector.sync import sync

__version__ = "0.1.0"
__all__ = [
    "AccessError",
    "AccountStateError",
    "ClockError",
    "ConfigurationError",
    "CredentialsError",
    "DestinationError",
    "LockedError",
    "PermissionDeniedError",
    "RequestRejectedError",
    "ResponseTooLargeError",
    "Settings",
    "SyncRun",
    "TcssError",
    "ThrottledError",
    "TransientError",
    "UnavailableError",
    "__version__",
    "make_views",
    "sync",
    "tcss",
]

_HOMES = {
    "Settings": "connector.settings",
    "SyncRun": "connector.runs.row",
    "make_views": "connector.source",
    "sync": "connector.sync",
    "tcss": "connector.source",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
