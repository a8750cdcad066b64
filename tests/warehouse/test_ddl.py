"""`connector.warehouse.ddl`: indexes, and MySQL's databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.errors import DestinationError
from connector.tables import ALL_TABLES, IMAGE_HISTORY, IMAGES, SYNC_RUNS, TABLES, Table
from connector.warehouse import ddl
from connector.warehouse.ddl import STAGING
from connector.warehouse.loading import Loader
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from tests.warehouses import KINDS, Place, place, user

INDEXES = {
    "sqlite": "SELECT tbl_name, name FROM {0}.sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT tablename, indexname FROM pg_indexes WHERE '\"' || schemaname || '\"' = '{0}'",
    "mysql": "SELECT DISTINCT table_name, index_name FROM information_schema.statistics "
    "WHERE concat('`', table_schema, '`') = '{0}'",
}


def key_index(table: Table) -> str:
    return "tcss_image_history_versions" if table is IMAGE_HISTORY else f"tcss_{table.name}_key"


@pytest.mark.parametrize("kind", INDEXES)
def test_keys_are_indexed_in_the_tables_and_in_staging(kind: str, tmp_path: Path) -> None:
    """Without them a merge is quadratic in SQLite and MySQL. Runs are indexed by time, and by account and time too; the
    history by time, and by its key with the time. A second preparation adds none."""
    with place(kind, tmp_path) as made:
        made.prepared()
        made.prepared()
        found = [made.sql(INDEXES[kind].format(dataset)) for dataset in ("{data}", "{staging}")]
    keys = [(table.name, key_index(table)) for table in TABLES]
    searched = [("image_history", "tcss_image_history_observed_at")]
    searched += [("sync_runs", f"tcss_sync_runs_{name}") for name in ("recent", "started_at")]
    assert [sorted(rows) for rows in found] == [sorted([*keys, *searched])] * 2


@pytest.mark.thorough("sqlite", "mysql")
@pytest.mark.parametrize("kind", INDEXES)
def test_findings_are_indexed_by_their_vulnerability_too(kind: str, tmp_path: Path) -> None:
    """Beside the keys, once, where there are tables of details."""
    with place(kind, tmp_path) as made:
        for _ in range(2):
            made.prepared(tables=ALL_TABLES)
        found = made.sql(INDEXES[kind].format("{data}"))
    keys = [(table.name, key_index(table)) for table in ALL_TABLES]
    searched = [
        ("image_history", "tcss_image_history_observed_at"),
        ("image_vulnerabilities", "tcss_image_vulnerabilities_vul_id"),
        ("containers", "tcss_containers_image_id"),
        ("detail_runs", "tcss_detail_runs_started_at"),
        ("sync_runs", "tcss_sync_runs_recent"),
        ("sync_runs", "tcss_sync_runs_started_at"),
    ]
    assert sorted(found) == sorted([*keys, *searched])


def test_an_index_that_is_missing_comes_back(tmp_path: Path) -> None:
    """A preparation that died between tables and indexes is completed by the next."""
    with place("sqlite", tmp_path) as made:
        made.prepared()
        made.sql("DROP INDEX tcss_images_key")
        made.prepared()
        assert made.sql("SELECT count(*) FROM sqlite_master WHERE name = 'tcss_images_key'") == [(1,)]


CHARACTER_SETS = (
    "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata "
    "WHERE concat('`', schema_name, '`') IN ('{data}', '{staging}')"
)


def test_mysql_databases_hold_every_text_and_tell_case_apart(tmp_path: Path) -> None:
    """Those that we create, whatever the server's default is."""
    with place("mysql", tmp_path) as made:
        made.prepared()
        assert made.sql(CHARACTER_SETS) == [("utf8mb4", "utf8mb4_bin")] * 2


