"""Defines a sensor for consumers of the tables, which waits until the data of every account is fresh and complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from connector.airflow.freshness import Wanted, account_ids
from connector.airflow.hook import failing_fast
from connector.airflow.templates import given, refuse_nothing
from connector.airflow.triggers import TcssFreshnessTrigger
from connector.errors import TcssError

if TYPE_CHECKING:
    from airflow.sdk import Context


class TcssFreshnessSensor(BaseSensorOperator):
    """Waits until the newest complete, unfiltered sync of each account started no longer than `max_age` ago.

    Partial runs do not count. Use this sensor for a consumer that is scheduled by the clock; a consumer that is
    scheduled by the assets needs no sensor. The sensor frees its slot between two checks (``mode="reschedule"``) and
    checks every five minutes, unless told otherwise. With ``deferrable``, the checks are made in Airflow's triggerer,
    which needs the packages and the connections of a worker.

    :param max_age: the greatest age, such as ``timedelta(hours=26)``.
    :param account_ids: the accounts that have to be fresh, as a list or as one text with commas; by default all
        accounts in the warehouse, at least one. (templated)
    :param destination_conn_id: connection to the warehouse; see `connector.airflow.warehouses.url_of`. (templated)
    :param destination: the warehouse's SQLAlchemy URL instead. Airflow stores the URL with a deferred task: use a
        connection if there is a password.
    :param dataset: schema of the tables, ``tcss`` unless given. (templated)
    :param deferrable: wait in the triggerer; by default as `default_deferrable` of Airflow's section `operators` says.
    """

    template_fields: Sequence[str] = ("account_ids", "destination_conn_id", "dataset")
    ui_color = "#d5e8ff"

    def __init__(
        self,
        *,
        max_age: timedelta = timedelta(hours=26),
        account_ids: Iterable[Any] | str | None = None,
        destination_conn_id: str | None = None,
        destination: str | None = None,
        dataset: str | None = None,
        mode: str = "reschedule",
        poke_interval: timedelta | float = timedelta(minutes=5),
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, poke_interval=poke_interval, **kwargs)
        self.max_age = max_age
        self.account_ids = account_ids
        self.destination_conn_id = destination_conn_id
        self.destination = destination
        self.dataset = dataset
        self.deferrable = deferrable
        self._asked = given(self)

    @property
    def wanted(self) -> Wanted:
        """What has to be fresh, once the templates are rendered. Raises ConfigurationError."""
        refuse_nothing(self, self._asked)
        accounts = account_ids(self.account_ids)
        return Wanted(self.max_age.total_seconds(), accounts, self.destination_conn_id, self.destination, self.dataset)

    def execute(self, context: Context) -> Any:
        """Wait until all accounts are fresh.

        :return: the age of each account's data in seconds.
        """
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        if found.is_done:
            return found.xcom_value
        trigger = TcssFreshnessTrigger(poke_interval=self.poke_interval, **self.wanted.as_json())
        return self.defer(
            trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=float(self.timeout))
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, float]:  # noqa: ARG002
        """Go on after the trigger's event.

        :return: the age of each account's data in seconds.
        """
        if "error" in event:
            raise self._error(event["error"], retry=event["retry"])
        ages: dict[str, float] = event["ages"]
        return ages

    def _error(self, text: str, *, retry: bool) -> Exception:
        """Return the error of a trigger. As in a worker, `soft_fail` does not skip the task where a retry may help: in
        a resumed task, Airflow takes every AirflowException for one that skips. `never_fail` always skips."""
        error: Exception = AirflowFailException(text)
        if retry:
            error = AirflowException(text) if self.never_fail else TcssError(text)
        return error

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002
        """Check once.

        :return: whether all accounts are fresh, and the age of each account's data in seconds.
        """
        with failing_fast():
            ages = self.wanted.ages(self.log.info)
        return PokeReturnValue(is_done=ages is not None, xcom_value=ages)
