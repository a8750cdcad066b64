"""Several accounts: their configuration, `--account` and `--all-accounts`, as a user would run them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from typer.testing import CliRunner

from connector.cli.accounts import chosen, sync_all
from connector.cli.accounts import worst as worst_of
from connector.cli.main import app
from connector.cli.report import Outcome, Reporter
from connector.errors import ConfigurationError
from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY, Account
from connector.settings import Settings, account_names
from tests.cli.conftest import OWN_KEYS, ROLE
from tests.world import ACCOUNT_ID, World, apart, world

SECRETS = f"""
[sources.tcss.accounts.first.credentials]
secret_id = "{DEFAULT_ID}"
secret_key = "{DEFAULT_KEY}"

[sources.tcss.accounts.second.credentials]
secret_id = "AKIDSECONDEXAMPLE"
secret_key = "SECRETSECONDEXAMPLE"

[sources.tcss.accounts.wrong.credentials]
secret_id = "AKIDSECONDEXAMPLE"
secret_key = "SECRETCANARYEXAMPLE"
"""
CONFIG = """
[sources.tcss.accounts.third]
role_arn = "qcs::cam::uin/300000000003:roleName/reader"
"""


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Three accounts on one sandbox: two with keys of their own, the third by a role; and one with a wrong key."""
    with configured(tmp_path, monkeypatch, seeded()) as made:
        yield made


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Those accounts, after a first sync of all."""
    _, warehouse, fleets = first_sync_of_all()
    (tmp_path / "warehouse.duckdb").write_bytes(warehouse)
    with configured(tmp_path, monkeypatch, deepcopy(fleets)) as made:
        yield made


def seeded() -> list[Fleet]:
    return [Fleet.seeded(images, seed=seed, clock=wall_clock) for images, seed in ((310, 1), (230, 2), (120, 3))]


@contextmanager
def configured(directory: Path, monkeypatch: pytest.MonkeyPatch, fleets: list[Fleet]) -> Iterator[World]:
    (directory / ".dlt").mkdir()
    (directory / ".dlt" / "secrets.toml").write_text(SECRETS, encoding="utf-8")
    (directory / ".dlt" / "config.toml").write_text(CONFIG, encoding="utf-8")
    first, second, third = fleets
    monkeypatch.setenv("TCSS_JOBS", "1")  # in this process; `test_jobs` has more
    others = [
        Account(second, "AKIDSECONDEXAMPLE", "SECRETSECONDEXAMPLE", "200000000002"),
        Account(third, "AKIDTHIRDEXAMPLE", "SECRETTHIRDEXAMPLE", "300000000003"),
    ]
    with world(directory, monkeypatch, fleet=first, accounts=others) as made:
        yield made


@cache
def first_sync_of_all() -> tuple[Any, bytes, list[Fleet]]:
    """Return what the command has said, the warehouse, and the fleets."""
    fleets = seeded()
    with apart() as (directory, patch), configured(directory, patch, fleets) as made:
        result = made.tcss("sync", "--all-accounts", "--json")
        return result, made.file.read_bytes(), deepcopy(fleets)


def lines(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_accounts_are_named_by_sections_and_by_the_environment(
    accounts: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of config.toml, secrets.toml and variables alike."""
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__FOURTH__SITE", "cn")
    assert account_names() == ["first", "fourth", "second", "third", "wrong"]
    assert (Settings.load("fourth").site, Settings.load("first").site) == ("cn", "intl")


def test_one_account_by_name(accounts: World) -> None:
    """Its keys are used, whatever keys the environment has."""
    assert accounts.sync("--account", "second")["account_id"] == "200000000002"
    assert accounts.query("select account_id, count(*) from tcss.images group by all") == [("200000000002", 230)]


def test_an_account_by_its_role(accounts: World) -> None:
    """The keys at hand assume the role, and the rows are those of the role's account."""
    assert accounts.sync("--account", "third")["account_id"] == "300000000003"
    assert accounts.sandbox.stats()["actions"]["AssumeRole"] == 1


def test_an_account_that_is_not_configured_is_refused(accounts: World) -> None:
    """And not taken for the account of the keys at hand; the message names those that are."""
    result = accounts.tcss("sync", "--account", "frist")
    assert (result.exit_code, accounts.file.exists()) == (2, False)
    assert "no account 'frist' is configured. Configured: first, second, third, wrong." in result.stderr


def test_all_accounts_run_although_one_fails(synced: World) -> None:
    """A line of JSON each; the exit code is the worst one's, here that of refused keys; no secret is shown."""
    result, *_ = first_sync_of_all()
    found = lines(result)
    assert result.exit_code == 3
    assert [row.get("account_id") for row in found] == [ACCOUNT_ID, "200000000002", "300000000003", None]
    assert (found[3]["account"], found[3]["error"]["class"]) == ("wrong", "CredentialsError")
    assert "account wrong: " in result.stderr
    assert "CANARY" not in result.output
    assert sorted(synced.query("select account_id, count(*) from tcss.images group by all")) == [
        (ACCOUNT_ID, 310),
        ("200000000002", 230),
        ("300000000003", 120),
    ]


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([0, 0], 0), ([0, 2], 2), ([2, 5, 0], 5), ([5, 7], 7), ([7, 4], 4), ([4, 3], 3), ([3, 6], 6), ([6, 1, 0], 1)],
)
def test_the_exit_code_is_that_of_the_worst_account(codes: list[int], worst: int) -> None:
    """The first of 1, 6, 3, 4, 7, 5, 2, 0 that one ended with."""
    assert worst_of(codes) == worst


