"""Accounts in the documents: called by their names, and chosen by them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.errors import ConfigurationError
from connector.posture import document, rankings
from connector.posture.formats import table
from connector.posture.queries import Queries
from connector.posture.questions import CHOICES, FLEET, FRESHNESS, RISK
from connector.tables import IMAGES, SYNC_RUNS
from connector.warehouse import views
from tests.warehouses import KINDS, Place, place

NAMES = {"1": "shop", "2": "payments <b>", "3": "twin", "4": "twin", "5": None}


@pytest.fixture(
    scope="module", params=[pytest.param(k, marks=() if k == "duckdb" else pytest.mark.thorough) for k in KINDS]
)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A warehouse with five accounts of one image each: a plain name, an odd one, one of two accounts, and none."""
    with place(request.param, tmp_path_factory.mktemp("fleet")) as made:
        pipeline = made.ready()
        image = {
            "image_name": "app:1",
            "image_id": "sha256:a",
            "container_cnt": 2,
            "critical_level_vul_cnt": 3,
            "version": 1,
        }
        run = {"verdict": "complete", "mode": "full", "started_at": 1_700_000_000_000_000}
        runs = [{**run, "sync_id": one, "account_id": one, "account_name": name} for one, name in NAMES.items()]
        made.insert({IMAGES: [{**image, "account_id": one} for one in NAMES], SYNC_RUNS: runs})
        with pipeline.sql_client() as client:
            views.create(client)
        yield made


def asked(fleet: Place, account: str | None = None) -> Queries:
    return Queries.open(fleet.url, fleet.dataset, account)


CALLED = {"1": "shop", "2": "payments <b>", "3": "twin (3)", "4": "twin (4)", "5": "5"}


def test_each_row_of_an_account_has_what_the_account_is_called(fleet: Place) -> None:
    """By its name, with the id where others have the name too, or by the id."""
    for question in (FRESHNESS, RISK, CHOICES):
        assert {row["account_id"]: row["account"] for row in asked(fleet).ask(question)} == CALLED
    assert [asked(fleet).account(one) for one in ("1", "5")] == ["shop (1)", "5"]


def test_a_table_shows_names_and_saves_ids(fleet: Place) -> None:
    """In the CSV, the names come last; without any name nothing changes. A page shows whose each row is, where its rows
    are of several accounts."""
    rows = asked(fleet).ask(RISK)
    shown = table(rows, ("image_name", "account_id"), name="x", saved=("image_id",))
    assert [(column.name, column.heading) for column in shown.columns] == [
        ("image_name", "image"),
        ("account", "account"),
        ("image_id", "image id"),
        ("account_id", "account id"),
    ]
    ranking: Any = rankings.risk(asked(fleet), {}).shown["table"]
    assert [column.heading for column in ranking.columns[-3:]] == ["account id", "image id", "account"]
    assert [column.heading for column in ranking.columns if "saved" not in column.classes][-1] == "account"
    of_one: Any = rankings.risk(asked(fleet), {"account": "1"}).shown["table"]
    assert [column.classes for column in of_one.columns[-3:]] == ["word saved", "text saved", "word saved"]
    unnamed = [{**row, "account": row["account_id"]} for row in rows]
    assert [column.name for column in table(unnamed, ("account_id",), name="x", saved=("image_id",)).columns] == [
        "account_id",
        "image_id",
    ]


def test_the_document_calls_accounts_by_their_names(fleet: Place) -> None:
    """In the table of accounts, where one is too old, and beside an image; a name is never markup."""
    text = document.report(asked(fleet))
    assert "<b>" not in text
    for called in ("shop (1)", "payments &lt;b&gt; (2)", "twin (3)", "account <bdi>5</bdi>"):
        assert called in text


@pytest.mark.parametrize(("name", "account_id"), [("shop", "1"), ("payments <b>", "2")])
def test_a_report_of_one_account(fleet: Place, tmp_path: Path, name: str, account_id: str) -> None:
    """By its name alone, which nobody has to configure here."""
    output = tmp_path / "report.html"
    where = ["--destination", fleet.url, "--dataset", fleet.dataset, "--output", str(output)]
    result = CliRunner().invoke(app, ["report", *where, "--account", name])
    assert result.exit_code == 0, result.output
    assert asked(fleet, name).of_account() == {"account": account_id}
    queries = asked(fleet, name)
    assert queries.ask(FLEET, queries.of_account())[0]["images"] == 1
    text = output.read_text(encoding="utf-8")
    assert "Filtered by account: " in text
    assert "twin" not in text


def test_a_configured_id_needs_no_name_in_the_warehouse(fleet: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that was renamed in the configuration is found before its next run."""
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__RENAMED__ACCOUNT_ID", "2")
    assert asked(fleet, "renamed").of_account() == {"account": "2"}
    monkeypatch.setenv("TCSS_ACCOUNT_ID", "3")
    assert asked(fleet).of_account() == {}
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__GHOST__ACCOUNT_ID", "999")
    with pytest.raises(ConfigurationError, match=r"no run in .* is of an account 'ghost' \(999\)"):
        document.report(asked(fleet, "ghost"))


def test_an_id_stands_in_the_place_of_a_name(fleet: Place) -> None:
    """An account may have no name, and is shown by its id."""
    assert asked(fleet, "3").of_account() == {"account": "3"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("twin", "several accounts are called 'twin': 3, 4. Give them different names"),
        ("shopp", "is of an account 'shopp'. Did you mean shop?"),
        ("???", "is of an account '???'. Names there: shop, payments <b>, twin, twin."),
    ],
)
def test_a_name_that_means_no_account_is_refused(fleet: Place, name: str, said: str) -> None:
    """Before anything is written or served."""
    for command in ("report", "dashboard"):
        where = ["--destination", fleet.url, "--dataset", fleet.dataset, "--account", name]
        result = CliRunner().invoke(app, [command, *where])
        assert (result.exit_code, said in result.stderr) == (2, True), result.output


def test_the_views_of_an_older_release_have_no_names(tmp_path: Path) -> None:
    """Its accounts are shown by their ids."""
    with place("duckdb", tmp_path) as made:
        pipeline = made.ready()
        run = {"verdict": "complete", "mode": "full", "started_at": 1_700_000_000_000_000, "account_name": "shop"}
        made.load(pipeline, SYNC_RUNS, {**run, "sync_id": "1", "account_id": "1"})
        made.load(pipeline, IMAGES, {"account_id": "1", "image_id": "i", "version": 1})
        with pipeline.sql_client() as client, pytest.MonkeyPatch.context() as patch:
            older = tuple(view for view in views.views() if view.name != "accounts")
            patch.setattr(views, "views", lambda: older)
            views.create(client)
        assert asked(made).account("1") == "1"
        assert "shop" not in document.report(asked(made))
        with pytest.raises(ConfigurationError, match="Names there: none"):
            asked(made, "shop").of_account()