def test_staging_has_the_collation_of_a_database_that_is_there(tmp_path: Path) -> None:
    """A comparison of two collations could not use the index."""
    with place("mysql", tmp_path) as made:
        made.sql("CREATE DATABASE {data} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        made.prepared()
        assert made.sql(CHARACTER_SETS) == [("utf8mb4", "utf8mb4_unicode_ci")] * 2


def test_a_database_of_a_narrow_character_set_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """Its tables would take its character set."""
    with place("mysql", tmp_path) as made:
        made.sql("CREATE DATABASE {data} CHARACTER SET latin1")
        with pytest.raises(DestinationError, match="character set latin1"):
            made.prepared()
        assert made.datasets() == {made.dataset}


def test_a_column_keeps_its_description_when_it_gets_another_collation(tmp_path: Path) -> None:
    """MySQL drops what a change of a column does not repeat; the views' hash would not tell that it is gone."""
    with place("mysql", tmp_path) as made:
        made.prepared()
        folded = "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL"
        made.sql(f"ALTER TABLE {{data}}.images MODIFY image_id {folded} COMMENT 'it''s: an id \\\\ 100%'")
        made.prepared()
        described = made.sql(
            "SELECT column_comment, collation_name LIKE '%bin' FROM information_schema.columns "
            f"WHERE table_schema = '{made.dataset}' AND table_name = 'images' AND column_name = 'image_id'"
        )
        assert described == [("it's: an id \\ 100%", 1)]


@pytest.mark.parametrize("place", ["postgresql", "mysql"], indirect=True)
def test_staging_can_be_dropped(place: Place) -> None:
    """For warehouses without a lock, where every run has its own."""
    pipeline = place.prepared()
    before = place.sql("SELECT count(*) FROM {staging}.images")
    place.loader(pipeline).drop_staging()
    names = {name for (name,) in place.sql("SELECT schema_name FROM information_schema.schemata")}
    assert before == [(0,)]
    assert place.dataset in names
    assert f"{place.dataset}_staging_1" not in names


MADE = {
    "duckdb": {"w.duckdb"},
    "sqlite": {"w.sqlite", "w__main_staging_1.sqlite"},
    "postgresql": {"{data}", "{data}_staging_1"},
    "mysql": {"{data}", "{data}_staging_1"},
}


@pytest.mark.thorough("sqlite", "mysql")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_beside_the_dataset_is_what_the_manual_says(kind: str, tmp_path: Path) -> None:
    """Nothing in DuckDB; elsewhere a dataset of the account's, which a load leaves empty, and makes again."""
    with place(kind, tmp_path) as made:
        pipeline = made.prepared()
        for _ in range(2):
            made.load(pipeline, SYNC_RUNS, {"sync_id": "s", "started_at": 1})
            found = {name for name in made.datasets() if not name.endswith(".parquet")}
            assert found == {name.format(data=made.dataset) for name in MADE[kind]}
            for staging in made.datasets_made[1:]:
                assert made.sql(f"SELECT count(*) FROM {staging}.sync_runs") == [(0,)]
            made.loader(pipeline).drop_staging()
            made.loader(pipeline).prepare()


@pytest.mark.thorough("mysql")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"])
def test_a_staging_dataset_that_is_a_warehouse_is_refused(kind: str, tmp_path: Path) -> None:
    """Somebody has given `--dataset` the name of an account's staging dataset, which a load would empty."""
    with place(kind, tmp_path) as made:
        pipeline = made.prepared()
        other = replace(made, dataset=f"{made.dataset}_staging_1")
        other.load(other.prepared(), SYNC_RUNS, {"sync_id": "s", "started_at": 1})
        with pytest.raises(DestinationError, match="_staging_1, which is a warehouse of its own"):
            made.loader(pipeline).prepare()
        assert made.sql("SELECT count(*) FROM {staging}.sync_runs") == [(1,)]


def test_sqlite_admits_nulls_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that is killed halfway left a column behind, which stopped each later sync."""
    executed, execute = [], ddl.execute

    def dies(client: Any, statement: str) -> None:
        execute(client, statement)
        executed.append(statement)
        if "ADD COLUMN" in statement:
            raise KeyboardInterrupt

    with place("sqlite", tmp_path) as made:
        made.prepared()
        made.sql("ALTER TABLE images ADD COLUMN _dlt_id TEXT NOT NULL DEFAULT 'x'")
        made.insert({IMAGES: [{"image_id": "a"}]})
        columns = made.catalogue()
        with monkeypatch.context() as patch:
            patch.setattr(ddl, "execute", dies)
            with pytest.raises(KeyboardInterrupt):
                made.prepared()
        assert executed
        assert made.catalogue() == columns
        made.prepared()
        assert made.sql("SELECT _dlt_id FROM images") == [("x",)]
        assert made.catalogue() == columns


def test_postgresql_says_what_a_staging_schema_is_for(tmp_path: Path) -> None:
    """Once, and a comment that somebody else has written stays."""
    comment = "SELECT obj_description('{staging}'::regnamespace, 'pg_namespace')"
    with place("postgresql", tmp_path) as made:
        made.prepared()
        assert made.sql(comment) == [(STAGING,)]
        made.sql("COMMENT ON SCHEMA {staging} IS 'mine'")
        made.prepared()
        assert made.sql(comment) == [("mine",)]


def test_a_staging_schema_of_somebody_else_is_used_as_it_is(tmp_path: Path) -> None:
    """Only its owner may describe a schema, and a user who may not make one can have been given it."""
    with place("postgresql", tmp_path) as made:
        made.prepared()
        made.sql("COMMENT ON SCHEMA {staging} IS NULL")
        grants = (
            "GRANT USAGE, CREATE ON SCHEMA {data}, {staging} TO {user}",
            "GRANT ALL ON ALL TABLES IN SCHEMA {data}, {staging} TO {user}",
        )
        with user(made, grants) as url:
            location = locate(url, made.dataset)
            Loader(location, open_pipeline(location, "1", tmp_path / "dlt")).prepare()
        assert made.sql("SELECT obj_description('{staging}'::regnamespace, 'pg_namespace')") == [(None,)]
