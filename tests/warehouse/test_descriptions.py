"""`connector.warehouse.descriptions`: tables and columns explained in the catalogues of real databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.tables import ALL_TABLES, IMAGES, TABLES
from connector.warehouse import descriptions, views
from connector.warehouse.descriptions import describe, text
from tests.warehouses import Place, place

# Table, column (null: the table itself) and comment, of every table of ours.
COMMENTS = {
    "duckdb": "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'tcss' "
    "UNION ALL SELECT table_name, NULL, comment FROM duckdb_tables() WHERE schema_name = 'tcss'",
    "postgresql": "SELECT c.relname, a.attname, d.description FROM pg_description d "
    "JOIN pg_class c ON c.oid = d.objoid AND c.relnamespace = '{name}'::regnamespace "
    "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0",
    "mysql": "SELECT table_name, column_name, column_comment FROM information_schema.columns "
    "WHERE table_schema = '{name}' UNION ALL "
    "SELECT table_name, NULL, table_comment FROM information_schema.tables WHERE table_schema = '{name}'",
}
TYPES = {
    "duckdb": "DESCRIBE {data}.images",
    "postgresql": "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
    "WHERE table_schema = '{name}' AND table_name = 'images' ORDER BY ordinal_position",
    "mysql": "SELECT column_name, column_type, is_nullable, collation_name FROM information_schema.columns "
    "WHERE table_schema = '{name}' AND table_name = 'images' ORDER BY ordinal_position",
}


def comments(place: Place) -> dict[tuple[str, str | None], str]:
    rows = place.sql(COMMENTS[place.kind].replace("{name}", place.dataset))
    return {(table, column): comment for table, column, comment in rows if not table.startswith("_dlt")}


def described(place: Place) -> None:
    with place.prepared().sql_client() as client:
        describe(client, TABLES)


@pytest.fixture(params=sorted(COMMENTS))
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place whose database has room for descriptions: not SQLite."""
    with place(request.param, tmp_path) as made:
        yield made


def test_every_table_and_column_is_described_in_the_catalogue(catalogue: Place) -> None:
    """What `tables.py` says, with unit and field; instants without a zone say that they are UTC."""
    described(catalogue)
    dialect = {"postgresql": "postgres"}.get(catalogue.kind, catalogue.kind)
    expected: dict[tuple[str, str | None], str] = {(table.name, None): table.description for table in TABLES}
    expected |= {(table.name, column.name): text(column, dialect) for table in TABLES for column in table.columns}
    assert comments(catalogue) == expected


def test_descriptions_are_kept_in_step(catalogue: Place) -> None:
    """An older one, whatever is in it, is replaced; types and nulls stay as they are."""
    pipeline = catalogue.prepared()
    before = catalogue.sql(TYPES[catalogue.kind].replace("{name}", catalogue.dataset))
    old = r"it''s \\ an `old` one, with COMMENT ''quoted'', and commas"
    if catalogue.kind == "mysql":
        catalogue.sql(
            f"ALTER TABLE {{data}}.images MODIFY COLUMN vul_cnt bigint(20) COMMENT '{old}', COMMENT = '{old}'"
        )
    else:
        catalogue.sql(f"COMMENT ON COLUMN {{data}}.images.vul_cnt IS '{old}'")
    with pipeline.sql_client() as client:
        describe(client, TABLES)
    assert comments(catalogue)["images", "vul_cnt"] == text(IMAGES.column("vul_cnt"), "")
    assert comments(catalogue)["images", None] == IMAGES.description
    assert catalogue.sql(TYPES[catalogue.kind].replace("{name}", catalogue.dataset)) == before


def test_comments_of_the_users_own_stay(catalogue: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a release with other descriptions and through `tcss views`; what is described by nobody, or by an older
    release, is described anew."""
    pipeline = catalogue.prepared()

    def publish(*, anew: bool = False) -> None:
        views.publish(catalogue.location, pipeline, anew=anew)

    with monkeypatch.context() as patch:
        patch.setattr(descriptions, "text", lambda column, dialect: f"old {column.name}")
        publish()
    mine = "it''s \\\\ mine"
    if catalogue.kind == "mysql":
        catalogue.sql(
            f"ALTER TABLE {{data}}.images MODIFY COLUMN vul_cnt bigint(20) COMMENT '{mine}', "
            f"MODIFY COLUMN virus_cnt bigint(20) COMMENT '', COMMENT = '{mine}'"
        )
    else:
        catalogue.sql(f"COMMENT ON COLUMN {{data}}.images.vul_cnt IS '{mine}'")
        catalogue.sql(f"COMMENT ON TABLE {{data}}.images IS '{mine}'")
        catalogue.sql("COMMENT ON COLUMN {data}.images.virus_cnt IS NULL")
    own = {("images", name): comment for (_, name), comment in comments(catalogue).items() if "mine" in (comment or "")}
    assert {name for _, name in own} == {"vul_cnt", None}
    dialect = {"postgresql": "postgres"}.get(catalogue.kind, catalogue.kind)
    expected: dict[tuple[str, str | None], str] = {(table.name, None): table.description for table in TABLES}
    expected |= {(table.name, column.name): text(column, dialect) for table in TABLES for column in table.columns}
    for anew in (False, True):
        publish(anew=anew)
        found = comments(catalogue)
        assert {key: found[key] for key in expected} == expected | own


def test_a_description_has_what_the_column_knows() -> None:
    """The text says what is derived, in which unit, and that a time without a zone is UTC."""
    assert text(IMAGES.column("create_time_raw"), "sqlite").endswith("Otherwise null. From the API's CreateTime.")
    assert text(IMAGES.column("host_cnt"), "mysql").endswith("Changes without a scan. Unit: hosts. The API's HostCnt.")
    assert text(IMAGES.column("deleted_at"), "mysql").endswith("the image is not gone. Wall clock in UTC.")
    assert text(IMAGES.column("deleted_at"), "postgres").endswith("the image is not gone.")


def test_no_description_is_longer_than_mysql_takes() -> None:
    """1,024 characters for a column, 2,048 for a table."""
    assert max(len(text(column, "mysql")) for table in ALL_TABLES for column in table.columns) <= 1024
    assert max(len(table.description) for table in ALL_TABLES) <= 2048
