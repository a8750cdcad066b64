"""What is generated from the code is as the code says, in the checkout and in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.tools import ROOT, UV


def test_generated_files_are_up_to_date() -> None:
    """`make schemas` would change nothing; in a new process, since a dlt pipeline that ran changes later schemas."""
    command = [sys.executable, "-m", "tests.generate", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release would be."""
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [UV, "build", "-q", "--wheel", "--out-dir", str(target), str(ROOT)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return next(target.glob("*.whl"))


def test_the_wheel_has_code_schemas_and_licence_and_no_tests(wheel: Path) -> None:
    """Only what users need, generated files and templates included."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"connector", "tcss_connector-0.1.0.dist-info"}
    assert {"connector/_schemas/README.md", "connector/_schemas/tcss.schema.yaml", "connector/py.typed"} <= set(names)
    assert "tcss_connector-0.1.0.dist-info/licenses/LICENSE" in names
    directory = "connector/posture/templates"
    templates = {name for name in names if name.startswith(directory)}
    assert {f"{directory}/style.css", f"{directory}/report.html.jinja", f"{directory}/parts.html.jinja"} <= templates
    assert templates == {f"{directory}/{file.name}" for file in (ROOT / directory).iterdir()}


@pytest.mark.thorough
def test_the_installed_wheel_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    """Installed elsewhere with what it asks for, far from the checkout, `tcss demo` does the main job."""
    environment = tmp_path / "venv"
    pins = ["-c", str(ROOT / "constraints" / "default.txt")]
    for command in (
        [UV, "venv", "-q", "--python", sys.executable, str(environment)],
        [UV, "pip", "install", "-q", "-p", str(environment), *pins, str(wheel)],
        [str(environment / "bin" / "tcss"), "demo", "--images", "300"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "Can I trust it?" in done.stdout
