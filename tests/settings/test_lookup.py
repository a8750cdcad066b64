"""Where settings are looked up: given, `TCSS_<NAME>`, dlt's configuration, default; every setting, and nowhere else."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.settings import Given, Settings
from connector.settings.table import SETTINGS
from connector.source import tcss
from connector.sync import sync
from tests.settings.conftest import Folder
from tests.settings.table import KEYS, NAMES, SAMPLES

DEFAULTS = dict(Settings())


def test_every_setting_has_a_sample() -> None:
    """So that the tests of this file are about all of them."""
    assert {*SAMPLES, "credentials"} == set(SETTINGS) == set(Settings.get_resolvable_fields())


def test_an_editor_completes_the_settings() -> None:
    """The keywords of `sync`, `tcss` and `Settings.load` are typed by name, and are the fields of Settings."""
    for function in (sync, tcss, Settings.load):
        (given,) = (p for p in inspect.signature(function).parameters.values() if p.kind is p.VAR_KEYWORD)
        assert given.annotation == "Unpack[Given]"
    assert list(typing.get_type_hints(Given)) == list(Settings.get_resolvable_fields()) == list(SETTINGS)


# ---- one place at a time ----


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["TCSS_{}", "SOURCES__TCSS__{}"])
@pytest.mark.parametrize("around", ["{}", " {}\n", "\t{}\r\n"], ids=["plain", "newline", "windows"])
def test_a_variable_is_obeyed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str, form: str, around: str
) -> None:
    """Ours, and dlt's; without the blanks and line breaks around the value."""
    text, _, expected = SAMPLES[name]
    monkeypatch.setenv(form.format(name.upper()), around.format(text))
    found = Settings.load()
    assert dict(found) == {**DEFAULTS, name: expected}
    assert found.places() == {name: form.format(name.upper())}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["config.toml", "secrets.toml"])
