"""What users of dlt do with a source works or is refused with a sentence; no row is lost while a run is complete."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import dlt
import pyarrow as pa
import pytest
import sqlalchemy as sa
from dlt.extract.items_transform import ItemTransform

import connector
from connector.errors import DestinationError
from connector.sandbox import Fleet
from connector.tables import IMAGES, TABLES
from connector.warehouse.views import views_of
from tests.warehouses import Place, place
from tests.world import World, apart, world

# dlt's merge into SQLite, and nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore:implicitly coercing SELECT object to scalar subquery")

NAMES = [table.name for table in TABLES]
WHOLE = {"images": 1500, "image_history": 1500}
FEW = 200
"""Images of an account whose runs are all full, and whose tables a run hands over at once."""


@dataclass
class Mine:
    """A pipeline of the user's own, over an account of 1,500 images."""

    account: World
    place: Place

    def pipeline(self, **given: Any) -> dlt.Pipeline:
        return dlt.pipeline(
            "mine",
            **{
                "pipelines_dir": str(self.account.directory / "pipelines"),
                "destination": self._destination(),
                "dataset_name": self.place.dataset,
                **given,
            },
        )

    def _destination(self) -> Any:
        if self.place.kind == "duckdb":
            return dlt.destinations.duckdb(str(self.place.file))
        if self.place.kind in ("sqlite", "mysql"):
            return dlt.destinations.sqlalchemy(self.place.engine.url.render_as_string(hide_password=False))
        url = sa.make_url(self.place.url)
        return dlt.destinations.postgres(url.set(password=url.password or "none").render_as_string(hide_password=False))

    def source(self, **given: Any) -> Any:
        return connector.tcss(endpoint=self.account.sandbox.url, **given)

    def count(self, table: str) -> int:
        return int(self.place.sql(f"SELECT count(*) FROM {{data}}.{table}")[0][0])

    @property
    def counts(self) -> dict[str, int]:
        with self.place.opened():
            return {name: self.count(name) for name in WHOLE}

    @property
    def runs(self) -> list[tuple[Any, ...]]:
        """Mode, verdict, reason and new images of every run."""
        columns = "mode, verdict, reason_code, images_new"
        return self.place.sql(f"SELECT {columns} FROM {{data}}.sync_runs ORDER BY started_at")

    @property
    def reason(self) -> str:
        """The newest run's."""
        return str(self.place.sql("SELECT verdict_reason FROM {data}.sync_runs ORDER BY started_at DESC")[0][0])

    def whole(self) -> None:
        """Every image that is listed is in the warehouse, with its versions and its scan."""
        listed = set(self.account.fleet.truth())
        lost = "SELECT image_id, version FROM {data}.images EXCEPT SELECT image_id, version FROM {data}.image_history"
        unscanned = (
            "SELECT image_id, scan_time FROM {data}.images WHERE scan_time IS NOT NULL "
            "EXCEPT SELECT image_id, scan_time FROM {data}.image_scans"
        )
        with self.place.opened():
            assert {row[0] for row in self.place.sql("SELECT image_id FROM {data}.images")} == listed
            assert self.place.sql(lost) == []
            assert self.place.sql(unscanned) == []


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.thorough)])
def mine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mine]:
    with world(tmp_path, monkeypatch) as account, place(request.param, tmp_path) as made:
        yield Mine(account, made)


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.thorough)])
def few(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mine]:
    """The same over an account of `FEW` images."""
    with world(tmp_path, monkeypatch, FEW) as account, place(request.param, tmp_path) as made:
        yield Mine(account, made)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Fleet]:
    """The directory of a pipeline into a DuckDB file after its first run, and the account's fleet."""
    copy = tmp_path_factory.mktemp("first")
    with apart() as (directory, patch), world(directory, patch) as account, place("duckdb", directory) as made:
        mine = Mine(account, made)
        mine.pipeline().run(mine.source())
        copytree(directory, copy, dirs_exist_ok=True)
        return copy, deepcopy(account.fleet)


@pytest.fixture(params=["duckdb", pytest.param("postgresql", marks=pytest.mark.thorough)])
def begun(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mine]:
    """A pipeline after its first run, which on DuckDB is a copy."""
    fleet = None
    if request.param == "duckdb":
        copy, seeded = request.getfixturevalue("first")
        copytree(copy, tmp_path, dirs_exist_ok=True)
        fleet = deepcopy(seeded)
    with world(tmp_path, monkeypatch, fleet=fleet) as account, place(request.param, tmp_path) as made:
        mine = Mine(account, made)
        if fleet is None:
            mine.pipeline().run(mine.source())
        yield mine


