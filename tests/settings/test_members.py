"""The accounts of an organisation: a file with a line for each, and one pattern for the roles of all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.runs.assembly import client_of
from connector.settings import Settings, account_names
from tests.settings.conftest import Folder, read_again
from tests.settings.test_accounts import section

PATTERN = "qcs::cam::uin/{account_id}:roleName/TcssReader"
OTHER = "qcs::cam::uin/100000000003:roleName/Audit"
MEMBERS = f"""name,account_id,role
shop,100000000001,
"pay, eu",100000000002,
audit,,{OTHER}
"""
CONFIG = f"""[sources.tcss]
accounts_from = "members.csv"
role_arn = "{PATTERN}"
"""
KEYS = '[sources.tcss.credentials]\nsecret_id = "AKIDSHARED"\nsecret_key = "SHARED"\n'


def organisation(folder: Folder, members: str = MEMBERS, config: str = CONFIG, secrets: str = KEYS) -> None:
    (folder.path / "members.csv").write_text(members, encoding="utf-8")
    folder.write("config.toml", config)
    folder.write("secrets.toml", secrets)


def whose(name: str | None = None, **given: Any) -> tuple[Any, ...]:
    found = Settings.load(name, **given)
    keys = found.credentials and found.credentials.secret_id
    return found.account_name(), found.account_id, found.role_arn, keys, found.notes()


def test_every_line_is_an_account(folder: Folder) -> None:
    """The keys of `[sources.tcss]` assume each account's role: that of its line, else the pattern with its id."""
    organisation(folder)
    assert account_names() == ["audit", "pay, eu", "shop"]
    roles = ["qcs::cam::uin/100000000001:roleName/TcssReader", "qcs::cam::uin/100000000002:roleName/TcssReader"]
    assert whose("shop") == ("shop", "100000000001", roles[0], "AKIDSHARED", ())
    assert whose("pay, eu") == ("pay, eu", "100000000002", roles[1], "AKIDSHARED", ())
    assert whose("audit") == ("audit", None, OTHER, "AKIDSHARED", ())
    assert Settings.load("shop").places()["account_id"] == "accounts_from line 2 account_id"


@pytest.mark.parametrize("place", ["TCSS_ACCOUNTS_FROM", "SOURCES__TCSS__ACCOUNTS_FROM"])
@pytest.mark.parametrize("form", ["members.csv", "{}/members.csv", "~/members.csv"], ids=["here", "whole", "home"])
def test_the_file_may_be_named_by_a_variable(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, place: str, form: str
) -> None:
    """By a path from the working directory, a whole path, or a path of the home directory."""
    organisation(folder, config="")
    if form.startswith("~"):
        (folder.path / "members.csv").rename(folder.home / "members.csv")
    monkeypatch.setenv(place, form.format(folder.path))
    assert account_names() == ["audit", "pay, eu", "shop"]


@pytest.mark.parametrize(
    "members",
    [
        "\ufeffname,account_id\r\nshop,100000000001\r\n",
        ' account_id , name \n\n 100000000001 ,"shop"\n,\n',
        "name,account_id,role\nshop,100000000001\n",
    ],
    ids=["of a spreadsheet", "blanks and another order", "short lines"],
)
def test_how_a_file_may_be_written(folder: Folder, members: str) -> None:
    """As spreadsheets and editors write CSV."""
    organisation(folder, members)
    assert whose("shop")[:2] == ("shop", "100000000001")
    assert account_names() == ["shop"]


def test_a_section_of_the_same_name_goes_before_the_line(folder: Folder) -> None:
    """The line says whose images are read, and the section what is different about one account of many."""
    keys = section("audit", 'secret_id = "AKIDOWN"\nsecret_key = "OWN"', "credentials")
    organisation(folder, secrets=KEYS + keys + section("shop", 'site = "cn"\naccount_id = "7"'))
    assert account_names() == ["audit", "pay, eu", "shop"]
    assert whose("shop")[:3] == ("shop", "7", "qcs::cam::uin/7:roleName/TcssReader")
    assert Settings.load("shop").site == "cn"
    assert whose("audit")[:4] == ("audit", None, OTHER, "AKIDOWN")


