"""Asks a warehouse, for sensor and trigger, whether the data of every account is fresh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from connector.airflow.hook import leave_variables_alone
from connector.airflow.warehouses import destination as destination_url
from connector.texts import visible


@dataclass(frozen=True)
class Wanted:
    """What has to be fresh: all values that a trigger is made of anew, in another process. `max_age` is in seconds."""

    max_age: float
    account_ids: Sequence[str] | None = None
    destination_conn_id: str | None = None
    destination: str | None = None
    dataset: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    def ages(self, say: Callable[..., None]) -> dict[str, float] | None:
        """Return the age of each account's data in seconds; None unless all accounts are fresh, at least one. `say` is
        a logger's method. Raises ConfigurationError and DestinationError."""
        leave_variables_alone()
        from connector.runs.freshness import Freshness
        from connector.runs.standing import freshness_by_account
        from connector.settings import Settings

        url = destination_url(self.destination_conn_id, self.destination)
        found = freshness_by_account(Settings.load(destination=url, dataset=self.dataset or None))
        wanted = {account_id: found.get(account_id, Freshness(None)) for account_id in self.account_ids or found}
        for account_id, freshness in wanted.items():
            say("account %s: %s", visible(account_id), freshness)
        ages = {name: freshness.seconds for name, freshness in wanted.items() if freshness.seconds is not None}
        fresh = bool(wanted) and all(freshness.within(self.max_age) for freshness in wanted.values())
        return ages if fresh else None
