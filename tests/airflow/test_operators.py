"""`TcssSyncOperator` and `TcssPublishOperator` in DAG runs, rows read back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from filelock import FileLock

from connector.airflow import TcssPublishOperator, TcssSyncOperator
from connector.sandbox import Churn, Fault, Fleet, Quirks, wall_clock
from connector.sandbox.identity import Account
from tests.airflow.running import KEYS, airflow_world, connect, events, run, written
from tests.world import ACCOUNT_ID, World

SECOND = "200000000002"
SYNC = "TcssSyncOperator(dag=dag, task_id='sync', destination_conn_id='warehouse')"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with airflow_world(tmp_path, monkeypatch) as made:
        yield made


def test_a_sync_loads_the_images_and_returns_its_row(account: World) -> None:
    """The rows are in the warehouse, and the row of `sync_runs` in XCom."""
    task = run(written(SYNC))["sync"]
    assert (task.state, task.tries) == ("success", 1)
    assert (task.result["verdict"], task.result["images_new"], task.result["account_id"]) == (
        "complete",
        300,
        ACCOUNT_ID,
    )
    ids = account.query("select image_id from tcss.images where deleted_at is null")
    assert {image_id for (image_id,) in ids} == set(account.fleet.truth())
    assert account.query("select sync_id from tcss.sync_runs") == [(task.result["sync_id"],)]


def test_run_again_it_changes_nothing(account: World) -> None:
    """Rows, versions and history stay; a run is added."""
    dag = written(SYNC.replace(")", ", mode='full')"))
    everything = "select * from tcss.{} order by all"
    run(dag)
    before = [account.query(everything.format(table)) for table in ("images", "image_history", "image_scans")]
    task = run(dag)["sync"]
    assert [account.query(everything.format(table)) for table in ("images", "image_history", "image_scans")] == before
    assert (task.result["images_unchanged"], task.result["images_new"], task.result["images_changed"]) == (300, 0, 0)
    assert account.query("select count(*) from tcss.sync_runs") == [(2,)]


def test_dlt_asks_airflow_for_no_variable(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would ask for each of our settings."""
    asked = count_look_ups(monkeypatch)
    assert run(written(SYNC))["sync"].state == "success"
    assert asked == []


def test_without_that_it_would_ask_for_each_setting(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control, and the way for who wants it: the counter counts. dlt's own are not asked for."""
    monkeypatch.setenv("PROVIDERS__ENABLE_AIRFLOW_SECRETS", "true")
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    Container()[PluggableRunContext].reload_providers()
    asked = count_look_ups(monkeypatch)
    assert run(written(SYNC))["sync"].state == "success"
    assert len(asked) > 15
    assert {"sources.tcss.dataset", "sources.tcss.lookback"} <= set(asked)
    assert all(name == "dlt_secrets_toml" or name.startswith("sources") for name in asked)


def count_look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all Variables that are asked for from now on, by whichever way."""
    from airflow.models import Variable as Model
    from airflow.sdk import Variable

    asked: list[str] = []

    def absent(key: str, *args: object, **kwargs: object) -> None:
        asked.append(key)

    for kind in (Model, Variable):
        monkeypatch.setattr(kind, "get", staticmethod(absent))
    return asked


# ---- what goes wrong ----


@pytest.mark.parametrize(
    ("connection", "code", "says"),
    [
        ({"password": "WRONGEXAMPLE"}, SYNC, "AuthFailure"),
        ({"password": ""}, SYNC, "has no secret_key"),
        ({"extra": {"sight": "cn"}}, SYNC, "may not have sight"),
        ({}, SYNC.replace("'warehouse'", "'nowhere'"), "`nowhere` isn't defined"),
        ({}, SYNC.replace(")", ", mode='whole')"), "mode 'whole' is none of"),
        ({}, SYNC.replace(")", ", destination='duckdb:///x.duckdb')"), "exclude each other"),
    ],
    ids=["refused-key", "half-a-key", "unknown-setting", "no-connection", "wrong-mode", "two-warehouses"],
)
def test_what_another_attempt_cannot_mend_fails_at_once(
    account: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    connection: dict[str, object],
    code: str,
    says: str,
) -> None:
    """In spite of two retries; and the warehouse is untouched."""
    fields = {**KEYS, "extra": {"endpoint": account.sandbox.url}, **connection}
    connect(monkeypatch, "tcss_default", conn_type="tcss", **fields)
    task = run(written(code))["sync"]
    assert (task.state, task.tries) == ("failed", 1)
    out, err = capfd.readouterr()
    assert says in out + err
    assert not account.file.exists()


@pytest.mark.parametrize("fault", ["throttle", "http_500"])
def test_throttling_and_outages_are_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """The second attempt succeeds, once the API answers again."""
    monkeypatch.setenv("SOURCES__TCSS__PATIENCE", "0.05")
    with airflow_world(tmp_path, monkeypatch, faults=(Fault(fault, at=(1,)),)) as account:
        task = run(written(SYNC))["sync"]
        assert (task.state, task.tries) == ("success", 2)
        assert account.query("select count(*) from tcss.images") == [(300,)]


def test_a_held_lock_and_a_failing_warehouse_are_retried(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as `retries` says: both usually pass."""
    with FileLock(f"{account.file}.lock"):
        task = run(written(SYNC))["sync"]
    assert (task.state, task.tries) == ("failed", 3)
    connect(monkeypatch, "warehouse", conn_type="duckdb", host=str(account.directory / "missing" / "w.duckdb"))
    task = run(written(SYNC))["sync"]
    assert (task.state, task.tries) == ("failed", 3)


def test_a_sync_that_takes_too_long_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Airflow's `execution_timeout`, while it waits for pages; nothing is loaded, and no lock is left. The tables
    may be there: they are made beside the pages."""
    with airflow_world(tmp_path, monkeypatch, faults=(Fault("slow", at=range(2, 1000), value=60.0),)) as account:
        limit = SYNC.replace(")", ", retries=0, execution_timeout=timedelta(seconds=2))")
        task = run(written(limit))["sync"]
        assert (task.state, task.tries) == ("failed", 1)
        tables = (
            "from duckdb_tables() where schema_name = 'tcss' and table_name in ('images', 'image_history', 'sync_runs')"
        )
        loaded = account.query(f"select sum(estimated_size) {tables}") if account.file.exists() else [(0,)]
        assert loaded == [(0,)]
        account.sandbox.backend.faults = ()
        assert run(written(SYNC))["sync"].state == "success"
        assert account.query(f"select sum(estimated_size) > 0 {tables}") == [(True,)]


def test_a_sync_that_is_ended_by_a_signal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Airflow's runner of tasks calls `on_kill`; nothing is loaded, no lock is left, and a retry may follow."""
    with airflow_world(tmp_path, monkeypatch, faults=(Fault("slow", at=range(2, 1000), value=60.0),)) as account:
        operator = TcssSyncOperator(task_id="sync", destination_conn_id="warehouse")
        before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())

        def kill(_: Fleet, request: int) -> None:
            if request == 2:  # whose answer is slow
                os.kill(os.getpid(), signal.SIGTERM)

        account.sandbox.backend.churn = kill
        try:
            with pytest.raises(AirflowException, match="ended by a signal"):
                operator.execute(Context())
        finally:
            signal.signal(signal.SIGTERM, before)
        account.sandbox.backend.churn = None
        operator.on_kill()  # as after `execution_timeout`: nothing is under way
        account.sandbox.backend.faults = ()
        assert run(written(SYNC))["sync"].state == "success"


