"""`connector.tcss(detail=[...])`: the tables of details as resources in a pipeline of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from shutil import copytree
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common.pipeline import LoadInfo

import connector
from connector.detail.places import PLACES
from connector.errors import ConfigurationError
from connector.sandbox import Fault, Fleet
from connector.sandbox.actions import LIST_ACTION
from connector.sandbox.detail.actions import DETAIL_ACTIONS
from connector.tables import DETAIL_TABLES, IMAGE_READS, LOADED_TABLES, NAMED_ACCOUNTS, TABLES, Table
from tests.world import World, apart, world

DETAIL = ["vulnerabilities", "malware", "running"]
OF_A_RUN = {
    *("sync_id", "started_at", "finished_at", "first_seen_at", "last_seen_at", "changed_at", "gone_at", "read_at"),
    *("requests", "throttled", "settled"),
    *(name for place in PLACES for name in place.moving),
}
RUNS = "select aspect, verdict, images_due, images_read, opened, closed from tcss.detail_runs"
VISIBLE = """
    select image_id, finding_id from tcss.image_vulnerabilities
    join tcss.image_reads using (account_id, image_id)
    where aspect = 'vulnerabilities' and opened_read <= read_no and coalesce(closed_read > read_no, true)
    order by all
"""


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    with world(tmp_path, monkeypatch, images=30) as made:
        yield made


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fleet]:
    """The directory of an account after a first load of all details, and the fleet."""
    copy = tmp_path_factory.mktemp("first")
    with apart() as (directory, patch), world(directory, patch, images=30) as made:
        load(made)
        copytree(directory, copy, dirs_exist_ok=True)
        return copy, deepcopy(made.fleet)


@pytest.fixture
def begun(first: tuple[Path, Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account after that load."""
    copytree(first[0], tmp_path, dirs_exist_ok=True)
    with world(tmp_path, monkeypatch, fleet=deepcopy(first[1])) as made:
        yield made


def pipeline(account: World) -> dlt.Pipeline:
    return dlt.pipeline(
        "mine",
        pipelines_dir=str(account.directory / "pipelines"),
        destination=dlt.destinations.duckdb(str(account.file)),
        dataset_name="tcss",
    )


def source(account: World, **given: Any) -> Any:
    return connector.tcss(endpoint=account.sandbox.url, **{"detail": DETAIL, **given})


def load(account: World, **given: Any) -> LoadInfo:
    return pipeline(account).run(source(account, **given))


def rows(account: World, schema: str, table: Table) -> list[tuple[Any, ...]]:
    """Whole rows, without what each run has of its own."""
    names = ", ".join(name for name in table.column_names if name not in OF_A_RUN)
    return account.query(f"select {names} from {schema}.{table.name} order by all")


def test_the_rows_are_those_of_a_sync(account: World) -> None:
    """A pipeline and `tcss sync` see one account alike: every table of details has the same rows."""
    load(account)
    account.sync("--dataset", "other", *(word for name in DETAIL for word in ("--detail", name)))
    for table in DETAIL_TABLES:
        found = rows(account, "tcss", table)
        assert found, table.name
        assert found == rows(account, "other", table)


