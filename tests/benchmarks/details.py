"""Measures what the details of a fleet cost, beside the vendor's SDK in a loop.

Run it as `python -m tests.benchmarks.details [IMAGES]`. CPU is that of the syncing process, less the CPU of a sync
without details. `share_of_bound` compares the requests with 1.03 x (1.02 + rows / 100) per image. For the rival and
for us, the server's equal rows change places between two answers: `lost` are rows of the API that the table lacks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from connector.sandbox import Fleet, Quirks, Sandbox, wall_clock
from tests.benchmarks.measuring import RIVALS, TCSS, Usage, run
from tests.detail.truth import listed

IMAGES = 2_000
ROWS = "SELECT image_id, cve, name, component, version FROM findings"
SERVE = "from tests.benchmarks.details import serve; import sys; serve(int(sys.argv[1]), sys.argv[2])"


def serve(images: int, ties: str) -> None:
    """Run a sandbox in a process of its own, until its standard input ends."""
    quirks = Quirks(detail_ties=ties)  # type: ignore[arg-type]
    with Sandbox(Fleet.seeded(images, clock=wall_clock), rate=None, quirks=quirks) as sandbox:
        print(sandbox.url, flush=True)  # noqa: T201
        sys.stdin.read()


@contextmanager
def served(images: int, ties: str = "stable") -> Iterator[str]:
    command = [sys.executable, "-c", SERVE, str(images), ties]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


def sync(url: str, directory: Path, *details: str) -> tuple[Usage, dict[str, Any]]:
    destination = f"duckdb:///{directory}/warehouse.duckdb"
    options = [option for detail in details for option in ("--detail", detail)]
    command = [*TCSS, "sync", "--json", "--endpoint", url, "--destination", destination, "--mode", "full", *options]
    usage = run(command, SOURCES__TCSS__REQUESTS_PER_SECOND="100000", SOURCES__TCSS__DETAIL_PATIENCE="100000")
    return usage, json.loads(usage.output)


def first_load(images: int) -> dict[str, float]:
    """Measure a first load of the aspect vulnerabilities, and the next run, in which nothing is due."""
    with served(images) as url, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        sync(url, directory)
        without, _ = sync(url, directory)
        first, row = sync(url, directory, "vulnerabilities")
        again, second = sync(url, directory, "vulnerabilities")
        with duckdb.connect(f"{directory}/warehouse.duckdb") as warehouse:
            findings = warehouse.execute("SELECT count(*) FROM tcss.image_vulnerabilities").fetchall()[0][0]
            requests, bound = warehouse.execute(
                "SELECT sum(requests), sum(1.03 * (1.02 + rows_listed / 100)) FROM tcss.image_reads"
            ).fetchall()[0]
    (details,), (quiet,) = row["details"], second["details"]
    return {
        "images_read": details["images_read"],
        "findings": findings,
        "cpu_us_per_finding": round((first.cpu - without.cpu) / findings * 1e6, 2),
        "peak_mb": round(first.memory),
        "requests": requests,
        "share_of_bound": round(requests / bound, 3),
        "written_again": quiet["opened"] + quiet["closed"],
        "cpu_s_quiet": round(again.cpu - without.cpu, 2),
        "wall_s": round(first.wall, 1),
    }


def rival(images: int) -> dict[str, float]:
    """Compare the SDK's loop and ours against a server that permutes equal rows."""
    fleet = Fleet.seeded(images, clock=wall_clock)
    truth = _truth(fleet)
    with served(images, "permuted") as url, tempfile.TemporaryDirectory() as name:
        file = f"{name}/rival.duckdb"
        usage = run([str(RIVALS), "-m", "tests.benchmarks.rivals.sdk_details", url, file], PYTHONPATH=str(Path.cwd()))
        ours, row = sync(url, Path(name), "vulnerabilities")
        with duckdb.connect(file) as connection:
            found = Counter(
                connection.execute("SELECT image_id, cve, name, component, version FROM findings").fetchall()
            )
    (details,) = row["details"]
    return {
        "findings": truth.total(),
        "rival_lost": (truth - found).total(),
        "rival_doubled": (found - truth).total(),
        "rival_cpu_us_per_finding": round(usage.cpu / truth.total() * 1e6, 2),
        "rival_peak_mb": round(usage.memory),
        "ours_unproven_images": details["images_unproven"],
        "ours_cpu_us_per_finding": round(ours.cpu / truth.total() * 1e6, 2),
        "ours_peak_mb": round(ours.memory),
    }


def _truth(fleet: Fleet) -> Counter[tuple[str, ...]]:
    from connector.sandbox import LocalServer

    server = LocalServer(fleet)
    return Counter(
        (image_id, row["CVEID"], row["Name"], row["Component"], row["Version"])
        for image_id, item in fleet.truth().items()
        if item["ScanStatus"] == "SCANNED"
        for row in listed(server, image_id)
    )


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    print(json.dumps({"first_load": first_load(size), "rival": rival(size)}, indent=2))  # noqa: T201