NOTHING = """
@task(dag=dag)
def nothing():
    return None
"""


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("destination_conn_id", "'{{ dag_run.conf.get(\"warehouse\") }}', render_template_as_native_obj=True"),
        ("destination_conn_id", "nothing()"),
        ("dataset", "nothing(), destination_conn_id='warehouse'"),
        ("filters", "nothing(), destination_conn_id='warehouse'"),
    ],
    ids=["template", "warehouse", "dataset", "filters"],
)
def test_an_argument_that_is_rendered_to_nothing_is_not_the_default(
    account: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], argument: str, value: str
) -> None:
    """The default would be another warehouse, such as a file in the worker's directory, or all images."""
    monkeypatch.chdir(account.directory)
    task = run(written(f"{NOTHING}TcssSyncOperator(dag=dag, task_id='sync', {argument}={value})"))["sync"]
    assert (task.state, task.tries) == ("failed", 1)
    out, err = capfd.readouterr()
    assert f"{argument} is None" in out + err
    assert not list(account.directory.glob("*.duckdb"))


# ---- a run that proves less than it should ----

MOVING = {"quirks": Quirks(sortable=frozenset()), "churn": Churn(insert=1)}


def test_a_partial_run_is_a_success_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its rows are loaded; a warning, the returned row and the event have the verdict and its reason."""
    with airflow_world(tmp_path, monkeypatch, **MOVING) as account:
        dag = written(SYNC.replace(")", ", outlets=[table_asset('images')])"))
        task = run(dag)["sync"]
        assert account.query("select count(*) >= 300 from tcss.images") == [(True,)]
    assert (task.state, task.tries, task.result["verdict"]) == ("success", 1, "partial")
    reason = task.result["verdict_reason"]
    out, err = capfd.readouterr()
    (line,) = [line for line in (out + err).splitlines() if "the verdict is partial" in line]
    assert "warning" in line
    assert reason in line
    (event,) = events(dag.dag_id)
    assert (event["verdict"], event["accounts"][ACCOUNT_ID]["verdict_reason"]) == ("partial", reason)


def test_a_partial_run_can_be_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `fail_on_partial`, after the retries."""
    with airflow_world(tmp_path, monkeypatch, **MOVING) as account:
        task = run(written(SYNC.replace(")", ", fail_on_partial=True)")))["sync"]
        assert (task.state, task.tries) == ("failed", 3)
        assert account.query("select count(*) from tcss.sync_runs where verdict = 'partial'") == [(3,)]


# ---- many accounts ----

