"""Asks a warehouse, for sensor and trigger, whether the data of every account is fresh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from connector.airflow.hook import leave_variables_alone
from connector.airflow.warehouses import destination as destination_url
from connector.errors import ConfigurationError
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
        # Not the account of TCSS_ACCOUNT or TCSS_ACCOUNT_ID, which would stand for all accounts.
        found = freshness_by_account(Settings.load(whose="the sensor", destination=url, dataset=self.dataset))
        names = found if self.account_ids is None else self.account_ids
        wanted = {account_id: found.get(account_id, Freshness(None)) for account_id in names}
        for account_id, freshness in wanted.items():
            say("account %s: %s", visible(account_id), freshness)
        ages = {name: freshness.seconds for name, freshness in wanted.items() if freshness.seconds is not None}
        fresh = bool(wanted) and all(freshness.within(self.max_age) for freshness in wanted.values())
        return ages if fresh else None


def account_ids(given: Iterable[Any] | str | None) -> list[str] | None:
    """Read the ids of accounts: a list, or one text with commas between. None: all accounts.

    Raises ConfigurationError for what names no account, which would be waited for until the sensor's timeout: nothing,
    or the text that a template makes of a list or of None.
    """
    if given is None:
        return None
    from connector.settings.values import text

    try:
        ids = [text(word) for word in (given.split(",") if isinstance(given, str) else given)]
        if not ids:
            raise ValueError("is empty")
        for one in ids:
            if one == "None" or set(one) & set("[]{}'\""):
                raise ValueError(f"has {one!r}, which is no id")
    except ValueError as error:
        hint = "Write ids with commas between, such as {{ ids | join(',') }}."
        raise ConfigurationError(f"account_ids {error}", hint=hint) from None
    return ids
