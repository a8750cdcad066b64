"""What every destination must do alike, shown by whole syncs on each: a DuckDB and an SQLite file, a PostgreSQL and a
MariaDB (or MySQL) server. More of it: a sync killed at any step is in `test_crash`, locks in `test_locks`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from connector.errors import DestinationError
from connector.images.fields import TOO_GREAT
from connector.images.records import ItemParser, Record
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ACCOUNT, Account
from connector.sandbox.messages import Reply, Request
from connector.tables import IMAGE_HISTORY, IMAGE_SCANS, IMAGES, REJECTED_VALUES, SYNC_RUNS, TABLES
from connector.warehouse import views
from connector.wire import decode
from tests.images import odd_images
from tests.syncing import Row, before_the_merge, ended, loaded, staging_named, start, sync, truth
from tests.warehouses import FILES, KINDS, Place, instant, place

SERVERS = ("postgresql", "mysql")
OTHER = "100000000002"


def stored(run: Row) -> Row:
    """A run's row as `Place.table` reads it."""
    return {c.name: instant(run[c.name]) if c.type == "timestamp" else run[c.name] for c in SYNC_RUNS.columns}


def without(rows: list[Row], *names: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def hashes(items: list[Row]) -> dict[str, str]:
    received = decode(orjson.dumps({"Response": {"List": items}}))["Response"]["List"]
    return {record.image_id: record.row_hash for record in ItemParser().parse(received) if isinstance(record, Record)}


def counts(place: Place) -> dict[str, int]:
    with place.opened():
        return {table.name: len(place.table(table)) for table in TABLES}


# ---- values ----


@pytest.mark.thorough("mysql")
@pytest.mark.round_trip
@pytest.mark.parametrize("place", KINDS, indirect=True)
def test_the_same_rows_everywhere(place: Place) -> None:
    """Whole rows of all tables, read by plain SQL, are the same literal ones on every warehouse; and once read back by
    the connector, they are known: a second sync writes nothing."""
    items = odd_images.items()
    with Sandbox(Fleet(items), rate=None) as sandbox:
        run = sync(place, sandbox.url)
        second = sync(place, sandbox.url, mode="full")
    seen, hashed = instant(run["started_at"]), hashes(items)
    ours = {"version": 1, "deleted_at": None, "sync_id": run["sync_id"]}
    images = [{**row, **ours, "row_hash": hashed[row["image_id"]]} for row in odd_images.rows()]
    scans = [{c.name: row[c.name] for c in IMAGE_SCANS.columns if c.name in row} for row in images if row["scan_time"]]
    own = {"first_seen_at": seen, "changed_at": seen, "missing_since": None}
    with place.opened():
        assert place.table(IMAGES) == [{**row, **own} for row in images]
        assert place.table(IMAGE_HISTORY) == [{**row, "observed_at": seen} for row in images]
        assert place.table(IMAGE_SCANS) == [{**row, "observed_at": seen} for row in scans]
        rejected = place.table(REJECTED_VALUES)
        assert sorted((r["image_id"], r["column_name"], r["raw"]) for r in rejected) == odd_images.rejected()
        assert {r["first_seen_at"] for r in rejected} == {seen}
        assert place.table(SYNC_RUNS) == sorted((stored(run), stored(second)), key=lambda row: row["sync_id"])
    known = (second["images_unchanged"], second["images_new"], second["images_changed"], second["values_rejected"])
    assert known == (len(items), 0, 0, len(rejected))


ALIKE = ["id", "ID", "id ", " id", "id\t", "ïd", "i\u0308d", "ß", "ss", "ａ", "a"]


@pytest.mark.thorough(but=("mysql",))
@pytest.mark.parametrize(
    ("place", "collation"),
    [*((kind, "") for kind in KINDS), ("mysql", "utf8mb4_general_ci")],
    ids=[*KINDS, "mysql-general"],
    indirect=["place"],
)
def test_ids_that_a_collation_takes_for_equal_are_different_images(place: Place, collation: str) -> None:
    """In MySQL, `id` and `id ` are equal even in a binary collation, and most databases there also fold case; whichever
    collation the database had before, no image takes another's place."""
    if collation:
        place.sql(f"CREATE DATABASE {{data}} CHARACTER SET utf8mb4 COLLATE {collation}")
    fleet = Fleet({"ImageID": image_id, **odd_images.ITEM} for image_id in ALIKE)
    with Sandbox(fleet, rate=None) as sandbox:
        sync(place, sandbox.url)
        second = sync(place, sandbox.url, mode="full")
    assert {row["image_id"] for row in place.table(IMAGES)} == set(ALIKE)
    assert (second["images_unchanged"], second["images_new"]) == (len(ALIKE), 0)


ZONES = {
    "postgresql": {"options": "-ctimezone=Asia/Shanghai"},
    "mysql": {"init_command": "SET time_zone = '+08:00'"},
    "duckdb": {"TimeZone": "Asia/Shanghai"},
}


@pytest.fixture
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is in India."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_elsewhere")
def test_instants_are_utc_whatever_the_clocks_of_machine_and_session_say(place: Place) -> None:
    """Written and read back in other zones, a time is the instant that it was, or that instant's wall clock in UTC."""
    url = sa.make_url(place.url).update_query_dict(ZONES.get(place.kind, {}))
    elsewhere = replace(place, url=url.render_as_string(hide_password=False))
    with Sandbox(Fleet([{"ImageID": "a", **odd_images.ITEM}]), rate=None) as sandbox:
        run = sync(elsewhere, sandbox.url)
        second = sync(elsewhere, sandbox.url, mode="full")
    (row,) = place.table(IMAGES)
    times = (odd_images.BUILT, odd_images.SCANNED, instant(run["started_at"]))
    assert (row["create_time"], row["scan_time"], row["changed_at"]) == times
    assert (second["images_unchanged"], second["watermark_before"]) == (1, run["watermark_after"])


