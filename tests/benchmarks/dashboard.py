"""Measures how long the dashboard takes to open, and to answer each filter, in a browser (`make bench-dashboard`).

The warehouse is DuckDB with 100,000 images and two years of history; every image is scanned each month. An answer is
complete when every section shows the SQL that it ran, with the filter's value. `--short` runs once on a small fleet.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.analysts import browsing
from tests.analysts.invented import invent
from tests.benchmarks.measuring import medians

RESULT = Path("dashboard.json")
OPENS, ANSWERS = 3.0, 1.0  # seconds: the targets
# By the filter's label: the chosen value, by a part of its text, and that value in SQL.
FILTERS = {
    "Account": ("100000000001", "'100000000001'"),
    "Registry": ("registry.example.com", "'registry.example.com'"),
    "OS": ("debian", "'debian'"),
    "Images": ("in use", "'yes'"),
}
SECTIONS = ("fleet", "trend", "risk", "unscanned", "systems", "coverage", "failures", "stale")
ANSWERED = f"""value => {json.dumps(SECTIONS)}.every(
    name => (document.querySelector(`#${{name}} pre`)?.textContent ?? "").includes(value))"""
OPEN = f"""() => {json.dumps(SECTIONS)}.every(name => document.querySelector(`#${{name}} pre`))
    && document.querySelector("#history tbody tr")"""


def measure(*, short: bool) -> dict[str, Any]:
    """Return seconds by event, and facts about the measurement."""
    images, days, rounds = (300, 90, 1) if short else (100_000, 730, 3)
    with tempfile.TemporaryDirectory(prefix="tcss_bench_") as directory:
        file = Path(directory) / "warehouse.duckdb"
        versions = invent(file, images, days=days, every=31)
        with browsing.dashboard(f"duckdb:///{file}") as url, browsing.chromium() as browser:
            browser.new_page().close()  # so that the browser already runs
            first = _visit(browser, url)
            seconds = medians(rounds, lambda: _visit(browser, url))
    facts = {"images": images, "versions": versions, "cores": os.cpu_count(), "load": os.getloadavg()}
    return {**facts, "open, for the first time": first["open"], **seconds}


def _visit(browser: Any, url: str) -> dict[str, float]:
    """Open the page in a browser without a cache, and set each filter by itself. The requests are not watched, because
    watching takes time."""
    found: dict[str, float] = {}
    with closing(browser.new_context(viewport={"width": 1280, "height": 900})) as context:
        page = context.new_page()
        with _timed(found, "open"):
            page.goto(url)
            page.wait_for_function(OPEN, timeout=120_000)
        for label, (text, value) in FILTERS.items():
            select = page.get_by_label(label, exact=True)
            options = select.locator("option").all_text_contents()
            wanted = next(option for option in options if text in option and "not" not in option)
            with _timed(found, label):
                select.select_option(label=wanted)
                page.wait_for_function(ANSWERED, arg=value, timeout=120_000)
            select.select_option(label="all")
            page.wait_for_function(f"value => !({ANSWERED})(value)", arg=value)
    return found


@contextmanager
def _timed(found: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    found[name] = time.perf_counter() - started


def main(say: Callable[[str], None] = print) -> None:
    """Measure, print, and write dashboard.json."""
    found = measure(short="--short" in sys.argv)
    RESULT.write_text(json.dumps(found, indent=1), encoding="utf-8")
    load = found["load"][0]
    say(f"{found['images']:,} images, {found['versions']:,} versions; {found['cores']} cores, load {load:.1f}")
    for name in ("open, for the first time", "open", *FILTERS):
        target = OPENS if name.startswith("open") else ANSWERS
        say(f"{name:26} {found[name]:6.2f} s of {target:.0f} s")


if __name__ == "__main__":
    main()
