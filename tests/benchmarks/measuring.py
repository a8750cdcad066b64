"""Gives every benchmark processes measured from outside, a sandbox in its own process, and medians of rounds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY

RIVALS = Path(".venv-rivals/bin/python")  # made by `make bench`, because pandas beside us would change our figures
TCSS = (sys.executable, "-m", "connector")
ACTION = "DescribeAssetImageList"
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "SOURCES__TCSS__METADATA": "false"}
KEYS = {"TENCENTCLOUD_SECRET_ID": DEFAULT_ID, "TENCENTCLOUD_SECRET_KEY": DEFAULT_KEY}


@dataclass(frozen=True)
class Usage:
    """Holds one ended process: wall and CPU in seconds, peak memory in MB, its output."""

    wall: float
    cpu: float
    memory: float
    output: str


def run(command: Sequence[str], **environ: str) -> Usage:
    """Run a command to its end, and measure it. RuntimeError unless the command ends with 0 or 5."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, env={**os.environ, **KEYS, **QUIET, **environ})
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode not in (0, 5):
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, printed)


@dataclass(frozen=True)
class Server:
    """Controls a sandbox in a process of its own."""

    url: str
    pid: int

    def cpu(self) -> float:
        """Return the CPU seconds of its threads so far, to the nanosecond: twenty pages take less than a tick."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(f"{self.url}/-/{path}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def truth(self) -> Iterator[dict[str, Any]]:
        """Yield the items that are listed now."""
        with urllib.request.urlopen(f"{self.url}/-/truth") as answer:
            yield from map(json.loads, answer)

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/-/stats") as answer:
            stats: dict[str, Any] = json.load(answer)
            return stats


@contextmanager
def sandbox(images: int, *, rate: int = 0, latency: float = 0.0) -> Iterator[Server]:
    """Yield a sandbox that ends with the block. `rate` in requests per second (0: any), `latency` in seconds."""
    options = ["--images", str(images), "--rate", str(rate), "--latency", str(latency)]
    with subprocess.Popen([*TCSS, "sandbox", *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield Server(server.stdout.readline().strip().partition("TCSS_ENDPOINT=")[2], server.pid)
        finally:
            server.terminate()


def sync(url: str, directory: Path, mode: str = "full", *, rate: float = 1e6, **settings: str) -> tuple[Usage, Any]:
    """Run `tcss sync` into the directory's warehouse, and return the usage and the printed row."""
    destination = f"duckdb:///{directory}/warehouse.duckdb"
    command = [*TCSS, "sync", "--json", "--endpoint", url, "--destination", destination, "--mode", mode]
    usage = run(command, SOURCES__TCSS__REQUESTS_PER_SECOND=str(rate), **settings)
    row = json.loads(usage.output)
    if row["verdict"] != "complete":
        raise RuntimeError(f"{row['verdict']}: {row['verdict_reason']}")
    return usage, row


def medians(rounds: int, measure: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure over several rounds."""
    found = [measure() for _ in range(rounds)]
    return {name: statistics.median(figures[name] for figures in found) for name in found[0]}
