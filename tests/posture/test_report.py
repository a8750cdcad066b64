"""`connector.posture.report`: which files the report replaces, and who may read them."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.errors import ConfigurationError
from connector.posture import document
from connector.posture.report import write


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A report without a warehouse, under the widest umask."""
    monkeypatch.setattr(document, "report", lambda queries: "<p>page</p>")
    mask = os.umask(0)
    yield
    os.umask(mask)


def written(output: Path) -> tuple[str, int]:
    write("duckdb:///w.duckdb", None, output)
    return output.read_text(encoding="utf-8"), stat.S_IMODE(output.stat().st_mode)


def test_a_new_report_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask."""
    assert written(tmp_path / "x.html") == ("<p>page</p>", 0o600)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o660])
def test_a_report_that_is_replaced_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    """Who may read it has been decided."""
    (tmp_path / "x.html").write_text("old")
    (tmp_path / "x.html").chmod(mode)
    assert written(tmp_path / "x.html") == ("<p>page</p>", mode)
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]


def _link(path: Path) -> None:
    (path.parent / "target").write_text("mine")
    path.symlink_to(path.parent / "target")


NO_FILES: dict[str, Callable[[Path], None]] = {
    "pipe": lambda path: os.mkfifo(path),
    "directory": Path.mkdir,
    "link": _link,
    "dangling link": lambda path: path.symlink_to(path.parent / "none"),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_is_refused_and_stays(what: str, tmp_path: Path) -> None:
    """Before the warehouse is asked for anything."""
    output = tmp_path / "x.html"
    NO_FILES[what](output)
    before = sorted((path.name, path.lstat().st_mode, path.lstat().st_size) for path in tmp_path.iterdir())
    with pytest.raises(ConfigurationError, match=r"x.html is (?:a symbolic link|no regular file)\. Name a file"):
        write("duckdb:///w.duckdb", None, output)
    assert sorted((path.name, path.lstat().st_mode, path.lstat().st_size) for path in tmp_path.iterdir()) == before


def test_a_device_is_refused() -> None:
    """It would be replaced by a file."""
    with pytest.raises(ConfigurationError, match="/dev/null is no regular file"):
        write("duckdb:///w.duckdb", None, Path("/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_without_an_output_it_is_always_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working directory; the help names the file, the next report replaces it, and a link is refused."""
    monkeypatch.chdir(tmp_path)
    command = ["report", "--destination", "duckdb:///w.duckdb"]
    for _ in range(2):
        result = CliRunner().invoke(app, command)
        assert (result.exit_code, result.stdout) == (0, "wrote tcss_report.html\n")
        assert [path.name for path in tmp_path.iterdir()] == ["tcss_report.html"]
    assert "[tcss_report.html]" in CliRunner().invoke(app, ["report", "-h"]).stdout
    (tmp_path / "tcss_report.html").rename(tmp_path / "target")
    (tmp_path / "tcss_report.html").symlink_to(tmp_path / "target")
    assert CliRunner().invoke(app, command).exit_code == 2


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_a_database_is_refused_and_stays(kind: str, tmp_path: Path) -> None:
    """`--output` is the database in `tcss demo`, and a page in its place would be the end of a warehouse."""
    file = tmp_path / "w.duckdb"
    with closing(duckdb.connect(str(file)) if kind == "duckdb" else sqlite3.connect(file)) as connection:
        connection.execute("create table kept (number integer)")
        connection.commit()
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match=r"w.duckdb is a database\. Name an HTML file with --output"):
        write(f"{kind}:///{file}", None, file)
    assert file.read_bytes() == before


@pytest.mark.thorough
def test_a_full_disk_keeps_the_old_report_and_gets_nothing_else(tmp_path: Path) -> None:
    """What was written until then is removed."""
    (tmp_path / "x.html").write_text("old")
    code = """
import resource, sys
from pathlib import Path
from connector.errors import ConfigurationError
from connector.posture import document, report
document.report = lambda queries: "p" * 100_000
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    report.write("duckdb:///w.duckdb", None, Path("x.html"))
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot write x.html: File too large. Name a file in a directory that exists and has")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x.html": "old"}
