"""Airflow's images pin SQLAlchemy 2.0, so the oldest that we allow has to load the same rows as 2.1."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import ROOT, UV

OLDEST = "2.0.50"


@pytest.mark.thorough
def test_the_oldest_sqlalchemy_loads_the_same(tmp_path: Path) -> None:
    """The tests of `pipeline`, `loading` and `ddl` on every database pass in an environment of its own."""
    environment = tmp_path / "venv"
    default, oldest = ((ROOT / "constraints" / f"{name}.txt").read_text() for name in ("default", "sqlalchemy20"))
    others = re.sub(r"(?m)^sqlalchemy==.*\n(?: .*\n)+", "", default)
    (tmp_path / "constraints.txt").write_text(others + oldest)
    install = [UV, "pip", "install", "-q", "-p", str(environment), "-c", str(tmp_path / "constraints.txt")]
    modules = [f"tests/warehouse/test_{name}.py" for name in ("pipeline", "loading", "ddl")]
    for command in (
        [UV, "venv", "-q", "--python", sys.executable, str(environment)],
        [*install, "-e", ".[postgres,mysql]", "--group", "test"],
        [str(environment / "bin" / "python"), "-c", f"import sqlalchemy as s; assert s.__version__ == '{OLDEST}'"],
        [str(environment / "bin" / "pytest"), "-q", "-p", "no:cacheprovider", *modules],
    ):
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "COLUMNS": "100"})
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert " passed" in done.stdout
