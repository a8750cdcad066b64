"""Rows that are missing from `images`, by anybody's DELETE or by a merge that was killed halfway: the next sync goes on
from the history of these images. No version is overwritten, and none is hidden."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from dlt.destinations.job_client_impl import SqlLoadJob

import connector.sync
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.settings import Settings
from connector.tables import IMAGE_HISTORY, IMAGES
from connector.warehouse.inventory import AccountInventory
from tests import hints
from tests.syncing import PROCESSES, Row, ended, settings_of, sync, truth
from tests.warehouses import KINDS, Place, place

ONE = "image_id = (SELECT min(image_id) FROM {data}.image_history WHERE version = 2)"
ALL = "1 = 1"
Begun = tuple[Place, Sandbox, Fleet]
SHORT = pytest.mark.thorough(but=("duckdb",))


def keyed(place: Place) -> dict[tuple[str, int], Row]:
    """The rows of `image_history` by image and version."""
    return {(row["image_id"], row["version"]): row for row in place.table(IMAGE_HISTORY)}


def shown(place: Place) -> list[tuple[Any, ...]]:
    """What `image_versions` shows of each version: which one it is, when it began and ended, and whether it is last."""
    columns = "image_id, version, vul_cnt, valid_from, valid_to, is_current"
    return sorted(place.sql(f"SELECT {columns} FROM {{data}}.image_versions"), key=lambda row: row[:2])


def lose(place: Place, which: str) -> int:
    """Delete rows of `images`; return how many."""
    condition = which.replace("{data}", place.quoted(place.dataset))
    with place.opened():
        ((count,),) = place.sql(f"SELECT count(*) FROM {{data}}.images WHERE {condition}")
        place.sql(f"DELETE FROM {{data}}.images WHERE {condition}")
    return int(count)


def all_of(place: Place) -> tuple[list[Row], dict[tuple[str, int], Row], list[tuple[Any, ...]]]:
    """Return the rows of `images` and of `image_history`, and what `image_versions` shows."""
    with place.opened():
        return place.table(IMAGES), keyed(place), shown(place)


def history_of(place: Place, sandbox: Sandbox) -> None:
    """Sync images, of which some are scanned again, and one goes and comes back."""
    sync(place, sandbox.url)
    sandbox.change({"rescan": 4, "delete": 1})
    sync(place, sandbox.url, mode="full")
    sandbox.change({"bring_back": 1, "rescan": 2})
    sync(place, sandbox.url, mode="full")


@pytest.fixture(scope="module", params=KINDS)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """A warehouse of each kind after `history_of`, and its account. A test goes on where the one before has ended:
    every image that is listed has its row in `images`."""
    fleet = Fleet.seeded(20, clock=wall_clock)
    with place(request.param, tmp_path_factory.mktemp("begun")) as made, Sandbox(fleet, rate=None) as sandbox:
        history_of(made, sandbox)
        yield made, sandbox, fleet


@SHORT
def test_rows_that_somebody_deleted_come_back_as_they_were(begun: Begun) -> None:
    """One row or all: each row is the row that was deleted, and neither the history nor its view has changed."""
    place, sandbox, _ = begun
    before = all_of(place)
    for which in (ONE, ALL):
        lost = lose(place, which)
        row = sync(place, sandbox.url)
        assert (row["verdict"], row["mode"]) == ("complete", "full")
        assert (row["images_new"], row["images_changed"], row["images_unchanged"]) == (lost, 0, 20 - lost)
        assert not row["missed_by_incremental"]
        assert all_of(place) == before


@pytest.mark.thorough
def test_images_that_changed_meanwhile_go_on_with_the_next_version(begun: Begun) -> None:
    """Earlier versions stay as they are, first_seen_at is the time of the first, and only what changed has a new
    version."""
    place, sandbox, fleet = begun
    before, history = {row["image_id"]: row for row in place.table(IMAGES)}, keyed(place)
    lose(place, ALL)
    changed = set(sandbox.change({"rescan": 5})["rescan"])
    sync(place, sandbox.url)
    after = keyed(place)
    for row in place.table(IMAGES):
        old = before[row["image_id"]]
        assert row["first_seen_at"] == old["first_seen_at"]
        assert row["version"] == old["version"] + (row["image_id"] in changed)
        assert row["row_hash"] == truth(fleet)[row["image_id"]]
    assert {key: after[key] for key in history} == history
    assert {image_id for image_id, _ in after.keys() - history.keys()} == changed
    assert len(shown(place)) == len(after) == len(history) + 5


@pytest.mark.thorough
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_history_is_asked_only_about_images_that_seem_new(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first sync asks once whether there is any history, and an idle sync asks nothing."""
    asked: list[tuple[str, int]] = []
    has_history, history = AccountInventory.has_history, AccountInventory.history

    def any_history(self: AccountInventory) -> bool:
        asked.append(("any", 0))
        return has_history(self)

    def history_of_some(self: AccountInventory, image_ids: Sequence[str]) -> Any:
        asked.append(("of", len(image_ids)))
        return history(self, image_ids)

    monkeypatch.setattr(AccountInventory, "has_history", any_history)
    monkeypatch.setattr(AccountInventory, "history", history_of_some)
    with Sandbox(Fleet.seeded(2_000, clock=wall_clock), rate=None) as sandbox:
        sync(place, sandbox.url)
        assert asked == [("any", 0)]
        sandbox.change({"rescan": 10})
        sync(place, sandbox.url, mode="full")
        assert asked == [("any", 0)]
        sandbox.change({"insert": 3})
        sync(place, sandbox.url)
        assert asked[1:] == [("of", 3)]
        lose(place, ALL)
        sync(place, sandbox.url)
        assert asked[2:] == [("any", 0), ("of", 900), ("of", 900), ("of", 203)]


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
@pytest.mark.parametrize("rescanned", [5, pytest.param(20, marks=pytest.mark.thorough)])
def test_killed_between_delete_and_insert_where_there_is_no_transaction(place: Place, rescanned: int) -> None:
    """As BigQuery, Databricks and ClickHouse could be left: the rows of `images` are gone, their new versions are in
    the history. The next sync gives every image the row of its last version."""
    fleet = Fleet.seeded(20, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        sync(place, sandbox.url)
        sandbox.change({"rescan": rescanned, "insert": 2})
        killed = PROCESSES.Process(target=_killed_between, args=(settings_of(place, sandbox.url, {"mode": "full"}),))
        killed.start()
        assert ended(killed) == -signal.SIGKILL
        assert len(place.table(IMAGES)) == 20 - rescanned, (
            "the rows were not deleted, or the transaction is still there"
        )
        history, scanned = keyed(place), set(sandbox.change({"rescan": 1})["rescan"])
        sync(place, sandbox.url, mode="full")
    after = keyed(place)
    assert {key: after[key] for key in history} == history
    assert {image_id for image_id, _ in after.keys() - history.keys()} == scanned
    last = {image_id: max(version for other, version in after if other == image_id) for image_id, _ in after}
    assert {row["image_id"]: row["version"] for row in place.table(IMAGES)} == last
    assert {row["image_id"]: row["row_hash"] for row in place.table(IMAGES)} == truth(fleet)
    assert len(shown(place)) == len(after) == len(history) + 1


def _killed_between(settings: dict[str, Any]) -> None:
    """Sync without transactions, and die after the DELETE of the merge into `images`."""
    hints.remember()
    run = SqlLoadJob.run

    def halfway(job: SqlLoadJob) -> None:
        if job.job_file_info().table_name != "images":
            return run(job)
        delete, insert = job._split_fragments(Path(job._file_path).read_text(encoding="utf-8"))
        assert (delete.split()[0], insert.split()[0]) == ("DELETE", "INSERT")
        job._job_client.sql_client.execute_sql(delete)  # the connection commits each statement
        return os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch.object(SqlLoadJob, "run", halfway), mock.patch("connector.runs.run.round_trip"):
        connector.sync.sync(settings=Settings.load(**settings))


@SHORT
def test_versions_that_come_back_are_counted(begun: Begun) -> None:
    """A run dies between the history and `images`, and its new image is not listed when the next run counts. Once the
    image is back, `posture_by_day` has it: the version is older than what was counted since."""
    place, sandbox, _ = begun
    (added,) = sandbox.change({"insert": 1})["insert"]
    sync(place, sandbox.url, mode="full")
    assert lose(place, f"image_id = '{added}'") == 1  # as the run left `images`
    place.sql("DELETE FROM {data}.posture_changes")
    sandbox.change({"delete": [added], "rescan": 1})
    sync(place, sandbox.url, mode="full")
    sandbox.change({"bring_back": [added]})
    sync(place, sandbox.url, mode="full")
    counts = "sum(vul_cnt), sum(virus_cnt), sum(risk_cnt), sum(critical_level_vul_cnt)"
    live = place.sql(f"SELECT count(*), {counts} FROM {{data}}.images WHERE deleted_at IS NULL")
    columns = "images, vul_cnt, virus_cnt, risk_cnt, critical_level_vul_cnt"
    shown = place.sql(f"SELECT {columns} FROM {{data}}.posture_by_day ORDER BY day DESC LIMIT 1")
    assert list(map(int, shown[0])) == [21, *map(int, live[0][1:])]


@SHORT
def test_of_rows_that_somebody_inserted_again_the_newest_stays(begun: Begun, caplog: pytest.LogCaptureFixture) -> None:
    """As where a backup was restored over the tables. One image is missing from the list: a row of each is written."""
    place, sandbox, _ = begun
    before = all_of(place)
    names, first = (", ".join({"version": v}.get(name, name) for name in IMAGES.column_names) for v in ("version", "1"))
    place.sql(f"INSERT INTO {{data}}.images ({names}) SELECT {first} FROM {{data}}.images")
    missing = sandbox.change({"delete": 1})["delete"]
    row = sync(place, sandbox.url, mode="full", confirm_gone_after=600)
    assert (row["verdict"], row["images_unchanged"]) == ("complete", len(before[0]) - 1)
    assert f"images had several rows of {len(before[0])} images" in caplog.text
    after = all_of(place)
    assert after[1:] == before[1:]
    assert [i["image_id"] for i in after[0] if i["missing_since"] is not None] == missing
    assert [{**i, "missing_since": None} for i in after[0]] == before[0]