MANY = """
import os
syncs = [TcssSyncOperator(dag=dag, task_id=f"sync_{name}", tcss_conn_id=name, destination_conn_id="warehouse")
         for name in ("tcss_default", "tcss_second")]
syncs[0] >> syncs[1]  # a file has one writer
TcssPublishOperator(dag=dag, task_id="publish", results=[sync.output for sync in syncs],
                    outlets=[table_asset("images"), table_asset("image_scans")])
"""
MAPPED = """
syncs = TcssSyncOperator.partial(
    dag=dag, task_id="sync", destination_conn_id="warehouse", max_active_tis_per_dagrun=1
).expand(tcss_conn_id=["tcss_default", "tcss_second"])
TcssPublishOperator(dag=dag, task_id="publish", results=[syncs.output], outlets=[table_asset("images")])
"""


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A second account, as the connection `tcss_second`."""
    second = Account(Fleet.seeded(120, seed=2, clock=wall_clock), "AKIDSECOND", "SECRETSECOND", SECOND)
    with airflow_world(tmp_path, monkeypatch, accounts=[second]) as made:
        extra = {"endpoint": made.sandbox.url}
        connect(monkeypatch, "tcss_second", conn_type="tcss", login="AKIDSECOND", password="SECRETSECOND", extra=extra)
        yield made


@pytest.mark.parametrize(("code", "assets"), [(MANY, 2), (MAPPED, 1)], ids=["generated", "mapped"])
def test_many_accounts_make_one_event_an_asset(accounts: World, code: str, assets: int) -> None:
    """Emitted by the last task, with the rows and the verdict of all accounts and of each."""
    dag = written(code)
    tasks = run(dag)
    assert {task.state for task in tasks.values()} == {"success"}
    assert accounts.query("select account_id, count(*) from tcss.images group by all order by all") == [
        (ACCOUNT_ID, 300),
        (SECOND, 120),
    ]
    found = events(dag.dag_id)
    assert len(found) == assets
    for event in found:
        assert (event["verdict"], event["rows"], event["images_listed"]) == ("complete", 420, 420)
        assert {name: about["images_new"] for name, about in event["accounts"].items()} == {
            ACCOUNT_ID: 300,
            SECOND: 120,
        }


@pytest.mark.parametrize("results", [[], [None], [iter(())], ["{'verdict': 'complete'}"]])
def test_no_event_without_a_result_of_every_sync(results: list[Any]) -> None:
    """Such as that of no account at all, which would be `complete`, or of a sync that was skipped."""
    with pytest.raises(AirflowFailException, match="results are not those of syncs"):
        TcssPublishOperator(task_id="publish", results=results).execute(Context())


@pytest.mark.parametrize("results", ["syncs.output", "one.expand(name=NAMES)"], ids=["task", "group"])
def test_no_event_while_a_mapped_sync_has_no_result(
    accounts: World, capfd: pytest.CaptureFixture[str], results: str
) -> None:
    """It was skipped here, or a person has marked it as successful: Airflow gives the results of the others."""
    dag = written(
        f"""
        from airflow.sdk import task_group
        from airflow.sdk.exceptions import AirflowSkipException

        def first(context):
            if context["ti"].map_index == 1:
                raise AirflowSkipException

        NAMES = ["tcss_default", "tcss_second"]
        given = dict(task_id="sync", destination_conn_id="warehouse", max_active_tis_per_dagrun=1, pre_execute=first)
        with dag:
            @task_group
            def one(name):
                return TcssSyncOperator(tcss_conn_id=name, **given).output

            if {results!r} == "syncs.output":
                syncs = TcssSyncOperator.partial(**given).expand(tcss_conn_id=NAMES)
            TcssPublishOperator(task_id="publish", results=[{results}], outlets=[table_asset("images")],
                                trigger_rule="none_failed")
        """
    )
    assert run(dag)["publish"].state == "failed"
    assert events(dag.dag_id) == []
    out, err = capfd.readouterr()
    assert "1 of 2 syncs have no result" in out + err


def test_no_event_after_a_failed_sync() -> None:
    """A trigger rule that would allow it is refused where the DAG is parsed: the result of a mapped task does not show
    which of its syncs failed."""
    assert TcssPublishOperator(task_id="publish", results=[], trigger_rule="none_failed")
    with pytest.raises(ValueError, match="trigger_rule has to be one of"):
        TcssPublishOperator(task_id="publish", results=[], trigger_rule="all_done")


def test_no_event_while_an_account_fails(accounts: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are loaded, the run is not green, and consumers do not start."""
    connect(
        monkeypatch,
        "tcss_second",
        conn_type="tcss",
        login="AKIDSECOND",
        password="WRONG",
        extra={"endpoint": accounts.sandbox.url},
    )
    dag = written(MANY)
    states = {name: task.state for name, task in run(dag).items()}
    assert states == {"sync_tcss_default": "success", "sync_tcss_second": "failed", "publish": "upstream_failed"}
    assert events(dag.dag_id) == []
    assert accounts.query("select count(*) from tcss.images") == [(300,)]
