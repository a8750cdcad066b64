"""Scaled out on Airflow: two Celery workers, six accounts, one dataset, and a worker that dies."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.scale.airflow_celery import ACCOUNTS, IMAGES, SLOTS, prove


@pytest.mark.skipif(
    shutil.which("redis-server") is None and os.environ.get("CI") != "true", reason="redis-server is not installed"
)
@pytest.mark.filterwarnings("default")
def test_six_accounts_on_two_workers_one_of_which_is_killed() -> None:
    """Every account is equal to the sandbox's truth after the first loads, and after a run in which a worker was killed
    in mid-load: what it was loading was loaded by the other one, at the second attempt; nothing else was tried twice.
    The consumer of the asset was started once a run, with the number of rows that had changed. No task has asked for a
    Variable."""
    report = prove()
    syncs = {f"sync_tcss_10{number}" for number in range(1, ACCOUNTS + 1)}
    assert report.wrong == []
    assert report.attempts["first"] == dict.fromkeys([*syncs, "publish"], 1)
    assert set(report.workers["first"].values()) == {"worker1", "worker2"}
    assert len(report.killed) == SLOTS
    assert report.attempts["second"] == {name: 2 if name in report.killed else 1 for name in [*syncs, "publish"]}
    assert set(report.workers["second"].values()) == {"worker2"}
    assert report.calls["task-instances"] > 2 * ACCOUNTS
    assert report.calls["variables"] == 0
    assert report.events == [[ACCOUNTS * IMAGES], [sum(report.changed)]]
