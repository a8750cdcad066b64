"""The manual says nothing that is not so: its commands and queries run as they stand, its lists are the code's, its
links lead somewhere. What needs Airflow, Dagster, a browser or dbt is run by the tests that `ELSEWHERE` names."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from connector import errors
from connector.cli.demo import QUESTIONS
from connector.cli.main import app
from connector.detail.actions import FIND, of_account, of_images
from connector.listing.proof import Proof
from connector.listing.reasons import ListReason
from connector.runs.policy import RunReason, Verdict, error_code
from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY, Account
from connector.settings import Settings, account_names
from connector.settings.table import DETAILS, KEYS
from connector.tables import ALL_TABLES, DETAIL_TABLES, TABLES
from connector.warehouse import locations
from connector.warehouse.views import views, views_of
from tests import manual
from tests.findings import invent_details
from tests.manual import PAGES, ROOT, Block, blocks, commands, page, rows
from tests.settings.conftest import read_again
from tests.world import World, world

ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("docs/airflow.md", "sh"): "tests/airflow/test_manual.py",
    ("docs/airflow.md", "python"): "tests/airflow/test_manual.py",
    ("docs/dagster.md", "sh"): "tests/dagster/test_manual.py",
    ("docs/dagster.md", "python"): "tests/dagster/test_manual.py",
    ("docs/dagster.md", "yaml"): "tests/dagster/test_manual.py",
    ("docs/dashboards.md", "python"): "tests/analysts/test_manual.py",
    ("docs/dbt.md", "sh"): "tests/analysts/test_dbt.py",
    ("docs/dbt.md", "sql"): "tests/analysts/test_dbt.py",
    ("docs/dbt.md", "yaml"): "tests/analysts/test_dbt.py",
    ("docs/pipeline.md", "python"): "tests/test_manual.py",
}
"""Blocks by page and language: the test that runs them."""

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLACEHOLDER = "..."
DAY = 86_400_000_000


def here(language: str) -> list[Any]:
    """The pages whose blocks in that language are run below."""
    found = [name for name in PAGES if blocks(name, language) and (name, language) not in ELSEWHERE]
    assert found, f"no page has a block of {language}"
    return [pytest.param(name, id=name) for name in found]


@contextmanager
def synced(directory: Path, **options: Any) -> Iterator[World]:
    """A world that the environment names, after its first sync."""
    with pytest.MonkeyPatch.context() as patch, world(directory, patch, images=150, begun="synced", **options) as made:
        patch.setenv("TCSS_ENDPOINT", made.sandbox.url)
        patch.setenv("DLT_DATA_DIR", str(directory / "dlt"))
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which all pages run their commands and queries, none of which changes more than a sync does."""
    with synced(tmp_path_factory.mktemp("manual")) as made:
        yield made


@pytest.fixture(scope="module")
def done() -> set[str]:
    """Commands that a page has run: those of another page need not run again."""
    return set()


# ---- the pages ----


def test_the_readme_is_short_and_narrow() -> None:
    """About two screens; what is drawn in it fits 80 columns."""
    text = page("README.md")
    assert len(text.splitlines()) < 150
    assert max(len(line) for block in blocks("README.md", "text") for line in block.text.splitlines()) <= 80


def test_the_contents_list_every_page_once() -> None:
    """By its file, with the title that the page has."""
    listed = dict(re.findall(r"^\| \[[^\]]+\]\(([^)]+)\) \| (.*) \|$", page("docs/README.md"), re.MULTILINE))
    files = {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in listed if "/" not in name} == files
    assert all(meaning for meaning in listed.values())


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as they are made where Markdown is shown."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [*PAGES, "SECURITY.md", "CHANGELOG.md", "sources/tcss/README.md", "schemas/README.md"])
def test_links_lead_to_files_and_headings_that_there_are(name: str) -> None:
    """Relative ones; a page that is read elsewhere than in its repository shows at most dead links, no dead pictures
    in the README."""
    text = re.sub(r"^ *```.*?^ *```", "", page(name), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), f"{name}: {target}"
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), f"{name}: {target}"
    assert name != "README.md" or not re.search(r"!\[", text)