REFUSED = {
    "no name column": ("account_id\n1\n", "line 1 names no column name. The first line is name,account_id,role"),
    "empty": ("", "line 1 names no column name"),
    "semicolons": ("name;account_id\nshop;1\n", "line 1 names a column 'name;account_id', which is none of name, acc"),
    "unknown column": ("name,role_arn\nshop,x\n", "line 1 names a column 'role_arn'.* Did you mean role?"),
    "twice a column": ("name,role,role\n", "line 1 names a column twice"),
    "no name": ("name,account_id\n\n,1\n", "line 3 has no name"),
    "no account": ("name,account_id\nshop\n", "line 2 has neither an account_id nor a role"),
    "shortened": ("name,account_id\nshop,1.00E+11\n", "line 2 has the account_id '1.00E.11', which is no number. Wri"),
    "twice a name": ("name,account_id\nshop,1\nbank,2\nshop,3\n", "line 4 'shop' is in line 2 too"),
    "twice an id": ("name,account_id\nshop,1\nbank,1\n", "line 3 '1' is in line 2 too. An account has one line"),
    "twice an id, once in a role": (
        f"name,account_id,role\na,,{OTHER}\nb,100000000003,\n",
        "line 3 '100000000003' is in",
    ),
    "twice a role": (f"name,role\na,{OTHER}\nb,{OTHER}\n", "line 3 '100000000003' is in line 2 too"),
    "too many cells": ("name,account_id\npay, eu,1\n", "line 2 has more cells than the first line"),
    "open quote": ('name,account_id\n"shop,1\n', "line 2 is no CSV"),
    "lines swallowed by a quote": (
        'name,account_id\n"shop,1\nbank",2\n',
        "line 2 has a quote that a later line closes",
    ),
    "a column over two lines": ('name,"account_id\n"\nshop,1\n', "line 1 has a quote that a later line closes"),
    "a comment": ("name,account_id\n#shop,1\n", "line 2 begins with #"),
    "other account": (f"name,account_id,role\nshop,1,{OTHER}\n", "line 2 .* its role is of account 100000000003"),
}


