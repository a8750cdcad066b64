"""`tcss status`: the last runs, how each account stands at a glance, and which account's data is too old."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.runs.freshness import Freshness
from connector.tables import ALL_TABLES, DETAIL_RUNS, IMAGES, SYNC_RUNS
from connector.warehouse.inventory import Inventory
from tests.cli.conftest import BLUE_ID
from tests.warehouses import KINDS, Place, connections
from tests.warehouses import place as place_of
from tests.world import ACCOUNT_ID, World, world

NOW = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
HOUR = 3_600_000_000


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, images=50) as made:
        yield made


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """After its first sync."""
    with world(tmp_path, monkeypatch, images=50, begun="synced") as made:
        yield made


def lines(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_status_shows_runs_and_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest runs first, and 5 only when the data is older than --max-age."""
    with world(tmp_path, monkeypatch, images=600, begun="synced") as account:
        account.sync()
        result = account.tcss("status", "--json", "--max-age", "1h")
        assert result.exit_code == 0, result.output
        assert [row["mode"] for row in lines(result)] == ["incremental", "full"]
        assert [tuple(row) for row in lines(result)] == [SYNC_RUNS.column_names] * 2
        assert account.tcss("status", "--max-age", "0s").exit_code == 5
        assert account.tcss("status", "--max-age", "soon").exit_code == 2


def test_an_account_that_has_no_complete_run_is_too_old(synced: World) -> None:
    """It is named on stderr, for a mail of cron. Only --max-age makes it an error: another account's data is there."""
    with synced.writing() as db:
        db.execute(
            "insert into tcss.sync_runs by name select * replace ('2' as account_id, 'x' as sync_id, "
            "'failed' as verdict, now() as started_at) from tcss.sync_runs"
        )
        db.execute("insert into tcss.images by name select * replace ('2' as account_id) from tcss.images limit 1")
    result = synced.tcss("status")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines() if line.startswith("2 ")] == [
        ["2", "never", "0.0", "h", "failed"]
    ]
    old = synced.tcss("status", "--max-age", "1h")
    assert (old.exit_code, old.stderr) == (5, "older than 1h:\n  2: no complete sync yet\n")
    told = [
        (row["account_id"], row["too_old"])
        for row in lines(synced.tcss("status", "--accounts", "--json", "--max-age", "1h"))
    ]
    assert told == [(ACCOUNT_ID, False), ("2", True)]


def test_an_id_that_the_warehouse_does_not_have_is_noted(synced: World) -> None:
    """On stderr, with the ids there. The exit code stays: a monitor may ask before the account's first sync."""
    note = f"note: no account '42' is in tcss in {synced.destination}. Ids there: {ACCOUNT_ID}.\n"
    for options, code in (((), 1), (("--max-age", "1h"), 5), (("--accounts", "--json", "--max-age", "1h"), 5)):
        result = synced.tcss("status", "--account-id", "42", *options)
        assert (result.exit_code, result.stderr.startswith(note)) == (code, True), result.output
    assert "note" not in synced.tcss("status", "--account-id", ACCOUNT_ID).stderr
    with synced.writing() as db:
        db.execute("delete from tcss.sync_runs")
    assert "note" not in synced.tcss("status", "--account-id", ACCOUNT_ID).stderr


