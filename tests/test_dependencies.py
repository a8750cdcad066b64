"""What is imported is declared, what is installed is pinned with its hashes, and no bound admits a known hole."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.tools import ROOT, UV

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = {
    name: [Requirement(text) for text in texts]
    for name, texts in {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items()
}
NAMES = {"airflow": "apache-airflow"}  # of distributions, where the module is called otherwise
EXTRAS = {"airflow": "airflow", "dagster": "dagster", "posture": "notebooks", "warehouse": "mysql"}  # by wing
OPTIONAL = {"kubernetes"}  # an example DAG's, which Airflow's provider brings
HASHED = re.compile(r"(?m)^([a-z0-9._-]+)==(\S+?)(?: ; .*?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)")
FILES = sorted((ROOT / "constraints").glob("*.txt"))
FIRST_WITHOUT_A_KNOWN_HOLE = {
    "duckdb": "1.4.2",
    "filelock": "3.20.3",
    "jinja2": "3.1.6",
    "marimo": "0.23",
    "orjson": "3.11.6",
    "pyarrow": "23.0.1",
    "pydantic": "2.4",
    "pymysql": "1.1.1",
    "requests": "2.33",
    "snowflake-connector-python": "3.13.1",
    "urllib3": "2.7",
}
"""Of the advisories that were public when the bounds were chosen; `make audit` asks for later ones."""


def modules_of(wing: str) -> set[str]:
    """The top-level modules of others that a part of `connector` imports."""
    path = ROOT / "connector" / wing
    found: set[str] = set()
    for file in path.rglob("*.py") if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - {"connector"} - sys.stdlib_module_names


WINGS = sorted(path.name for path in (ROOT / "connector").iterdir() if path.is_dir() or path.suffix == ".py")


@pytest.mark.parametrize("wing", WINGS)
def test_what_is_imported_is_declared(wing: str) -> None:
    """By the project itself or by the extra that the wing needs, and not only by another package."""
    declared = {canonicalize_name(r.name) for r in [*REQUIREMENTS[""], *REQUIREMENTS.get(EXTRAS.get(wing, ""), [])]}
    of_module = packages_distributions()
    for module in modules_of(wing) - OPTIONAL:
        names = {NAMES.get(module, module), *of_module.get(module, [])}
        assert declared & {canonicalize_name(name) for name in names}, module


@pytest.mark.parametrize("name", FIRST_WITHOUT_A_KNOWN_HOLE)
def test_the_lowest_version_has_no_known_hole(name: str) -> None:
    """In each place that asks for it."""
    bounds = [r for group in REQUIREMENTS.values() for r in group if canonicalize_name(r.name) == name]
    assert bounds
    for requirement in bounds:
        (lowest,) = (spec.version for spec in requirement.specifier if spec.operator == ">=")
        assert Version(lowest) >= Version(FIRST_WITHOUT_A_KNOWN_HOLE[name])


@pytest.mark.parametrize("requirement", [r for group in REQUIREMENTS.values() for r in group], ids=str)
def test_each_requirement_has_a_lowest_version(requirement: Requirement) -> None:
    """Without one, any old hole is let in."""
    assert [spec for spec in requirement.specifier if spec.operator == ">="]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_pin_has_hashes_and_names_no_index(file: Path) -> None:
    """So that uv installs what was pinned, and nothing else of that version."""
    text = file.read_text(encoding="utf-8")
    pins = re.findall(r"(?m)^[a-z0-9._-]+==", text)
    assert len(HASHED.findall(text)) == len(pins) > 0
    assert not re.search(r"https?://|file:", text)


def test_what_is_installed_here_is_pinned() -> None:
    """Each package of this environment, in the version of the constraints."""
    text = (ROOT / "constraints" / "default.txt").read_text(encoding="utf-8")
    pinned = {(name, version) for name, version, _ in HASHED.findall(text)}
    here = {(canonicalize_name(d.name), d.version) for d in distributions()} - {("tcss-connector", PROJECT["version"])}
    assert here <= pinned


def test_uv_refuses_another_file_of_a_pinned_version(tmp_path: Path) -> None:
    """By the hashes of the constraints, also for what only the build needs."""
    other = tmp_path / "other.txt"
    other.write_text(f"editables==0.5 \\\n    --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["editables"]\nbuild-backend = "x"\n[project]\nname = "x"\nversion = "1"\n'
    )
    for command in (["-c", str(other), "editables"], ["-b", str(other), str(project)]):
        target = ["--target", str(tmp_path / "target"), "--no-cache"]
        done = subprocess.run([UV, "pip", "install", *target, *command], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "Hash mismatch" in done.stderr


def test_the_makefile_pins_uv() -> None:
    """In the version whose hashes are there."""
    pinned = re.search(r"(?m)^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert pinned
    (found,) = HASHED.findall((ROOT / "constraints" / "uv.txt").read_text(encoding="utf-8"))
    assert found[:2] == ("uv", pinned[1])
