"""`TcssFreshnessSensor`: waits for whole data of every account, not only for some run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Context

from connector.airflow import TcssFreshnessSensor
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


def test_in_a_dag_it_frees_its_slot(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rescheduled, not sleeping; the ages are what it returns. A warehouse that is not named twice is required."""
    sync(account, monkeypatch)
    task = run(written("TcssFreshnessSensor(dag=dag, task_id='fresh', destination_conn_id='warehouse')"))["fresh"]
    assert (task.state, list(task.result)) == ("success", [ACCOUNT_ID])
    assert TcssFreshnessSensor(task_id="fresh").reschedule
    wrong = "TcssFreshnessSensor(dag=dag, task_id='fresh', destination_conn_id='warehouse', destination='x')"
    task = run(written(wrong))["fresh"]
    assert (task.state, task.tries) == ("failed", 1)