def test_a_fault_that_lasts_is_one_row_whatever_the_value_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fields of 600 images, and an item without an ImageID, are other in each answer: their rows do not grow in
    number, say since when the fault lasts, and are counted in each run."""
    answers = count()
    answer = Sandbox._api_reply

    def altered(sandbox: Sandbox, request: Request) -> Reply:
        reply = answer(sandbox, request)
        number = next(answers)
        body = re.sub(rb'"(VulCnt|Size)":[0-9]+', rb'"\1":"%d?"' % number, reply.body)
        body = re.sub(rb'"ImageID":"nameless"', rb'"ImageID":"","HostCnt":%d' % number, body)
        return replace(reply, body=body)

    monkeypatch.setattr(Sandbox, "_api_reply", altered)
    ids = ["nameless", *(f"sha256:{number:064x}" for number in range(600))]
    fleet = Fleet({**odd_images.ITEM, "ImageID": image_id, "VulCnt": 1, "Size": 1} for image_id in ids)
    with Sandbox(fleet, rate=None) as sandbox:
        runs = [sync(place, sandbox.url, mode="full") for _ in range(3)]
    rows = place.table(REJECTED_VALUES)
    assert (len(rows), [run["values_rejected"] for run in runs]) == (1201, [1201] * 3)
    assert {(row["first_seen_at"], row["sync_id"]) for row in rows} == {
        (instant(runs[0]["started_at"]), runs[0]["sync_id"])
    }


@pytest.mark.thorough(but=("postgresql",))
@pytest.mark.parametrize("place", KINDS, indirect=True)
def test_no_count_breaks_a_sum(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count of 2**63 - 1 is a rejected value, and the sums of the greatest counts that are stored are right."""
    now = "(select max(changed_at) from images)"  # a server's clock may be a day behind
    today = tuple(replace(view, sql=view.sql.replace("current_timestamp", now)) for view in views.views())
    monkeypatch.setattr(views, "views", lambda: today)
    counts = {"a": 2**53, "b": 2**53, "c": 2**53 - 1, "d": 2**63 - 1}
    fleet = Fleet({**odd_images.ITEM, "ImageID": i, "VulCnt": n, "RiskCnt": n} for i, n in counts.items())
    with Sandbox(fleet, rate=None) as sandbox:
        assert sync(place, sandbox.url)["values_rejected"] == 2
    expected = [(4, 3 * 2**53 - 1, 3 * 2**53 - 1)]
    assert place.sql("SELECT images, vul_cnt, risk_cnt FROM {data}.os_exposure") == expected
    days = place.sql("SELECT images, vul_cnt, risk_cnt FROM {data}.posture_by_day ORDER BY day DESC LIMIT 1")
    assert days == expected
    assert {(row["image_id"], row["reason"]) for row in place.table(REJECTED_VALUES)} == {("d", TOO_GREAT)}


