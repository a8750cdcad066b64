"""Keys that are no settings are refused, with what was probably meant; those of others are left alone."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from connector.cli.main import app
from connector.errors import ConfigurationError
from connector.settings import Settings
from connector.settings.strays import COMMAND, strays
from connector.source import tcss
from connector.sync import sync
from tests.settings.conftest import Folder
from tests.settings.table import KEYS, NAMES, SAMPLES


def misspelt(name: str) -> str:
    """Without its last letter but one."""
    return name[:-2] + name[-1]


# ---- calls ----


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_keyword_is_refused(name: str) -> None:
    """By `sync` and `tcss`, before anything runs."""
    given: dict[str, Any] = {misspelt(name): SAMPLES[name][2]}
    for call in (sync, tcss):
        with pytest.raises(ConfigurationError, match=rf"no setting '{misspelt(name)}'. Did you mean {name}\?"):
            call(**given)


@pytest.mark.parametrize("key", ["secretkey", "secret_ky", "SECRET_KEY", "key", "tokn"])
def test_a_misspelt_key_of_given_credentials_is_refused(folder: Folder, key: str) -> None:
    """Without its value."""
    with pytest.raises(ConfigurationError, match=f"there is no '{key}' in credentials") as error:
        Settings.load(credentials={**KEYS, key: "CANARY"})
    assert "CANARY" not in str(error.value)


# ---- variables ----


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_variable_is_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Ours and dlt's form."""
    for prefix in ("TCSS_", "SOURCES__TCSS__"):
        with monkeypatch.context() as patch:
            wrong = f"{prefix}{misspelt(name).upper()}"
            patch.setenv(wrong, SAMPLES[name][0])
            with pytest.raises(ConfigurationError, match=rf"{wrong} is no setting. Did you mean {prefix}"):
                Settings.load()


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("TCSS_lookback", "TCSS_LOOKBACK"),
        ("tcss_lookback", "TCSS_LOOKBACK"),
        ("TCSS__LOOKBACK", "TCSS_LOOKBACK"),
        ("TCSS_ACOUNT", "TCSS_ACCOUNT"),
        ("TCSS_SECRET_ID", "TCSS_CREDENTIALS__SECRET_ID"),
        ("TCSS_ROLE", "TCSS_ROLE_ARN"),
        ("TCSS_CREDENTIALS__SECRETID", "TCSS_CREDENTIALS__SECRET_ID"),
        ("SOURCES__TCSS__lookback", "SOURCES__TCSS__LOOKBACK"),
        ("SOURCES__TCSS__CREDENTAILS__SECRET_ID", "SOURCES__TCSS__CREDENTIALS__SECRET_ID"),
        ("SOURCES__TCSS__TOKEN", "SOURCES__TCSS__CREDENTIALS__TOKEN"),
        ("SOURCES__TCSS__FILTERS__IMAGENAME", "SOURCES__TCSS__"),
        ("SOURCES__TCSS__ACCOUNTS", "SOURCES__TCSS__"),
        ("TCSS_FILTERS__IMAGENAME", "TCSS_FILTERS"),
        ("SOURCE__TCSS__LOOKBACK", "SOURCES__TCSS__LOOKBACK"),
        ("SOURCES__LOOKBACK", "SOURCES__TCSS__LOOKBACK"),
        ("SOURCES__CREDENTIALS__SECRET_ID", "SOURCES__TCSS__CREDENTIALS__SECRET_ID"),
    ],
)
def test_a_variable_of_another_form_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, wrong: str, meant: str
) -> None:
    """With the form that was meant."""
    monkeypatch.setenv(wrong, "5")
    with pytest.raises(ConfigurationError, match=rf"{wrong} is no setting. Did you mean {meant}"):
        Settings.load()


OTHERS = [
    *("TCSS_SERVICE_HOST", "TCSS_SERVICE_PORT", "TCSS_PORT", "TCSS_PORT_80_TCP_ADDR"),  # Kubernetes, service `tcss`
    *("TCSS_PYTHON", "TCSS_RECORD", "TCSS_TEST_POSTGRES_URL", "TCSS_TEST_MYSQL_URL", "TCSS_EXAMPLES"),  # ours
    *("TCSS_IMAGE", "TCSS_DATABASE", "TCSS_PG_PASSWORD", "TCSS_VERSION", "TCSS_PRODUCTION_SECRET_ID"),
    *("SOURCES__TCSS__SCHEMA__NAMING", "SOURCES__TCSS__DATA_WRITER__BUFFER_MAX_ITEMS"),  # dlt's
]


def test_variables_of_others_are_left_alone(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """They only begin like ours; `tcss check` names those that might have been meant for us."""
    for name in OTHERS:
        monkeypatch.setenv(name, "5")
    found = Settings.load()
    assert (dict(found), found.notes()) == (dict(Settings()), ())
    assert {stray.place for stray in strays(None)} == {name for name in OTHERS if name.startswith("TCSS_")}


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("TCSS_ENDPOINT_URL", "TCSS_ENDPOINT"),
        ("TCSS_MAX_DELETE", "TCSS_MAX_DELETE_SHARE"),
        ("TCSS_TIME_ZONE", "TCSS_NAIVE_TIME_ZONE"),
        ("TCSS_FULL_SYNC_EVERY", "TCSS_FULL_EVERY"),
    ],
)
def test_a_variable_with_the_words_of_a_setting_is_warned_of(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, wrong: str, meant: str
) -> None:
    """It may be somebody else's, and is not refused; but nobody should think that it is obeyed."""
    monkeypatch.setenv(wrong, "5")
    found = Settings.load()
    assert found.notes() == (f"{wrong} is no setting; did you mean {meant}?",)
    assert dict(found) == dict(Settings())


