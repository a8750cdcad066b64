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
    def new(cls, account_id: str, started_at: int, account_name: str | None = None) -> Identity:
        """Make the identity of a run that starts at `started_at`, by the server's clock (`Client.now`)."""
        name = account_name and shortened(visible(account_name), LONGEST_ACCOUNT_NAME)
        return cls(account_id, uuid.uuid4().hex, started_at, name)


def now() -> int:
    """Return the present by this machine's clock, in microseconds."""
    return time.time_ns() // 1000


def rfc3339(instant: int | None) -> str | None:
    """Format an instant in microseconds as RFC 3339, UTC."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant / 1e6, UTC).isoformat().replace("+00:00", "Z")
