"""`TcssFreshnessSensor`: waits for whole data of every account, not only for some run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.sdk.module_loading import import_string

from connector.airflow import TcssFreshnessSensor, TcssFreshnessTrigger
from connector.airflow.freshness import Wanted
from connector.errors import TcssError
from connector.sandbox import Quirks
from tests.airflow.running import airflow_world, run, written
from tests.world import ACCOUNT_ID, World


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with airflow_world(tmp_path, monkeypatch, images=50) as made:
        yield made


def sync(account: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE")
        patch.setenv("TENCENTCLOUD_SECRET_KEY", "SECRETEXAMPLE")
        assert account.tcss("sync", *arguments).exit_code in (0, 5)


def poke(**given: Any) -> tuple[bool, Any]:
    found = TcssFreshnessSensor(task_id="fresh", destination_conn_id="warehouse", **given).poke(Context())
    return found.is_done, found.xcom_value


def test_it_waits_for_the_first_sync_and_for_each_account(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, then one account; another that is asked for is not there."""
    assert poke() == (False, None)
    sync(account, monkeypatch)
    done, ages = poke()
    assert (done, list(ages)) == (True, [ACCOUNT_ID])
    assert 0 < ages[ACCOUNT_ID] < 3600
    assert poke(account_ids=[ACCOUNT_ID, "42"]) == (False, None)


