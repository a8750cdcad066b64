"""`tcss demo`: whatever the user has configured, and whatever the file is called."""

from __future__ import annotations

import shlex
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from connector.cli.main import app

CONFIGURED = {"DATASET": "security", "FILTERS": "ImageName=x", "SITE": "moon", "ACCOUNT": "blue"}
NAME = "a 'b%20.duckdb"


def test_no_setting_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are those of the user's own account. A name with other meanings in a URL or in a shell is the file's
    name, also in the commands at the end."""
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        for name, value in CONFIGURED.items():
            patch.setenv(f"TCSS_{name}", value)
        result = CliRunner().invoke(app, ["demo", "--images", "20", "--output", NAME])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.lock"]
    with duckdb.connect(NAME, read_only=True) as connection:
        runs = connection.execute("select images_listed from tcss.sync_runs order by started_at").fetchall()
    assert runs[0] == (20,)
    (command,) = (line for line in result.stdout.splitlines() if "tcss status" in line)
    assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0
