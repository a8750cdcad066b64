"""What a place says is read as its setting's type, or refused by the name of the setting and of the place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.settings import NUMBERS, Settings
from tests.settings.conftest import Folder
from tests.settings.table import KEYS, NAMES, SAMPLES

FLAGS = ("strict", "metadata")
WORDS = ("site", "mode", "language", "naive_time_zone", "initial_scan_time")
TEXTS = ("destination", "dataset", "role_arn", "endpoint", "account_id", *WORDS)

# By settings, what none of them can be, as a text and as TOML.
WRONG_TEXTS: list[tuple[tuple[str, ...], str]] = [
    *(
        (NUMBERS, text)
        for text in (
            *("five", "5m", "1,5", "1_000", "0x10", "5 6", "--5", "true", "[5]"),
            *("inf", "-inf", "nan", "1e300", "9" * 400),
        )
    ),
    *((FLAGS, text) for text in ("maybe", "2", "tru", "[]", "none", "null")),
    *((WORDS, text) for text in ("nonsense", "en_US:en", "1")),
    (tuple(name for name in NAMES if name != "filters"), "a\nb"),
    (TEXTS, "a\x00b"),
    (tuple(name for name in NAMES if name != "filters"), "a\udce9b"),  # as Python decodes the byte e9 of a variable
    *(
        (("filters",), text)
        for text in ("ImageName", "=a", "{", "[1]", '{"ImageName": {}}', '{"ImageName": [[]]}', "{1: 2}")
    ),
    (("filters",), "Nonsense=1"),
]
WRONG_TOML: list[tuple[tuple[str, ...], str]] = [
    (tuple(NAMES), '""'),
    (tuple(NAMES), '" \\n"'),
    (tuple(name for name in NAMES if name != "filters"), "[1, 2]"),
    (tuple(name for name in NAMES if name not in ("filters",)), "{ x = 1 }"),
    ((*NUMBERS, *TEXTS, "filters"), "true"),
    (NUMBERS, "inf"),
    (NUMBERS, "nan"),
    (FLAGS, "5"),
    (("filters",), "5"),
    (("filters",), "['ImageName']"),
    (("filters",), "{ ImageName = true }"),
]
BAD_TEXTS = [(name, text) for names, text in WRONG_TEXTS for name in names]
BAD_TOML = [(name, text) for names, text in WRONG_TOML for name in names]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["TCSS_{}", "SOURCES__TCSS__{}"])
@pytest.mark.parametrize("text", ["", " ", "\n"], ids=["empty", "blank", "newline"])
def test_an_empty_variable_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str, form: str, text: str
) -> None:
    """It could be meant as anything: a warehouse would be written that nobody wanted."""
    monkeypatch.setenv(form.format(name.upper()), text)
    with pytest.raises(ConfigurationError, match=rf"^{name} \({form.format(name.upper())}\) is empty"):
        Settings.load()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_argument_is_refused(folder: Folder, name: str) -> None:
    """As a shell makes one of a variable that is not set."""
    given: dict[str, Any] = {name: ""}
    with pytest.raises(ConfigurationError, match=rf"^{name} is empty"):
        Settings.load(**given)


@pytest.mark.parametrize(("name", "text"), BAD_TEXTS)
def test_a_text_that_cannot_be_used_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """In a variable, in a file, and as an argument."""
    if "\x00" not in text:  # which no variable can hold
        monkeypatch.setenv(f"TCSS_{name.upper()}", text)
        with pytest.raises(ConfigurationError, match=name if "Nonsense" not in text else "no filter 'Nonsense'"):
            Settings.load()
        monkeypatch.delenv(f"TCSS_{name.upper()}")
    given: dict[str, Any] = {name: text}
    with pytest.raises(ConfigurationError, match=name if "Nonsense" not in text else "no filter 'Nonsense'"):
        Settings.load(**given)


@pytest.mark.parametrize(("name", "toml"), BAD_TOML)
def test_a_value_of_another_type_is_refused(folder: Folder, name: str, toml: str) -> None:
    """With the file and the section that it is in."""
    folder.write("config.toml", f"[sources.tcss]\n{name} = {toml}\n")
    with pytest.raises(ConfigurationError) as error:
        Settings.load()
    assert str(error.value).startswith(f"{name} (config.toml [sources.tcss] {name}) ")


def test_a_text_that_may_be_a_secret_is_not_repeated(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination has its password in it."""
    monkeypatch.setenv("TCSS_DESTINATION", "postgresql://u:CANARY@h/d\npostgresql://h/d")
    with pytest.raises(ConfigurationError, match=r"destination .* has a line break") as error:
        Settings.load()
    assert "CANARY" not in str(error.value)


