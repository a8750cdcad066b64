"""Limits what a file of the working directory may set: the directory may be a repository that somebody else has made.

If only such a file names an address, no keys or passwords go there. If only such a file names a warehouse, the
warehouse is opened for its rows alone. A user who wants more gives the same value in the call or in the environment.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from connector.errors import ConfigurationError, TcssError

if TYPE_CHECKING:
    from connector.settings.schema import Settings

_MODEST = ("memory_limit", "threads", "storage_compatibility_version", "default_collation")  # options of DuckDB
_HINT = "If you mean it, name it with --{0} or TCSS_{1}; else remove it from that file."


def require_own_endpoint(settings: Settings) -> None:
    """Raise ConfigurationError where a file of the working directory names the endpoint, but not the keys."""
    if settings.by_directory("endpoint") and not settings.by_directory("credentials"):
        _refuse(settings, "endpoint", "the keys are not from there, and would be sent to it")


def require_modest_destination(settings: Settings) -> None:
    """Raise ConfigurationError where only the working directory names the destination, and the destination would get a
    password that the directory does not have, or would be opened with the rights of the user's own file."""
    if settings.by_directory("destination") and (what := _asked(settings)):
        _refuse(settings, "destination", what)


def _asked(settings: Settings) -> str | None:
    """Say what the destination would get beyond its URL."""
    from connector.warehouse.locations import locate

    try:
        location = locate(settings.destination, settings.dataset)
    except TcssError:  # raised again where the destination is used
        return None
    destination, url = location.backend.destination, location.url
    if url is None:
        return None
    if destination == "duckdb" and (more := sorted({*url.query} - {*_MODEST})):
        return f"its file would be opened with {', '.join(more)}"
    if destination in ("postgres", "redshift") and not url.password and "PGPASSWORD" in os.environ:
        return "the password in PGPASSWORD is not from there, and would be sent to it"
    if "read_default_file" in url.query:
        return "the password in another file would be sent to it"
    return None


def _refuse(settings: Settings, name: str, what: str) -> None:
    raise ConfigurationError(
        f"only a file of the working directory names the {name} ({settings.places()[name]}); {what}",
        hint=_HINT.format(name, name.upper()),
    )
