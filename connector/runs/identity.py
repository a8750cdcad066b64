"""Which run it is that writes a row."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """A run: its account, its id, and the instant of its start, in microseconds."""

    account_id: str
    sync_id: str
    started_at: int

    @classmethod
    def new(cls, account_id: str) -> Identity:
        """A run that starts now."""
        return cls(account_id, uuid.uuid4().hex, now())


def now() -> int:
    """The present, in microseconds."""
    return time.time_ns() // 1000
