"""`make bench`: that it runs, and what it counts. Times are never asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, float]]]:
    """What the short form writes, by group, case and name."""
    directory = tmp_path_factory.mktemp("bench")
    # One after the other: how far pages overlap would else depend on which answer comes first, and so would the counts.
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SOURCES__TCSS__IN_FLIGHT": "1"}
    command = [sys.executable, "-m", "tests.benchmarks", "--short"]
    done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, dict[str, float]]] = json.loads((directory / "benchmarks.json").read_text())["figures"]
    return found


@pytest.mark.thorough
def test_a_first_load_asks_for_each_page_once(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """2,000 images are 20 pages; seams, the other order and the account cost a few requests more, and no more."""
    first = figures["2,000 images, no latency, no limit"]["first load"]
    assert (first["images_new"], first["cpu_us_per_image"] > 0, first["peak_mb"] > 0) == (2000, True, True)
    assert 20 <= first["requests"] <= 30


@pytest.mark.thorough
def test_an_unchanged_fleet_writes_no_image(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """Nor is more asked for than at first."""
    cases = figures["2,000 images, no latency, no limit"]
    assert (cases["unchanged"]["images_new"], cases["unchanged"]["images_changed"]) == (0, 0)
    limited = figures["2,000 images, 20 requests/s"]["unchanged"]
    assert (limited["images_unchanged"], limited["images_changed"]) == (2000, 0)
    assert cases["unchanged"]["requests"] <= cases["first load"]["requests"]


@pytest.mark.thorough
def test_an_incremental_run_finds_what_was_scanned(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """All 200 rescans, in fewer requests than a full sweep."""
    cases = figures["2,000 images, no latency, no limit"]
    assert cases["200 rescans, auto"]["images_changed"] == 200
    assert cases["200 rescans, auto"]["requests"] < cases["unchanged"]["requests"]


@pytest.mark.thorough
def test_an_incremental_run_asks_for_little_more_than_what_is_not_scanned(
    figures: dict[str, dict[str, dict[str, float]]],
) -> None:
    """Seven requests more: three for the 200 scans, four that prove their order; and STS, which is another action."""
    case = figures["2,000 images, no latency, no limit"]["200 rescans, auto, nearly all scanned"]
    assert case["images_changed"] == 200
    assert case["requests"] <= 1 + 7 + case["unscanned_pages"]


@pytest.mark.thorough
def test_a_pace_under_the_limit_is_never_refused(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """Alone, at the limit that is known; others cost attempts, and no page is asked for twice otherwise."""
    cases = figures["1,000 images, 20 requests/s"]
    assert cases["latency 0.3 s"]["refused_share"] == 0
    for title in ("limit halved in mid-sweep", "another takes half"):
        answered = cases[title]["requests"] * (1 - cases[title]["refused_share"])
        assert answered == pytest.approx(cases["latency 0.3 s"]["requests"])


@pytest.mark.thorough
def test_what_is_lost_while_the_list_moves(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """By dlt's generic source, and never by us. The oracle finds a loss, so it would find ours."""
    cases = figures["rivals, 1,000 images, the list moves"]
    assert (cases["tcss sync"]["lost"], cases["tcss sync"]["doubled"]) == (0, 0)
    assert cases["tcss sync"]["stayed"] > 900
    assert cases["rivals.rest_source"]["lost"] > 0