def test_pictures_load_nothing_and_name_no_machine() -> None:
    """Each of them small, and shown on a page."""
    shown = {path for name in PAGES for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page(name))}
    assert shown == {f"gallery/{file.name}" for file in (ROOT / "docs" / "gallery").iterdir()}
    for path in shown:
        content = (ROOT / "docs" / path).read_bytes()
        assert 10_000 < len(content) < 200_000
        assert not re.search(rb"url\(.?http|@import|@font-face|<script|(?<![\w.:])/(home|tmp|root|work)/", content)


def test_every_block_is_run_by_a_test() -> None:
    """By those below, or by one that names the page."""
    ways = {"sh", "sql", "json", "toml", "csv", "ini", "crontab", "text"}
    for name in PAGES:
        for block in blocks(name):
            test = ELSEWHERE.get((name, block.language))
            assert test or block.language in ways, f"no test runs {block.language} of {name}"
            assert not test or name in (ROOT / test).read_text(encoding="utf-8"), (name, test)
    assert {name for name, _ in ELSEWHERE} <= set(PAGES)


# ---- commands ----


def parse(words: list[str]) -> None:
    """Whether `tcss` takes these words; click's error otherwise."""
    group: Any = typer.main.get_command(app)
    options = [word for word in words[1:] if word in ("--verbose", "-v")]
    name, *rest = [word for word in words[1:] if word not in options]
    if name.startswith("--"):
        assert name in {option for parameter in group.params for option in parameter.opts}
    else:
        group.commands[name].make_context(name, rest)


PARSED = {"dashboard", "sandbox", "demo"}
"""Commands that serve until they are stopped, and the demo, which tests/cli/test_main.py runs."""


def run_tcss(words: list[str]) -> None:
    """As it stands, in the working directory."""
    if PARSED & set(words) and "--change" not in words:
        parse(words)
        return
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output


def run_export(words: list[str]) -> None:
    """The keys of the sandbox are in the environment already."""
    for word in words[1:]:
        name, _, value = word.partition("=")
        assert (value, name in os.environ) == (PLACEHOLDER, True), word


def run_make(words: list[str]) -> None:
    assert re.search(rf"^{words[1]}:.*##", MAKEFILE, re.MULTILINE), words


def run_pip(words: list[str]) -> None:
    assert words[1] == "install"
    for requirement in words[2:]:
        known_extras(requirement)


def known_extras(requirement: str) -> None:
    """What is asked for in brackets is an extra of ours."""
    for extra in re.findall(r"\[([\w,]+)\]", requirement):
        assert set(extra.split(",")) <= set(PYPROJECT["project"]["optional-dependencies"]), requirement


def run_file(words: list[str]) -> None:
    """A notebook, which the tests of notebooks run."""
    assert (ROOT / words[-1]).is_file()


def run_systemd(words: list[str]) -> None:
    """The units are those of the page."""
    named = {word for word in words if re.search(r"\.(service|timer)$", word)}
    units = {Path(str(block.file)).name for block in blocks("docs/schedule.md", "ini")}
    assert named <= units


RUN: Mapping[str, Callable[[list[str]], None]] = {
    "tcss": run_tcss,
    "export": run_export,
    "make": run_make,
    "pip": run_pip,
    "python": run_file,
    "marimo": run_file,
    "systemctl": run_systemd,
    "journalctl": run_systemd,
}


@pytest.mark.thorough(but=("README.md",))
@pytest.mark.parametrize("name", [param for param in here("sh") if param.id != "docs/accounts.md"])
def test_the_commands_of_a_page_work_as_they_stand(name: str, shared: World, done: set[str]) -> None:
    """In order, in a directory with a warehouse."""
    for line in commands(name):
        words = shlex.split(line)
        if line not in done:
            RUN[words[0]](words)
            done.add(line)