def test_a_warehouse_without_a_complete_run(synced: World) -> None:
    """1 as before, where no age was asked for; and 5 where one was."""
    with synced.writing() as db:
        db.execute("delete from tcss.images")
        db.execute("update tcss.sync_runs set verdict = 'partial'")
    assert [synced.tcss("status", *age).exit_code for age in ((), ("--max-age", "1h"))] == [1, 5]
    with synced.writing() as db:
        db.execute("delete from tcss.sync_runs")
    none = (
        f"no complete sync yet in tcss in {synced.destination}: run `tcss sync`, or name another warehouse with "
        "--destination and --dataset\n"
    )
    assert synced.tcss("status").output == none
    result = synced.tcss("status", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", none)
    result = synced.tcss("status", "--max-age", "1h")
    assert (result.exit_code, result.stderr) == (5, "older than 1h:\n  no account has a complete sync yet\n")


@pytest.mark.parametrize("variable", ["TCSS_MAX_AGE", "TCSS_JSON", "TCSS_ACCOUNT"])
def test_an_empty_variable_of_an_option_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Click takes it for one that is not set: a monitor would be told that old data is young enough."""
    monkeypatch.setenv(variable, "")
    result = CliRunner().invoke(app, ["status"])
    assert (result.exit_code, "is empty" in result.stderr) == (2, True)


def test_status_asks_of_all_accounts_over_one_connection(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs that it shows are the newest of all accounts, and a run in the future makes no account young."""
    with synced.writing() as db:
        for other, hours, ago in (("2", 2, 3), ("3", 1, 9), ("4", -48, 1)):
            for n in range(2):
                db.execute(
                    "insert into tcss.sync_runs by name select * replace (? as account_id, ? as sync_id, started_at "
                    "- to_hours(?) as started_at) from tcss.sync_runs where account_id not in ('2', '3', '4')",
                    [other, f"{other}-{n}", hours + ago * n],
                )
    opened = connections(monkeypatch)
    result = synced.tcss("status", "--json", "--limit", "4")
    assert [row["account_id"] for row in lines(result)] == ["4", "4", ACCOUNT_ID, "3"]
    ages = [
        (row["account_id"], row["age_seconds"] and row["age_seconds"] // 3600)
        for row in lines(synced.tcss("status", "--accounts", "--json"))
    ]
    assert ages == [(ACCOUNT_ID, 0), ("2", 2), ("3", 1), ("4", None)]
    last = synced.tcss("status").stdout.splitlines()[-1]
    assert last.startswith("4: a complete sync started at 20")
    assert last.endswith("which is in the future, and does not count")
    assert len(opened) == 3


def test_what_only_reads_does_so_beside_a_program_that_reads(synced: World) -> None:
    """A notebook that has the DuckDB file open for reading disturbs neither `tcss status` nor a dry run of a prune."""
    script = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(synced.file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        results = [synced.tcss("status"), synced.tcss("prune", "--older-than", "400d", "--dry-run")]
        reader.communicate("\n")
    assert [(result.exit_code, result.stderr) for result in results] == [(0, ""), (0, "")]


def test_status_of_a_warehouse_that_is_not_there(account: World) -> None:
    """A wrong name is said, and no file is made."""
    result = account.tcss("status")
    assert result.exit_code == 2
    assert not account.file.exists()


# ---- at a glance ----

LONG = "the payments department's cluster in Singapore"


def run(account: str, hours: float, name: str | None = None, **columns: Any) -> dict[str, Any]:
    whole = {"verdict": "complete", "mode": "full", "total_count": 1_234_567}
    started_at = NOW - int(hours * HOUR)
    key = {"sync_id": f"{account} {hours}", "account_id": account, "started_at": started_at, "account_name": name}
    return {**whole, **key, **columns}


def detail(account: str, hours: float, aspect: str, behind: int | None) -> dict[str, Any]:
    started_at = NOW - int(hours * HOUR)
    key = {"sync_id": f"{account} {hours}", "aspect": aspect, "account_id": account, "started_at": started_at}
    return {**key, "verdict": "behind", "images_behind": behind}


RUNS = [
    run("100000000001", 300, "blu"),
    run("100000000001", 1.5, "blue"),
    run("100000000001", 0.5, "blue", verdict="partial", total_count=7),
    run("100000000002", 100, LONG),
    run("100000000003", 3),
    run("100000000004", 9, "twin"),
    run("100000000005", 9, "twin", verdict="failed"),
    run("100000000006", 30, "late"),
    run("100000000006", 29, verdict="failed"),
]
DETAILS = [
    detail("100000000001", 9, "vulnerabilities", 70),
    detail("100000000001", 1.5, "vulnerabilities", 1234),
    detail("100000000001", 9, "malware", 5),
    detail("100000000001", 1.5, "running", None),
    detail("100000000003", 3, "vulnerabilities", 0),
]
TABLE = """\
ACCOUNT         COMPLETE AS OF     AGE     LAST RUN  VERDICT      IMAGES  BEHIND
blue            2027-01-15 06:30Z  1.5 h   0.5 h     partial   1,234,567   1,239
late            2027-01-14 02:00Z  30.0 h  29.0 h    failed    1,234,567
the payments    2027-01-11 04:00Z  4 d     4 d       complete  1,234,567
department's
cluster in
Singapore
twin            2027-01-14 23:00Z  9.0 h   9.0 h     complete  1,234,567
(100000000004)
twin            never                      9.0 h     failed
(100000000005)
100000000003    2027-01-15 05:00Z  3.0 h   3.0 h     complete  1,234,567       0
100000000007    never
"""


@pytest.fixture(
    scope="module",
    params=[pytest.param(k, marks=pytest.mark.thorough if k in ("sqlite", "mysql") else ()) for k in KINDS],
)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A warehouse of each kind with seven accounts, which tests leave as it was."""
    with place_of(request.param, tmp_path_factory.mktemp("several")) as made:
        made.ready(tables=ALL_TABLES)
        image = {"account_id": "100000000007", "image_id": "i"}
        made.insert({SYNC_RUNS: RUNS, DETAIL_RUNS: DETAILS, IMAGES: [image]})
        yield made


@pytest.fixture
def several(shared: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """That warehouse, and a clock that stands still."""
    for module in ("freshness", "standing"):
        monkeypatch.setattr(f"connector.runs.{module}.now", lambda: NOW)
    monkeypatch.setattr("connector.cli.status.now", lambda: NOW)
    monkeypatch.setenv("COLUMNS", "80")
    with world(tmp_path, monkeypatch, images=1):
        yield shared


def status(place: Place, *arguments: str) -> Any:
    from typer.testing import CliRunner

    from connector.cli.main import app

    return CliRunner().invoke(app, ["status", "--destination", place.url, "--dataset", place.dataset, *arguments])


def test_a_person_sees_all_accounts_at_a_glance(several: Place) -> None:
    """By name, in 80 columns: an account is called by its newest name, and a name of several accounts has the id too.
    What is behind is the sum of the newest run of each detail."""
    result = status(several, "--accounts")
    assert (result.exit_code, result.stdout) == (0, TABLE)
    assert status(several).stdout.endswith(f"\n\n{TABLE}")


def test_a_script_reads_a_line_per_account(several: Place) -> None:
    """With all that the table has, and with details by their names."""
    first = lines(status(several, "--accounts", "--json"))[0]
    assert first == {
        "account_id": "100000000001",
        "account_name": "blue",
        "complete_at": "2027-01-15T06:30:00Z",
        "age_seconds": 5400,
        "last_run_at": "2027-01-15T07:30:00Z",
        "verdict": "partial",
        "images": 1_234_567,
        "behind": {"vulnerabilities": 1234, "malware": 5, "running": None},
    }


def test_an_account_is_chosen_by_its_name_or_its_id(several: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name need not be configured here; --max-age then judges this account alone."""

    def shown(*arguments: str) -> list[str]:
        return [row["account_id"] for row in lines(status(several, "--accounts", "--json", *arguments))]

    assert shown("--account", "blue") == shown("--account-id", "100000000001") == ["100000000001"]
    assert shown("--account", "twin") == ["100000000004", "100000000005"]
    assert [row["account_id"] for row in lines(status(several, "--account", "late", "--json"))] == ["100000000006"] * 2
    codes = [status(several, "--account", name, "--max-age", "26h").exit_code for name in ("blue", "late")]
    assert codes == [0, 5]
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__GREEN__ACCOUNT_ID", "100000000006")
    assert shown("--account", "green") == ["100000000006"]


def test_a_name_that_no_run_has_is_refused(several: Place) -> None:
    """With the name that was probably meant, or those that there are."""
    result = status(several, "--account", "blu")
    assert (result.exit_code, "is of an account 'blu'. Did you mean blue?" in result.stderr) == (2, True)
    result = status(several, "--account", "???")
    assert (result.exit_code, "Names there: blue, late, the payments" in result.stderr) == (2, True)


def test_an_account_without_a_name_is_named_by_its_id(several: Place) -> None:
    """As the table calls it; a name goes before an id."""
    one = status(several, "--accounts", "--json", "--account", "100000000001")
    assert [row["account_id"] for row in lines(one)] == ["100000000001"]


def test_what_is_too_old_is_named(several: Place) -> None:
    """Each account, by name and id, and for how long."""
    result = status(several, "--accounts", "--json", "--max-age", "26h")
    assert result.exit_code == 5
    assert [line.strip() for line in result.stderr.splitlines()] == [
        "older than 26h:",
        "late (100000000006): the last complete sync started 30.0 h ago",
        f"{LONG} (100000000002): the last complete sync started 100.0 h ago",
        "twin (100000000005): no complete sync yet",
        "100000000007: no complete sync yet",
    ]
    assert [row["account_id"] for row in lines(result) if row["too_old"]] == [f"10000000000{n}" for n in (6, 2, 5, 7)]


def test_the_warehouse_of_an_older_release_has_no_names(named: World) -> None:
    """And is shown by ids, before and after its next sync without a name."""
    with named.writing() as db:
        for (name,) in db.execute("select name from tcss.tcss_views").fetchall():
            db.execute(f"drop view tcss.{name}")
        db.execute("alter table tcss.sync_runs drop column account_name")
    result = named.tcss("status", "--accounts", "--json")
    assert [(row["account_id"], row["account_name"], row["images"]) for row in lines(result)] == [
        (ACCOUNT_ID, None, 30),
        (BLUE_ID, None, 20),
    ]


def test_the_number_of_queries_does_not_grow_with_the_accounts(several: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a table of 300 accounts as for one of seven."""
    asked = []
    collect = Inventory._collect
    monkeypatch.setattr(Inventory, "_collect", lambda self, *given: asked.append(1) or collect(self, *given))
    status(several, "--accounts")
    before = len(asked)
    more = [run(f"2{n:011}", 1, f"more {n}") for n in range(300)]
    several.insert({SYNC_RUNS: more})
    asked.clear()
    try:
        assert len(status(several, "--accounts", "--json").stdout.splitlines()) == 307
    finally:
        several.sql("delete from {data}.sync_runs where account_id >= '2'")
    assert (len(asked), before) == (before, 3)


def test_freshness_knows_its_start() -> None:
    """The instant of which the data is complete."""
    assert Freshness.since(NOW - HOUR, NOW) == Freshness(3600.0, None, NOW - HOUR)
