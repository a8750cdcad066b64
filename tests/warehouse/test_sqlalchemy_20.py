"""Airflow's images pin SQLAlchemy 2.0, so the oldest that we allow has to load the same rows as 2.1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import ROOT, UV

OLDEST = "2.0.50"


@pytest.mark.thorough
def test_the_oldest_sqlalchemy_loads_the_same(tmp_path: Path) -> None:
    """The tests of `pipeline`, `loading` and `ddl` on every database pass where Python finds the oldest before 2.1."""
    pins = ("-b", "constraints/build.txt", "--no-deps", "-r", "constraints/sqlalchemy20.txt")
    modules = [f"tests/warehouse/test_{name}.py" for name in ("pipeline", "loading", "ddl")]
    for command in (
        [UV, "pip", "install", "-q", "-p", sys.executable, "--target", str(tmp_path / "oldest"), *pins],
        [sys.executable, "-c", f"import sqlalchemy as s; assert s.__version__ == '{OLDEST}'"],
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *modules],
    ):
        environ = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(tmp_path / "oldest")}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert " passed" in done.stdout
