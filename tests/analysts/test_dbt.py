"""The page on dbt, as it stands: a project with our `sources.yml`, read and run by a real dbt."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from tests import manual
from tests.world import World, world

DBT = manual.ROOT / ".venv-dbt" / "bin" / "dbt"


def test_dbt_takes_the_source_and_finds_it_whole_and_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed without a warning, tested, fresh; and the model has the warehouse's rows."""
    if not DBT.exists() and "CI" not in os.environ:
        pytest.skip("dbt is not installed: make .venv-dbt/.ready")
    assert len(manual.save("docs/dbt.md", tmp_path)) == 3
    printed, *dbt = manual.commands("docs/dbt.md")
    monkeypatch.setenv("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
    with world(tmp_path, monkeypatch, images=200) as account:
        account.sync()
        command, _, file = printed.partition(" > ")
        result = CliRunner().invoke(app, command.split()[1:])
        assert result.exit_code == 0, result.output
        Path(file).write_text(result.stdout, encoding="utf-8")
        for line in dbt:
            name, *arguments = line.split()
            assert name == "dbt"
            done = subprocess.run([DBT, "--warn-error", "--no-use-colors", *arguments], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout
        tested = re.search(r"PASS=(\d+)", (tmp_path / "logs" / "dbt.log").read_text(encoding="utf-8"))
        assert tested is not None
        assert int(tested[1]) > 20
        assert dbt_says(account, "started_at - interval 60 hour") == "error"  # a second account, which is late
        with duckdb.connect(str(account.file), read_only=True) as made:
            rows = made.execute("select count(*) > 3, sum(images) from main.exposed").fetchall()
            whole = made.execute("select true, count(*) from tcss.current_images where in_use").fetchall()
        assert rows == whole


def dbt_says(account: World, started_at: str) -> str:
    """Add an account whose last complete run was then, and a partial run of it since; return the source's freshness."""
    with duckdb.connect(str(account.file)) as changed:
        run = "select * replace ('2' as account_id, {} as sync_id, {} as started_at, {} as verdict) from tcss.sync_runs"
        for row in ("'old'", started_at, "'complete'"), ("'new'", "started_at", "'partial'"):
            changed.execute(f"insert into tcss.sync_runs {run.format(*row)} where account_id <> '2'")
    subprocess.run([DBT, "--no-use-colors", "source", "freshness"], capture_output=True)
    (result,) = json.loads((account.directory / "target" / "sources.json").read_text(encoding="utf-8"))["results"]
    return str(result["status"])
