"""What is generated from the code is as the code says, in the checkout and in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_generated_files_are_up_to_date() -> None:
    """`make schemas` would change nothing; in a new process, since a dlt pipeline that ran changes later schemas."""
    command = [sys.executable, "-m", "tests.generate", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release would be."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--installer", "uv", "--outdir", str(target), str(ROOT)]
    path = ROOT / ".uv" / "bin"
    done = subprocess.run(
        command, capture_output=True, text=True, env={**__import__("os").environ, "PATH": f"{path}:{_path()}"}
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return next(target.glob("*.whl"))


def _path() -> str:
    import os

    return os.environ["PATH"]


def test_the_wheel_has_code_schemas_and_licence_and_no_tests(wheel: Path) -> None:
    """Only what users need, generated files included."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"connector", "tcss_connector-0.1.0.dist-info"}
    assert {"connector/_schemas/README.md", "connector/_schemas/tcss.schema.yaml", "connector/py.typed"} <= set(names)
    assert "tcss_connector-0.1.0.dist-info/licenses/LICENSE" in names


def test_the_installed_wheel_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    """The code of the wheel alone, without the checkout, does the main job."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    # The environment's dependencies, but this package from the wheel.
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import connector; "
        f"assert connector.__file__.startswith({str(tmp_path)!r}); "
        "sys.argv = ['tcss', 'demo', '--images', '300']; from connector.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Can I trust it?" in done.stdout
