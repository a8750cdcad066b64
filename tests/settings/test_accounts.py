"""Accounts: their names, whose keys they use, and what they share."""

from __future__ import annotations

import logging

import pytest

from connector.errors import ConfigurationError
from connector.runs.assembly import client_of
from connector.settings import Settings, account_names
from connector.settings.places import own_section, written
from tests.settings.conftest import Folder
from tests.settings.table import KEYS

ODD = ["prod.eu", "a b", "Prod", "my__account", "a_b", "a-b", "дата", "straße", "credentials", "1", "x.y.z", 'say "hi"']
OTHER = {"TENCENTCLOUD_SECRET_ID": "AKIDOTHER", "TENCENTCLOUD_SECRET_KEY": "OTHER"}
ROLE = "qcs::cam::uin/1:roleName/reader"


def section(name: str, text: str, inside: str = "") -> str:
    return f"{written((*own_section(name), *([inside] if inside else [])))}\n{text}\n"


@pytest.mark.parametrize("name", ODD)
def test_an_account_may_have_any_name(folder: Folder, name: str) -> None:
    """All of its section is found: dots, blanks, case and letters of any alphabet are part of the name."""
    keys = "\n".join(f'{key} = "{value}"' for key, value in KEYS.items())
    folder.write("secrets.toml", section(name, keys, "credentials") + section(name, 'account_id = "42"\nlookback = 5'))
    found = Settings.load(name)
    assert (account_names(), found.account_id, found.lookback) == ([name], "42", 5)
    assert dict(found.credentials or {}) == {**KEYS, "token": None}
    assert found.notes() == ()


