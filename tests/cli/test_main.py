"""The command line: the contract that scripts rely on, and what bad input gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from connector import __version__
from connector.cli.main import app
from connector.sandbox import Fault
from connector.tables import LOADED_TABLES, SYNC_RUNS, TABLES
from connector.warehouse.dictionary import data_dictionary
from connector.warehouse.views import views_of
from tests.commands import tcss
from tests.world import ACCOUNT_ID, World, first_sync, open_elsewhere, open_until_refused, world


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account with 20 images, and no warehouse."""
    with world(tmp_path, monkeypatch, images=20) as made:
        yield made


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account with 1,500 images, and tables without rows."""
    with world(tmp_path, monkeypatch, images=1500, begun="prepared") as made:
        yield made


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account with 500 images, and tables without rows."""
    with world(tmp_path, monkeypatch, images=500, begun="prepared") as made:
        yield made


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An account with 600 images, after its first sync."""
    with world(tmp_path, monkeypatch, images=600, begun="synced") as made:
        yield made


def faulty(account: World, *faults: Fault) -> World:
    account.sandbox.backend.faults = tuple(faults)
    return account


def test_sync_prints_one_json_object_with_the_columns_of_sync_runs(large: World) -> None:
    """--json prints the run's row and nothing else."""
    result = large.tcss("sync", "--json")
    lines = result.stdout.splitlines()
    assert (result.exit_code, len(lines)) == (0, 1)
    row = json.loads(lines[0])
    assert tuple(row) == SYNC_RUNS.column_names
    assert (row["account_id"], row["verdict"], row["mode"], row["images_new"]) == (ACCOUNT_ID, "complete", "full", 1500)


def test_sync_for_people_says_verdict_and_counts(large: World) -> None:
    """Without --json the verdict comes first, with its reason; then the account, the warehouse, and the next step."""
    result = large.tcss("sync")
    assert result.exit_code == 0
    first, counts, *rest = result.stdout.splitlines()
    assert first == "complete (by order): 1,500 images listed, full sweep (first sync: everything is read)"
    assert counts.startswith("  1,500 new, 0 changed, 0 unchanged, 0 gone, 0 returned; ")
    step = f"next: tcss report --destination {large.destination} makes a page of the fleet; "
    assert rest == [
        f"  account {ACCOUNT_ID}, written to tcss in {large.file}",
        f"{step}tcss tables explains the tables",
    ]