@pytest.mark.thorough
def test_several_accounts_work_as_they_stand(tmp_path: Path) -> None:
    """With the page's file of secrets, in which one account has keys, and the other one a role."""
    name = "docs/accounts.md"
    second = Account(Fleet.seeded(30, seed=2, clock=wall_clock), "AKIDSECOND", "SECRETSECOND", "100000000002")
    keys = iter((DEFAULT_ID, DEFAULT_KEY))
    text = re.sub(re.escape(f'"{PLACEHOLDER}"'), lambda _: f'"{next(keys)}"', blocks(name, "toml")[0].text)
    with pytest.MonkeyPatch.context() as patch, world(tmp_path, patch, images=50, accounts=[second]) as made:
        patch.setenv("TCSS_ENDPOINT", made.sandbox.url)
        (tmp_path / ".dlt").mkdir()
        (tmp_path / ".dlt" / "secrets.toml").write_text(text, encoding="utf-8")
        read_again()
        for line in commands(name):
            run_tcss(shlex.split(line))
        loaded = "select account_id, count(*) from tcss.images group by all order by all"
        assert made.query(loaded) == [("100000000001", 50), ("100000000002", 30)]
    read_again()


def test_an_organisation_is_configured_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the page's sections and its file: a role for each account."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text(blocks("docs/accounts.md", "toml")[1].text, encoding="utf-8")
    assert manual.save("docs/accounts.md", tmp_path) == ["members.csv"]
    read_again()
    found = {name: Settings.load(name) for name in account_names()}
    read = {name: (own.account_id, own.role_arn) for name, own in found.items()}
    assert read == {
        "audit": ("100000000003", "qcs::cam::uin/100000000003:roleName/audit-reader"),
        "payments": ("100000000002", "qcs::cam::uin/100000000002:roleName/tcss-reader"),
        "shop": ("100000000001", "qcs::cam::uin/100000000001:roleName/tcss-reader"),
    }
    monkeypatch.undo()
    read_again()


def test_commands_in_the_text_are_taken_by_tcss() -> None:
    """Every `tcss ...` in a sentence or a table, and every option that stands alone."""
    group: Any = typer.main.get_command(app)
    options = {option for command in (group, *group.commands.values()) for p in command.params for option in p.opts}
    others = {"--conn-extra", "--user"}
    found = 0
    for name in PAGES:
        text = re.sub(r"^ *```.*?^ *```", "", page(name), flags=re.DOTALL | re.MULTILINE)
        for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text):
            if re.match(r"tcss \w|tcss --", code) and PLACEHOLDER not in code:
                parse(shlex.split(code))
                found += 1
            elif re.match(r"--[a-z]", code):
                assert code.split()[0] in options | others, f"{name}: {code}"
            known_extras(code if re.match(r"pip install|tcss-connector\[|\.\[", code) else "")
    assert found > 20


@pytest.mark.thorough
def test_the_pipelines_work_as_they_stand(shared: World) -> None:
    """The blocks of docs/pipeline.md: two runs, a run with details, and a source with a mask that a pipeline takes."""
    import dlt
    import duckdb

    two_runs, details, mask = blocks("docs/pipeline.md", "python")
    names_of_both: dict[str, Any] = {}
    exec(compile(two_runs.text, "docs/pipeline.md", "exec"), names_of_both)
    exec(compile(details.text, "docs/pipeline.md", "exec"), names_of_both)
    made: dict[str, Any] = {}
    exec(compile(mask.text, "docs/pipeline.md", "exec"), made)
    dlt.pipeline("masked", destination="duckdb", dataset_name="masked_images").run(made["source"])
    with duckdb.connect(str(shared.directory / "tcss.duckdb"), read_only=True) as connection:
        runs = "select count(*) from tcss_images.sync_runs where verdict = 'complete'"
        assert connection.execute(runs).fetchall() == [(3,)]
        details_of = "select aspect, verdict from tcss_images.detail_runs order by aspect"
        assert connection.execute(details_of).fetchall() == [("running", "complete"), ("vulnerabilities", "complete")]
    with duckdb.connect(str(shared.directory / "masked.duckdb"), read_only=True) as connection:
        names = "select distinct image_name from masked_images.images"
        assert connection.execute(names).fetchall() == [("***",)]