def test_a_variable_that_is_not_needed_may_be_anybodys(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's `EnvVar("TCSS_SECRET_ID")`, where the keys are given."""
    monkeypatch.setenv("TCSS_SECRET_ID", "AKIDEXAMPLE")
    assert Settings.load(credentials=KEYS).credentials


def test_no_option_of_the_command_is_a_stray(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable that an option is read from."""
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    named = {option.envvar for command in commands for option in command.params if option.envvar}
    assert {f"TCSS_{name.upper()}" for name in COMMAND} == named
    for name in named - {"TCSS_ACCOUNT"}:
        monkeypatch.setenv(name, "1")
    assert list(strays(None)) == []


def test_the_option_filter_and_the_setting_filters_are_one(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either name will do, and both are too many."""
    monkeypatch.setenv("TCSS_FILTER", "ImageName=a")
    assert Settings.load().filters == {"ImageName": ["a"]}
    monkeypatch.setenv("TCSS_FILTERS", "ImageName=b")
    with pytest.raises(ConfigurationError, match="TCSS_FILTERS and TCSS_FILTER are the same setting"):
        Settings.load()


# ---- files ----

IN_FILES = [
    ("[sources.tcss]\nlookbak = 5", "config.toml [sources.tcss] lookbak", "lookback"),
    ("[sources.tcss]\nacounts.a.site = 'cn'", "config.toml [sources.tcss] acounts", "accounts"),
    ("[sources.tcss.credentails]\nsecret_id = 'x'", "config.toml [sources.tcss] credentails", "credentials"),
    ("[sources.tcss.production]\nsite = 'cn'", "config.toml [sources.tcss] production", "[sources.tcss.accounts.prod"),
    ("[sources.tcss.credentials]\nsecretid = 'x'", "config.toml [sources.tcss.credentials] secretid", "secret_id"),
    ("[sources.tcss.accounts.a]\nlookbak = 5", "config.toml [sources.tcss.accounts.a] lookbak", "lookback"),
    (
        "[sources.tcss.accounts.a]\nsecret_id = 'x'",
        "config.toml [sources.tcss.accounts.a] secret_id",
        "secret_id in [sources.tcss.accounts.a.credentials]",
    ),
    ("[sources]\ntcss = 5", "config.toml [sources] tcss", "[sources.tcss]"),
    ("[sources]\nlookback = 5", "config.toml [sources] lookback", "lookback in [sources.tcss]"),
    ("[sources.credentials]\nsecret_id = 'x'", "config.toml [sources] credentials", "credentials in [sources.tcss]"),
    ("[tcss]\nlookback = 5", "config.toml [tcss] lookback", "lookback in [sources.tcss]"),
    ("[source.tcss]\nlookback = 5", "config.toml [source.tcss] lookback", "lookback in [sources.tcss]"),
    ("[sources.TCSS]\nlookback = 5", "config.toml [sources.TCSS] lookback", "lookback in [sources.tcss]"),
    ("lookback = 5", "config.toml lookback", "lookback in [sources.tcss]"),
]


@pytest.mark.parametrize(("text", "place", "meant"), IN_FILES, ids=[place for _, place, _ in IN_FILES])
def test_a_key_that_is_no_setting_is_refused(folder: Folder, text: str, place: str, meant: str) -> None:
    """Misspelt, or in a section where it is not looked up; with its place and the right one."""
    folder.write("config.toml", text)
    with pytest.raises(ConfigurationError) as error:
        Settings.load("a" if "accounts.a]" in text else None)
    assert f"{place} is no setting. Did you mean {meant}" in str(error.value)


def test_a_key_without_a_likely_meaning_is_refused_too(folder: Folder) -> None:
    """With the list of all settings."""
    folder.write("config.toml", "[sources.tcss]\nzzz = 5")
    with pytest.raises(ConfigurationError, match=r"zzz is no setting. docs/settings.md lists all settings."):
        Settings.load()


def test_a_key_in_another_place_may_be_anybodys_where_ours_is_set(folder: Folder) -> None:
    """Another source of the same project may have it there."""
    folder.write("config.toml", "mode = 'x'\n[sources]\nlookback = 5\n[sources.tcss]\nmode = 'full'\nlookback = 60\n")
    found = Settings.load()
    assert (found.mode, found.lookback) == ("full", 60)
    assert [stray.meant for stray in strays(None)] == ["mode in [sources.tcss]", "lookback in [sources.tcss]"]


@pytest.mark.parametrize("name", ["tcs", "tccs", "tcss2"])
def test_a_section_that_is_named_almost_like_ours_is_mentioned(folder: Folder, name: str) -> None:
    """By `tcss check` only: it may be another source's."""
    folder.write("config.toml", f"[sources.{name}]\nlookback = 5\n")
    assert Settings.load().lookback == Settings().lookback
    assert [str(stray) for stray in strays(None)] == [
        f"config.toml [sources.{name}] lookback is no setting; did you mean lookback in [sources.tcss]?"
    ]


def test_sections_of_others_are_left_alone(folder: Folder) -> None:
    """dlt's own, those of other sources and destinations, and those of another account of ours."""
    folder.write(
        "config.toml",
        "[destination.duckdb]\ncredentials='x'\n[runtime]\nlog_level='INFO'\n[sources.other]\nlookback=5\n"
        "[sources.other.credentials]\nsecret_id='x'\n[sources.tcss.schema]\nnaming='direct'\n[load]\nworkers=1\n"
        "[sources.tcss.accounts.b]\nlookbak=5\n[sources.tcss.accounts.a]\naccount_id='1'\n",
    )
    assert (list(strays("a")), Settings.load("a").account_id) == ([], "1")