# Tables that were empty in the first run.


@pytest.mark.thorough(but=("duckdb",))
@pytest.mark.parametrize("few", ["duckdb", "sqlite", "postgresql"], indirect=True)
def test_a_table_may_get_its_first_row_in_a_later_run(few: Mine) -> None:
    """An unreadable value after a run without any: `rejected_values` was empty."""
    few.pipeline().run(few.source())
    assert few.count("rejected_values") == 0
    for size in ("large", "larger"):  # a fault that lasts is one row
        few.account.fleet.replace({image: {"Size": size} for image in sorted(few.account.fleet.truth())[:3]})
        few.pipeline().run(few.source(mode="full"))
        assert few.count("rejected_values") == 3


@pytest.mark.thorough(but=("add_dlt_id add_dlt_load_id",))
@pytest.mark.parametrize(
    "added", [["add_dlt_id"], ["add_dlt_load_id"], ["add_dlt_id", "add_dlt_load_id"]], ids=" ".join
)
def test_dlt_may_add_its_columns(few: Mine, added: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of dlt for Arrow; a later run into such tables has each of these columns once, and never null."""
    for name in added:
        monkeypatch.setenv(f"NORMALIZE__PARQUET_NORMALIZER__{name.upper()}", "true")
    few.pipeline().run(few.source())
    few.account.sandbox.change({"rescan": 3, "insert": 2})
    few.pipeline().run(few.source())
    few.whole()
    for name in added:
        column = name.removeprefix("add")
        assert few.place.sql(f"SELECT count(*) FROM {{data}}.images WHERE {column} IS NOT NULL") == [(FEW + 2,)]


def _older(mine: Mine) -> Any:
    """The source of earlier releases: it made empty tables with columns of dlt that are never null."""

    @dlt.source(name="tcss")
    def older() -> Any:
        def nothing() -> Any:
            yield dlt.mark.materialize_table_schema()

        for made in connector.tcss(endpoint=mine.account.sandbox.url).resources.values():
            yield dlt.resource(
                nothing,
                name=made.name,
                columns=made.columns,
                primary_key=[name for name, c in made.columns.items() if c.get("primary_key")],
                write_disposition=made.write_disposition,
            )

    return older()


@pytest.mark.thorough
@pytest.mark.parametrize("few", ["duckdb", "sqlite", "postgresql"], indirect=True)
def test_tables_that_have_columns_of_dlt_get_rows(few: Mine) -> None:
    few.pipeline().run(_older(few))
    few.pipeline().run(few.source())
    few.pipeline().run(few.source(mode="full"))
    assert [run[1] for run in few.runs] == ["complete", "complete"]
    ids = "SELECT count(*), count(DISTINCT _dlt_id), min(length(_dlt_load_id)) > 0 FROM {data}.images"
    assert [tuple(map(int, row)) for row in few.place.sql(ids)] == [(FEW, FEW, 1)]
    few.whole()


@pytest.mark.thorough
@pytest.mark.parametrize("few", ["duckdb", "sqlite", "postgresql", "mysql"], indirect=True)
def test_sync_loads_into_tables_that_have_columns_of_dlt(few: Mine) -> None:
    """A user moves from a pipeline of an earlier release to `sync`, and back."""
    few.pipeline().run(_older(few))
    for mode in ("auto", "full"):
        connector.sync(
            destination=few.place.url, dataset=few.place.dataset, endpoint=few.account.sandbox.url, mode=mode
        )
    few.account.sandbox.change({"insert": 3})
    few.pipeline().run(few.source(mode="full"))
    assert [run[1] for run in few.runs] == ["complete"] * 3
    assert few.place.sql("SELECT count(*) FROM {data}.images WHERE _dlt_load_id IS NOT NULL")[0][0] == 3
    few.whole()


@pytest.mark.thorough
@pytest.mark.parametrize("few", ["duckdb", "sqlite", "postgresql"], indirect=True)
def test_an_account_may_get_its_first_images_later(few: Mine) -> None:
    """A run that finds no images makes all tables."""
    ids = few.account.sandbox.change({"delete": FEW})["delete"]
    few.pipeline().run(few.source())
    assert {name: few.count(name) for name in NAMES} == dict.fromkeys(NAMES, 0) | {"sync_runs": 1}
    few.account.sandbox.change({"bring_back": ids})
    few.pipeline().run(few.source(mode="full"))
    few.whole()


# Refresh, replace, subsets and limits.


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("begun", "refresh"),
    [
        *(("duckdb", refresh) for refresh in ("drop_sources", "drop_resources", "drop_data")),
        ("postgresql", "drop_sources"),
    ],
    indirect=["begun"],
)
def test_a_refresh_loads_everything_again(begun: Mine, refresh: Any) -> None:
    """The warehouse counts as empty, because dlt empties it after the extraction."""
    begun.pipeline().run(begun.source(), refresh=refresh)
    assert begun.runs[-1] == ("full", "complete", "order", 1500)
    begun.whole()
    begun.pipeline().run(begun.source())
    assert begun.runs[-1][:1] + begun.runs[-1][3:] == ("incremental", 0)
    begun.whole()


@pytest.mark.thorough(but=("replace",))
@pytest.mark.parametrize("disposition", ["replace", "append", {"disposition": "merge", "strategy": "scd2"}])
def test_another_write_disposition_is_refused(begun: Mine, disposition: Any) -> None:
    """With the reason and the next step, before anything is loaded."""
    with pytest.raises(Exception, match=r"tcss\(\) merges.*refresh"):
        begun.pipeline().run(begun.source(), write_disposition=disposition)
    assert begun.counts == WHOLE


@pytest.mark.thorough
def test_images_come_with_their_history_and_the_run(mine: Mine) -> None:
    """And the run says what was left out, is partial, and the next whole one makes up for it."""
    mine.pipeline().run(mine.source().with_resources("images"))
    assert mine.counts == WHOLE
    assert mine.runs == [("full", "partial", "left_out", 1500)]
    assert "image_scans, rejected_values" in mine.reason
    mine.pipeline().run(mine.source())
    assert mine.runs[-1][1:] == ("complete", "order", 0)
    mine.whole()


@pytest.mark.thorough("duckdb")
@pytest.mark.parametrize("begun", ["duckdb", "postgresql"], indirect=True)
def test_a_subset_between_two_runs_loses_no_scan(begun: Mine) -> None:
    """Nor does an incremental run after it."""
    begun.account.sandbox.change({"rescan": 30})
    begun.pipeline().run(begun.source().with_resources("images"))
    begun.pipeline().run(begun.source())
    assert [run[:2] for run in begun.runs] == [
        ("full", "complete"),
        ("incremental", "partial"),
        ("incremental", "complete"),
    ]
    begun.whole()


@pytest.mark.parametrize("names", [["images"], ["image_history"], ["images", "image_history"], ["image_scans"]])
def test_a_choice_past_with_resources_is_refused(mine: Mine, names: list[str]) -> None:
    """Where something has to come along; and nothing is loaded."""
    source = mine.source()
    source.resources.select(*names)
    with pytest.raises(Exception, match=r"cannot be loaded without .*sync_runs.*with_resources"):
        mine.pipeline().run(source)
    assert not mine.place.catalogue()


def test_one_resource_alone_is_refused(mine: Mine) -> None:
    """`pipeline.run(source.images)`."""
    with pytest.raises(Exception, match=r"images cannot be loaded without image_history, sync_runs"):
        mine.pipeline().run(mine.source().images)


@pytest.mark.thorough("items")
@pytest.mark.parametrize(
    ("limit", "rows"), [({"max_items": 1}, 1000), ({"max_items": 700, "count_rows": True}, 700)], ids=["items", "rows"]
)
def test_a_limited_run_is_partial(mine: Mine, limit: Any, rows: int) -> None:
    """It loads what it may, and asks for no more; the next run loads the rest."""
    mine.pipeline().run(mine.source().add_limit(**limit))
    assert rows <= mine.count("images") == mine.count("image_history") < rows + 100
    missing = 1500 - mine.count("images")
    ((mode, verdict, code, _),) = mine.runs
    assert (mode, verdict, code) == ("full", "partial", "limited")
    pages, total = mine.place.sql("SELECT pages, total_count FROM {data}.sync_runs")[0]
    assert pages < 15, total
    mine.pipeline().run(mine.source())
    assert mine.runs[-1] == ("full", "complete", "order", missing)
    mine.whole()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("mine", "name"),
    [*(("duckdb", name) for name in ("image_scans", "rejected_values", "sync_runs")), ("postgresql", "image_scans")],
    indirect=["mine"],
)
def test_a_limit_of_one_table_is_made_up_for(mine: Mine, name: str) -> None:
    """Images and their history are whole then, and the next run writes the scans again."""
    source = mine.source()
    source.resources[name].add_limit(1)
    mine.pipeline().run(source)
    assert mine.counts == WHOLE
    assert mine.runs == [("full", "partial", "limited", 1500)]
    mine.pipeline().run(mine.source())
    assert mine.runs[-1] == ("full", "complete", "order", 0)
    mine.whole()


def _limit_history(source: Any) -> None:
    source.image_history.add_limit(1)


def _limit_time(source: Any) -> None:
    source.add_limit(max_time=1.0)


def _filter(source: Any) -> None:
    source.images.add_filter(lambda batch: len(batch) > 1)


def _cursor(source: Any) -> None:
    source.image_scans.apply_hints(incremental=dlt.sources.incremental("scan_time"))


def _name(source: Any) -> None:
    source.images.apply_hints(table_name="docker_images")


def _key(source: Any) -> None:
    source.images.apply_hints(primary_key="image_name")


def _dynamic(source: Any) -> None:
    source.images.apply_hints(table_name=lambda _: "docker_images")


def _transformer(source: Any) -> None:
    source.resources["images"] = source.images | dlt.transformer(lambda batch: batch.slice(0, 5), name="images")


def _map(source: Any) -> None:
    source.images.add_map(lambda batch: batch.slice(0, 5))


def _map_later(source: Any) -> None:
    source.images.add_map(dlt.defer(lambda batch: batch.slice(0, 5)))


def _map_awaited(source: Any) -> None:
    async def few(batch: Any) -> Any:
        return batch.slice(0, 5)

    source.images.add_map(few)


class _Few(ItemTransform[Any, Any]):
    """A step of the user's own."""

    def __call__(self, item: Any, meta: Any = None) -> Any:
        return item.slice(0, 5)


def _step(source: Any) -> None:
    source.images.add_step(_Few(lambda _: None))


def _map_to_nothing(source: Any) -> None:
    source.image_scans.add_map(lambda _: None)


def _map_in_parts(source: Any) -> None:
    source.images.parallelize().add_yield_map(lambda batch: iter([batch, batch]))


def _contract(source: Any) -> None:
    source.images.apply_hints(schema_contract={"columns": "discard_row"})


def _deletion(source: Any) -> None:
    source.image_history.apply_hints(columns={"deleted_at": {"hard_delete": True}})


@pytest.mark.parametrize(
    ("choose", "why"),
    [
        (_limit_history, r"images without a history.*add_limit\(max_items\)"),
        (_limit_time, r"images without a history.*add_limit\(max_items\)"),
        (_filter, "images has a filter, which would drop rows silently"),
        (_cursor, "image_scans has an incremental cursor, which would drop rows silently"),
        (_name, "images has the table name docker_images"),
        (_key, "images has the primary key .*image_name"),
        (_dynamic, "images has hints that depend on rows"),
        (_transformer, "images has a transformer in its place"),
        (_map, "a map of images makes 5 rows of 1000: rows would be lost"),
        (_map_later, "a map of images makes 5 rows of 1000: rows would be lost"),
        (_map_awaited, "a map of images makes 5 rows of 1000: rows would be lost"),
        (_step, "images has a step that is not one of dlt's, which would drop rows silently"),
        (_map_to_nothing, r"a map of image_scans makes 0 rows of \d+"),
        (_map_in_parts, "a map of images makes 2000 rows of 1000"),
        (_contract, "images has a schema contract with discard_row, which would drop rows silently"),
        (_deletion, "image_history has the hint hard_delete for deleted_at"),
    ],
)
def test_what_would_lose_rows_is_refused(mine: Mine, choose: Any, why: str) -> None:
    """Before anything is asked for or loaded."""
    source = mine.source()
    choose(source)
    with pytest.raises(Exception, match=why):
        mine.pipeline().run(source)
    assert not mine.place.catalogue()


@pytest.mark.thorough(but=("discard_row",))
@pytest.mark.parametrize("contract", ["discard_row", "discard_value", {"tables": "discard_row"}], ids=str)
def test_a_contract_of_the_run_that_drops_rows_is_refused(few: Mine, contract: Any) -> None:
    """dlt would drop all rows of a table that does not exist yet, and end as if the tables were loaded."""
    with pytest.raises(Exception, match="schema contract with discard_"):
        few.pipeline().run(few.source(), schema_contract=contract)
    assert not few.place.catalogue()
    few.pipeline().run(few.source(), schema_contract={"columns": "freeze", "data_type": "freeze"})
    few.whole()


# Where a pipeline loads.


@pytest.mark.thorough("True")
@pytest.mark.parametrize("few", ["duckdb", pytest.param("postgresql", marks=pytest.mark.thorough)], indirect=True)
@pytest.mark.parametrize("parallel", [False, True])
def test_a_run_names_another_dataset(few: Mine, parallel: bool) -> None:
    """`pipeline.run(..., dataset_name=...)`: the run compares with that dataset, whatever the pipeline had before."""
    pipeline = few.pipeline(dataset_name="before")
    pipeline.run(few.source())
    source = few.source().parallelize() if parallel else few.source()
    try:
        pipeline.run(source, dataset_name=few.place.dataset)
        assert few.runs == [("full", "complete", "order", FEW)]
        few.whole()
    finally:
        with pipeline.sql_client() as client:
            client.execute_sql("DROP SCHEMA before CASCADE")


def test_a_first_run_names_a_dataset_that_has_versions(few: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions of `sync` stay, and the pipeline adds to them, also if dlt restores no state from the dataset."""
    monkeypatch.setenv("RESTORE_FROM_DESTINATION", "false")
    connector.sync(destination=few.place.url, dataset=few.place.dataset, endpoint=few.account.sandbox.url)
    few.account.sandbox.change({"rescan": 10})
    few.pipeline(dataset_name=None).run(few.source(), dataset_name=few.place.dataset)
    assert few.counts == {"images": FEW, "image_history": FEW + 10}
    few.whole()


@pytest.mark.thorough
@pytest.mark.parametrize("few", ["postgresql"], indirect=True)
def test_pipelines_with_their_own_staging_load_at_the_same_time(few: Mine) -> None:
    """As docs/pipeline.md says. With one staging dataset, each takes rows of the other, and both report success."""
    url = few._destination().config_params["credentials"]
    layouts = {f"tcss_{number}": f"%s_staging_{number}" for number in range(3)}

    def run(name: str) -> None:
        destination = dlt.destinations.postgres(url, staging_dataset_name_layout=layouts[name])
        directory = str(few.account.directory / "pipelines")
        pipeline = dlt.pipeline(name, pipelines_dir=directory, destination=destination, dataset_name=few.place.dataset)
        for _ in range(2):
            pipeline.run(few.source(account_id=f"20000000000{name[-1]}", mode="full"))
            few.account.sandbox.change({"rescan": 20})

    few.pipeline().run(few.source())  # first loads of several pipelines would race for the tables
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(run, layouts))
        assert len(few.runs) == 1 + 2 * len(layouts)
        lost = "SELECT account_id, image_id, version FROM {data}.images EXCEPT SELECT account_id, image_id, version "
        assert few.place.sql(lost + "FROM {data}.image_history") == []
        assert few.count("images") == FEW * (1 + len(layouts))
    finally:
        with few.pipeline().sql_client() as client:
            for layout in layouts.values():
                client.execute_sql(f'DROP SCHEMA IF EXISTS "{layout % few.place.dataset}" CASCADE')


UPSERT = {"disposition": "merge", "strategy": "upsert"}


@pytest.mark.parametrize("given", [{}, {"table_format": "delta", "write_disposition": UPSERT}], ids=["files", "delta"])
def test_a_destination_that_does_not_merge_is_refused(few: Mine, given: dict[str, Any]) -> None:
    """dlt would append a changed row to files, and both rows would count. Delta cannot be queried before a run."""
    files = few.account.directory / "files"
    pipeline = few.pipeline(destination=dlt.destinations.filesystem(str(files)))
    with pytest.raises(Exception, match=r"filesystem does not merge.*SQL destination"):
        pipeline.run(few.source(), **given)
    assert not list(files.rglob("*.parquet"))


@pytest.mark.thorough
def test_a_deletion_that_the_pipelines_schema_asks_for_is_refused(few: Mine) -> None:
    """dlt keeps a hint in the schema of the pipeline after the hint has left the code."""
    few.pipeline().run(few.source())
    pipeline = few.pipeline()
    schema = pipeline.schemas["tcss"].clone()
    schema.tables["image_history"]["columns"]["deleted_at"]["hard_delete"] = True
    pipeline.schemas.save_schema(schema)
    with pytest.raises(
        Exception, match=r"schema of the pipeline has the hint hard_delete for image_history.deleted_at"
    ):
        few.pipeline().run(few.source())
    source = few.source()
    source.image_history.apply_hints(columns={"deleted_at": {"hard_delete": False}})
    few.account.sandbox.change({"delete": 3})
    for run in (source, *(few.source(mode="full", confirm_gone_after=0) for _ in range(2))):
        few.pipeline().run(run)
    assert few.place.sql("SELECT count(deleted_at) FROM {data}.image_history") == [(3,)]


@pytest.mark.thorough("MINE__LOAD")
@pytest.mark.parametrize("section", ["LOAD", "MINE__LOAD"])
def test_loads_that_hide_failed_jobs_are_refused(few: Mine, section: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed job of `image_history` would leave images without their versions, in a run that is complete."""
    monkeypatch.setenv(f"{section}__RAISE_ON_FAILED_JOBS", "false")
    with pytest.raises(Exception, match=r"raise_on_failed_jobs is off.*\[mine\.load\]"):
        few.pipeline().run(few.source())
    monkeypatch.setenv("MINE__LOAD__RAISE_ON_FAILED_JOBS", "true")
    few.pipeline().run(few.source())
    few.whole()


# Sources as dlt's own.


def _same(source: Any) -> Any:
    return source


@pytest.mark.thorough("clone")
@pytest.mark.parametrize("again", [_same, lambda source: source.clone()], ids=["same", "clone"])
def test_a_source_runs_again(mine: Mine, again: Any) -> None:
    """The same object, or a clone of it: the second run is another one, and incremental."""
    source = mine.source()
    mine.pipeline().run(source)
    mine.account.sandbox.change({"rescan": 30, "insert": 10})
    mine.pipeline().run(again(source))
    assert [run[:2] for run in mine.runs] == [("full", "complete"), ("incremental", "complete")]
    assert [run[3] for run in mine.runs] == [1500, 10]
    mine.whole()


@pytest.mark.thorough
def test_a_source_that_failed_runs_again(few: Mine) -> None:
    """With all its resources in threads, the failure is that of one sweep."""
    from connector.sandbox import Fault

    source, few.account.sandbox.backend.faults = few.source().parallelize(), (Fault("unauthorized", at=range(1000)),)
    with pytest.raises(Exception, match="UnauthorizedOperation"):
        few.pipeline().run(source)
    few.account.sandbox.backend.faults = ()
    few.pipeline().run(source)
    assert few.runs == [("full", "complete", "order", FEW)]
    few.whole()


@pytest.mark.thorough
def test_resources_in_threads_share_a_sweep(mine: Mine) -> None:
    """`parallelize()`, and `parallelized=True` of the factory; with limits too."""
    mine.pipeline().run(mine.source().parallelize())
    mine.account.sandbox.change({"rescan": 30})
    mine.pipeline().run(connector.tcss.with_args(parallelized=True)(endpoint=mine.account.sandbox.url))
    assert [run[:2] for run in mine.runs] == [("full", "complete"), ("incremental", "complete")]
    mine.whole()
    mine.pipeline().run(mine.source(mode="full").parallelize().add_limit(1), refresh="drop_sources")
    assert mine.runs == [("full", "partial", "limited", mine.runs[0][3])]


@pytest.mark.thorough
def test_one_resource_after_the_other_shares_a_sweep(mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt's setting next_item_mode, under which a resource ends before the next one begins."""
    monkeypatch.setenv("EXTRACT__NEXT_ITEM_MODE", "fifo")
    mine.pipeline().run(mine.source())
    assert mine.runs == [("full", "complete", "order", 1500)]
    mine.whole()


@pytest.mark.thorough
def test_a_source_has_another_name(mine: Mine) -> None:
    """`with_args` of the factory: the name is that of the schema, and the tables are the same."""
    named = connector.tcss.with_args(name="containers")
    mine.pipeline().run(named(endpoint=mine.account.sandbox.url))
    mine.account.sandbox.change({"insert": 10})
    mine.pipeline().run(named(endpoint=mine.account.sandbox.url))
    assert [(run[0], run[3]) for run in mine.runs] == [("full", 1500), ("incremental", 10)]
    mine.whole()


def test_a_source_is_read_without_a_pipeline(mine: Mine) -> None:
    """`list(source.images)` gives Arrow of a full sweep."""
    assert sum(len(batch) for batch in mine.source().with_resources("images")) == 1500 + 1500 + 1


@pytest.mark.thorough
@pytest.mark.thorough("False")
@pytest.mark.parametrize("single", [True, False])
def test_another_source_runs_beside_it(mine: Mine, single: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after it in the order of names; in its dataset, or in one of its own."""
    monkeypatch.setenv("USE_SINGLE_DATASET", str(single).lower())
    others = [
        dlt.source(lambda: dlt.resource([{"id": 1}], name="numbers"), name=name)() for name in ("another", "zeroth")
    ]
    for _ in range(2):
        mine.pipeline(pipelines_dir=str(mine.account.directory / "p")).run([*others, mine.source()])
    modes = [run[:2] for run in mine.runs] if single else _runs_of(mine, "tcss")
    assert modes == [("full", "complete"), ("incremental", "complete")]


@pytest.mark.thorough
def test_another_name_has_another_dataset(few: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where dlt gives each source a dataset of its own, a source under another name finds what it has loaded."""
    monkeypatch.setenv("USE_SINGLE_DATASET", "false")
    named = connector.tcss.with_args(name="containers")
    other = dlt.source(lambda: dlt.resource([{"id": 1}], name="numbers"), name="another")
    for _ in range(2):
        few.pipeline().run([other(), named(endpoint=few.account.sandbox.url)])
    query = f"SELECT images_new FROM {few.place.dataset}_containers.sync_runs ORDER BY started_at"
    assert few.place.sql(query) == [(FEW,), (0,)]


def _runs_of(mine: Mine, schema: str) -> list[Any]:
    query = f"SELECT mode, verdict FROM {mine.place.dataset}_{schema}.sync_runs ORDER BY started_at"
    return mine.place.sql(query)


@pytest.mark.thorough
def test_a_development_run_begins_anew(few: Mine) -> None:
    """`dev_mode` gives each pipeline a dataset of its own, which is empty."""
    had: set[str] = set()
    for _ in range(2):
        while (pipeline := few.pipeline(dev_mode=True)).dataset_name in had:  # dlt names them by the second
            time.sleep(0.1)
        had.add(pipeline.dataset_name)
        pipeline.run(few.source())
        query = f"SELECT mode, verdict, images_new FROM {pipeline.dataset_name}.sync_runs"
        assert few.place.sql(query) == [("full", "complete", FEW)]


@pytest.mark.thorough
def test_a_dropped_pipeline_goes_on(begun: Mine) -> None:
    """`pipeline.drop()` forgets the working directory, and the destination still has what it had."""
    begun.pipeline().drop()
    begun.account.sandbox.change({"insert": 10})
    begun.pipeline().run(begun.source())
    assert [run[:2] for run in begun.runs] == [("full", "complete"), ("incremental", "complete")]
    assert [run[3] for run in begun.runs] == [1500, 10]
    begun.whole()


@pytest.mark.thorough(but=("with",))
@pytest.mark.parametrize("row", ["with", "without", "with, and a sync", "with, and changes"])
def test_a_run_that_was_loaded_in_part_is_made_up_for(few: Mine, row: str) -> None:
    """dlt has committed `images`, and the package is gone: with the run's row, which is complete, or without. The next
    run is another one of the pipeline, or one of `sync`; images may have changed since."""
    few.pipeline().run(few.source())
    few.account.sandbox.change({"delete": 3, "rescan": 5, "insert": 2})
    few.pipeline().run(few.source(mode="full", confirm_gone_after=0))
    written = few.place.sql("SELECT image_id, version, row_hash, changed_at FROM {data}.images")
    scanned = few.place.sql("SELECT image_id, scan_time FROM {data}.image_scans")
    newest = "(SELECT sync_id FROM {data}.sync_runs ORDER BY started_at DESC LIMIT 1)"
    with few.pipeline().sql_client() as client:
        for table in ("image_history", "image_scans", *(["sync_runs"] if row == "without" else [])):
            client.execute_sql(f"DELETE FROM {table} WHERE sync_id = {newest.format(data=few.place.dataset)}")
        client.execute_sql("DELETE FROM _dlt_loads WHERE load_id = (SELECT max(load_id) FROM _dlt_loads)")
    few.pipeline().drop()
    if row == "with, and changes":
        few.account.sandbox.change({"rescan": FEW})
    if row == "with, and a sync":
        connector.sync(destination=few.place.url, dataset=few.place.dataset, endpoint=few.account.sandbox.url)
    else:
        few.pipeline().run(few.source())
    runs = few.place.sql("SELECT mode_reason, verdict FROM {data}.sync_runs ORDER BY started_at DESC")
    assert runs[0] == ("the load package of an earlier run was not loaded whole", "complete")
    lost = "SELECT image_id, version FROM {data}.images EXCEPT SELECT image_id, version FROM {data}.image_history"
    unscanned = (
        "SELECT image_id, scan_time FROM {data}.images WHERE deleted_at IS NULL AND scan_time IS NOT NULL "
        "EXCEPT SELECT image_id, scan_time FROM {data}.image_scans"
    )
    with few.place.opened():
        assert few.place.sql(lost) == few.place.sql(unscanned) == []
        versions = few.place.sql("SELECT image_id, version, row_hash, observed_at FROM {data}.image_history")
        assert {*written} <= {*versions}
        assert {*scanned} <= {*few.place.sql("SELECT image_id, scan_time FROM {data}.image_scans")}
        assert few.place.sql("SELECT count(*), count(deleted_at) FROM {data}.images") == [(FEW + 2, 3)]


def test_versions_of_a_run_that_was_loaded_in_part_stay(few: Mine) -> None:
    """dlt has committed the versions of the run, and the package is gone: images that have changed since go on from
    these versions, and do not take their places."""
    few.pipeline().run(few.source())
    few.account.sandbox.change({"rescan": 5})
    few.pipeline().run(few.source(mode="full"))
    newest = "(SELECT sync_id FROM {data}.sync_runs ORDER BY started_at DESC LIMIT 1)"
    with few.pipeline().sql_client() as client:
        client.execute_sql(f"DELETE FROM sync_runs WHERE sync_id = {newest.format(data=few.place.dataset)}")
        client.execute_sql("DELETE FROM _dlt_loads WHERE load_id = (SELECT max(load_id) FROM _dlt_loads)")
    versions = "SELECT image_id, version, row_hash FROM {data}.image_history"
    before = few.place.sql(versions)
    few.account.sandbox.change({"change_counts": FEW})
    few.pipeline().run(few.source())
    reasons = few.place.sql("SELECT mode_reason FROM {data}.sync_runs ORDER BY started_at DESC")
    assert reasons[0] == ("the load package of an earlier run was not loaded whole",)
    assert {*before} <= {*few.place.sql(versions)}
    few.whole()


# What is loaded, as dlt reads it.


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result", "ignore:fetch_arrow_table")  # of dlt
def test_every_way_of_reading_gives_the_rows(mine: Mine) -> None:
    """Of dlt's dataset: rows, and Arrow whole and in parts. tests/analysts has frames and ibis."""
    pipeline = mine.pipeline()
    pipeline.run(mine.source())
    images = pipeline.dataset().images
    assert len(images.fetchall()) == len(images.arrow()) == 1500
    assert sum(map(len, images.iter_arrow(chunk_size=1000))) == 1500
    assert set(images.arrow().column_names) == set(IMAGES.column_names)


def test_a_map_masks_a_column(mine: Mine) -> None:
    """It gets batches of Arrow; the hashes are those of what the API sent, so that a masked image is unchanged."""

    def masked(batch: Any) -> Any:
        index = batch.schema.get_field_index("image_name")
        return batch.set_column(index, batch.schema.field(index), pa.array(["***"] * len(batch), pa.string()))

    def source() -> Any:
        made = mine.source(mode="full")
        for name in ("images", "image_history"):
            made.resources[name].add_map(masked)
        return made

    for _ in range(2):
        mine.pipeline().run(source())
    assert [run[3] for run in mine.runs] == [1500, 0]
    for table in ("images", "image_history"):
        assert mine.place.sql(f"SELECT DISTINCT image_name FROM {{data}}.{table}") == [("***",)]


def _one_by_one(source: Any) -> None:
    source.images.add_yield_map(lambda batch: (batch.slice(at, 1) for at in range(len(batch))))


def _list(source: Any) -> None:
    source.images.add_map(lambda batch: [batch])


def _rows(source: Any) -> None:
    source.images.add_map(lambda batch: batch.to_pylist())


def _few(source: Any) -> None:
    source.resources["few"] = source.images | dlt.transformer(lambda batch: batch.slice(0, 5), name="few")


@pytest.mark.thorough(but=("_rows",))
@pytest.mark.parametrize("change", [_one_by_one, _list, _rows, _few])
def test_a_step_that_keeps_the_rows_is_free(few: Mine, change: Any) -> None:
    """A map may give its rows in any form; a transformer under a name of its own may choose."""
    source = few.source()
    change(source)
    for _ in range(2):  # the source runs again
        few.pipeline().run(source)
    assert [run[1] for run in few.runs] == ["complete"] * 2
    few.whole()


@pytest.mark.thorough
def test_views_are_made_on_request(few: Mine) -> None:
    """`make_views`, again too; before the first run, it says what to do."""
    pipeline = few.pipeline()
    with pytest.raises(DestinationError, match=r"has no table images.*Run the pipeline"):
        connector.make_views(pipeline)
    pipeline.run(few.source())
    for _ in range(2):
        connector.make_views(few.pipeline())
    assert few.place.sql("SELECT count(*) FROM {data}.current_images") == [(FEW,)]
    names = {name for name, _ in few.place.catalogue()}
    assert {view.name for view in views_of(TABLES)} <= names
