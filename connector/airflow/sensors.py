"""Defines a sensor for consumers of the tables, which waits until the data of every account is fresh and complete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from connector.airflow.hook import failing_fast, leave_variables_alone
from connector.airflow.warehouses import destination as destination_url
from connector.texts import visible

if TYPE_CHECKING:
    from airflow.sdk import Context


class TcssFreshnessSensor(BaseSensorOperator):
    """Waits until the newest complete, unfiltered sync of each account started no longer than `max_age` ago.

    Partial runs do not count. Use this sensor for a consumer that is scheduled by the clock; a consumer that is
    scheduled by the assets needs no sensor. The sensor frees its slot between two checks (``mode="reschedule"``) and
    checks every five minutes, unless told otherwise.

    :param max_age: the greatest age, such as ``timedelta(hours=26)``.
    :param account_ids: the accounts that have to be fresh; by default all accounts in the warehouse, at least one.
        (templated)
    :param destination_conn_id: connection to the warehouse; see `connector.airflow.warehouses.url_of`. (templated)
    :param destination: the warehouse's SQLAlchemy URL instead.
    :param dataset: schema of the tables, ``tcss`` unless given. (templated)
    """

    template_fields: Sequence[str] = ("account_ids", "destination_conn_id", "dataset")
    ui_color = "#d5e8ff"

    def __init__(
        self,
        *,
        max_age: timedelta = timedelta(hours=26),
        account_ids: Sequence[str] | None = None,
        destination_conn_id: str | None = None,
        destination: str | None = None,
        dataset: str | None = None,
        mode: str = "reschedule",
        poke_interval: timedelta | float = timedelta(minutes=5),
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, poke_interval=poke_interval, **kwargs)
        self.max_age = max_age
        self.account_ids = account_ids
        self.destination_conn_id = destination_conn_id
        self.destination = destination
        self.dataset = dataset

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002
        """Check once.

        :return: whether all accounts are fresh, and the age of each account's data in seconds.
        """
        with failing_fast():
            leave_variables_alone()
            from connector.runs.freshness import Freshness
            from connector.runs.standing import freshness_by_account
            from connector.settings import Settings

            url = destination_url(self.destination_conn_id, self.destination)
            found = freshness_by_account(Settings.load(destination=url, dataset=self.dataset or None))
        wanted = {account_id: found.get(account_id, Freshness(None)) for account_id in self.account_ids or found}
        for account_id, freshness in wanted.items():
            self.log.info("account %s: %s", visible(account_id), freshness)
        limit = self.max_age.total_seconds()
        fresh = bool(wanted) and all(freshness.within(limit) for freshness in wanted.values())
        ages = {account_id: freshness.seconds for account_id, freshness in wanted.items()}
        return PokeReturnValue(is_done=fresh, xcom_value=ages if fresh else None)
