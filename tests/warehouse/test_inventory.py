"""`connector.warehouse.inventory`: what is there, typed as in `tables.py`, on real files and servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pytest

from connector.errors import DestinationError
from connector.tables import IMAGES, NAMED_ACCOUNTS, POSTURE_CHANGES, REJECTED_VALUES, SYNC_RUNS, TABLES
from connector.warehouse import inventory
from connector.warehouse.inventory import KNOWN, AccountInventory, Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from tests.warehouses import Place, connections, place

A_DAY = 86_400_000_000
IMAGE = {"account_id": "1", "version": 1, "first_seen_at": 1, "row_hash": "1:a", "sync_id": "s1"}
NEW = {**IMAGE, "image_id": "new"}
SCANNED = {**IMAGE, "image_id": "scanned", "version": 3, "row_hash": "1:b", "scan_time": 1_700_000_000_123_456}
GONE = {**IMAGE, "image_id": "gone", "first_seen_at": -A_DAY, "deleted_at": A_DAY, "is_trust_image": True}
OTHER = {**IMAGE, "image_id": "new", "account_id": "2"}


def plain(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with instants as microseconds, without nulls."""
    columns = [c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns]
    rows = pa.table(columns, names=table.column_names).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def loaded(place: Place) -> Inventory:
    """The inventory of a warehouse with the images above."""
    pipeline = place.ready()
    place.insert({IMAGES: [NEW, SCANNED, GONE, OTHER]})
    return Inventory(place.location, pipeline)


def test_a_warehouse_that_does_not_exist_is_empty_and_stays_away(place: Place) -> None:
    """Reading creates no file, schema or database; the types are there all the same."""
    found = Inventory(place.location, place.pipeline())
    known, rows, runs = found.known("1"), found.rows("1", ["a"]), found.runs("1")
    assert (known.num_rows, rows.num_rows, runs.num_rows) == (0, 0, 0)
    assert rows.schema.equals(IMAGES.arrow_schema)
    assert runs.schema.equals(SYNC_RUNS.arrow_schema)
    assert (found.rejected_ids("1", ["a"]), found.account_ids()) == (set(), set())
    assert place.datasets() == set()


def test_our_own_tables_are_ours(place: Place) -> None:
    """Also those of an older release, which lack a column; and none at all."""
    Inventory(place.location, place.pipeline()).verify()
    found = Inventory(place.location, place.ready())
    place.sql("ALTER TABLE {data}.images DROP COLUMN solution")
    found.verify()


def test_a_table_of_another_program_is_refused(place: Place) -> None:
    """Before a column is added to it; the message names the table and a way out."""
    place.ready()
    place.sql("DROP TABLE {data}.images")
    place.sql("CREATE TABLE {data}.images (id int, title text)")
    with pytest.raises(
        DestinationError, match=r"images of .* is not a table of this connector: .* account_id.*--dataset"
    ):
        Inventory(place.location, place.pipeline()).verify()


def test_a_warehouse_of_a_newer_release_is_refused(place: Place) -> None:
    """Our rows would lose what its columns hold."""
    place.ready()
    place.sql("ALTER TABLE {data}.image_scans ADD COLUMN sbom_cnt bigint")
    with pytest.raises(DestinationError, match=r"image_scans .* does not know: sbom_cnt.*upgrade tcss-connector"):
        Inventory(place.location, place.pipeline()).verify()


def test_a_newer_table_of_counts_is_refused_too(tmp_path: Path) -> None:
    """By every command: a prune would count into it without the new column."""
    with place("sqlite", tmp_path) as made:
        made.sql(f"CREATE TABLE posture_changes ({', '.join(POSTURE_CHANGES.column_names)}, newer)")
        with pytest.raises(DestinationError, match=r"posture_changes .* does not know: newer.*upgrade"):
            Inventory(made.location, made.pipeline()).verify()


def test_a_dataset_without_our_tables_is_empty(place: Place) -> None:
    """Somebody else's schema, or a first sync that never got so far."""
    place.ready()
    for table in (IMAGES, SYNC_RUNS, REJECTED_VALUES):
        place.sql(f"DROP TABLE {{data}}.{table.name}")
    found = Inventory(place.location, place.pipeline())
    assert (found.known("1").num_rows, found.runs("1").num_rows) == (0, 0)
    assert (found.rejected_ids("1", ["a"]), found.account_ids()) == (set(), set())


