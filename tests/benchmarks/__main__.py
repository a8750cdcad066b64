"""`make bench`: whole runs of `tcss`, each in a process of its own, against the sandbox in another.

Wall and CPU seconds and peak memory are of the `tcss` process, medians of `ROUNDS`. Figures depend on the machine,
so each stands beside what it is to be compared with: the time that the API's limit allows, or the sweep alone.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROUNDS = int(os.environ.get("TCSS_BENCH_ROUNDS", "3"))
RESULT = Path("benchmarks.json")
TCSS = (sys.executable, "-m", "connector")


@dataclass(frozen=True)
class Usage:
    """One process: wall and CPU in seconds, peak memory in MB, and what it printed."""

    wall: float
    cpu: float
    memory: float
    output: str


@contextmanager
def sandbox(images: int, *, rate: int, latency: float) -> Iterator[str]:
    """The URL of a sandbox in a process of its own, which ends with the block."""
    options = ["--images", str(images), "--rate", str(rate), "--latency", str(latency)]
    with subprocess.Popen([*TCSS, "sandbox", *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        yield server.stdout.readline().strip().partition("TCSS_ENDPOINT=")[2]
        server.terminate()


def run(arguments: Sequence[str], **environ: str) -> Usage:
    """Runs `tcss` with arguments, and measures it."""
    keys = {"TENCENTCLOUD_SECRET_ID": "AKIDEXAMPLE", "TENCENTCLOUD_SECRET_KEY": "SECRETEXAMPLE"}
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([*TCSS, *arguments], stdout=output, env={**os.environ, **keys, **environ})
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode not in (0, 5):
        raise RuntimeError(f"tcss {arguments} ended with {process.returncode}")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, printed)


def syncs(url: str, directory: Path, *modes: str, rate: float) -> list[tuple[Usage, dict[str, Any]]]:
    """Successive syncs into one new warehouse, with the row that each printed."""
    results = []
    for mode in modes:
        arguments = ["sync", "--json", "--endpoint", url, "--destination", f"duckdb:///{directory}/warehouse.duckdb"]
        usage = run([*arguments, "--mode", mode], SOURCES__TCSS__REQUESTS_PER_SECOND=str(rate))
        results.append((usage, json.loads(usage.output)))
    return results


def measure(images: int, *, rate: int, latency: float, modes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Medians for each mode, in order, of `ROUNDS` new warehouses."""
    found: dict[str, list[tuple[Usage, dict[str, Any]]]] = {}
    with sandbox(images, rate=rate, latency=latency) as url:
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as directory:
                done = syncs(url, Path(directory), *modes, rate=rate or 1e6)
            for number, (mode, result) in enumerate(zip(modes, done, strict=True), start=1):
                found.setdefault(f"{number}. {mode}", []).append(result)
    return {name: _medians(results, images, rate) for name, results in found.items()}


def _medians(results: list[tuple[Usage, dict[str, Any]]], images: int, rate: int) -> dict[str, float]:
    usages, rows = zip(*results, strict=True)
    wall = statistics.median(usage.wall for usage in usages)
    cpu = statistics.median(usage.cpu for usage in usages)
    medians = {
        "wall_s": wall,
        "cpu_s": cpu,
        "cpu_us_per_image": cpu / images * 1e6,
        "peak_mb": statistics.median(usage.memory for usage in usages),
        "images_per_s": images / wall,
        "requests": statistics.median(row["requests"] for row in rows),
        "refused": statistics.median(row["throttled"] for row in rows),
        "complete": float(all(row["verdict"] == "complete" for row in rows)),
    }
    return medians | ({"floor_s": images / 100 / rate} if rate else {})


def main() -> None:
    """Measures, prints, and writes benchmarks.json."""
    figures = {
        "20,000 images, 300 ms, 20 requests/s": measure(20_000, rate=20, latency=0.3, modes=["full", "auto"]),
        "200,000 images, no latency, no limit": measure(200_000, rate=0, latency=0.0, modes=["full", "full", "auto"]),
        "tcss --help": {"": {"cpu_s": statistics.median(run(["--help"]).cpu for _ in range(ROUNDS))}},
    }
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "rounds": ROUNDS,
        **{name: version(name) for name in ("dlt", "duckdb", "pyarrow", "sqlalchemy")},
    }
    RESULT.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1), encoding="utf-8")
    for title, runs in figures.items():
        for name, values in runs.items():
            shown = ", ".join(f"{key} {value:,.2f}".rstrip("0").rstrip(".") for key, value in values.items())
            print(f"{title} | {name} | {shown}")  # noqa: T201
    print(machine)  # noqa: T201


if __name__ == "__main__":
    main()
