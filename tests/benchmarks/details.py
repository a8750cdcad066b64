"""`python -m tests.benchmarks.details`: what the details of a fleet cost, beside the vendor's SDK in a loop.

CPU is that of the syncing process alone, and what a sync without details takes is subtracted. `bound` is how many
requests an image may take: 1.03 x (1.02 + rows / 100).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from tests.benchmarks.measuring import TCSS, Usage, run, sandbox

IMAGES = 2_000


def sync(url: str, directory: Path, *details: str) -> tuple[Usage, dict[str, Any]]:
    destination = f"duckdb:///{directory}/warehouse.duckdb"
    options = [option for detail in details for option in ("--detail", detail)]
    command = [*TCSS, "sync", "--json", "--endpoint", url, "--destination", destination, "--mode", "full", *options]
    usage = run(command, SOURCES__TCSS__REQUESTS_PER_SECOND="100000", SOURCES__TCSS__DETAIL_PATIENCE="100000")
    return usage, json.loads(usage.output)


def first_load(images: int) -> dict[str, float]:
    """A first load of the aspect vulnerabilities, and the next run, in which nothing is due."""
    with sandbox(images) as server, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        without, _ = sync(server.url, directory)
        first, row = sync(server.url, directory, "vulnerabilities")
        again, second = sync(server.url, directory, "vulnerabilities")
        with duckdb.connect(f"{directory}/warehouse.duckdb") as warehouse:
            findings = warehouse.execute("SELECT count(*) FROM tcss.image_vulnerabilities").fetchall()[0][0]
            requests, bound = warehouse.execute(
                "SELECT sum(requests), sum(1.03 * (1.02 + rows_listed / 100)) FROM tcss.image_reads"
            ).fetchall()[0]
    (details,) = row["details"]
    (quiet,) = second["details"]
    return {
        "images_read": details["images_read"],
        "findings": findings,
        "cpu_us_per_finding": round((first.cpu - without.cpu) / findings * 1e6, 2),
        "peak_mb": round(first.memory),
        "requests": requests,
        "share_of_bound": round(requests / bound, 3),
        "opened_again": quiet["opened"],
        "cpu_s_quiet": round(again.cpu - without.cpu, 2),
        "wall_s": round(first.wall, 1),
    }


if __name__ == "__main__":
    print(json.dumps(first_load(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES), indent=2))  # noqa: T201