# ---- queries ----


@pytest.fixture(scope="module")
def detailed(shared: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A copy of that world's warehouse, with invented details beside the images."""
    made = replace(shared, directory=tmp_path_factory.mktemp("detailed"))
    copyfile(shared.file, made.file)
    names = {table.name: f"tcss.{table.name}" for table in ALL_TABLES}
    with made.writing() as connection:
        for view in [view for view in views() if view.details]:
            connection.execute(f"drop view if exists tcss.{view.name}")
        for table in DETAIL_TABLES:
            connection.execute(f"drop table if exists tcss.{table.name}")
        invent_details(connection)
        for view in [view for view in views() if view.details]:
            connection.execute(f"create view tcss.{view.name} as {view.select('duckdb', names)}")
    return made


@pytest.mark.parametrize("name", here("sql"))
def test_the_queries_of_a_page_are_answered(name: str, detailed: World) -> None:
    """Rights are tried by tests/warehouse/test_faults.py; what deletes, below."""
    statements = [s.strip() for block in blocks(name, "sql") for s in block.text.split(";") if s.strip()]
    assert all(s.startswith(("select", "with", "GRANT", "ALTER DEFAULT", "delete")) for s in statements)
    for query in [s for s in statements if s.startswith(("select", "with"))]:
        answer = detailed.query(query)
        assert answer or "rejected_values" in query, query


def test_an_account_is_removed_from_every_table() -> None:
    """The page names them all."""
    section = page("docs/operations.md").split("## Remove an account")[1].split("\n## ")[0]
    named = re.findall(r"delete from tcss\.(\w+)|`([a-z_]+)`", section)
    assert {one or other for one, other in named} == {table.name for table in ALL_TABLES}


@pytest.mark.thorough
def test_pruned_history_leaves_the_fleet_as_it_was_since_the_cut(tmp_path: Path) -> None:
    """`tcss prune`: every image keeps its version of that moment, views agree, and later syncs are complete."""
    with synced(tmp_path) as account:
        account.sandbox.change({"rescan": 20, "change_counts": 20})
        account.sync("--mode", "full")
        (cut,) = account.query("select (max(observed_at) + interval 1 millisecond)::text from tcss.image_history")[0]
        since = f"select image_id, version, event from tcss.image_versions where valid_to is null or valid_to > '{cut}'"
        before = set(account.query(since))
        account.sync("--mode", "full")
        (newest,) = account.query("select max(started_at)::text from tcss.sync_runs")[0]
        age = datetime.fromisoformat(newest) - datetime.fromisoformat(cut)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("connector.cli.prune.seconds_of", lambda *_: age.total_seconds())
            result = account.tcss("prune", "--older-than", "400d", "--json")
        rows = json.loads(result.stdout.splitlines()[0])["rows"]
        assert rows["image_history"] > 0 < rows["image_scans"]
        assert set(account.query(since)) == before
        account.sandbox.change({"rescan": 10, "insert": 5})
        assert account.sync("--mode", "full")["verdict"] == "complete"
        whole = "select count(distinct image_id) from tcss.image_history"
        assert account.query(whole) == account.query("select count(*) from tcss.images") == [(155,)]


# ---- configuration ----


@pytest.mark.parametrize("name", here("json"))
def test_the_policy_grants_what_is_called_and_no_more(name: str) -> None:
    """The actions of the sweep, of the check, and of STS; in a second policy also those of the details and of find."""
    actions = {"tcss:DescribeAssetImageList", "tcss:DescribePurchaseStateInfo", "sts:GetCallerIdentity"}
    of_details = {action for detail in DETAILS for action in actions_of(detail)}
    for block, granted in zip(blocks(name, "json"), (actions, actions | of_details | granted_to(FIND)), strict=False):
        policy = json.loads(block.text)
        (statement,) = policy["statement"]
        assert (policy["version"], set(statement["action"]), statement["resource"]) == ("2.0", granted, "*")
    assert name != "docs/accounts.md" or len(blocks(name, "json")) == 2


def granted_to(names: Iterable[str]) -> set[str]:
    """The actions as a policy names them."""
    return {f"tcss:{name}" for name in names}


def actions_of(detail: str) -> set[str]:
    """What a detail asks, of an image and of the account."""
    return granted_to(filter(None, [of_images(detail), *of_account(detail)]))


def test_the_permissions_of_each_detail_are_those_that_its_code_asks() -> None:
    """A row of the table for each detail, and one for find."""
    listed = {row[0]: set(re.findall(r"`(tcss:\w+)`", row[1])) for row in rows("docs/accounts.md", "for")}
    details = {f"`--detail {detail}`": actions_of(detail) for detail in DETAILS}
    assert listed == {**details, "`tcss find ...`": granted_to(FIND)}


def test_the_places_of_keys_are_those_that_a_message_lists() -> None:
    """Every name of a variable or a file in the connector's own list is on the page."""
    from connector.api.credentials import Environment, Profile, TkeOidc

    origins = "; ".join(place.origin for place in (Environment(), Profile(), TkeOidc()))
    text = page("docs/accounts.md")
    assert [n for n in re.findall(r"[A-Z]{3,}_[A-Z_]+|[~/][\w./]+credentials", origins) if n not in text] == []


SCHEDULE = [pytest.param(block, id=Path(str(block.file)).name) for block in blocks("docs/schedule.md", "ini")]


@pytest.mark.parametrize("block", SCHEDULE)
def test_units_and_environments_are_what_systemd_reads(block: Block) -> None:
    """Parsed only: the known sections and directives, an absolute program, and a command that `tcss` takes."""
    known = {
        "Unit": {"Description", "Wants", "After"},
        "Service": {"Type", "User", "EnvironmentFile", "StateDirectory", "WorkingDirectory", "ExecStart"},
        "Timer": {"OnCalendar", "RandomizedDelaySec", "Persistent"},
        "Install": {"WantedBy"},
    }
    if str(block.file).endswith(".env"):
        settings = {f"TCSS_{name.upper()}" for name in Settings()}
        names = {line.partition("=")[0] for line in block.text.splitlines()}
        assert names <= settings | {"TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"}
        return
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block.text)
    assert {section: set(unit[section]) <= known[section] for section in unit.sections()} == dict.fromkeys(
        unit.sections(), True
    )
    if "Service" in unit:
        program, *words = shlex.split(unit["Service"]["ExecStart"])
        assert (Path(program).is_absolute(), Path(program).name) == (True, "tcss")
        parse(["tcss", *words])