@pytest.mark.parametrize("name", [name for name in ODD if '"' not in name])
def test_variables_reach_an_account_of_any_name(folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its name is in upper case there, and it stays one account."""
    folder.write("config.toml", section(name, "lookback = 5"))
    monkeypatch.setenv(f"SOURCES__TCSS__ACCOUNTS__{name.upper()}__ACCOUNT_ID", "42")
    monkeypatch.setenv(f"SOURCES__TCSS__ACCOUNTS__{name.upper()}__LOOKBACK", "6")
    assert (account_names(), Settings.load(name).account_id, Settings.load(name).lookback) == ([name], "42", 6)


def test_accounts_that_differ_by_case_have_no_variables(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable would be about both of them."""
    folder.write("config.toml", section("prod", "account_id = 1") + section("Prod", "account_id = 2"))
    assert [Settings.load(name).account_id for name in account_names()] == ["2", "1"]
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__PROD__ACCOUNT_ID", "3")
    with pytest.raises(ConfigurationError, match="differ from 'Prod' only by case"):
        account_names()


@pytest.mark.parametrize("name", ["", " ", "\n"])
def test_an_empty_name_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As a shell makes one of a variable that is not set."""
    monkeypatch.setenv("TCSS_ACCOUNT", name)
    with pytest.raises(ConfigurationError, match=r"the account is empty. Name one, or unset TCSS_ACCOUNT"):
        Settings.load()


@pytest.mark.parametrize(
    "text",
    ["[sources.tcss]\naccounts = 5", "[sources.tcss.accounts]\nprod = 5", '[sources.tcss.accounts.""]\nlookback = 5'],
    ids=["no-section", "no-account", "no-name"],
)
def test_what_is_no_account_is_refused(folder: Folder, text: str) -> None:
    """And not left out."""
    folder.write("config.toml", text)
    with pytest.raises(ConfigurationError, match=r"config.toml \[sources.tcss\] accounts"):
        account_names()


# ---- TCSS_ACCOUNT ----


def test_the_account_may_be_named_by_a_variable(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """For `sync()` and `tcss()` as for the command; an argument wins."""
    folder.write("config.toml", section("one", "account_id = 1") + section("two", "account_id = 2"))
    monkeypatch.setenv("TCSS_ACCOUNT", "one\n")
    assert (Settings.load().account_id, Settings.load("two").account_id) == ("1", "2")
    monkeypatch.setenv("TCSS_ACCOUNT", "onne")
    with pytest.raises(
        ConfigurationError, match=r"no account 'onne' is configured. Configured: one, two. Did you mean"
    ):
        Settings.load()


# ---- whose keys ----


def test_a_misspelt_key_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the environment's keys are not used in its place."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDOTHER")
    folder.write(
        "secrets.toml", section("production", 'secret_id = "AKIDEXAMPLE"\nsecretkey = "CANARY"', "credentials")
    )
    with pytest.raises(ConfigurationError, match=r"secretkey is no setting. Did you mean secret_key\?") as error:
        Settings.load("production")
    assert "CANARY" not in str(error.value)


@pytest.mark.parametrize("left", ["secret_id", "secret_key", "token"])
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_half_of_an_accounts_keys_is_refused(folder: Folder, left: str, shared: bool) -> None:
    """Although the section above has whole ones."""
    above = '[sources.tcss.credentials]\nsecret_id = "AKIDOTHER"\nsecret_key = "OTHER"\n' if shared else ""
    folder.write("secrets.toml", above + section("production", f'{left} = "CANARY"', "credentials"))
    with pytest.raises(ConfigurationError, match=r"sources.tcss.accounts.production.*is missing") as error:
        Settings.load("production")
    assert "CANARY" not in str(error.value)


SHARED = """
[sources.tcss]
role_arn = "qcs::cam::uin/9:roleName/shared"
account_id = "9"

[sources.tcss.credentials]
secret_id = "AKIDSHARED"
secret_key = "SHARED"
"""


@pytest.mark.parametrize(
    ("own", "keys", "role", "noted"),
    [
        (section("a", 'secret_id = "AKIDOWN"\nsecret_key = "OWN"', "credentials"), "AKIDOWN", None, False),
        (section("a", f'role_arn = "{ROLE}"'), "AKIDSHARED", ROLE, False),
        (section("a", 'site = "cn"'), "AKIDSHARED", "qcs::cam::uin/9:roleName/shared", True),
    ],
    ids=["keys", "role", "neither"],
)
def test_an_account_uses_its_own_keys(folder: Folder, own: str, keys: str, role: str | None, noted: bool) -> None:
    """A role of its own is assumed with shared keys; only without either is everything shared, which a note says. Its
    id is never another account's."""
    folder.write("secrets.toml", SHARED + own)
    found = Settings.load("a")
    assert found.credentials is not None
    assert (found.credentials.secret_id, found.role_arn, found.account_id) == (keys, role, None)
    assert bool(found.notes()) == noted


def test_the_note_is_a_warning_of_whoever_uses_the_keys(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    """It names the account, and where the keys are from."""
    folder.write("secrets.toml", SHARED + section("a", 'site = "cn"'))
    with caplog.at_level(logging.WARNING):
        client_of(Settings.load("a")).close()
    assert [record.message for record in caplog.records] == [
        "account 'a' has no keys of its own, and those of secrets.toml [sources.tcss] credentials and "
        "secrets.toml [sources.tcss] role_arn are used"
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ACCOUNT_ID", "9"), ("ROLE_ARN", ROLE), ("CREDENTIALS__SECRET_ID", "AKIDSHARED")],
    ids=["id", "role", "keys"],
)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["section", "connection"])
def test_what_is_of_one_account_is_not_of_another(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, elsewhere: bool
) -> None:
    """A variable that says whose images are read is not used for an account that has its own keys, and a note says so:
    an account of our sections, or one that Airflow or Dagster has configured."""
    monkeypatch.setenv(f"TCSS_{variable}", value)
    keys = "\n".join(f'{key} = "{value}"' for key, value in KEYS.items())
    folder.write("secrets.toml", section("a", keys, "credentials"))
    found = Settings.load(whose="connection 'a'", credentials=KEYS) if elsewhere else Settings.load("a")
    assert found.credentials is not None
    assert (found.credentials.secret_id, found.role_arn, found.account_id) == ("AKIDEXAMPLE", None, None)
    assert found.notes()[0].startswith(f"TCSS_{variable} is not used for ")
