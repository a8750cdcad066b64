"""Settings as a user of the command, of `sync()` and of `tcss()` meets them: one look-up for all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import dlt
import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.source import tcss
from connector.sync import sync
from tests.settings.conftest import read_again
from tests.world import World, world


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """With what `tcss sandbox` says to export, and a destination from a file that ends in a line break."""
    with world(tmp_path, monkeypatch, images=120) as made:
        monkeypatch.setenv("TCSS_ENDPOINT", made.sandbox.url)
        monkeypatch.setenv("TCSS_DESTINATION", f"{made.destination}\n")
        yield made


def test_the_same_variables_do_for_every_way_in(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finer settings too: each run has the filter of the variable, and none asks another server."""
    monkeypatch.setenv("TCSS_FILTERS", "ScanStatus=notScan")
    assert CliRunner().invoke(app, ["sync"]).exit_code == 0
    assert sync().filters == '{"ScanStatus": ["notScan"]}'
    mine = dlt.pipeline(
        "mine",
        pipelines_dir=str(account.directory / "pipelines"),
        destination=dlt.destinations.duckdb(str(account.file)),
        dataset_name="mine",
    )
    mine.run(tcss())
    for dataset, runs in (("tcss", 2), ("mine", 1)):
        query = f"select filters, count(*) from {dataset}.sync_runs group by all"
        assert account.query(query) == [('{"ScanStatus": ["notScan"]}', runs)]
    assert sorted(path.name for path in account.directory.glob("*.duckdb*")) == [
        "warehouse.duckdb",
        "warehouse.duckdb.lock",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TCSS_LOOKBAK", "5", "TCSS_LOOKBAK is no setting. Did you mean TCSS_LOOKBACK?"),
        ("TCSS_LOOKBACK", "5m", "lookback (TCSS_LOOKBACK) cannot be '5m': a number is needed, of seconds"),
        ("TCSS_DATASET", "", "dataset (TCSS_DATASET) is empty"),
        ("TCSS_ACOUNT", "x", "TCSS_ACOUNT is no setting. Did you mean TCSS_ACCOUNT?"),
        ("TCSS_ACCOUNT", "x", "no account 'x' is configured"),
        ("SOURCES__TCSS__MODUS", "full", "SOURCES__TCSS__MODUS is no setting. Did you mean SOURCES__TCSS__MODE?"),
    ],
)
def test_what_is_misspelt_is_refused(
    account: World, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    """With exit code 2, before anything is asked or made. (`status` takes names that only the warehouse knows.)"""
    monkeypatch.setenv(variable, value)
    for command in ("sync", "check", "views", *([] if variable == "TCSS_ACCOUNT" else ["status"])):
        result = CliRunner().invoke(app, [command])
        assert (result.exit_code, says in result.stderr) == (2, True), result.output
    assert (account.sandbox.stats()["actions"], account.file.exists()) == ({}, False)


@pytest.mark.parametrize("option", ["--destination", "--dataset", "--endpoint", "--site", "--mode", "--account-id"])
def test_an_empty_option_is_refused(account: World, option: str) -> None:
    """A shell makes one of a variable that is not set."""
    result = CliRunner().invoke(app, ["sync", option, ""])
    assert (result.exit_code, " is empty" in result.stderr) == (2, True), result.output


def test_check_says_where_each_setting_is_from(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option, a variable or a file, and never a value; the files that were read; and what it did not understand."""
    (account.directory / ".dlt").mkdir()
    (account.directory / ".dlt" / "config.toml").write_text("[sources.tcss]\nlookback = 60\n", encoding="utf-8")
    monkeypatch.setenv("TCSS_LANG", "zh-CN")
    read_again()
    result = CliRunner().invoke(app, ["check", "--site", "intl"])
    assert result.exit_code == 0, result.output
    printed = json.loads(CliRunner().invoke(app, ["check", "--site", "intl", "--json"]).stdout)
    assert printed["settings"] == {
        "files": ["config.toml"],
        "read": {
            "destination": "TCSS_DESTINATION",
            "site": "option --site",
            "endpoint": "TCSS_ENDPOINT",
            "requests_per_second": "SOURCES__TCSS__REQUESTS_PER_SECOND",
            "metadata": "SOURCES__TCSS__METADATA",
            "lookback": "config.toml [sources.tcss] lookback",
        },
        "unknown": ["TCSS_LANGUAGE"],
    }
    assert [line for line in result.stdout.splitlines() if line.startswith(("file", "read", "unknown"))] == [
        f"file    {account.directory / '.dlt' / 'config.toml'}",
        "read    destination: TCSS_DESTINATION",
        "read    site: option --site",
        "read    endpoint: TCSS_ENDPOINT",
        "read    requests_per_second: SOURCES__TCSS__REQUESTS_PER_SECOND",
        "read    metadata: SOURCES__TCSS__METADATA",
        "read    lookback: config.toml [sources.tcss] lookback",
        "unknown TCSS_LANG is no setting; did you mean TCSS_LANGUAGE?",
    ]


def test_what_is_for_a_bug_report_names_no_account_and_no_directory(
    account: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a name is made of, and wherever the account's settings are; nor what users call their variables."""
    (account.directory / ".dlt").mkdir()
    config = '[sources.tcss.accounts."canary \\"1"]\nlookback = 60\n'
    (account.directory / ".dlt" / "config.toml").write_text(config, encoding="utf-8")
    monkeypatch.setenv('SOURCES__TCSS__ACCOUNTS__CANARY "1__PATIENCE', "60")
    monkeypatch.setenv("TCSS_CANARY", "x")
    read_again()
    result = CliRunner().invoke(app, ["check", "--account", 'canary "1', "--json"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)["settings"]
    assert printed["read"]["lookback"] == "config.toml [sources.tcss.accounts.<account>] lookback"
    assert printed["read"]["patience"] == "SOURCES__TCSS__ACCOUNTS__<account>__PATIENCE"
    assert (printed["files"], printed["unknown"]) == (["config.toml"], [None])
    assert "canary" not in result.stdout.lower()
    assert str(account.directory) not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "sections", "hint"),
    [
        ([], r"\[sources\.tcss\.credentials\]", "Set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or write a"),
        (
            ["--account", "production"],
            r"\[sources\.tcss\.accounts\.production\.credentials\] or \[sources\.tcss\.credentials\]",
            r"Write secret_id and secret_key into the section \[sources\.tcss\.accounts\.production\.credentials\] of "
            r"\./\.dlt/secrets\.toml",
        ),
    ],
    ids=["only-one", "named"],
)
def test_without_keys_it_says_where_dlt_was_asked_for_them(
    account: World, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sections: str, hint: str
) -> None:
    """The files of secrets, whether they exist or not, with the account's own section first; and where keys belong."""
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__PRODUCTION__SITE", "intl")
    monkeypatch.delenv("TENCENTCLOUD_SECRET_ID")
    monkeypatch.delenv("TENCENTCLOUD_SECRET_KEY")
    result = CliRunner().invoke(app, ["check", *arguments])
    assert result.exit_code == 3
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("FAILED  keys")]
    files = r"\./\.dlt/secrets\.toml or \S+/secrets\.toml"
    tried = rf"no keys found; tried: dlt's secrets \({files}, section {sections}\); environment \(TENCENTCLOUD_"
    assert re.search(tried, line), line
    assert re.search(rf"\. {hint}", line), line