def test_a_url_with_options_passes_through_the_file_of_cron(tmp_path: Path) -> None:
    """The shell would take a bare & for the end of a command, and the sync would go to the default warehouse."""
    (block,) = (block for block in blocks("docs/schedule.md", "ini") if str(block.file).endswith(".env"))
    url = "duckdb:///warehouse.duckdb?memory_limit=1GB&threads=8"
    (tmp_path / "tcss.env").write_text(block.text.replace(url.partition("?")[0], url), encoding="utf-8")
    command = ["sh", "-c", 'set -a && . ./tcss.env && printf %s "$TCSS_DESTINATION"']
    assert subprocess.check_output(command, cwd=tmp_path, text=True) == url


@pytest.mark.parametrize("name", here("crontab"))
def test_lines_of_a_crontab_are_what_cron_reads(name: str) -> None:
    """Five fields within their bounds, no % that cron would cut the line at, and commands that `tcss` takes."""
    bounds = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    for line in manual.code(name, "crontab").splitlines():
        *fields, command = line.split(maxsplit=5)
        assert len(fields) == 5
        for field, (low, high) in zip(fields, bounds, strict=True):
            assert field == "*" or low <= int(field) <= high
        assert "%" not in command
        (called,) = re.findall(r"/tcss ((?:sync|status) [^>|]*)", command)
        parse(["tcss", *shlex.split(called)])