def test_a_working_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    """In a process of its own, since dlt asks for it once."""
    script = f"rmdir '{tmp_path}' && exec '{sys.executable}' -m connector status"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    told = "error: the working directory is gone. Go to a directory that exists.\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_a_machine_without_a_directory_to_write_to_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose file system is read-only; the working directory is not to blame."""

    class NoPlace:
        @property
        def config_providers(self) -> None:
            raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("dlt.config", NoPlace())
    with pytest.raises(ConfigurationError, match="there is no directory for temporary files"):
        Settings.load()


@pytest.mark.parametrize("options", [["sync"], ["sync", "--all-accounts"]], ids=["one", "all"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, options: list[str]) -> None:
    """As every other mistake in it: exit code 2. In a process of its own, since dlt reads its files once."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("[sources.tcss\n", encoding="utf-8")
    command = [sys.executable, "-m", "connector", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "the configuration cannot be read: " in done.stderr
    assert "config.toml" in done.stderr


def test_a_setting_of_dlts_own_that_cannot_be_read_is_named_as_such(tmp_path: Path) -> None:
    """It is in none of our sections. In a process of its own, since dlt reads it once."""
    command = [sys.executable, "-m", "connector", "sync"]
    wrong = {**os.environ, "RUNTIME__LOG_LEVEL": "LOUD"}
    done = subprocess.run(command, cwd=tmp_path, env=wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be read: Unknown level: 'LOUD'. Correct dlt's own settings: variables like RUNTIME__" in done.stderr


@pytest.mark.parametrize("values", ["", [], [""], ["a", ""]], ids=str)
def test_a_filter_without_a_value_is_refused(folder: Folder, values: Any) -> None:
    """The API does not say what that means: no image, or every image."""
    with pytest.raises(ConfigurationError, match="filters has ImageName without a value"):
        Settings.load(filters={"ImageName": values})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("filters", '{"ScanStatus": "CANARY", "ScanStatus": "b"}'),
        ("credentials", '{"secret_id": "a", "secret_key": "CANARY", "secret_id": "b"}'),
    ],
)
def test_a_name_that_json_has_twice_is_refused(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """The last one would win silently."""
    monkeypatch.setenv(f"TCSS_{name.upper()}", text)
    with pytest.raises(ConfigurationError, match=rf"{name} \(TCSS_{name.upper()}\) has a name twice") as error:
        Settings.load()
    assert "CANARY" not in str(error.value)


def test_a_set_of_values_has_one_order(folder: Folder) -> None:
    """PYTHONHASHSEED would else decide what `sync_runs.filters` says."""
    names = [f"n{number}" for number in range(8)]
    assert Settings.load(filters={"ImageName": set(names)}).filters == {"ImageName": names}
    assert Settings.load(filters={"ImageName": names[::-1]}).filters == {"ImageName": names[::-1]}


def test_filters_may_be_json(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """For values with blanks in them; one value needs no list."""
    monkeypatch.setenv("TCSS_FILTERS", '{"ImageName": "a b", "ScanStatus": ["c", 5]}')
    assert Settings.load().filters == {"ImageName": "a b", "ScanStatus": ["c", "5"]}


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("form", ["TCSS_{}", "SOURCES__TCSS__{}"])
@pytest.mark.parametrize("name", NAMES)
def test_quotes_around_a_variable_are_dropped(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, name: str, form: str, quote: str
) -> None:
    """Docker leaves them when it reads a file of variables."""
    text, _, value = SAMPLES[name]
    monkeypatch.setenv(form.format(name.upper()), f"{quote}{text}{quote}")
    assert getattr(Settings.load(), name) == value


def test_quotes_around_names_and_keys_in_variables_are_dropped(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only quotes that stay are those inside."""
    folder.write("config.toml", "[sources.tcss.accounts.prod]\nlookback = 5\n")
    monkeypatch.setenv("TCSS_ACCOUNT", '"prod"')
    for key, value in KEYS.items():
        monkeypatch.setenv(f"SOURCES__TCSS__ACCOUNTS__PROD__CREDENTIALS__{key.upper()}", f"'{value}'")
    monkeypatch.setenv("TCSS_FILTERS", "ImageName='a' ImageName='b'")
    found = Settings.load()
    assert (found.lookback, dict(found.credentials or {})) == (5, {**KEYS, "token": None})
    assert found.filters == {"ImageName": ["'a'", "'b'"]}


def test_numbers_that_must_be_whole(folder: Folder) -> None:
    """Half a request cannot be under way."""
    assert repr(Settings.load(in_flight=2.0).in_flight) == "2"  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="in_flight must be a whole number"):
        Settings.load(in_flight=2.5)  # type: ignore[arg-type]
