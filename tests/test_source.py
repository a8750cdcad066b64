"""`connector.tcss()`: the dlt source in a pipeline of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dlt
import pytest

import connector
from connector.errors import ConfigurationError
from connector.tables import NAMED_ACCOUNTS, TABLES
from tests.world import World, world


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    with world(tmp_path, monkeypatch) as made:
        yield made


def pipeline(account: World) -> dlt.Pipeline:
    return dlt.pipeline(
        "mine",
        pipelines_dir=str(account.directory / "pipelines"),
        destination=dlt.destinations.duckdb(str(account.file)),
        dataset_name="tcss",
    )


def test_two_runs_are_a_full_and_an_incremental_load(account: World) -> None:
    """The second run finds the first one's watermark in the destination, and loads only what is new."""
    mine = pipeline(account)
    mine.run(connector.tcss(endpoint=account.sandbox.url))
    account.sandbox.change({"rescan": 30, "insert": 10})
    mine.run(connector.tcss(endpoint=account.sandbox.url))
    runs = "select mode, verdict, images_new from tcss.sync_runs order by started_at"
    assert account.query(runs) == [("full", "complete", 1500), ("incremental", "complete", 10)]
    assert account.query("select count(*), count(distinct image_id) from tcss.images") == [(1510, 1510)]


@pytest.mark.thorough
def test_two_runs_call_an_image_gone(account: World) -> None:
    """The mark of the first one is in the destination, in `images` alone."""
    mine = pipeline(account)
    mine.run(connector.tcss(endpoint=account.sandbox.url))
    ids = account.sandbox.change({"delete": 3})["delete"]
    mine.run(connector.tcss(endpoint=account.sandbox.url, mode="full"))
    marked = "select count(missing_since), count(deleted_at), max(version) from tcss.images"
    assert account.query(marked) == [(3, 0, 1)]
    account.sandbox.change({"bring_back": ids[:1]})
    mine.run(connector.tcss(endpoint=account.sandbox.url, mode="full", confirm_gone_after=0))
    assert account.query(marked) == [(2, 2, 2)]
    assert account.query("select count(*), count(deleted_at) from tcss.image_history") == [(1502, 2)]
    runs = "select verdict, images_gone, images_returned from tcss.sync_runs order by started_at"
    assert account.query(runs) == [("complete", 0, 0), ("complete", 0, 0), ("complete", 2, 0)]


def test_the_resources_are_the_tables(account: World) -> None:
    """One resource a table, of the same name; the last has the account's name."""
    names = [table.name for table in (*TABLES, NAMED_ACCOUNTS)]
    assert list(connector.tcss(endpoint=account.sandbox.url).resources) == names


def test_an_error_while_extracting_loads_nothing(account: World) -> None:
    """A sweep that ends by an error leaves no rows, and the next run is whole."""
    from connector.sandbox import Fault

    account.sandbox.backend.faults = (Fault("unauthorized", at=range(4, 1000)),)
    mine = pipeline(account)
    with pytest.raises(Exception, match="UnauthorizedOperation"):
        mine.run(connector.tcss(endpoint=account.sandbox.url))
    account.sandbox.backend.faults = ()
    mine.run(connector.tcss(endpoint=account.sandbox.url))
    assert account.query("select count(*) from tcss.images") == [(1500,)]


def test_a_staging_dataset_that_is_a_warehouse_is_refused(account: World) -> None:
    """dlt stages in `tcss_staging` unless told otherwise, and would empty it first."""
    connector.sync(destination=f"duckdb:///{account.file}", dataset="tcss_staging", endpoint=account.sandbox.url)
    with pytest.raises(Exception, match="tcss_staging, which is a warehouse of its own"):
        pipeline(account).run(connector.tcss(endpoint=account.sandbox.url))
    assert account.query("select count(*) from tcss_staging.image_history") == [(1500,)]


def test_wrong_settings_are_refused_before_anything_runs(account: World) -> None:
    """ConfigurationError at the call, and not in the middle of a pipeline."""
    with pytest.raises(ConfigurationError, match="mode"):
        connector.tcss(mode="fast", endpoint=account.sandbox.url)