def test_the_next_step_is_that_of_the_worst_account(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not that of the last one, which may be a look at the report."""
    outcomes = [Outcome(0, ["report"]), Outcome(3), Outcome(5, ["check the keys"]), Outcome(0, ["report"])]
    monkeypatch.setattr("connector.cli.accounts._sync_each", lambda *_: outcomes)
    assert sync_all(("a", "b", "c", "d"), {}, Reporter(as_json=False)) == 3
    assert capsys.readouterr().out == "check the keys\n"


def test_images_of_one_account_are_never_gone_because_of_another(synced: World) -> None:
    """Each is compared with its own rows."""
    synced.tcss("sync", "--all-accounts", "--mode", "full")
    assert synced.query("select count(*) from tcss.images where deleted_at is not null") == [(0,)]
    assert synced.query("select count(*) from tcss.sync_runs where verdict = 'complete'") == [(6,)]


def test_the_id_of_one_account_is_not_inherited_by_all(accounts: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fleets under one id would call each other's images gone."""
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNT_ID", "42")
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__SECOND__ACCOUNT_ID", "43")
    assert [Settings.load(name).account_id for name in (None, "first", "second")] == ["42", None, "43"]
    result = accounts.tcss("sync", "--all-accounts", "--account-id", "42")
    assert (result.exit_code, "cannot be the id of all accounts" in result.stderr) == (2, True)


def test_what_an_account_does_not_say_is_inherited(accounts: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of `[sources.tcss]` hold for all, and an option given on the command line wins."""
    monkeypatch.setenv("SOURCES__TCSS__LOOKBACK", "60")
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__SECOND__LOOKBACK", "120")
    assert [Settings.load(name).lookback for name in ("first", "second")] == [60, 120]
    assert Settings.load("second", lookback=7).lookback == 7


@pytest.mark.thorough
def test_people_see_which_account_a_line_is_about(accounts: World) -> None:
    """Each summary begins with the account's name, and says its id; the next step is said once, at the end."""
    result = CliRunner().invoke(
        app,
        ["sync", "--all-accounts", "--endpoint", accounts.sandbox.url, "--destination", accounts.destination],
    )
    for name, images in (("first", 310), ("second", 230), ("third", 120)):
        assert f"account {name}: complete (by order): {images} images" in result.stdout
    ids = [line.split(",")[0] for line in result.stdout.splitlines() if ", written to tcss in " in line]
    assert ids == [f"  account {account_id}" for account_id in (ACCOUNT_ID, "200000000002", "300000000003")]
    assert [line.split()[0] for line in result.stdout.splitlines()].count("next:") == 1
    assert result.stdout.splitlines()[-1].startswith("next: ")
    with pytest.raises(ConfigurationError):
        Settings.load("nobody")


def test_all_accounts_says_which_it_takes(accounts: World, caplog: pytest.LogCaptureFixture) -> None:
    """Those with a name; that of the keys which all share is not among them."""
    (accounts.directory / ".dlt" / "secrets.toml").write_text(SECRETS + OWN_KEYS, encoding="utf-8")
    Container()[PluggableRunContext].reload_providers()
    caplog.set_level("INFO", "connector")
    assert chosen(None, all_accounts=True, account_id=None) == ["first", "second", "third", "wrong"]
    assert caplog.messages == [
        "--all-accounts takes 4 accounts: first, second, third, wrong",
        "the keys of secrets.toml [sources.tcss.credentials] secret_id are no account of their own for --all-accounts; "
        "to have that, write them into a section [sources.tcss.accounts.<name>.credentials]",
    ]


def test_an_organisation_is_synced_by_its_file(accounts: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line by its role, with the keys that all share; the id of a line is not asked of STS."""
    ids = ("200000000002", "300000000003")
    members = "name,account_id\n" + "".join(f"member {place},{one}\n" for place, one in enumerate(ids))
    (accounts.directory / "members.csv").write_text(members, encoding="utf-8")
    for name in ("config.toml", "secrets.toml"):
        (accounts.directory / ".dlt" / name).unlink()
    Container()[PluggableRunContext].reload_providers()
    monkeypatch.setenv("TCSS_ACCOUNTS_FROM", "members.csv")
    monkeypatch.setenv("TCSS_ROLE_ARN", ROLE)
    result = accounts.tcss("sync", "--all-accounts", "--json")
    assert result.exit_code == 0, result.output
    rows = [(row["account_name"], row["account_id"], row["images_new"]) for row in lines(result)]
    assert rows == [("member 0", "200000000002", 230), ("member 1", "300000000003", 120)]
    actions = accounts.sandbox.stats()["actions"]
    assert (actions["AssumeRole"], actions.get("GetCallerIdentity", 0)) == (2, 0)
