"""The README says nothing that is not so: its commands run, its lists are the code's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.listing.proof import Proof
from connector.settings import Settings
from connector.tables import TABLES
from connector.warehouse import locations
from connector.warehouse.views import views
from tests.world import World, world

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return [text.strip() for text in re.findall(rf"^ *```{language}\n(.*?)```", README, re.DOTALL | re.MULTILINE)]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, images=400) as made:
        monkeypatch.setenv("TCSS_ENDPOINT", made.sandbox.url)
        yield made


def test_it_is_short() -> None:
    """Under 300 lines."""
    assert len(README.splitlines()) < 300


def test_the_first_two_commands_are_targets_of_the_makefile() -> None:
    """Every `make` line names a target."""
    named = {name for block in blocks("sh") for name in re.findall(r"^ *make (\S+)$", block, re.MULTILINE)}
    assert named == {"demo", "test", "lint"}
    assert all(re.search(rf"^{name}:", MAKEFILE, re.MULTILINE) for name in named | {"help"})


def test_the_commands_for_an_account_work_as_they_stand(account: World) -> None:
    """`tcss check` and `tcss sync`, with keys in the environment."""
    from typer.testing import CliRunner

    from connector.cli.main import app

    lines = [line.split() for block in blocks("sh") for line in block.splitlines() if line.strip().startswith("tcss ")]
    assert [line[:2] for line in lines] == [["tcss", "check"], ["tcss", "sync"]]
    for line in lines:
        result = CliRunner().invoke(app, line[1:])
        assert result.exit_code == 0, result.output
    (query,) = blocks("sql")
    assert len(account.query(query.rstrip(";"))) == 10


def test_the_pipeline_works_as_it_stands(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first Python block, in an empty directory."""
    import duckdb

    monkeypatch.setenv("DLT_DATA_DIR", str(account.directory / "dlt"))
    code = blocks("python")[0]
    exec(compile(code, "README.md", "exec"), {})
    with duckdb.connect(str(account.directory / "tcss.duckdb"), read_only=True) as connection:
        runs = "select count(*) from tcss_images.sync_runs where verdict = 'complete'"
        assert connection.execute(runs).fetchall() == [(2,)]


def test_its_pictures_exist() -> None:
    """Each of them small, with nothing in it that is loaded from elsewhere, and no path of the machine that made it."""
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures == [f"docs/gallery/{name}" for name in ("demo.svg", "dashboard.png", "dashboard_phone.png")]
    for picture in pictures:
        content = (ROOT / picture).read_bytes()
        assert 10_000 < len(content) < 200_000
        assert not re.search(rb"url\(.?http|@import|@font-face|<script|(?<![\w.:])/(home|tmp|root|work)/", content)


def test_the_list_of_tables_is_the_codes() -> None:
    """The same names in the same order."""
    section = README.partition("\n## Tables\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section.partition("| view |")[0], re.MULTILINE) == [t.name for t in TABLES]


def test_the_list_of_views_is_the_files() -> None:
    """With the question of each."""
    section = README.partition("| view | question |\n")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE) == [(v.name, v.question) for v in views()]


def test_the_destinations_that_it_lists_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each URL names a database that we know, and its extra; `tested` says the same as the table."""
    monkeypatch.setattr(locations, "_installed", lambda module: True)
    rows = re.findall(r"^\| [^|]+ \| `(\w+://[^|`]*)` \| ?(.*?) \| (.*?) \|$", README, re.MULTILINE)
    assert len(rows) == 11
    for url, extra, tested in rows:
        found = locations.locate(url.replace("...", "x"), "tcss").backend
        assert f"[{found.extra}]" in extra if found.extra else not extra
        assert found.tested == ("real" in tested)


def test_the_settings_that_it_names_exist() -> None:
    """Every finer setting is a field of Settings."""
    named = re.search(r"the finer ones too \((.*?)\)", README, re.DOTALL)
    assert named is not None
    assert set() < set(re.findall(r"`(\w+)`", named[1])) <= set(Settings().keys())
    assert "[docs/settings.md](docs/settings.md)" in README


def test_the_options_that_it_names_exist() -> None:
    """Every `--option` belongs to some command."""
    cli = (ROOT / "connector" / "cli" / "main.py").read_text(encoding="utf-8")
    for option in set(re.findall(r"`?(--[a-z-]+)", README)):
        assert f'"{option}"' in cli or option[2:].replace("-", "_") in cli, option


def test_the_files_that_the_architecture_names_exist() -> None:
    """Every wing is in its table, and every file that it names is there."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z]+/(?:[a-z_]+\.py)?|[a-z_]+\.py)`", text)
    missing = [name for name in named if not any((base / name).exists() for base in (ROOT, ROOT / "connector"))]
    assert missing == []
    wings = {path.name for path in (ROOT / "connector").iterdir() if (path / "__init__.py").exists()}
    assert wings <= {name.rstrip("/") for name in named}


def test_the_proofs_that_the_manual_explains_are_those_that_there_are() -> None:
    """By their `reason_code`, as it is stored."""
    text = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == {proof.name.lower() for proof in Proof} | {
        "reason_code"
    }