@pytest.mark.parametrize("at_home", [False, True], ids=["project", "home"])
def test_a_file_of_dlts_is_obeyed(folder: Folder, name: str, file: str, at_home: bool) -> None:
    """Of the project, and of the home directory."""
    _, toml, expected = SAMPLES[name]
    folder.write(file, f"[sources.tcss]\n{name} = {toml}\n", at_home=at_home)
    found = Settings.load()
    assert dict(found) == {**DEFAULTS, name: expected}
    assert found.places() == {name: f"{'global:' if at_home else ''}{file} [sources.tcss] {name}"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_given_is_obeyed(folder: Folder, name: str) -> None:
    """Python's values, and texts, which are read as those of variables are."""
    text, _, expected = SAMPLES[name]
    for value in (expected, f"{text}\n"):
        found = Settings.load(**{name: value})
        assert (dict(found), found.places()) == ({**DEFAULTS, name: expected}, {name: "given"})


@pytest.mark.parametrize("name", [name for name in NAMES if name != "filters"])  # dlt merges tables of several files
def test_the_first_place_wins(folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Given, TCSS_<NAME>, dlt's variable, secrets.toml, config.toml; of a file, that of the project first."""
    text, toml, _ = SAMPLES[name]
    places: list[str] = []
    for file, at_home in (
        ("config.toml", True),
        ("config.toml", False),
        ("secrets.toml", True),
        ("secrets.toml", False),
    ):
        folder.write(file, f"[sources.tcss]\n{name} = {toml}\n", at_home=at_home)
        places.append(Settings.load().places()[name])
    for form in ("SOURCES__TCSS__{}", "TCSS_{}"):
        monkeypatch.setenv(form.format(name.upper()), text)
        places.append(Settings.load().places()[name])
    places.append(Settings.load(**{name: text}).places()[name])
    file = f"[sources.tcss] {name}"
    assert places == [
        *(f"global:config.toml {file}", f"config.toml {file}", f"global:secrets.toml {file}", f"secrets.toml {file}"),
        *(f"SOURCES__TCSS__{name.upper()}", f"TCSS_{name.upper()}", "given"),
    ]


def test_what_is_given_as_none_is_looked_up(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were left out."""
    monkeypatch.setenv("TCSS_LOOKBACK", "60")
    assert Settings.load(lookback=None).lookback == 60


# ---- nowhere else ----


def test_bare_variables_are_nobodys(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Debian has LANGUAGE, and a CI has MODE. Neither these nor those of keys are ours."""
    for name, (text, _, _) in SAMPLES.items():
        monkeypatch.setenv(name.upper(), text)
        monkeypatch.setenv(f"TCSS.{name.upper()}", text)
    monkeypatch.setenv("LANGUAGE", "en_US:en")
    for key, value in KEYS.items():
        monkeypatch.setenv(key.upper(), value)
        monkeypatch.setenv(f"CREDENTIALS__{key.upper()}", value)
    found = Settings.load()
    assert (dict(found), found.places()) == (DEFAULTS, {})


def test_a_variable_of_a_section_that_dlt_would_look_in_is_nobodys(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline's name in front, or a resource's behind."""
    for name in ("MINE__SOURCES__TCSS__LOOKBACK", "MINE__LOOKBACK", "SOURCES__OTHER__LOOKBACK"):
        monkeypatch.setenv(name, "5")
    assert Settings.load().lookback == 3600


# ---- keys ----


@pytest.mark.parametrize("prefix", ["TCSS_CREDENTIALS", "SOURCES__TCSS__CREDENTIALS"])
@pytest.mark.parametrize("as_json", [False, True], ids=["three", "json"])
def test_keys_in_variables(folder: Folder, monkeypatch: pytest.MonkeyPatch, prefix: str, as_json: bool) -> None:
    """One for each key, or all in one as JSON."""
    if as_json:
        monkeypatch.setenv(prefix, ' {"secret_id": "AKIDEXAMPLE", "secret_key": "KEYEXAMPLE"}\n')
    else:
        for key, value in KEYS.items():
            monkeypatch.setenv(f"{prefix}__{key.upper()}", f"{value}\n")
    found = Settings.load()
    assert dict(found.credentials or {}) == {**KEYS, "token": None}
    assert found.places()["credentials"].startswith(prefix)


OTHER_KEYS = '{"secret_id": "AKIDOTHER", "secret_key": "CANARY"}'
IN_SECRETS = '[sources.tcss.credentials]\nsecret_id = "AKIDEXAMPLE"\nsecret_key = "KEYEXAMPLE"\ntoken = "TOKEN"\n'


def test_keys_in_a_variable_go_before_those_of_a_file(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, as of one text: none of the keys, and no token, is that of the file."""
    folder.write("secrets.toml", IN_SECRETS)
    monkeypatch.setenv("SOURCES__TCSS__CREDENTIALS", OTHER_KEYS)
    found = Settings.load()
    assert dict(found.credentials or {}) == {"secret_id": "AKIDOTHER", "secret_key": "CANARY", "token": None}
    assert found.places()["credentials"] == "SOURCES__TCSS__CREDENTIALS"


@pytest.mark.parametrize("prefix", ["TCSS_", "SOURCES__TCSS__"])
@pytest.mark.parametrize("key", ["SECRET_ID", "SECRET_KEY", "TOKEN"])
def test_keys_and_a_single_key_in_variables_are_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, prefix: str, key: str
) -> None:
    """The keys of two accounts would be mixed, or one of them would be ignored."""
    monkeypatch.setenv(f"{prefix}CREDENTIALS", OTHER_KEYS)
    monkeypatch.setenv(f"{prefix}CREDENTIALS__{key}", "CANARY")
    said = f"{prefix}CREDENTIALS and {prefix}CREDENTIALS__{key} are the same setting"
    with pytest.raises(ConfigurationError, match=said) as error:
        Settings.load()
    assert "CANARY" not in str(error.value)


def test_keys_may_be_in_two_files(folder: Folder) -> None:
    """The id is no secret, and may stand in config.toml."""
    folder.write("config.toml", '[sources.tcss.credentials]\nsecret_id = "AKIDEXAMPLE"\n')
    folder.write("secrets.toml", '[sources.tcss.credentials]\nsecret_key = "KEYEXAMPLE"\ntoken = "TOKENEXAMPLE"\n')
    assert dict(Settings.load().credentials or {}) == {**KEYS, "token": "TOKENEXAMPLE"}


def test_a_secret_in_a_file_that_is_not_for_secrets_is_refused(folder: Folder) -> None:
    """By its place, and without its value."""
    folder.write("config.toml", '[sources.tcss.credentials]\nsecret_id = "AKIDEXAMPLE"\nsecret_key = "KEYEXAMPLE"\n')
    with pytest.raises(
        ConfigurationError, match=r"config.toml \[sources.tcss.credentials\] secret_key is a secret"
    ) as e:
        Settings.load()
    assert "KEYEXAMPLE" not in str(e.value)


@pytest.mark.parametrize("left", [["secret_id"], ["secret_key"], ["token"], ["secret_id", "token"]], ids="-".join)
@pytest.mark.parametrize("place", ["given", "TCSS_CREDENTIALS__{}", "SOURCES__TCSS__CREDENTIALS__{}", "secrets.toml"])
def test_half_of_the_keys_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, place: str, left: list[str]
) -> None:
    """Whatever place has it, and although another place has keys: they would be those of another account."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDOTHER")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "OTHER")
    given: dict[str, Any] = {}
    if place == "given":
        given["credentials"] = dict.fromkeys(left, "CANARY")
    elif place == "secrets.toml":
        lines = "".join(f'{key} = "CANARY"\n' for key in left)
        folder.write(place, f"[sources.tcss.credentials]\n{lines}")
    else:
        for key in left:
            monkeypatch.setenv(place.format(key.upper()), "CANARY")
    missing = "secret_key" if "secret_id" in left else "secret_id"
    with pytest.raises(ConfigurationError, match=rf"{missing} is missing") as error:
        Settings.load(**given)
    assert "CANARY" not in str(error.value)


def test_no_keys_in_credentials_is_refused(folder: Folder) -> None:
    """An empty mapping, and an object without values, are no way to say that the usual places are wanted."""
    with pytest.raises(ConfigurationError, match="credentials: secret_id is missing"):
        Settings.load(credentials={})


# ---- calls ----


def test_settings_and_keywords_exclude_each_other() -> None:
    """One of them would be ignored."""
    with pytest.raises(ConfigurationError, match="settings are given, and account, lookback as well"):
        sync("production", settings=Settings(), lookback=5)
    with pytest.raises(ConfigurationError, match="lookback must not be less than 0"):
        sync(settings=Settings(lookback=-1))