def test_the_known_state_is_the_accounts_images(place: Place) -> None:
    """Gone ones included, other accounts' not; instants exact to the microsecond, in the types of `tables.py`."""
    known = loaded(place).known("1").sort_by("image_id")
    assert known.schema.equals(pa.schema([IMAGES.arrow_schema.field(name) for name in KNOWN]))
    assert plain(known) == [{key: row[key] for key in KNOWN if key in row} for row in (GONE, NEW, SCANNED)]


def test_whole_rows_are_read_by_their_ids(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many queries as it takes; ids that are not there are left out, and no text is special in SQL."""
    monkeypatch.setattr(inventory, "IDS_IN_ONE_QUERY", 2)
    rows = loaded(place).rows("1", ["gone", "?", "' OR 1=1 --", "%s", ":a", "scanned"]).sort_by("image_id")
    assert rows.schema.equals(IMAGES.arrow_schema)
    assert plain(rows) == [{"changed_at": 0, **GONE}, {"changed_at": 0, **SCANNED}]


def test_runs_come_newest_first(place: Place) -> None:
    """At most as many as are asked for, of this account."""
    pipeline = place.ready()
    runs = [{"sync_id": f"s{n}", "account_id": "1", "started_at": n, "order_proven": n % 2 == 0} for n in range(4)]
    place.insert({SYNC_RUNS: [*runs, {"sync_id": "x", "account_id": "2", "started_at": 9}]})
    found = Inventory(place.location, pipeline)
    assert [(r["sync_id"], r["order_proven"]) for r in plain(found.runs("1", limit=3))] == [
        ("s3", False),
        ("s2", True),
        ("s1", False),
    ]
    assert found.runs("1").num_rows == 4


def test_how_each_account_stands_is_asked_in_one_query(place: Place) -> None:
    """Of more accounts than MariaDB makes rows of in a recursion; a partial or a filtered run is no whole run."""
    pipeline = place.ready()
    assert Inventory(place.location, pipeline).standings().num_rows == 0
    whole = {"verdict": "complete"}
    many = [{"sync_id": f"m{n}", "account_id": f"9{n:04d}", "started_at": n, **whole} for n in range(1100)]
    runs = [
        {"sync_id": "a", "account_id": "1", "started_at": 5, **whole, "account_name": "new", "total_count": 50},
        {"sync_id": "b", "account_id": "1", "started_at": 3, **whole, "account_name": "old", "total_count": 30},
        {"sync_id": "c", "account_id": "1", "started_at": 7, **whole, "filters": "{}"},
        {"sync_id": "d", "account_id": "1", "started_at": 8, "verdict": "partial"},
        {"sync_id": "e", "account_id": "2", "started_at": 4, "verdict": "failed"},
    ]
    place.insert({SYNC_RUNS: [*runs, *many]})
    found = Inventory(place.location, pipeline)
    first, second, *others = plain(found.standings().sort_by("account_id"))
    told = {"verdict": "partial", "account_name": "new", "total_count": 50}
    assert first == {"account_id": "1", "last_run": 8, "last_whole": 5, **told}
    assert second == {"account_id": "2", "last_run": 4, "verdict": "failed"}
    assert [(row["account_id"], row["last_run"], row["last_whole"]) for row in others] == [
        (run["account_id"], run["started_at"], run["started_at"]) for run in many
    ]
    assert plain(found.standings("1")) == [first]
    assert [row.get("last_run") for row in plain(found.standings("3"))] in ([], [None])


def test_accounts_are_those_with_images_or_runs(place: Place) -> None:
    """An account whose first sync found nothing has a run only."""
    pipeline = place.ready()
    place.insert({SYNC_RUNS: [{"sync_id": "s", "account_id": "3"}], IMAGES: [NEW, OTHER]})
    assert Inventory(place.location, pipeline).account_ids() == {"1", "2", "3"}


def test_rows_are_counted(place: Place) -> None:
    """Of an account, and of one of its runs; a table that does not exist has none."""
    assert Inventory(place.location, place.pipeline()).count(IMAGES, "1") == 0
    found = loaded(place)
    place.load(place.pipeline(), IMAGES, {**SCANNED, "sync_id": "s2"})
    with place.opened():
        assert (found.count(IMAGES, "1"), found.count(IMAGES, "2"), found.count(IMAGES, "3")) == (3, 1, 0)
        assert (found.count(IMAGES, "1", "s1"), found.count(IMAGES, "1", "s2")) == (2, 1)


def test_a_key_that_two_rows_have_is_found(place: Place) -> None:
    """Once, however many rows have it, and in its account."""
    assert Inventory(place.location, place.pipeline()).duplicates(IMAGES, "1") == 0
    found = loaded(place)
    assert found.duplicates(IMAGES, "1") == 0
    for _ in range(2):
        place.sql("INSERT INTO {data}.images SELECT * FROM {data}.images WHERE account_id = '1' AND image_id = 'gone'")
    assert (found.duplicates(IMAGES, "1"), found.duplicates(IMAGES, "2")) == (1, 0)


def test_rejected_values_are_known_by_their_ids(place: Place) -> None:
    """Of this account."""
    pipeline = place.ready()
    rows = [{"account_id": a, "reject_id": r} for a, r in (("1", "a"), ("1", "b"), ("2", "c"))]
    place.insert({REJECTED_VALUES: rows})
    found = Inventory(place.location, pipeline)
    assert found.rejected_ids("1", ["a", "c", "d"]) == {"a"}
    assert found.rejected_ids("1", []) == set()


def test_more_rows_than_a_batch_are_all_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row is lost or repeated between two batches."""
    monkeypatch.setattr(inventory, "BATCH_ROWS", 7)
    pipeline = place.ready()
    ids = [f"{number:03d}" for number in range(50)]
    place.insert({IMAGES: [{**IMAGE, "image_id": image_id} for image_id in ids]})
    assert Inventory(place.location, pipeline).known("1").sort_by("image_id")["image_id"].to_pylist() == ids


def test_a_column_that_an_older_release_did_not_have_is_null(place: Place) -> None:
    """Until the next sync adds it."""
    found = loaded(place)
    place.sql("ALTER TABLE {data}.images DROP COLUMN is_trust_image")
    expected = {"changed_at": 0, **GONE}
    del expected["is_trust_image"]
    assert plain(found.rows("1", ["gone"])) == [expected]
    place.sql("ALTER TABLE {data}.images DROP COLUMN missing_since")
    assert found.known("1")["missing_since"].to_pylist() == [None] * 3


def test_the_time_zone_of_the_server_does_not_matter(tmp_path: Path) -> None:
    """PostgreSQL gives instants in the zone of the session."""
    with place("postgresql", tmp_path) as made:
        loaded(made)
        elsewhere = locate(f"{made.url}?options=-ctimezone%3DAsia/Shanghai", made.dataset)
        found = Inventory(elsewhere, open_pipeline(elsewhere, "1", tmp_path / "work"))
        known = [row for row in plain(found.known("1")) if row["image_id"] == "scanned"]
    assert [row["scan_time"] for row in known] == [SCANNED["scan_time"]]


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_does_not_answer_is_not_an_empty_warehouse(scheme: str, tmp_path: Path) -> None:
    """All images would be new, and the next full sweep would compare with nothing."""
    location = locate(f"{scheme}://u:p@127.0.0.1:1/d")
    found = Inventory(location, open_pipeline(location, "1", tmp_path))
    with pytest.raises(DestinationError, match=r"cannot connect to.*Check host and port"):
        found.known("1")


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_file_that_is_no_database_is_not_an_empty_warehouse(kind: str, tmp_path: Path) -> None:
    """It says so."""
    with place(kind, tmp_path) as made:
        made.file.write_bytes(b"something else" * 1000)
        with pytest.raises(DestinationError, match="belongs to another program"):
            Inventory(made.location, made.pipeline()).known("1")


def test_options_of_duckdb_are_taken_from_the_url(tmp_path: Path) -> None:
    """`memory_limit`, for instance; what DuckDB says about a wrong one is all that the error says."""
    for options, expected in (
        ("memory_limit=500MiB&threads=1", None),
        ("memory_limit=much", "Memory must have a number"),
    ):
        location = locate(f"duckdb:///{tmp_path}/w.duckdb?{options}")
        pipeline = open_pipeline(location, "1", tmp_path / "work")
        if expected is None:
            Loader(location, pipeline).prepare()
        else:
            with pytest.raises(DestinationError, match=rf"cannot read {location.display}: \w+ Error: {expected}"):
                Inventory(location, pipeline).known("1")


@pytest.mark.thorough("sqlite", "mysql")
@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "postgresql", "mysql"])
def test_a_session_asks_all_over_one_connection(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query of a table that is not there does not spoil the connection for the next query."""
    opened = connections(monkeypatch)
    with place(kind, tmp_path) as made:
        found = loaded(made)
        made.sql("DROP TABLE {data}.sync_runs")
        outside = (found.runs("1").num_rows, found.known("1").num_rows, found.account_ids())
        before = len(opened)
        with found.session(), found.session():
            assert (
                (found.runs("1").num_rows, found.known("1").num_rows, found.account_ids())
                == outside
                == (0, 3, {"1", "2"})
            )
        assert len(opened) == before + 1
        made.load(made.pipeline(tables=[IMAGES]), IMAGES, {**NEW, "image_id": "later"})
        assert found.known("1").num_rows == 4


def test_a_pipeline_that_has_never_run_can_be_read_through(tmp_path: Path) -> None:
    """One of the user's own, which does not know our schema yet."""
    with place("duckdb", tmp_path) as made:
        loaded(made)
        mine = dlt.pipeline(
            "mine",
            pipelines_dir=str(tmp_path / "mine"),
            destination=dlt.destinations.duckdb(str(made.file)),
            dataset_name="tcss",
        )
        assert Inventory(made.location, mine).known("2").num_rows == 1


def test_one_accounts_inventory_is_its_part_of_the_whole(place: Place) -> None:
    """Runs as plain rows, instants as microseconds; and who else is there."""
    pipeline = place.ready()
    runs = [{"sync_id": f"s{n}", "account_id": str(n), "started_at": n} for n in (1, 3)]
    rejected = [{"account_id": "1", "reject_id": "a"}, {"account_id": "2", "reject_id": "b"}]
    place.insert({IMAGES: [NEW, SCANNED, GONE, OTHER], SYNC_RUNS: runs, REJECTED_VALUES: rejected})
    with place.opened():
        found = AccountInventory(Inventory(place.location, pipeline), "1")
        assert sorted(found.known()["image_id"].to_pylist()) == ["gone", "new", "scanned"]
        assert plain(found.rows(["new", "?"])) == [{"changed_at": 0, **NEW}]
        assert [(run["sync_id"], run["started_at"]) for run in found.runs()] == [("s1", 1)]
        assert (found.rejected_ids(["a", "b"]), found.other_accounts()) == ({"a"}, ["2", "3"])


def test_a_name_that_is_there_twice_is_written_again(tmp_path: Path) -> None:
    """As after a backup was restored over the tables: the name counts as unknown, and its next row replaces both."""
    with place("duckdb", tmp_path) as made:
        pipeline = made.prepared(tables=(*TABLES, NAMED_ACCOUNTS))
        name = {"account_id": "1", "account_name": "shop"}
        found = AccountInventory(Inventory(made.location, pipeline), "1")
        made.insert({NAMED_ACCOUNTS: [name, name]})
        assert found.name() is None
        made.load(pipeline, NAMED_ACCOUNTS, name)
        assert (found.name(), len(made.table(NAMED_ACCOUNTS))) == ("shop", 1)


def test_one_accounts_inventory_verifies_first(place: Place) -> None:
    """Whoever compares with it may write afterwards."""
    place.ready()
    place.sql("ALTER TABLE {data}.image_scans ADD COLUMN sbom_cnt bigint")
    with pytest.raises(DestinationError, match="does not know: sbom_cnt"):
        AccountInventory(Inventory(place.location, place.pipeline()), "1")
