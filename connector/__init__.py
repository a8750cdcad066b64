"""Tencent Container Security images in a SQL warehouse, current and historical, without losing a row silently.

`sync` keeps a warehouse up to date; `tcss` is the same as a dlt source. Importing this package does not import dlt.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.source import tcss
    from connector.sync import sync

__version__ = "0.1.0"
__all__ = ["__version__", "sync", "tcss"]

_HOMES = {"sync": "connector.sync", "tcss": "connector.source"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