def test_data_grow_old(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the start of the run, as `tcss status --max-age` counts."""
    sync(account, monkeypatch)
    later = time.time_ns() + 3 * 3600 * 10**9
    monkeypatch.setattr("connector.runs.identity.time.time_ns", lambda: later)
    assert [poke(max_age=timedelta(hours=hours))[0] for hours in (2, 4)] == [False, True]


def test_a_partial_or_filtered_run_is_not_enough(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account counts as one without a complete run, not as one that is not there."""
    account.sandbox.backend.quirks = Quirks(total_delta=5)
    sync(account, monkeypatch)
    account.sandbox.backend.quirks = Quirks()
    sync(account, monkeypatch, "--filter", "ImageName=nginx")
    assert account.query("select count(*) from tcss.sync_runs") == [(2,)]
    assert poke() == (False, None)
    sync(account, monkeypatch)
    assert poke()[0]
    account.sandbox.backend.quirks = Quirks(total_delta=5)
    sync(account, monkeypatch, "--account-id", "42")
    assert [poke()[0], poke(account_ids=[ACCOUNT_ID])[0]] == [False, True]


@pytest.mark.parametrize("ids", [f"{ACCOUNT_ID}, 42", [int(ACCOUNT_ID), 42], iter([ACCOUNT_ID, "42"])])
def test_ids_are_read_from_texts_numbers_and_results_of_tasks(ids: Any) -> None:
    """As templates, XCom and mapped tasks give them; a trigger gets a plain list."""
    assert TcssFreshnessSensor(task_id="fresh", account_ids=ids).wanted.account_ids == [ACCOUNT_ID, "42"]


@pytest.mark.parametrize("ids", ["", [], "None", f"['{ACCOUNT_ID}']", [None]])
def test_what_names_no_account_is_refused(ids: Any) -> None:
    """It would be waited for until the sensor's timeout, or would mean all accounts."""
    with pytest.raises(AirflowFailException, match="account_ids"):
        poke(account_ids=ids)


@pytest.mark.parametrize("argument", ["account_ids", "destination_conn_id", "dataset"])
def test_an_argument_that_is_rendered_to_nothing_is_not_the_default(argument: str) -> None:
    """The default would be all accounts, or another warehouse."""
    sensor = TcssFreshnessSensor(task_id="fresh", **{argument: "{{ params.which }}"})
    setattr(sensor, argument, None)
    with pytest.raises(AirflowFailException, match=f"{argument} is None"):
        sensor.poke(Context())


@pytest.mark.parametrize("name", ["TCSS_ACCOUNT_ID", "TCSS_ACCOUNT"])
def test_every_account_is_looked_at(account: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also where the worker's environment names one of them, which would stand for all."""
    sync(account, monkeypatch, "--account-id", "42", "--filter", "ImageName=nginx")
    sync(account, monkeypatch)
    monkeypatch.setenv(name, ACCOUNT_ID)
    assert [poke()[0], poke(account_ids=[ACCOUNT_ID])[0]] == [False, True]


def test_in_a_dag_it_frees_its_slot(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rescheduled, not sleeping; the ages are what it returns. A warehouse that is not named twice is required."""
    sync(account, monkeypatch)
    task = run(written("TcssFreshnessSensor(dag=dag, task_id='fresh', destination_conn_id='warehouse')"))["fresh"]
    assert (task.state, list(task.result)) == ("success", [ACCOUNT_ID])
    assert TcssFreshnessSensor(task_id="fresh").reschedule
    wrong = "TcssFreshnessSensor(dag=dag, task_id='fresh', destination_conn_id='warehouse', destination='x')"
    task = run(written(wrong))["fresh"]
    assert (task.state, task.tries) == ("failed", 1)


# ---- deferred ----


def deferrable(**given: Any) -> TcssFreshnessSensor:
    return TcssFreshnessSensor(task_id="fresh", destination_conn_id="warehouse", deferrable=True, **given)


async def fired(trigger: TcssFreshnessTrigger) -> dict[str, Any]:
    """The only event of the trigger."""
    events = [event.payload async for event in trigger.run()]
    (event,) = events
    return dict(event)


def test_fresh_data_are_not_waited_for(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker looks once before it hands the task over."""
    sync(account, monkeypatch)
    assert list(deferrable().execute(Context())) == [ACCOUNT_ID]


def test_a_deferred_sensor_is_made_anew_in_the_triggerer(account: World) -> None:
    """By the path of its class and values that JSON can hold; the sensor's timeout holds there too."""
    sensor = deferrable(max_age=timedelta(hours=2), account_ids=["7"], dataset="tcss", timeout=60, poke_interval=5)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(Context())
    path, arguments = deferred.value.trigger.serialize()
    made = import_string(path)(**json.loads(json.dumps(arguments)))
    assert (made.wanted, made.poke_interval) == (Wanted(7200.0, ["7"], "warehouse", None, "tcss"), 5)
    assert (deferred.value.method_name, deferred.value.timeout) == ("execute_complete", timedelta(seconds=60))
    assert not account.file.exists()


def test_the_trigger_fires_when_the_data_are_fresh(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not before: it looks, waits, and looks again, without blocking other triggers."""
    waits: list[float] = []

    async def waited(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            await asyncio.get_running_loop().run_in_executor(None, sync, account, monkeypatch)

    monkeypatch.setattr("connector.airflow.triggers.asyncio.sleep", waited)
    event = asyncio.run(fired(TcssFreshnessTrigger(poke_interval=30, max_age=3600, destination_conn_id="warehouse")))
    assert (waits, list(event["ages"])) == ([30, 30], [ACCOUNT_ID])
    assert deferrable().execute_complete(Context(), event) == event["ages"]


@pytest.mark.parametrize(
    ("given", "retried"),
    [({"destination": "duckdb:///a.duckdb"}, False), ({"destination_conn_id": "nowhere"}, False), ({}, True)],
    ids=["a wrong setting", "no connection", "a warehouse that fails"],
)
def test_an_error_of_the_trigger_fails_the_task(account: World, given: dict[str, str], retried: bool) -> None:
    """As in a worker: with a retry only where that may help."""
    account.file.write_text("no database")
    wanted = {"destination_conn_id": "warehouse", **given}
    trigger = TcssFreshnessTrigger(poke_interval=30, max_age=3600, **wanted)
    event = asyncio.run(fired(trigger))
    assert event["retry"] is retried
    for options, skipped in (({}, False), ({"soft_fail": True}, not retried), ({"never_fail": True}, True)):
        error = AirflowSkipException if skipped else TcssError if retried else AirflowFailException
        with pytest.raises(error):
            deferrable(**options).resume_execution("execute_complete", {"event": event}, Context())


def test_a_deferred_sensor_in_a_dag(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the task to the trigger and back."""
    sync(account, monkeypatch)
    monkeypatch.setattr(TcssFreshnessSensor, "poke", lambda *_: PokeReturnValue(is_done=False))
    code = "TcssFreshnessSensor(dag=dag, task_id='fresh', destination_conn_id='warehouse', deferrable=True)"
    task = run(written(code))["fresh"]
    assert (task.state, list(task.result)) == ("success", [ACCOUNT_ID])
