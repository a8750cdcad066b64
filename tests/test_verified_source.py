"""`sources/`, as `dlt init` gives it to a stranger: every function of its script runs as it stands."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest

import connector
from connector.settings import Settings
from tests.world import World, world

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "sources"
FUNCTIONS = re.findall(r"^def (load_\w+)", (SOURCES / "tcss_pipeline.py").read_text(encoding="utf-8"), re.MULTILINE)
README = (SOURCES / "tcss" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch) as made:
        monkeypatch.setenv("TCSS_ENDPOINT", made.sandbox.url)
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
        yield made


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SOURCES))
    yield importlib.import_module("tcss_pipeline")
    for name in ("tcss", "tcss_pipeline"):
        sys.modules.pop(name)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_runs(account: World, script: Any, name: str) -> None:
    """Twice, in a directory of its own, against the sandbox."""
    for _ in range(2):
        assert getattr(script, name)()


def test_there_are_functions_and_the_readme_names_them() -> None:
    """And no other ones."""
    assert len(FUNCTIONS) == 5
    assert set(re.findall(r"`(load_\w+)`", README)) == set(FUNCTIONS)


def test_what_the_script_loads(account: World, script: Any) -> None:
    """The masked images have no names, and the sample is a sample."""
    script.load_masked()
    masked = dlt.pipeline("tcss_masked", destination="duckdb", dataset_name="tcss_images").dataset()
    assert masked("select distinct image_name from images").fetchall() == [("***",)]
    script.load_images()
    loaded = dlt.pipeline("tcss", destination="duckdb", dataset_name="tcss_images").dataset()
    assert loaded("select count(*) from current_images").fetchall() == [(1500,)]


def test_the_tables_of_the_readme_are_the_codes() -> None:
    """Resources with their keys, and arguments that exist."""
    tables = (*connector.tables.TABLES, connector.tables.NAMED_ACCOUNTS)
    keys = {table.name: ", ".join(table.key) for table in tables}
    assert dict(re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| merge \|$", README, re.MULTILINE)) == keys
    arguments = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", README, re.MULTILINE)
    assert arguments[0] == "account"
    assert set(arguments[1:]) <= set(Settings.__dataclass_fields__)


def test_the_example_of_secrets_has_the_keys() -> None:
    """Where the source looks for them."""
    text = (SOURCES / ".dlt" / "example.secrets.toml").read_text(encoding="utf-8")
    assert set(tomllib.loads(text)["sources"]["tcss"]["credentials"]) == {"secret_id", "secret_key"}


def test_dlt_init_copies_it(tmp_path: Path) -> None:
    """`dlt init tcss duckdb --location` of a clone."""
    command = [str(Path(sys.executable).with_name("dlt")), "init", "tcss", "duckdb", "--location", str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, input="y\n" * 5, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"tcss_pipeline.py", "tcss/__init__.py", "requirements.txt", ".dlt/secrets.toml"} <= {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")
    }
