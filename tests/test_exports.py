"""The package's public face."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import connector
from connector import errors

ERRORS = {
    name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.TcssError)
}


def test_the_export_list_is_true() -> None:
    """Every name in `__all__` is there, and has a docstring where it is code; every error class is among them."""
    for name in connector.__all__:
        value = getattr(connector, name)
        assert isinstance(value, str) or value.__doc__
    assert set(connector.__all__) == {"Settings", "SyncRun", "__version__", "make_views", "sync", "tcss"} | ERRORS


def test_importing_the_package_imports_no_dlt() -> None:
    """Orchestrators import it in every process."""
    code = "import sys, connector; print(sorted({'dlt', 'pyarrow', 'requests', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_python_m_imports_nothing_from_the_working_directory(tmp_path: Path) -> None:
    """Not even what the package imports before its `__main__`, such as `typing`."""
    for name in ("enum", "html", "json", "pathlib", "re", "string", "typing"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not the one that was meant')\n", encoding="utf-8")
    command = [sys.executable, "-m", "connector", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{connector.__version__}\n", "")


@pytest.mark.thorough("connector.sync")
@pytest.mark.parametrize("module", ["connector.sync", "connector.cli.main"])
def test_sync_is_a_function_whatever_is_imported_first(module: str) -> None:
    """A submodule of the same name does not take its place."""
    code = (
        f"import {module}, connector\n"
        "try:\n    connector.sync(in_flght=3)\n"
        "except connector.ConfigurationError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ("in_flght" in done.stdout, done.stderr) == (True, "")
