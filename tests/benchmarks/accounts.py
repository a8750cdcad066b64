"""Measures `tcss sync --all-accounts`: accounts beside each other, and one after the other.

Run it as `python -m tests.benchmarks.accounts [ACCOUNTS [IMAGES]]`. By default, 50 accounts of 2,000 images are loaded
into DuckDB and PostgreSQL, with 300 ms and 20 requests a second for each. The wall of "beside each other, no limit" is
the floor: what the machine can compute. `memory_mb` is the most memory of the command and its processes at one time
(PSS: shared pages count once).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import Account
from tests.benchmarks.measuring import QUIET, TCSS
from tests.warehouses import Place, place

LIMIT, LATENCY = 20, 0.3
SERVE = "from tests.benchmarks.accounts import serve; import sys; serve(*map(float, sys.argv[1:]))"
Figures = dict[str, float]


def serve(accounts: float, images: float, rate: float, latency: float) -> None:
    """Run a sandbox of several accounts in a process of its own, until its standard input ends."""
    served = [
        Account(Fleet.seeded(int(images), seed=number, clock=wall_clock), *_keys(number), str(100_000_000_000 + number))
        for number in range(int(accounts))
    ]
    with Sandbox(served[0].fleet, rate=int(rate) or None, latency=latency, accounts=served) as sandbox:
        print(sandbox.url, flush=True)  # noqa: T201
        sys.stdin.read()


def _keys(number: int) -> tuple[str, str]:
    return f"AKID{number}EXAMPLE", f"SECRET{number}EXAMPLE"


@contextmanager
def sandbox(accounts: int, images: int, *, rate: int, latency: float) -> Iterator[str]:
    command = [sys.executable, "-c", SERVE, *map(str, (accounts, images, rate, latency))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


@dataclass
class Ended:
    """Holds an ended command: wall and CPU in seconds, memory in MB, and the line of each account with its moment."""

    wall: float
    cpu: float
    memory: float
    lines: list[tuple[float, dict[str, Any]]]

    def figures(self) -> Figures:
        rows = [line for _, line in self.lines]
        if {row["verdict"] for row in rows} != {"complete"}:
            raise RuntimeError([row for row in rows if row["verdict"] != "complete"])
        refused = sum(row["throttled"] for row in rows) / sum(row["requests"] for row in rows)
        return {"wall_s": self.wall, "cpu_s": self.cpu, "memory_mb": self.memory, "refused_share": refused}


def sync(made: Place, directory: Path, sections: str, *options: str) -> Ended:
    """Run `tcss sync --all-accounts` for the accounts of these sections, and measure all its processes."""
    (directory / ".dlt").mkdir(exist_ok=True)
    (directory / ".dlt" / "secrets.toml").write_text(sections, encoding="utf-8")
    where = ("--destination", made.url, "--dataset", made.dataset)
    command = [*TCSS, "sync", "--all-accounts", "--json", *where, *options]
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(Path.cwd())}
    started, memory, lines = time.perf_counter(), 0.0, []
    with (directory / "stderr").open("w") as errors, (directory / "stdout").open("w+") as output:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=errors)
        with (directory / "stdout").open() as printed:
            while True:
                ended, status, used = os.wait4(process.pid, os.WNOHANG)
                lines += [(time.perf_counter() - started, json.loads(line)) for line in printed]
                if ended:
                    break
                memory = max(memory, sum(map(_memory, _with_children(process.pid))))
                time.sleep(0.1)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Ended(time.perf_counter() - started, used.ru_utime + used.ru_stime, memory, lines)


def _with_children(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


def _memory(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # the process has ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def sections(accounts: int, url: str) -> str:
    """Return the configuration of the sandbox's accounts."""
    texts = (
        f'[sources.tcss.accounts.a{number:03}]\nendpoint = "{url}"\n'
        f"[sources.tcss.accounts.a{number:03}.credentials]\n"
        'secret_id = "{}"\nsecret_key = "{}"\n'.format(*_keys(number))
        for number in range(accounts)
    )
    return "".join(texts)


def together(kind: str, accounts: int, images: int) -> Iterator[tuple[str, Figures]]:
    """Yield the figures of one account, of all beside each other, and of all one after the other."""
    cases = (
        ("one account", 1, (LIMIT, LATENCY), ()),
        ("beside each other, no limit", accounts, (0, 0.0), ()),
        ("beside each other", accounts, (LIMIT, LATENCY), ()),
        ("unchanged, beside each other", accounts, (LIMIT, LATENCY), ()),
        ("one after the other", accounts, (LIMIT, LATENCY), ("--jobs", "1")),
    )
    for name, number, (rate, latency), options in cases:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            made = stack.enter_context(place(kind, directory))
            url = stack.enter_context(sandbox(number, images, rate=rate, latency=latency))
            ended = sync(made, directory, sections(number, url), *options)
            if name.startswith("unchanged"):
                ended = sync(made, directory, sections(number, url), *options)
            yield name, ended.figures()


def faults(images: int) -> Figures:
    """Measure eight accounts of which one hangs and one is refused: when the last of the other six had ended."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = stack.enter_context(place("duckdb", directory))
        url = stack.enter_context(sandbox(8, images, rate=LIMIT, latency=LATENCY))
        silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        text = sections(8, url).replace(_keys(3)[1], "SECRETWRONGEXAMPLE")
        hanging = (
            f'[sources.tcss.accounts.a000]\nendpoint = "http://127.0.0.1:{silent.getsockname()[1]}"\npatience = 60\n'
        )
        ended = sync(made, directory, text.replace(f'[sources.tcss.accounts.a000]\nendpoint = "{url}"\n', hanging))
    complete = [at for at, line in ended.lines if line["verdict"] == "complete"]
    failed = [line["error"]["class"] for _, line in ended.lines if line["verdict"] == "failed"]
    return {"complete": len(complete), "failed": len(failed), "others_ended_s": max(complete), "wall_s": ended.wall}


def main() -> None:
    accounts, images = (int(given) for given in (*sys.argv[1:], *("50", "2000")[len(sys.argv) - 1 :]))
    for kind in ("duckdb", "postgresql"):
        for name, values in together(kind, accounts, images):
            _print(f"{accounts} accounts of {images:,} images, {kind} | {name}", values)
    _print("8 accounts: one hangs, one is refused", faults(images))


def _print(name: str, values: Figures) -> None:
    shown = ", ".join(f"{key} {value:,.3f}".rstrip("0").rstrip(".") for key, value in values.items())
    print(f"{name} | {shown}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