def test_the_line_of_the_readme_syncs_as_cron_runs_it(tmp_path: Path, shared: World) -> None:
    """By `sh`, in an environment that holds a home directory and nothing else, into the warehouse that is there."""
    (home := tmp_path / "tcss").mkdir()
    copyfile(shared.file, home / "warehouse.duckdb")
    (tmp_path / ".local" / "bin").mkdir(parents=True)
    (tmp_path / ".local" / "bin" / "tcss").symlink_to(Path(sys.executable).with_name("tcss"))
    environment = {
        "TENCENTCLOUD_SECRET_ID": DEFAULT_ID,
        "TENCENTCLOUD_SECRET_KEY": DEFAULT_KEY,
        "TCSS_ENDPOINT": shared.sandbox.url,
        "TCSS_METADATA": "false",
    }
    text = "".join(f"{name}={value}\n" for name, value in environment.items())
    (home / "tcss.env").write_text(text, encoding="utf-8")
    *_, command = manual.code("README.md", "crontab").split(maxsplit=5)
    done = subprocess.run(["sh", "-c", command], env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=False)
    assert done.returncode == 0, (home / "sync.log").read_text(encoding="utf-8")
    row = json.loads((home / "sync.jsonl").read_text(encoding="utf-8"))
    assert row["verdict"] == "complete"
    newest = "select sync_id from tcss.sync_runs order by started_at desc limit 1"
    assert replace(shared, directory=home).query(newest) == [(row["sync_id"],)]


# ---- lists ----


def test_the_demo_ends_as_the_readme_shows() -> None:
    """With this question, and these columns."""
    shown = next(block.text for block in blocks("README.md", "text") if "?" in block.text)
    question, _, head, *_ = shown.splitlines()
    assert all(name in QUESTIONS[question] for name in re.findall(r"\w+", head))


def test_the_readmes_figures_of_many_accounts_are_the_measured_ones() -> None:
    """Those of docs/operations.md, and the accounts an hour are what the slowest load gives."""
    found = re.findall(r"^\| (50[^|]*) \| (\d+) s \|", page("docs/operations.md"), re.MULTILINE)
    walls = {what: int(seconds) for what, seconds in found}
    loads = [walls["50, eight at once (the default), DuckDB"], walls["50, eight at once, PostgreSQL"]]
    unchanged = walls["50 that have not changed, eight at once, either"]
    section = page("README.md").partition("## Many accounts")[2].partition("\n## ")[0]
    assert [int(seconds) for seconds in re.findall(r"(\d+) s\b", section)] == [*loads, unchanged]
    (said,) = re.findall(r"more than ([\d,]+) of these accounts an hour", section)
    assert int(said.replace(",", "")) <= 50 * 3600 / max(loads)


def test_the_lists_of_tables_and_views_are_the_codes() -> None:
    """The same names in the same order, and the question of each view."""
    assert [row[0] for row in rows("docs/tables.md", "table")] == [f"`{table.name}`" for table in TABLES]
    assert [row[0] for row in rows("docs/tables.md", "table of details")] == [f"`{t.name}`" for t in DETAIL_TABLES]
    for head, listed in (("view", views_of(TABLES)), ("view of details", [v for v in views() if v.details])):
        assert rows("docs/tables.md", head) == [[f"`{view.name}`", view.question] for view in listed]


