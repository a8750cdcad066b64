"""Identifies the run that writes a row."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.tables import LONGEST_ACCOUNT_NAME
from connector.texts import shortened, visible


@dataclass(frozen=True)
class Identity:
    """A run: its account, its id, the instant of its start in microseconds, and the account's name, if there is one."""

    account_id: str
    sync_id: str
    started_at: int
    account_name: str | None = None

    @classmethod
    def new(
        cls, account_id: str, started_at: int, account_name: str | None = None, *, package: str | None = None
    ) -> Identity:
        """Make the identity of a run that starts at `started_at`, by the server's clock (`Client.now`).

        `package` is the id of dlt's load package that brings all rows of the run, if there is one (`package_of`).
        """
        name = account_name and shortened(visible(account_name), LONGEST_ACCOUNT_NAME)
        return cls(account_id, _sync_id(package), started_at, name)


def _sync_id(package: str | None) -> str:
    """Return 32 hexadecimal digits: those of a random UUID, or a random beginning, an 8, and the id of the package."""
    random, named = uuid.uuid4().hex, (package or "").replace(".", "f")
    return f"{random[:12]}8{named:e>19}" if _is_instant(named) else random


def package_of(sync_id: str | None) -> str | None:
    """Return the id of the load package that a `sync_id` names. None: it names none, as that of a random UUID, which
    has a 4 in the place of the 8."""
    if sync_id is None or len(sync_id) != 32 or sync_id[12] != "8":
        return None
    named = sync_id[13:].lstrip("e")
    return named.replace("f", ".") if _is_instant(named) else None


def _is_instant(named: str) -> bool:
    """Whether this is an instant in seconds, as dlt names packages, with an f in the place of the point."""
    return named.isascii() and named.replace("f", "", 1).isdigit() and len(named) < 20


def now() -> int:
    """Return the present by this machine's clock, in microseconds."""
    return time.time_ns() // 1000


def rfc3339(instant: int | None) -> str | None:
    """Format an instant in microseconds as RFC 3339, UTC."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant / 1e6, UTC).isoformat().replace("+00:00", "Z")
