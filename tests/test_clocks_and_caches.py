"""Whole syncs beside a wrong clock, after one, and behind a cache."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from connector.api.attempts import HttpResponse
from connector.api.transport import Transport, Trusts
from connector.sandbox import Fleet, Quirks
from tests.world import world

DAY = 86_400
AHEAD = 365 * DAY


@pytest.mark.thorough("a year behind", "two minutes behind", "the list tells it")
@pytest.mark.parametrize("arguments", [(), ("--account-id", "42")], ids=["STS tells the time", "the list tells it"])
@pytest.mark.parametrize("wrong", [AHEAD, -AHEAD, 120], ids=["a year behind", "a year ahead", "two minutes behind"])
def test_instants_are_the_servers_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int, arguments: tuple[str, ...]
) -> None:
    """Of the run and of its rows; the next run, beside the same wrong clock, is incremental."""

    def clock() -> float:
        return time.time() + wrong

    fleet = Fleet.seeded(500, clock=lambda: int(clock() * 1e6))
    with world(tmp_path, monkeypatch, fleet=fleet, clock=clock) as account:
        before = clock()
        account.sync(*arguments)
        query = (
            "select epoch_us(started_at), epoch_us(finished_at), (select max(epoch_us(changed_at)) from tcss.images)"
        )
        ((started_at, finished_at, changed_at),) = account.query(f"{query} from tcss.sync_runs")
        assert before - 3 <= started_at / 1e6 <= finished_at / 1e6 <= clock() + 1
        assert changed_at == started_at
        row = account.sync(*arguments)
        assert (row["mode"], row["mode_reason"]) == ("incremental", "since the watermark")


def test_with_an_account_id_one_request_tells_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row of the list; STS is not asked."""
    with world(tmp_path, monkeypatch, 50) as account:
        account.sync("--account-id", "42")
        assert [payload["Limit"] for payload in account.sandbox.backend.payloads()][:2] == [1, 100]
        assert account.sandbox.backend.numbers["GetCallerIdentity"] == 0


def test_a_run_of_the_future_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither status nor the view takes it for fresh data, and the next run does not take it for a full one."""
    with world(tmp_path, monkeypatch, 50, begun="synced") as account:
        with account.writing() as db:
            db.execute("update tcss.sync_runs set started_at = started_at + interval 400 days")
        status = account.tcss("status", "--max-age", "1h")
        assert (status.exit_code, "which is in the future" in status.stdout) == (5, True)
        assert account.query("select complete_at, data_age_hours from tcss.data_freshness") == [(None, None)]
        row = account.sync()
        assert row["mode_reason"].startswith("no watermark yet; earlier runs that start in the future do not count (1,")
        assert "a clock was wrong" in caplog.text
        status = account.tcss("status", "--max-age", "1h")
        assert (status.exit_code, "which is in the future" in status.stdout) == (0, True)


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["full", "auto"])
@pytest.mark.parametrize("size", [5, 500])
def test_a_cache_that_replays_an_earlier_run_is_no_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, mode: str
) -> None:
    """The images that came since are not there, and the run does not say that it is complete."""
    monkeypatch.setenv("SOURCES__TCSS__PATIENCE", "1")
    with world(tmp_path, monkeypatch, size, quirks=Quirks(cache=True)) as account:
        account.sync("--mode", "full")
        account.sync("--mode", mode)
        account.fleet.insert(3)
        account.sandbox.backend.replaying = True
        result = account.tcss("sync", "--json", "--mode", mode)
        assert result.exit_code == 4
        assert "the answer has the RequestId of an earlier answer" in result.output
        account.sandbox.backend.replaying = False
        assert account.sync("--mode", mode)["images_new"] == 3


@pytest.mark.parametrize("headers", [{"age": "3600"}, {"date": formatdate(1e9, usegmt=True)}], ids=["Age", "Date"])
def test_a_page_that_a_cache_has_stored_is_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    """Between new pages, a page of an earlier run would hide what has changed since. Its headers tell that it is old,
    because only the RequestIds of an earlier run's first and last page are known."""
    stored: dict[bytes, HttpResponse] = {}
    stale: list[bytes] = []
    post = Transport.post

    def cached(self: Transport, url: str, sent: Mapping[str, str], body: bytes, trusts: Trusts) -> Any:
        if body in stored and body not in stale:
            stale.append(body)
            trusts(stored[body])
            return stored[body]
        got = post(self, url, sent, body, trusts)
        if isinstance(got, HttpResponse) and b'"Limit":100,"Offset":9' in body:
            stored[body] = replace(got, headers=headers)
        return got

    monkeypatch.setattr(Transport, "post", cached)
    with world(tmp_path, monkeypatch, 500) as account:
        account.sync("--mode", "full")
        account.fleet.rescan(500)
        assert account.sync("--mode", "full")["retries"] == len(stale) == 1
        assert account.query("select count(*) from tcss.images where version = 2") == [(500,)]


def test_a_warehouse_without_the_new_columns_is_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of an older release say nothing of them: the next run is incremental, and writes them."""
    with world(tmp_path, monkeypatch, 600, begun="synced") as account:
        with account.writing() as db:
            for column in ("reason_code", "naive_time_zone", "listed_twice"):
                db.execute(f"alter table tcss.sync_runs drop column {column}")
        row = account.sync()
        assert (row["mode_reason"], row["reason_code"], row["naive_time_zone"]) == (
            "since the watermark",
            "watermark",
            "+08:00",
        )
        columns = "reason_code, naive_time_zone, listed_twice"
        rows = account.query(f"select {columns} from tcss.sync_runs order by started_at")
        assert rows == [(None, None, None), ("watermark", "+08:00", None)]


def test_another_time_zone_makes_a_full_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once: the run after it has the zone of the one before."""
    with world(tmp_path, monkeypatch, 600, begun="synced") as account:
        monkeypatch.setenv("SOURCES__TCSS__NAIVE_TIME_ZONE", "UTC")
        reasons = [account.sync()["mode_reason"] for _ in range(2)]
    assert reasons == ["naive_time_zone was +08:00 in the last complete run", "since the watermark"]