def test_the_destinations_that_it_lists_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each URL names a database that we know, and its extra; `tested` says the same as the table."""
    monkeypatch.setattr(locations, "_installed", lambda module: True)
    found = rows("docs/warehouses.md", "database")
    assert {row[0] for row in found} >= {"DuckDB", "SQLite", "PostgreSQL", "MySQL, MariaDB", "Oracle", "Trino"}
    for _, url, extra, tested in found:
        backend = locations.locate(url.strip("`").replace(PLACEHOLDER, "x"), "tcss").backend
        assert extra == (f"`tcss-connector[{backend.extra}]`" if backend.extra else "")
        assert backend.tested == ("real" in tested)


def test_the_sections_of_accounts_name_settings() -> None:
    """Every key is a setting, or one of the three keys."""
    for block in blocks("docs/accounts.md", "toml"):
        sources = tomllib.loads(block.text)["sources"]["tcss"]
        accounts = sources.pop("accounts", {})
        sources.pop("accounts_from", None)
        for own in (sources, *accounts.values()):
            assert set(own) <= set(Settings())
            assert set(own.get("credentials", {})) <= set(KEYS)


def test_the_files_that_the_architecture_names_exist() -> None:
    """Every wing is in its table, and every file that it names is there."""
    text = page("docs/architecture.md")
    named = re.findall(r"`([a-z]+/(?:[a-z_]+\.py)?|[a-z_]+\.py)`", text)
    missing = [name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "connector"))]
    assert missing == []
    wings = {path.name for path in (ROOT / "connector").iterdir() if (path / "__init__.py").exists()}
    assert wings <= {name.rstrip("/") for name in named}


def test_the_glossary_has_the_words_of_the_sweep() -> None:
    """Those that `connector.listing` defines, but for what a reader of the manual never meets."""
    import connector.listing

    assert connector.listing.__doc__ is not None
    words = connector.listing.__doc__.partition("The words\n")[2]
    defined = set(re.findall(r"^(\w[\w -]*?)  +\w", words, re.MULTILINE))
    assert defined - {row[0] for row in rows("docs/architecture.md", "word")} == {
        *("list", "tail", "bridge", "cap", "evidence")
    }


# ---- guarantees ----


def codes(header: str) -> dict[str, str]:
    """The second cell by the code in the first, of every table of docs/guarantees.md with that header."""
    tables = re.findall(
        rf"^\| {re.escape(header)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page("docs/guarantees.md"), re.MULTILINE
    )
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for table in tables for row in table.splitlines()]
    assert len({first for first, *_ in cells}) == len(cells)
    return {first.strip("`"): second for first, second, *_ in cells}


def says(template: str, sentence: str) -> bool:
    """Whether the sentence is the template with facts in it."""
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)), sentence) is not None


def error_classes(base: type[errors.TcssError] = errors.TcssError) -> Iterator[type[errors.TcssError]]:
    yield base
    for kind in base.__subclasses__():
        yield from error_classes(kind)


def test_every_code_is_explained_with_its_sentence() -> None:
    """A new proof, reason or error without a line in the page fails here; so does a sentence that has changed."""
    shown = codes("`reason_code`") | codes("code")
    sentences = {
        **{proof.name.lower(): proof.value for proof in Proof},
        **{reason.code: reason.value for reason in (*ListReason, *RunReason)},
    }
    classes = {error_code(kind("")): kind for kind in error_classes()}
    assert sorted(sentences.keys() | classes.keys()) == sorted(shown)
    assert [code for code, sentence in sentences.items() if not says(sentence, shown[code]) and code != "error"] == []
    assert {code: shown[code] for code in classes} == {code: str(kind.exit_code) for code, kind in classes.items()}


def test_every_verdict_and_exit_code_is_explained() -> None:
    """The verdicts in order, and the codes of `tcss sync --help` and `tcss find --help`."""
    from connector.cli.codes import FIND, SYNC

    assert [row[0] for row in rows("docs/guarantees.md", "`verdict`")] == [f"`{verdict}`" for verdict in Verdict]
    for name, codes in (("docs/guarantees.md", SYNC), ("docs/find.md", FIND)):
        listed = [int(code) for row in rows(name, "exit code") for code in row[0].split(", ")]
        assert sorted(listed) == sorted(map(int, re.findall(r"(?:: |; |and )(\d+)(?= )", codes)))
