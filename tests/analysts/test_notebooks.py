"""The notebooks, run as scripts, on DuckDB and on PostgreSQL."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from tests import syncing
from tests.warehouses import Place
from tests.world import ACCOUNT_ID

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))


@pytest.fixture
def warehouse(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """200 images, in a warehouse that the environment names."""
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    with Sandbox(Fleet.seeded(200, clock=wall_clock), rate=None) as sandbox:
        syncing.sync(place, sandbox.url)
    monkeypatch.setenv("TCSS_DESTINATION", place.url)
    monkeypatch.setenv("TCSS_DATASET", place.dataset)
    return place


def test_there_are_four() -> None:
    """Named by their order."""
    names = ["01_first_look", "02_posture", "03_trust_the_data", "04_vulnerabilities"]
    assert [path.stem for path in NOTEBOOKS] == names


@pytest.mark.parametrize("place", ["duckdb", "postgresql"], indirect=True)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_as_a_script(notebook: Path, warehouse: Place) -> None:
    """To its end, without a word on stderr."""
    result = subprocess.run([sys.executable, str(notebook)], capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")


QUESTIONS = [
    "What is there?",
    "Which images in use are the riskiest?",
    "Which operating systems do the images run, and how exposed is each?",
    "What has changed in the last 24 hours?",
]


VULNERABILITIES = {
    "Of how many images are the vulnerabilities known?": (
        "select account_id, state, images from {data}.detail_coverage where aspect = 'vulnerabilities'"
    ),
    "What is exploitable and running?": (
        "select vul_id, severity, component from {data}.where_vulnerable "
        "where has_exploit = true or is_known_exploited = true or is_emergency = true group by 1, 2, 3, fixed_versions"
    ),
    "Which running images have {wanted}?": (
        "select image_name, component, version from {data}.current_findings "
        "where vul_id = '{wanted}' and container_cnt > 0"
    ),
    "Where does it run?": (
        "select host_name, host_ip, cluster_name from {data}.where_vulnerable where vul_id = '{wanted}'"
    ),
    "Which upgrade removes most?": "select upgrade_rank, component, version from {data}.upgrades",
    "How long does a repository take to fix?": (
        "select image_repository, severity, still_open from {data}.time_to_fix"
    ),
}


def _printed(text: str) -> dict[str, list[list[str]]]:
    """The rows below each question, without the head."""
    found: dict[str, list[list[str]]] = {}
    question = ""
    for line in text.splitlines():
        if line.startswith("│"):
            found[question].append([cell.strip() for cell in line.strip("│").split("┆")])
        elif line.endswith("?"):
            found[question := line] = []
    return {question: rows[1:] for question, rows in found.items()}


@pytest.mark.parametrize("place", ["duckdb", "postgresql"], indirect=True)
def test_the_first_look_prints_its_answers(warehouse: Place) -> None:
    """Whoever runs the file as a script sees each question and its whole answer."""
    result = subprocess.run(
        [sys.executable, str(NOTEBOOKS[0])], capture_output=True, text=True, timeout=120, check=True
    )
    found = _printed(result.stdout)
    assert list(found) == QUESTIONS
    systems = (
        "select coalesce(os_family, 'unknown'), cast(sum(images) as int), cast(sum(critical_level_vul_cnt) as int) "
        "from {data}.os_exposure group by 1"
    )
    assert sorted(row[:3] for row in found[QUESTIONS[2]]) == sorted(
        [str(value) for value in row] for row in warehouse.sql(systems)
    )
    assert [row[0] for row in found[QUESTIONS[1]] if row[0]] == [str(rank) for rank in range(1, 11)]
    assert found[QUESTIONS[3]] == []  # on its first day, an account has no changes yet


@pytest.mark.parametrize("place", ["duckdb", "postgresql"], indirect=True)
def test_the_vulnerabilities_are_printed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question with rows that SQL gives too, and as many: all, or the first 10 or 20 as the question says."""
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    with Sandbox(Fleet.seeded(60, clock=wall_clock), rate=None) as sandbox:
        syncing.sync(place, sandbox.url, detail=["vulnerabilities", "running"])
    monkeypatch.setenv("TCSS_DESTINATION", place.url)
    monkeypatch.setenv("TCSS_DATASET", place.dataset)
    command = [sys.executable, str(NOTEBOOKS[3])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = _whole(run.stdout)
    wanted = found["What is exploitable and running?"][0][0]
    assert list(found) == [question.replace("{wanted}", wanted) for question in VULNERABILITIES]
    most = {"What is exploitable and running?": 10, "Where does it run?": 20, "Which upgrade removes most?": 10}
    for question, query in VULNERABILITIES.items():
        rows = found[question.replace("{wanted}", wanted)]
        expected = place.sql(query.replace("{wanted}", wanted))
        texts = [[_text(value) for value in row] for row in expected]
        assert {tuple(row[:3]) for row in rows} <= {tuple(row) for row in texts}, question
        if question != "How long does a repository take to fix?":  # of two severities
            assert len(rows) == min(len(expected), most.get(question, len(expected))), question
        assert rows, question


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


def _whole(text: str) -> dict[str, list[list[str]]]:
    """As `_printed`, with cells of several lines put together again."""
    found: dict[str, list[list[str]]] = {}
    for question, rows in _printed(text).items():
        whole: list[list[str]] = []
        for row in rows:
            if row[-1] or not whole:
                whole.append(row)
            else:
                whole[-1] = [old + more for old, more in zip(whole[-1], row, strict=True)]
        found[question] = whole
    return found


def test_the_vulnerabilities_need_details(warehouse: Place) -> None:
    """Where there are none, the notebook says what to run."""
    command = [sys.executable, str(NOTEBOOKS[3])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "run `tcss sync --detail vulnerabilities --detail running`" in run.stdout


def test_the_first_look_needs_no_warehouse(tmp_path: Path) -> None:
    """It syncs from a sandbox where none is named, and says nothing of that."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TCSS_")}
    command = [sys.executable, str(NOTEBOOKS[0])]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path, env=environ)
    assert run.returncode == 0, run.stderr
    assert list(_printed(run.stdout)) == QUESTIONS


@pytest.mark.parametrize("place", ["duckdb", "postgresql"], indirect=True)
def test_its_answers_are_those_of_sql(warehouse: Place) -> None:
    """What the cells of SQL found, beside SQL run past them."""
    found = _defined(NOTEBOOKS[0])
    worst = "select image_name from {data}.images_at_risk order by risk_rank, image_id limit 10"
    assert [row[0] for row in warehouse.sql(worst)] == found["riskiest"]["image_name"].to_list()
    assert int(found["systems"]["images"].sum()) == warehouse.sql("select count(*) from {data}.images")[0][0]
    runs = _defined(NOTEBOOKS[2])["runs"]
    assert runs["verdict"].to_list() == ["complete"]
    # The least risky image is the riskiest of another account, and none of the fleet's ten riskiest.
    last = "select image_id from {data}.images_at_risk order by risk_rank desc, image_id desc limit 1"
    ((image_id,),) = warehouse.sql(last)
    warehouse.sql(f"update {{data}}.images set account_id = 'other' where image_id = '{image_id}'")
    assert set(_defined(NOTEBOOKS[0])["riskiest"]["account_id"]) == {ACCOUNT_ID}


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
@pytest.mark.parametrize("notebook", [NOTEBOOKS[0], NOTEBOOKS[2]], ids=lambda path: path.stem)
def test_it_keeps_a_sync_out_as_it_says(notebook: Path, warehouse: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its file is open a sync ends with 6, and afterwards it goes on."""
    assert "(exit code 6;" in notebook.read_text(encoding="utf-8")
    for name, value in {"TENCENTCLOUD_SECRET_ID": DEFAULT_ID, "TENCENTCLOUD_SECRET_KEY": DEFAULT_KEY}.items():
        monkeypatch.setenv(name, value)
    with Sandbox(Fleet.seeded(200, clock=wall_clock), rate=None) as sandbox:
        command = [sys.executable, "-m", "connector", "sync", "--endpoint", sandbox.url]
        _, names = runpy.run_path(str(notebook))["app"].run()
        beside = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        names["warehouse"].close()
        after = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (beside.returncode, after.returncode) == (6, 0), beside.stderr + after.stderr
    assert "Conflicting lock" in beside.stderr


def _defined(notebook: Path) -> dict[str, Any]:
    _, names = runpy.run_path(str(notebook))["app"].run()
    warehouse = names.get("warehouse")
    if hasattr(warehouse, "close"):
        warehouse.close()
    return dict(names)