# ---- shapes that change ----


def test_new_fields_and_other_types_alter_no_table(place: Place) -> None:
    """A field that the API adds goes into `extra`, a value of another type to `rejected_values`, and the columns are
    those that were there first."""
    fleet = Fleet({"ImageID": image_id, **odd_images.ITEM} for image_id in "abc")
    with Sandbox(fleet, rate=None) as sandbox:
        sync(place, sandbox.url)
        columns = place.catalogue()
        fleet.replace({"a": {"SbomCnt": 7}, "b": {"VulCnt": {"Total": 6}, "IsTrustImage": "unknown"}})
        run = sync(place, sandbox.url, mode="full")
    history = {(r["image_id"], r["version"]): (r["extra"], r["vul_cnt"]) for r in place.table(IMAGE_HISTORY)}
    assert history == {
        ("a", 1): (None, 6),
        ("a", 2): ('{"SbomCnt":7}', 6),
        ("b", 1): (None, 6),
        ("b", 2): (None, None),
        ("c", 1): (None, 6),
    }
    raws = sorted((r["column_name"], r["raw"]) for r in place.table(REJECTED_VALUES))
    assert raws == [("is_trust_image", '"unknown"'), ("vul_cnt", '{"Total":6}')]
    assert (run["unknown_fields"], place.catalogue()) == ('["SbomCnt"]', columns)
    assert place.sql("SELECT count(*) FROM {data}._dlt_version") == [(1,)]


# ---- sizes ----


def test_no_image_and_then_one(place: Place) -> None:
    """All tables are there at once, and hold what there is."""
    fleet = Fleet()
    with Sandbox(fleet, rate=None) as sandbox:
        empty = sync(place, sandbox.url, mode="full")
        assert counts(place) == {t.name: int(t is SYNC_RUNS) for t in TABLES}
        fleet.insert(1, scanned=1.0)
        single = sync(place, sandbox.url, mode="full")
    assert counts(place) == {"images": 1, "image_history": 1, "image_scans": 1, "rejected_values": 0, "sync_runs": 2}
    assert [(run["verdict"], run["images_listed"]) for run in (empty, single)] == [("complete", 0), ("complete", 1)]
    assert loaded(place, DEFAULT_ACCOUNT) == truth(fleet)


@pytest.mark.thorough("100000")
@pytest.mark.parametrize(
    ("place", "rows"),
    [("duckdb", 3_000), ("postgresql", 3_000), *((kind, 100_000) for kind in KINDS)],
    indirect=["place"],
)
def test_many_rows_and_then_200_of_them_again(place: Place, tmp_path: Path, rows: int) -> None:
    """None is lost, doubled or mixed up, and a merge touches the rows that it brings alone."""
    many, some = tmp_path / "many.parquet", tmp_path / "some.parquet"
    pq.write_table(big_rows(range(rows)), many)
    pq.write_table(big_rows(range(rows - 100, rows + 100), version=2), some)
    pipeline = place.prepared()
    place.loader(pipeline).load({"images": many})
    place.loader(pipeline).load({"images": some})
    sums = "count(*), count(DISTINCT image_id), sum(size), min(image_id), max(image_id)"
    found = place.sql(f"SELECT version, {sums} FROM {{data}}.images GROUP BY version ORDER BY version")
    assert [tuple(map(plain, row)) for row in found] == [
        (1, rows - 100, rows - 100, sum(range(rows - 100)), "000000", f"{rows - 101:06d}"),
        (2, 200, 200, sum(range(rows - 100, rows + 100)), f"{rows - 100:06d}", f"{rows + 99:06d}"),
    ]