def test_without_details_there_are_six_resources(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of details exist where they are asked for, by the argument or by the setting."""
    images = [table.name for table in (*TABLES, NAMED_ACCOUNTS)]
    everything = [table.name for table in (*LOADED_TABLES, NAMED_ACCOUNTS)]
    assert list(source(account, detail=None).resources) == images
    assert list(source(account, detail=["running"]).resources) == everything
    monkeypatch.setenv("TCSS_DETAIL", "vulnerabilities")
    assert list(source(account, detail=None).resources) == everything


@pytest.mark.thorough
def test_details_that_change_are_read_again_until_they_are_proven_to_have_arrived(begun: World) -> None:
    """dlt may commit a marker before its findings, so a set with new findings is read once more. That read writes its
    marker alone, and the third run has nothing to read."""
    for _ in range(2):
        load(begun, detail=["vulnerabilities"])
    first, second, third = begun.query(f"{RUNS} where aspect = 'vulnerabilities' order by started_at")
    assert first[:2] == second[:2] == third[:2] == ("vulnerabilities", "complete")
    with_findings = begun.query(f"select count(distinct image_id) from ({VISIBLE})")[0][0]
    assert (second[3], *second[4:]) == (with_findings, 0, 0)
    assert third[2:] == (0, 0, 0, 0)


@pytest.mark.thorough
def test_a_marker_without_its_findings_is_repaired_by_the_next_run(begun: World) -> None:
    """What a package that was dropped halfway leaves: the marker is there, and the findings are not. The package that
    mends it says first that the set is not proven, and then that it is: the last word is in its only row."""
    visible = begun.query(VISIBLE)
    with begun.writing() as warehouse:
        warehouse.execute("delete from tcss.image_vulnerabilities")
    assert begun.query(VISIBLE) == []
    load(begun)
    assert begun.query(VISIBLE) == visible
    markers = begun.query("select verdict from tcss.image_reads where aspect = 'vulnerabilities'")
    with_markers = "select count(distinct image_id) from tcss.image_reads where aspect = 'vulnerabilities'"
    assert markers == [("complete",)] * begun.query(with_markers)[0][0]


@pytest.mark.thorough
def test_facts_that_grow_while_sets_are_read_are_one_row(
    first: tuple[Path, Fleet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package has each key once, however often the details are handed over in a run."""
    monkeypatch.setattr("connector.detail.run.COMMIT_EVERY", 0.0)
    with world(tmp_path, monkeypatch, fleet=deepcopy(first[1])) as account:
        load(account)
    for table in DETAIL_TABLES:
        key = ", ".join(table.key)
        doubled = f"select {key} from tcss.{table.name} group by all having count(*) > 1"
        assert account.query(doubled) == []
    facts = "select vul_id, level, severity, tags from tcss.vulnerabilities order by all"
    with duckdb.connect(str(first[0] / account.file.name), read_only=True) as handed_over_once:
        assert account.query(facts) == handed_over_once.execute(facts).fetchall()


@pytest.mark.thorough
def test_a_refused_action_is_the_verdict_of_its_detail(account: World) -> None:
    """The images and the other details are loaded, and `detail_runs` says what was refused."""
    account.sandbox.backend.faults = (Fault("unauthorized", action="DescribeAssetImageVirusList"),)
    load(account)
    assert account.query("select verdict from tcss.sync_runs") == [("complete",)]
    verdicts = dict(account.query("select aspect, verdict from tcss.detail_runs"))
    assert verdicts == {"vulnerabilities": "complete", "malware": "refused", "running": "complete"}


def test_one_table_of_details_brings_the_others(account: World) -> None:
    """A marker without findings would call a set whole, and findings without a marker are not seen."""
    chosen = source(account).with_resources("vulnerabilities")
    names = {"sync_runs", *(table.name for table in DETAIL_TABLES)}
    assert set(chosen.selected_resources) == names
    alone = source(account)
    alone.resources.select("images", "image_history", "sync_runs", IMAGE_READS.name)
    with pytest.raises(Exception, match="cannot be loaded without containers, detail_runs"):
        pipeline(account).run(alone)


@pytest.mark.thorough
def test_details_that_are_not_chosen_are_not_read(account: World) -> None:
    """A pipeline that takes the images alone asks for nothing else."""
    chosen = source(account).with_resources(*(table.name for table in TABLES))
    pipeline(account).run(chosen)
    assert account.query("select verdict from tcss.sync_runs") == [("complete",)]
    assert set(account.sandbox.backend.numbers) & {LIST_ACTION, *DETAIL_ACTIONS} == {LIST_ACTION}


def test_a_limit_of_details_is_refused(account: World) -> None:
    """It would load a part of a set, and the marker that calls it whole."""
    with pytest.raises(Exception, match="has a limit, which could cut a set that is then called whole"):
        pipeline(account).run(source(account).add_limit(1))
    assert not account.file.exists() or account.query("select * from information_schema.tables") == []


@pytest.mark.thorough
def test_a_refreshed_pipeline_reads_all_details_again(begun: World) -> None:
    """The warehouse counts as empty: the first reads have number 1 again."""
    visible = begun.query(VISIBLE)
    pipeline(begun).run(source(begun), refresh="drop_sources")
    assert begun.query(VISIBLE) == visible
    assert begun.query("select distinct read_no from tcss.image_reads") == [(1,)]
    assert begun.query("select count(*) from tcss.detail_runs") == [(len(DETAIL),)]


def test_an_unknown_detail_is_refused_before_anything_runs(account: World) -> None:
    """ConfigurationError at the call."""
    with pytest.raises(ConfigurationError, match="detail 'secrets' is none of vulnerabilities, malware, running"):
        source(account, detail=["secrets"])
