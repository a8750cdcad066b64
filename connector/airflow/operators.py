"""Defines the operators: a sync of one account, and the event that says that all accounts are synced."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from airflow.sdk import BaseOperator, XComArg
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from connector.airflow.assets import announce
from connector.airflow.hook import TcssHook, failing_fast
from connector.airflow.links import TcssConsoleLink
from connector.airflow.templates import given, refuse_nothing
from connector.airflow.warehouses import destination as destination_url
from connector.errors import ConfigurationError
from connector.texts import visible

if TYPE_CHECKING:
    from airflow.sdk import Context

    from connector.runs.row import SyncRun
    from connector.settings import Settings

REFUSED = 3
"""The exit code of a run with no failure but a refused action for a detail: a retry cannot mend the refusal."""
WITHOUT_FAILURES = ("all_success", "none_failed", "none_failed_min_one_success")
"""The trigger rules of a task that does not run if a task before it has failed."""


class Synced(NamedTuple):
    """What a task has synced: the run, and into which dataset of which destination."""

    destination: str
    dataset: str | None
    run: SyncRun


class TcssSyncOperator(BaseOperator):
    """Brings the warehouse up to date with one account, and returns the run's row of `sync_runs`.

    A run reads the present state: the API has no time filter, so data intervals are not used, and a repeated run
    writes what has changed since. Refused keys and wrong settings fail the task at once; outages, throttling, a sync
    that holds the account's lock, and the warehouse's errors are retried as often as `retries` says.

    A run with the verdict `partial` has loaded its rows: the task succeeds, with a warning in its log, and the verdict
    is in the returned row and in the `extra` of the task's asset events. The same holds for a detail that is `partial`,
    `refused` or `failed`: the images are loaded all the same.

    :param tcss_conn_id: connection of type ``tcss`` with the account's keys. (templated)
    :param destination_conn_id: connection to the warehouse; see `connector.airflow.warehouses.url_of`. (templated)
    :param destination: the warehouse's SQLAlchemy URL instead. The URL is not templated, and in mapped tasks Airflow
        stores the URL with the DAG: use a connection if there is a password.
    :param dataset: schema of the tables, ``tcss`` unless given. (templated)
    :param mode: ``auto``, ``incremental`` or ``full``. (templated)
    :param filters: the API's filters, such as ``{"ImageName": "nginx"}``; filtered runs call no image gone. (templated)
    :param detail: details to read, such as ``["vulnerabilities", "running"]``, or one text with commas. The returned
        row then has ``details``; `connector.airflow.detail_assets` makes the assets. (templated)
    :param rate_shares: how many tasks may use this account's quota at once, such as the slots of its pool: each task
        takes its part of the connection's `requests_per_second`.
    :param fail_on_partial: fail, and so retry, if `tcss sync` would exit with a code other than 0. If only a permission
        for a detail is missing, the task fails at once.
    :param settings: further fields of `connector.settings.Settings`, such as ``{"full_every": 43200}``.

    After `execute`, ``synced`` says what was synced, in the process of the task.
    """

    template_fields: Sequence[str] = ("tcss_conn_id", "destination_conn_id", "dataset", "mode", "filters", "detail")
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json"}
    operator_extra_links = (TcssConsoleLink(),)
    ui_color = "#d5e8ff"

    def __init__(
        self,
        *,
        tcss_conn_id: str = TcssHook.default_conn_name,
        destination_conn_id: str | None = None,
        destination: str | None = None,
        dataset: str | None = None,
        mode: str | None = None,
        filters: dict[str, Any] | None = None,
        detail: Sequence[str] | str | None = None,
        rate_shares: int = 1,
        fail_on_partial: bool = False,
        settings: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if rate_shares < 1:
            raise ValueError(f"rate_shares is {rate_shares}, and has to be 1 or more")
        self.tcss_conn_id = tcss_conn_id
        self.destination_conn_id = destination_conn_id
        self.destination = destination
        self.dataset = dataset
        self.mode = mode
        self.filters = filters
        self.detail = detail
        self.rate_shares = rate_shares
        self.fail_on_partial = fail_on_partial
        self.settings = settings
        self.synced: Synced | None = None
        self._asked = given(self)
        self._is_syncing = self._is_killed = False

    def on_kill(self) -> None:
        """End the sync as Ctrl-C does: nothing is loaded that is not whole, and no lock is left. Airflow calls this in
        the main thread, from the handler of SIGTERM, and would let the sync go on until SIGKILL."""
        if self._is_syncing:
            self._is_killed = True
            raise KeyboardInterrupt

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Let `on_kill` end the block. The task may be retried, since a worker's shutdown ends tasks too."""
        self._is_syncing = True
        try:
            yield
        except KeyboardInterrupt:
            if self._is_killed:
                raise AirflowException("the task was ended by a signal: nothing was loaded that is not whole") from None
            raise
        finally:
            self._is_syncing = False

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the sync.

        :return: the row of `sync_runs`, instants in RFC 3339.
        """
        with failing_fast(), self._ending():
            settings = self._settings()
            from connector.runs.progress import Lines
            from connector.sync import sync

            run = sync(settings=settings, progress=Lines(self.log.info))
        self.log.info("%s", run.summary())
        for text in run.warnings():
            self.log.warning("%s", visible(text))
        if code := run.exit_code(strict=settings.strict):
            said = visible("; ".join(run.shortfalls(strict=settings.strict)))
            if self.fail_on_partial:
                failure = AirflowFailException if code == REFUSED else AirflowException
                raise failure(f"exit code {code}: {said}")
            self.log.warning("exit code %s: %s", code, said)
        result: dict[str, Any] = json.loads(run.to_json())
        announce(context, self.outlets, [result])
        self.synced = Synced(settings.destination, settings.dataset, run)
        return result

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002
        """Return what the sync read and wrote, for Airflow's OpenLineage provider; see `connector.airflow.lineage`."""
        from connector.airflow.lineage import lineage
        from connector.warehouse.locations import locate

        if self.synced is None:
            return None
        return lineage(locate(self.synced.destination, self.synced.dataset), self.synced.run)

    def _settings(self) -> Settings:
        refuse_nothing(self, self._asked)
        hook = TcssHook(self.tcss_conn_id, settings=self.settings)
        settings = hook.settings(
            destination=destination_url(self.destination_conn_id, self.destination),
            dataset=self.dataset,
            mode=self.mode,
            filters=self.filters,
            detail=self.detail,
        )
        settings.requests_per_second /= self.rate_shares
        return settings


