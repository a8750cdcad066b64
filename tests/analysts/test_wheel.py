"""The wheel has what the dashboard serves, and the notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.analysts import browsing
from tests.analysts.invented import invent
from tests.tools import ROOT, UV


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel's packages."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [UV, "build", "-q", "--wheel", "--out-dir", str(directory), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    zipfile.ZipFile(next(directory.glob("*.whl"))).extractall(directory / "site")
    return directory / "site"


def test_the_dashboard_is_served_far_from_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    """With the notebook and the style that are in the wheel."""
    invent(tmp_path / "warehouse.duckdb", 120, days=60)
    url = f"duckdb:///{tmp_path}/warehouse.duckdb"
    with (
        browsing.dashboard(url, directory=unpacked) as served,
        browsing.chromium() as browser,
        browsing.page(browser) as page,
    ):
        page.goto(served)
        expect(page.locator("#fleet .number").first).to_have_attribute("data-value", "120", timeout=20_000)


def test_its_notebooks_run(unpacked: Path, tmp_path: Path) -> None:
    """All four, by their paths in it; the first syncs from the sandbox, and the others read what is there."""
    notebooks = sorted((unpacked / "connector" / "_notebooks").glob("*.py"))
    assert [file.stem for file in notebooks] == [
        "01_first_look",
        "02_posture",
        "03_trust_the_data",
        "04_vulnerabilities",
    ]
    invent(tmp_path / "warehouse.duckdb", 120, days=60)
    environ = {**os.environ, "PYTHONPATH": str(unpacked), "TCSS_DESTINATION": ""}
    for notebook in notebooks:
        command = [sys.executable, str(notebook)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environ)
        assert run.returncode == 0, run.stderr
        environ["TCSS_DESTINATION"] = f"duckdb:///{tmp_path}/warehouse.duckdb"
