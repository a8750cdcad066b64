"""Adds the name that a run has for its account to the run's rows, where the warehouse has another name."""

from __future__ import annotations

from typing import Protocol

from connector.runs.identity import Identity
from connector.runs.spool import Spool
from connector.tables import NAMED_ACCOUNTS


class Held(Protocol):
    """What the warehouse holds of one account (`warehouse.inventory`)."""

    def name(self) -> str | None: ...


def spool_name(spool: Spool, identity: Identity, held: Held) -> None:
    """Add the account's row of `named_accounts`, unless the account has no name, or the warehouse has this name."""
    name = identity.account_name
    if name and name != held.name():
        spool.add(NAMED_ACCOUNTS, (identity.account_id, name))