class TcssPublishOperator(BaseOperator):
    """Emits the assets in `outlets`, with rows and verdict as extra, once per DAG run, when all accounts are synced.

    Without this operator, outlets of the syncs would start a consumer after the first account. The operator runs when
    all syncs have succeeded, so that a failed account fails the DAG run and no event is sent. A `trigger_rule` that
    lets the operator run after a failed sync is refused. Results that are missing, or none at all, fail the task.

    :param results: results of the syncs, such as ``[task.output for task in syncs]``, mapped tasks included.
        (templated)
    """

    template_fields: Sequence[str] = ("results",)
    ui_color = "#d5e8ff"

    def __init__(self, *, results: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.trigger_rule not in WITHOUT_FAILURES:
            raise ValueError(f"trigger_rule has to be one of {', '.join(WITHOUT_FAILURES)}")
        self.results = results
        syncs = {task.task_id for task, _ in XComArg.iter_xcom_references(results)}
        # In a mapped group of tasks, each publisher has the results of its own group.
        self._syncs = sorted(syncs) if self.get_closest_mapped_task_group() is None else []

    def execute(self, context: Context) -> dict[str, Any]:
        """Emit the events.

        :return: the events' extra.
        """
        with failing_fast():
            rows = _rows(self.results)
            self._refuse_fewer(context, len(rows))
            return announce(context, self.outlets, rows)

    def _refuse_fewer(self, context: Context, results: int) -> None:
        """Raises ConfigurationError for fewer results than syncs: of mapped syncs, Airflow leaves out those that were
        skipped, or that a person has marked as successful."""
        if not self._syncs:
            return
        ti = context["ti"]
        syncs = ti.get_ti_count(ti.dag_id, task_ids=self._syncs, run_ids=[ti.run_id])
        if results < syncs:
            raise ConfigurationError(
                f"{syncs - results} of {syncs} syncs have no result: they were skipped, or marked as successful",
                hint="Clear them, so that they run.",
            )


def _rows(results: Any) -> list[Mapping[str, Any]]:
    """Return the rows of all syncs. Raises ConfigurationError if there are none, or if one is missing."""
    rows = list(_flat(results))
    if not rows or not all(isinstance(row, Mapping) and "verdict" in row for row in rows):
        raise ConfigurationError(
            "results are not those of syncs: there are none, or one was skipped or pushes no XCom",
            hint="Write results=[task.output for task in syncs].",
        )
    return rows


def _flat(result: Any) -> Iterator[Any]:
    """Yield the results in lists, which are those of mapped tasks."""
    if isinstance(result, Iterable) and not isinstance(result, str | Mapping):
        for each in result:
            yield from _flat(each)
    else:
        yield result