def big_rows(numbers: range, *, version: int = 1) -> Any:
    """Rows of `images` with most columns filled, made by columns: by rows, they took longer than their load."""
    made: dict[str, list[Any]] = {
        "image_id": [f"{number:06d}" for number in numbers],
        "row_hash": [f"1:{number:032x}" for number in numbers],
        "image_name": [f"ccr.ccs.tencentyun.com/team/part:{number}" for number in numbers],
        "size": list(numbers),
        "vul_cnt": [number % 7 for number in numbers],
        "is_trust_image": [number % 2 == 0 for number in numbers],
    }
    times = [1_700_000_000_000_000 + number for number in numbers]
    made |= dict.fromkeys(("create_time", "scan_time", "first_seen_at", "changed_at"), times)
    same = {"account_id": "1", "sync_id": "s", "os_name": "alpine:v3.12", "version": version}
    return IMAGES.arrow_of([made.get(name) or [same.get(name)] * len(numbers) for name in IMAGES.column_names])


def plain(value: Any) -> Any:
    """A sum may come as a Decimal."""
    return value if isinstance(value, str) else int(value)


# ---- the course of time ----


def test_a_second_sync_writes_the_200_images_that_changed(place: Place) -> None:
    """150 rescans and 50 new images, found incrementally: their rows are the API's, and no other row was touched."""
    fleet = Fleet.seeded(1000, clock=wall_clock)
    with Sandbox(fleet, rate=None) as sandbox:
        first = sync(place, sandbox.url)
        before = {row["image_id"]: row for row in place.table(IMAGES)}
        changes = sandbox.change({"rescan": 150, "insert": 50})
        second = sync(place, sandbox.url)
    with place.opened():
        rows, history = {row["image_id"]: row for row in place.table(IMAGES)}, counts(place)["image_history"]
    changed = set(changes["rescan"]) | set(changes["insert"])
    assert (second["mode"], second["images_changed"], second["images_new"]) == ("incremental", 150, 50)
    assert {image_id: row["row_hash"] for image_id, row in rows.items()} == truth(fleet)
    assert {image_id for image_id, row in rows.items() if row != before.get(image_id)} == changed
    assert {rows[image_id]["first_seen_at"] for image_id in changes["rescan"]} == {instant(first["started_at"])}
    assert history == 1200


def test_images_that_go_and_come_back(place: Place) -> None:
    """A gone image keeps its row, with `deleted_at`; one that returns loses it again. History has every step."""
    fleet = Fleet({"ImageID": image_id, **odd_images.ITEM} for image_id in "abcd")
    with Sandbox(fleet, rate=None) as sandbox:
        runs = [sync(place, sandbox.url, mode="full")]
        fleet.delete(["a", "b"])
        runs.append(sync(place, sandbox.url, mode="full"))
        gone = {row["image_id"]: row["deleted_at"] for row in place.table(IMAGES)}
        fleet.bring_back(["b"])
        runs.append(sync(place, sandbox.url, mode="full"))
    first, second, third = (instant(run["started_at"]) for run in runs)
    assert gone == {"a": second, "b": second, "c": None, "d": None}
    assert [(run["images_gone"], run["images_returned"]) for run in runs] == [(0, 0), (2, 0), (0, 1)]
    history = place.table(IMAGE_HISTORY)
    steps = [(r["image_id"], r["version"], r["observed_at"], r["deleted_at"]) for r in history]
    assert steps == [
        ("a", 1, first, None),
        ("a", 2, second, second),
        ("b", 1, first, None),
        ("b", 2, second, second),
        ("b", 3, third, None),
        ("c", 1, first, None),
        ("d", 1, first, None),
    ]
    own = ("version", "changed_at", "observed_at", "first_seen_at", "deleted_at", "sync_id")
    a, b = (without([r for r in history if r["image_id"] == i], *own) for i in "ab")
    assert a == a[:1] * 2
    assert b == b[:1] * 3


