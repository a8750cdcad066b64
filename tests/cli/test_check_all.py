"""`tcss check --all-accounts`: a line per account, and one for each warehouse that they share."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector.cli import check
from connector.sandbox import Fault
from tests.cli.conftest import BLUE_ID, GREEN_ID, ROLE
from tests.settings.conftest import read_again
from tests.world import World

API = ("keys", "signature", "clock", "permission", "licence")
WAREHOUSE = ("destination", "writable", "texts")


@pytest.fixture
def organisation(fleets: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Blue with keys of its own, green by the role of its line, and an account whose role nobody may assume."""
    (fleets.directory / "members.csv").write_text(f"name,account_id\ngreen,{GREEN_ID}\nlost,4\n", encoding="utf-8")
    monkeypatch.setenv("TCSS_ACCOUNTS_FROM", "members.csv")
    monkeypatch.setenv("TCSS_ROLE_ARN", ROLE)
    return fleets


def lines(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.round_trip
def test_each_account_has_a_line(organisation: World) -> None:
    """What it has, or what failed first; the exit code is that of the worst account. The warehouse is tried once."""
    result = organisation.tcss("check", "--all-accounts")
    told = result.stdout.splitlines()
    assert [line.split(":")[0].split() for line in told] == [
        *(["ok", name] for name in WAREHOUSE),
        ["ok", "blue"],
        ["ok", "green"],
        ["FAILED", "lost"],
    ]
    assert told[3] == (
        f"ok      blue: accepted for account {BLUE_ID}; tcss:DescribeAssetImageList granted; 20 images in the list; Pro"
    )
    assert told[5].startswith("FAILED  lost: keys: AssumeRole: ")
    assert (result.exit_code, organisation.file.exists()) == (3, False)


def test_a_script_reads_a_line_per_account(organisation: World) -> None:
    """With its id and its name, every check, and the exit code that it alone would have; what failed is on stderr."""
    result = organisation.tcss("check", "--all-accounts", "--json")
    fine = {name: {"ok": True} for name in (*API, *WAREHOUSE)}
    blue, green, lost = lines(result)
    assert blue == {"account_id": BLUE_ID, "account_name": "blue", "exit_code": 0, "site": "intl", "checks": fine}
    assert green == {**blue, "account_id": GREEN_ID, "account_name": "green"}
    assert (lost["account_id"], lost["account_name"], lost["exit_code"]) == (None, "lost", 3)
    assert {name: each["ok"] for name, each in lost["checks"].items()} == {
        **dict.fromkeys(WAREHOUSE, True),
        "keys": False,
    }
    assert (result.exit_code, result.stderr.splitlines()[-1].split(": ")[0]) == (3, "FAILED  lost")


def test_a_warehouse_that_cannot_be_opened_is_said_once(organisation: World) -> None:
    """And is part of every account's line for scripts."""
    where = ("--all-accounts", "--destination", f"duckdb:///{organisation.directory}/none/w.duckdb")
    result = organisation.tcss("check", *where)
    assert [line for line in result.stdout.splitlines() if line.startswith("FAILED  writable")] != []
    assert result.stdout.count("FAILED  writable") == 1
    assert result.exit_code == 6
    assert [row["exit_code"] for row in lines(organisation.tcss("check", *where, "--json"))] == [6, 6, 3]


def test_accounts_of_several_warehouses(organisation: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each warehouse is tried once, whoever has it."""
    other = f"duckdb:///{organisation.directory}/other.duckdb"
    monkeypatch.delenv("TCSS_DESTINATION", raising=False)
    monkeypatch.setenv("SOURCES__TCSS__DESTINATION", organisation.destination)
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__BLUE__DESTINATION", other)
    arguments = ("--all-accounts", "--endpoint", organisation.sandbox.url)
    from typer.testing import CliRunner

    from connector.cli.main import app

    result = CliRunner().invoke(app, ["check", *arguments])
    assert result.stdout.count("ok      writable") == 2


def test_what_cannot_be_configured_fails_alone(organisation: World) -> None:
    """A line of its own says so, with the exit code 2; and so does what nobody expected, with 1."""
    secrets = organisation.directory / ".dlt" / "secrets.toml"
    secrets.write_text(f'{secrets.read_text()}\n[sources.tcss.accounts.apart]\nsite = "moon"\n', encoding="utf-8")
    read_again()
    first, *others = lines(organisation.tcss("check", "--all-accounts", "--json"))
    assert (first["account_name"], first["exit_code"], len(others)) == ("apart", 2, 3)
    assert first["checks"] == {"settings": {"ok": False, "class": "ConfigurationError", "code": None}}
    assert [row["exit_code"] for row in others] == [0, 0, 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "_licence", lambda _: 1 / 0)
        result = organisation.tcss("check", "--all-accounts")
        assert (result.exit_code, result.stdout.count("unexpected ZeroDivisionError")) == (1, 2)


@pytest.mark.parametrize("option", ["--api", "--account=blue", "--account-id=1"])
def test_options_that_exclude_each_other(organisation: World, option: str) -> None:
    """Bad usage, before anything is asked."""
    result = organisation.tcss("check", "--all-accounts", option)
    assert (result.exit_code, result.stdout) == (2, "")
    assert organisation.sandbox.stats()["actions"] == {}


def test_a_missing_permission_is_each_accounts_own(organisation: World) -> None:
    """The list of one account is refused, and all others are listed."""
    organisation.sandbox.backend.faults = (Fault("unauthorized", at=range(1, 2)),)
    result = organisation.tcss("check", "--all-accounts")
    assert (result.exit_code, result.stdout.count("FAILED"), result.stdout.count("ok      ")) == (3, 2, 4)