@pytest.mark.parametrize(("members", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_in_the_file_is_named_by_its_line(folder: Folder, members: str, said: str) -> None:
    """For every command: a line that were left out would be an account that nobody syncs."""
    organisation(folder, members)
    with pytest.raises(ConfigurationError, match=f"^members.csv, {said}") as error:
        account_names()
    assert error.value.hint


def test_a_file_that_cannot_be_read_is_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the place of the setting that names it."""
    folder.write("config.toml", CONFIG)
    with pytest.raises(
        ConfigurationError, match=r"cannot read members.csv: No such file.*config.toml .* accounts_from"
    ):
        account_names()
    (folder.path / "members.csv").write_bytes("name\näé".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"members.csv is no text in UTF-8"):
        account_names()
    monkeypatch.setenv("TCSS_ACCOUNTS_FROM", " ")
    with pytest.raises(ConfigurationError, match=r"accounts_from \(TCSS_ACCOUNTS_FROM\) is empty"):
        account_names()


def test_a_file_of_another_user_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory that everybody may write to: it could read any account under any name."""
    organisation(folder, config="")
    shared = folder.path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (folder.path / "members.csv").rename(shared / "members.csv")
    if os.getuid() == 0:
        os.chown(shared / "members.csv", 4242, 4242)
    else:
        os.geteuid = lambda: os.getuid() + 1  # the fixture puts it back
    monkeypatch.setenv("TCSS_ACCOUNTS_FROM", str(shared / "members.csv"))
    with pytest.raises(ConfigurationError, match=r"members.csv is not read: .* belongs to another user"):
        account_names()


# ---- whose images ----


@pytest.mark.parametrize("role", ["", 'role_arn = "qcs::cam::uin/9:roleName/shared"\n'], ids=["none", "shared"])
def test_a_line_without_a_role_reads_no_other_account(folder: Folder, role: str) -> None:
    """The keys that all share would read their own account under the ids of all others."""
    organisation(folder, config=f'[sources.tcss]\naccounts_from = "members.csv"\n{role}')
    with pytest.raises(ConfigurationError, match=r"line 2 account_id: account 'shop' has no role.*Add a column role"):
        Settings.load("shop")
    assert whose("audit")[2] == OTHER


@pytest.mark.parametrize("place", ["section", "variable", "given", "settings"])
def test_an_id_and_a_role_of_two_accounts_are_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Wherever each of them stands: the images of one account would be stored under the id of the other."""
    said = r"account_id .*is 7, but role_arn.* is of account 100000000003"
    if place == "section":
        organisation(folder, secrets=KEYS + section("audit", 'account_id = "7"'))
        with pytest.raises(ConfigurationError, match=said + r".*Correct one of them"):
            Settings.load("audit")
    elif place == "variable":
        folder.write("config.toml", '[sources.tcss]\naccount_id = "7"\n')
        monkeypatch.setenv("TCSS_ROLE_ARN", OTHER)
        with pytest.raises(ConfigurationError, match=r"account_id \(config.toml .*role_arn \(TCSS_ROLE_ARN\) is of"):
            Settings.load()
        assert whose(account_id="100000000003")[1:3] == ("100000000003", OTHER)
    elif place == "given":
        with pytest.raises(ConfigurationError, match=said):
            Settings.load(account_id="7", role_arn=OTHER)
    else:
        with pytest.raises(ConfigurationError, match=said):
            Settings(account_id="7", role_arn=OTHER).check()


def test_a_pattern_is_for_accounts_of_sections_too(folder: Folder) -> None:
    """And for the account of the call; keys of an account's own need no role."""
    keys = section("own", 'secret_id = "AKIDOWN"\nsecret_key = "OWN"', "credentials")
    ids = section("a", 'account_id = "5"') + section("own", 'account_id = "6"')
    organisation(folder, secrets=KEYS + keys + ids)
    assert whose("a") == ("a", "5", "qcs::cam::uin/5:roleName/TcssReader", "AKIDSHARED", ())
    assert whose("own") == ("own", "6", None, "AKIDOWN", ())
    assert whose(account_id="8")[:3] == (None, "8", "qcs::cam::uin/8:roleName/TcssReader")


def test_a_pattern_of_the_environment_is_nobodys(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """No note says that an account with its own keys does not use it, as of the role of one account."""
    monkeypatch.setenv("TCSS_ROLE_ARN", PATTERN)
    folder.write("secrets.toml", section("own", 'secret_id = "AKIDOWN"\nsecret_key = "OWN"', "credentials"))
    assert whose("own") == ("own", None, None, "AKIDOWN", ())


def test_a_pattern_without_an_id_asks_nothing(folder: Folder) -> None:
    """A warehouse may be read all the same."""
    organisation(folder)
    settings = Settings.load()
    with pytest.raises(
        ConfigurationError, match=r"role_arn is a pattern.* no account_id. Name an account with --account"
    ):
        client_of(settings)


def test_a_pattern_has_one_name_in_braces(folder: Folder) -> None:
    """A misspelt name would go into the request as it is."""
    organisation(folder, config=CONFIG.replace("{account_id}", "{account}"))
    with pytest.raises(ConfigurationError, match=r"role_arn \(config.toml .*\) has braces. Only \{account_id\} may"):
        Settings.load("shop")


@pytest.mark.parametrize("wrong", ["TCSS_ACCOUNT_FROM", "TCSS_ACCOUNTS_FORM", "SOURCES__TCSS__ACCOUNT_FROM"])
def test_a_misspelt_variable_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """With the one that was meant."""
    monkeypatch.setenv(wrong, "members.csv")
    with pytest.raises(ConfigurationError, match=r"Did you mean (TCSS_|SOURCES__TCSS__)ACCOUNTS_FROM"):
        Settings.load()


def test_the_key_stands_in_our_section_alone(folder: Folder) -> None:
    """In that of an account it would mean nothing."""
    folder.write("config.toml", section("a", 'accounts_from = "members.csv"'))
    with pytest.raises(ConfigurationError, match=r"accounts.a\] accounts_from is no setting"):
        Settings.load("a")
    read_again()


def test_of_hundreds_of_accounts_few_are_listed(folder: Folder) -> None:
    """Where a name is not known."""
    organisation(folder, "name,account_id\n" + "".join(f"member {n:03},{n}\n" for n in range(300)))
    with pytest.raises(
        ConfigurationError, match=r"Configured: member 000, .*and 280 more. Did you mean member 12"
    ) as e:
        Settings.load("membr 123")
    assert len(str(e.value)) < 500
    assert Path("members.csv").exists()