# ---- two accounts in one dataset ----


@pytest.fixture
def accounts() -> tuple[Account, Account]:
    """Two accounts that have some images in common, as two accounts that pull the same images do."""
    one, two = Fleet.seeded(200, seed=1, clock=wall_clock), Fleet.seeded(150, seed=2, clock=wall_clock)
    return Account(one), Account(
        Fleet([*two.truth().values(), *(one[image_id] for image_id in one.ids()[:50])], clock=wall_clock),
        "AKIDOTHEREXAMPLE",
        "OTHEREXAMPLE",
        OTHER,
    )


def interleaved(place: Place, accounts: tuple[Account, Account], staging: str | None = None) -> int | None:
    """The first account's sync stops between staging and the merge of `images`, until the other one's has ended; the
    exit code of that. The first one says that it is complete."""
    one, two = accounts
    codes: list[int | None] = []
    with Sandbox(one.fleet, rate=None, accounts=[two]) as sandbox:

        def act() -> None:
            codes.append(ended(start(place, sandbox.url, two, staging=staging)))

        with before_the_merge("images", act), staging_named(staging):
            assert sync(place, sandbox.url)["verdict"] == "complete"
    return codes[0]


@pytest.mark.thorough(but=("duckdb",))
@pytest.mark.parametrize("place", KINDS, indirect=True)
def test_two_accounts_in_one_dataset_do_not_get_into_each_others_way(
    place: Place, accounts: tuple[Account, Account]
) -> None:
    """On a server the other account's sync runs through in the middle of the first one's load; a file has one writer,
    and there it is refused with the code for that, and succeeds afterwards. No row is lost either way."""
    one, two = accounts
    code = interleaved(place, accounts)
    if place.kind in FILES:
        with Sandbox(two.fleet, rate=None, accounts=[two]) as sandbox:
            assert ended(start(place, sandbox.url, two)) == 0
    assert loaded(place, DEFAULT_ACCOUNT) == truth(one.fleet)
    assert loaded(place, OTHER) == truth(two.fleet)
    assert code == (7 if place.kind in FILES else 0)


@pytest.mark.thorough
@pytest.mark.parametrize("place", SERVERS, indirect=True)
def test_with_one_staging_for_both_rows_are_lost_and_missed(place: Place, accounts: tuple[Account, Account]) -> None:
    """The negative control: the same interleaving with a shared staging dataset. The first one's images are not there,
    so the test above can fail; and the first sync, which counts them, does not call itself complete."""
    one, two = accounts
    with pytest.raises(DestinationError, match="has 0 rows of account"):
        interleaved(place, accounts, "shared")
    assert loaded(place, OTHER) == truth(two.fleet)
    assert loaded(place, DEFAULT_ACCOUNT) == {}
    assert truth(one.fleet) != {}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", SERVERS)
def test_two_accounts_sync_in_two_processes_at_once(
    kind: str, tmp_path: Path, accounts: tuple[Account, Account]
) -> None:
    """As they come: first loads that race for the tables, then changes."""
    one, two = accounts
    with place(kind, tmp_path) as made, Sandbox(one.fleet, rate=None, accounts=[two]) as sandbox:
        for _ in range(2):
            running = [start(made, sandbox.url, account) for account in accounts]
            assert [ended(process) for process in running] == [0, 0]
            assert loaded(made, DEFAULT_ACCOUNT) == truth(one.fleet)
            assert loaded(made, OTHER) == truth(two.fleet)
            for account in accounts:
                sandbox.change({"rescan": 20, "insert": 10, "delete": 5}, account.account_id)