def test_the_next_step_repeats_no_setting_that_is_found_without_it(
    account: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warehouse that a variable names needs no option; a dataset that was given does. The file has its whole path."""
    monkeypatch.setenv("TCSS_DESTINATION", "duckdb:///here.duckdb")
    arguments = ["sync", "--endpoint", account.sandbox.url, "--dataset", "mine"]
    *_, where, step = CliRunner().invoke(app, arguments).stdout.splitlines()
    assert where.endswith(f", written to mine in {account.directory}/here.duckdb")
    assert step.startswith("next: tcss report --dataset mine makes")


def test_after_a_partial_run_the_next_step_is_another_one(prepared: World) -> None:
    """A page of data that may miss images is not what comes next."""
    from connector.sandbox import Quirks

    prepared.sandbox.backend.quirks = Quirks(total_delta=50)
    result = prepared.tcss("sync")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (
        5,
        "next: run tcss sync again, which may read what is missing; tcss status shows the runs",
    )


@pytest.mark.thorough("most images went")
@pytest.mark.parametrize(
    ("stay", "step"),
    [
        pytest.param(1, "; if the images are gone, run once with --max-delete-share 1", id="most images went"),
        pytest.param(0, "", id="all images went"),
    ],
)
def test_where_another_run_ends_alike_the_next_step_is_a_persons(stay: int, step: str, prepared: World) -> None:
    """So many images that seem gone are called gone when somebody has looked."""
    prepared.sync()
    prepared.sandbox.change({"delete": prepared.sandbox.fleet.ids()[stay:]})
    result = prepared.tcss("sync", "--mode", "full")
    expected = f"next: check that keys and --site are those of the account{step}; tcss status shows the runs"
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (5, expected)


def test_account_id_spares_the_call_to_sts(prepared: World) -> None:
    """--account-id is written as it is, and STS is not asked."""
    assert prepared.sync("--account-id", "42")["account_id"] == "42"
    assert "GetCallerIdentity" not in prepared.sandbox.stats()["actions"]


def test_a_first_sync_of_nothing_is_complete_and_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """No images: exit code 0, and a hint at --site."""
    with world(tmp_path, monkeypatch, images=0) as empty:
        assert empty.sync()["images_listed"] == 0
    assert "check --site" in caplog.text


def test_filters_narrow_the_run_and_never_move_the_watermark(prepared: World) -> None:
    """A filtered run loads what the filter gives and says so in its row."""
    row = prepared.sync("--filter", "ScanStatus=notScan")
    assert row["filters"] == '{"ScanStatus": ["notScan"]}'
    assert (row["watermark_after"], row["images_listed"]) == (None, row["images_new"])
    assert prepared.query("select distinct scan_status from tcss.images") == [("NOT_SCAN",)]


REFUSED = [
    pytest.param({"TENCENTCLOUD_SECRET_KEY": "WRONGEXAMPLE"}, [], (), 3, "AuthFailure.SignatureFailure", id="secret"),
    pytest.param({"TENCENTCLOUD_TOKEN": "expired-example"}, [], (), 3, "AuthFailure.TokenFailure", id="token"),
    pytest.param({"TENCENTCLOUD_SECRET_ID": ""}, [], (), 3, "TENCENTCLOUD_SECRET_ID", id="no-keys"),
    pytest.param({}, [Fault("expired_signature")], ("--account-id", "1"), 3, "clock", id="clock"),
    pytest.param({}, [Fault("unauthorized")], (), 3, "tcss:DescribeAssetImageList", id="permission"),
    pytest.param({}, [], ("--endpoint", "http://example.com"), 2, "loopback", id="http-beyond-loopback"),
    pytest.param(
        {}, [], ("--endpoint", "https://tcss.invalid", "--account-id", "1"), 4, "--endpoint", id="unknown-host"
    ),
    pytest.param({}, [], ("--destination", "not a url"), 2, "destination", id="destination-unparsable"),
    pytest.param({}, [], ("--destination", "nosuch://host/db"), 2, "nosuch", id="destination-unknown"),
    pytest.param(
        {}, [], ("--destination", "postgresql://u:canary@127.0.0.1:1/db"), 6, "Check host and port", id="unreachable"
    ),
    pytest.param({}, [], ("--dataset", "warehouse"), 2, "warehouse", id="dataset-is-the-files-stem"),
    pytest.param({}, [], ("--filter", "Nonsense=1"), 2, "Nonsense", id="filter-unknown"),
    pytest.param({}, [], ("--filter", "ImageName"), 2, "NAME=VALUE", id="filter-malformed"),
    pytest.param({}, [], ("--filter", "ScanStatus=bogus"), 2, "filter ScanStatus=bogus: ", id="filter-refused"),
    pytest.param({}, [], ("--mode", "fast"), 2, "mode", id="mode-unknown"),
    pytest.param({}, [], ("--max-delete-share", "2"), 2, "max_delete_share", id="share"),
    pytest.param({}, [], ("--site", "moon"), 2, "site", id="site"),
    pytest.param({}, [], ("--account", "a", "--all-accounts"), 2, "exclude", id="account-twice"),
    pytest.param({}, [], ("--all-accounts",), 2, "no account is configured", id="no-accounts"),
]


@pytest.mark.parametrize(("environ", "faults", "arguments", "code", "said"), REFUSED)
def test_bad_input_is_named_and_leaves_the_warehouse_untouched(
    account: World,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    faults: list[Fault],
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    """The message names the cause, the exit code its class, and not even a file has been made."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = faulty(account, *faults).tcss("sync", "--json", *arguments)
    assert result.exit_code == code, result.output
    failure = json.loads(result.stdout)
    assert failure["verdict"] == "failed"
    assert set(failure["error"]) == {"class", "code", "message", "request_id"}
    assert said in result.stderr
    assert "canary" not in result.output
    assert sorted(path.name for path in account.directory.iterdir()) == []


def test_a_clock_that_is_wrong_by_ten_minutes_is_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's Date header mends the skew, once."""
    with world(tmp_path, monkeypatch, images=5, begun="prepared", clock=lambda: time.time() + 600) as late:
        assert late.sync()["verdict"] == "complete"


def test_a_directory_that_does_not_exist_is_a_failed_destination(account: World) -> None:
    """A file cannot be made where there is no directory: exit code 6, with the cause."""
    result = account.tcss("sync", "--destination", f"duckdb:///{account.directory}/none/warehouse.duckdb")
    assert result.exit_code == 6
    assert "directory" in result.stderr


def test_a_locked_duckdb_file_names_the_process(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB's own lock: exit code 6, and the process that has the file open."""
    monkeypatch.setattr("connector.warehouse.opening.PATIENCE", 0.3)
    with open_elsewhere(synced.file) as holder:
        result = synced.tcss("sync")
    assert result.exit_code == 6
    assert f"PID {holder.pid}" in result.stderr


def test_a_duckdb_file_that_is_open_for_a_moment_is_waited_for(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dashboard has it open for each question: the sync meets that, and goes on when it has been answered."""
    with open_until_refused(synced.file, monkeypatch) as refused:
        assert synced.sync()["verdict"] == "complete"
    assert refused.is_set()


def test_a_second_sync_of_the_same_warehouse_is_refused(account: World) -> None:
    """While one sync holds the lock, another ends at once with 7."""
    from connector.warehouse.locations import locate
    from connector.warehouse.locks import lock

    with lock(locate(account.destination), ACCOUNT_ID):
        result = account.tcss("sync", "--json")
    assert result.exit_code == 7
    assert json.loads(result.stdout)["error"]["class"] == "LockedError"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_an_interrupt_in_mid_sweep_loads_nothing(synced: World, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM end the process with their codes, and the warehouse is as it was."""
    before = synced.query("select count(*), max(version), count(*) filter (deleted_at is null) from tcss.images")
    synced.sandbox.change({"rescan": 100})
    slow_from = synced.sandbox.backend.numbers["DescribeAssetImageList"] + 5
    faulty(synced, Fault("slow", at=range(slow_from, slow_from + 100), value=20.0))
    where = ["--endpoint", synced.sandbox.url, "--destination", synced.destination]
    with tcss(["sync", "--mode", "full", *where], synced.directory, os.environ) as running:
        while synced.sandbox.backend.numbers["DescribeAssetImageList"] < slow_from and running.returncode is None:
            time.sleep(0.01)
        os.kill(running.pid, number)
        _, stderr = running.communicate(30)
    assert running.returncode == code, stderr
    assert (
        synced.query("select count(*), max(version), count(*) filter (deleted_at is null) from tcss.images") == before
    )
    assert synced.query("select count(*) from tcss.sync_runs") == [(1,)]


@pytest.mark.parametrize("asked", [False, True], ids=["while it starts", "while options are read"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_an_early_interrupt_has_its_code_too(number: int, code: int, asked: bool) -> None:
    """Before the command has begun, and without a traceback."""
    program = f"""
import signal
import typer
from connector.cli import process

def interrupted():
    signal.raise_signal({int(number)})

app = typer.Typer()
app.command()(interrupted)
process.run(app if {asked} else interrupted)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)


def test_an_interrupt_while_the_command_is_imported_has_its_code_too(tmp_path: Path) -> None:
    """As it takes a quarter of a second, on a slow machine a second."""
    (tmp_path / "typer.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "connector", "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted: nothing was loaded that is not whole\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sync", "--json", "--bogus"], "No such option: --bogus"),
        (["sync", "--bogus", "--json"], "No such option: --bogus"),
        (["sync", "--json", "--jobs", "0"], "Invalid value for '--jobs'"),
        (["prune", "--json"], "Missing option '--older-than'."),
        (["status", "--json", "word"], "Got unexpected extra argument"),
        (["--bogus", "sync", "--json"], "No such option: --bogus"),
        (["snyc", "--json"], "No such command 'snyc'."),
    ],
)
def test_bad_usage_under_json_is_a_line_of_failure(words: list[str], said: str) -> None:
    """With the code and the message as without --json."""
    result = CliRunner().invoke(app, words)
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert (result.exit_code, found["verdict"], found["error"]["class"]) == (2, "failed", "ConfigurationError")
    assert found["error"]["message"].startswith(said), found
    assert "Usage: " in result.stderr


def test_json_by_its_variable_holds_for_bad_usage_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of commands that have --json; where nobody asked for JSON, stdout is empty."""
    assert CliRunner().invoke(app, ["sync", "--bogus"]).stdout == ""
    monkeypatch.setenv("TCSS_JSON", "1")
    assert json.loads(CliRunner().invoke(app, ["sync", "--bogus"]).stdout)["verdict"] == "failed"
    for words in (["tables", "--bogus"], ["tables", "--json"]):
        result = CliRunner().invoke(app, words)
        assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_an_interrupt_while_an_object_is_freed_is_not_lost(number: int, code: int, busy: bool) -> None:
    """Python says `Exception ignored in` of one that is raised there, and goes on; what else is ignored is said. On a
    busy machine the interrupt that is sent again comes too early, and has to be sent once more."""
    program = f"""
import signal, threading
from connector.cli import main as cli
from connector.cli.report import Reporter

class Freed:
    def __del__(self):
        signal.raise_signal({int(number)})

class Failing:
    def __del__(self):
        raise ValueError("of its own")

class Early(threading.Timer):
    waits = {busy}

    def start(self):
        super().start()
        if Early.waits:
            Early.waits = False
            threading.Event().wait(60)

threading.Timer = Early

def app():
    Failing()
    with cli._reported(Reporter(as_json=False)):
        Freed()
        threading.Event().wait(60)

cli.app = app
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, "ValueError: of its own" in done.stderr) == (code, True)
    assert "KeyboardInterrupt" not in done.stderr


def test_an_api_that_fails_in_mid_sweep_leaves_a_failed_run_and_no_rows(
    prepared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's row says failed and why; nothing else is written."""
    monkeypatch.setenv("SOURCES__TCSS__PATIENCE", "0.1")
    result = faulty(prepared, Fault("internal_error", at=range(6, 1000))).tcss("sync", "--json")
    row = json.loads(result.stdout)
    assert (result.exit_code, row["verdict"]) == (4, "failed")
    assert "InternalError" in row["verdict_reason"]
    assert prepared.query("select count(*) from tcss.images") == [(0,)]
    assert prepared.query("select verdict, watermark_after from tcss.sync_runs") == [("failed", None)]


def test_partial_ends_with_5_and_says_why(prepared: World) -> None:
    """A TotalCount that the list does not reach: rows are loaded, the watermark stays, the exit code is 5."""
    from connector.sandbox import Quirks

    prepared.sandbox.backend.quirks = Quirks(total_delta=50)
    result = prepared.tcss("sync", "--json")
    row = json.loads(result.stdout)
    assert (result.exit_code, row["verdict"], row["images_new"], row["watermark_after"]) == (5, "partial", 500, None)
    assert row["verdict_reason"] == "the list shows 500 rows, but its TotalCount says 550"


def test_strict_turns_rejected_values_into_5(prepared: World) -> None:
    """Values that cannot be read are counted and warned of; under --strict they are an error."""
    from connector.sandbox import Quirks

    prepared.sandbox.backend.quirks = Quirks(extra_fields={"Size": "huge"})
    assert prepared.sync()["values_rejected"] == 500
    assert prepared.tcss("sync", "--strict").exit_code == 5
    assert prepared.query("select count(*), min(raw) from tcss.rejected_values") == [(500, '"huge"')]


@pytest.mark.round_trip
def test_check_says_line_by_line_what_works(account: World) -> None:
    """Where each setting is from that was found, then every check; keys are shown by where they were found."""
    result = account.tcss("check")
    assert result.exit_code == 0, result.output
    names = [line.split(":")[0].split() for line in result.stdout.splitlines()]
    read = ("destination", "endpoint", "requests_per_second", "metadata")
    api = ("keys", "signature", "clock", "permission", "licence")
    assert names == [*(["read", name] for name in read)] + [
        ["ok", name] for name in (*api, "destination", "writable", "texts")
    ]
    assert "environment (TENCENTCLOUD_SECRET_ID" in result.stdout
    assert "SECRETEXAMPLE" not in result.output
    assert not account.file.exists()


def test_check_ends_with_the_code_of_what_failed(account: World) -> None:
    """A missing permission: 3, the permission's name, and the destination is still looked at."""
    result = faulty(account, Fault("unauthorized")).tcss("check")
    assert result.exit_code == 3
    assert "FAILED  permission" in result.stdout
    assert "tcss:DescribeAssetImageList" in result.stdout
    assert "ok      writable" in result.stdout


def test_tables_prints_the_data_dictionary() -> None:
    """The dictionary of the code."""
    assert CliRunner().invoke(app, ["tables"]).stdout == data_dictionary() + "\n"


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"{__version__}\n"


def test_help_imports_neither_dlt_nor_pyarrow() -> None:
    """What everyone waits for stays light."""
    code = "import sys; from connector.cli.main import app; from typer.testing import CliRunner"
    code += "; CliRunner().invoke(app, ['--help'])"
    code += "; print(sorted({'dlt', 'pyarrow', 'duckdb', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_process_ends_with_its_code_and_its_duties_done() -> None:
    """Python's own end is left out, but for what was to be done at exit."""
    code = "import atexit, sys; from connector.cli.main import main; sys.argv[1:] = ['sync', '--filter', 'nothing']"
    code += "\ntry: main()\nfinally: atexit.register(print, 'done')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "done\n")
    assert "is not NAME=VALUE. For example ScanStatus=SCANNED." in done.stderr


def test_arrow_gives_freed_memory_back() -> None:
    """Arrow's own allocator would keep it, for each of several syncs that run at once. A user's choice stays."""
    code = "from connector.cli import process; import sys"
    code += "; process.run(lambda: print(__import__('pyarrow').default_memory_pool().backend_name) or sys.exit(0))"
    for given, used in ({}, "system"), ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "mimalloc"):
        environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment | given, check=True)
        assert done.stdout.decode() == f"{used}\n"


def test_demo_answers_the_first_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 80 columns, with nothing cut; the file stays, the commands at the end name the file, another demo replaces
    it."""
    monkeypatch.chdir(tmp_path)
    Path("tcss_demo.duckdb").write_bytes(first_sync(0)[0])
    result = CliRunner().invoke(app, ["demo", "--images", "400"])
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "Which images in use are the riskiest?" in result.stdout
    assert "incremental │ complete │ watermark" in result.stdout
    assert "tcss status --destination duckdb:///tcss_demo.duckdb\n" in result.stdout
    with duckdb.connect("tcss_demo.duckdb", read_only=True) as connection:
        assert connection.execute("select count(*) from tcss.sync_runs where verdict = 'complete'").fetchall() == [(3,)]


def test_demo_keeps_what_is_in_the_place_of_its_output(tmp_path: Path) -> None:
    """A file that was named is never replaced."""
    file = tmp_path / "mine.duckdb"
    file.write_bytes(b"mine")
    assert CliRunner().invoke(app, ["demo", "--images", "20", "--output", str(file)]).exit_code == 2
    assert file.read_bytes() == b"mine"


@pytest.mark.parametrize("detail", ["", "vulnerabilities"])
def test_tables_for_dbt_describes_every_column_in_the_dataset_of_the_destination(
    detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the tables that a sync with the same settings makes; the views are there by their names.
    `tests/analysts/test_dbt.py` gives the source to dbt."""
    tables = LOADED_TABLES if detail else TABLES
    if detail:
        monkeypatch.setenv("TCSS_DETAIL", detail)
    result = CliRunner().invoke(app, ["tables", "--format", "dbt", "--destination", "mysql://u:p@h/bronze"])
    (source,) = yaml.safe_load(result.stdout)["sources"]
    columns = {table["name"]: [column["name"] for column in table.get("columns", [])] for table in source["tables"]}
    expected = {table.name: list(table.column_names) for table in tables} | {view.name: [] for view in views_of(tables)}
    assert (source["name"], source["schema"], columns) == ("tcss", "bronze", expected)
