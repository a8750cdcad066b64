"""Counts what rivals and we lose while the list moves. With each answer, five images are scanned again. With every
fifth, an image is deleted and another inserted.

`lost` are images that were listed from the beginning to the end and that the table lacks; `doubled` are rows of an
image that has a row already.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from connector.sandbox import Fleet, Sandbox, wall_clock
from tests.benchmarks.measuring import RIVALS, Server, run, sync

SERVE = "from tests.benchmarks.moving import serve; import sys; serve(int(sys.argv[1]))"
FAST = {"SOURCES__TCSS__REQUESTS_PER_SECOND": "1000000"}
CASES = {
    "rivals.sdk_loop": (RIVALS, "SELECT ImageID FROM images"),
    "rivals.async_fetch": (RIVALS, "SELECT ImageID FROM images"),
    "rivals.rest_source": (Path(sys.executable), "SELECT image_id FROM rival.images"),
}
OURS = "SELECT image_id FROM tcss.images WHERE deleted_at IS NULL"


def serve(images: int) -> None:
    """Run a sandbox whose list moves, until standard input ends."""

    def churn(fleet: Fleet, number: int) -> None:
        fleet.rescan(5)
        if number % 5 == 0:
            fleet.delete(1)
            fleet.insert(1)

    with Sandbox(Fleet.seeded(images, clock=wall_clock), rate=None, churn=churn) as sandbox:
        print(sandbox.url, flush=True)  # noqa: T201
        sys.stdin.read()


@contextmanager
def served(images: int) -> Iterator[Server]:
    command = [sys.executable, "-c", SERVE, str(images)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(process.stdout.readline().strip(), process.pid)
        process.communicate()


def losses(images: int) -> dict[str, Mapping[str, float]]:
    """Let each rival, and then us, read a fleet of their own."""
    found: dict[str, Mapping[str, float]] = {}
    for name, (python, query) in CASES.items():
        if not python.exists():
            continue
        with served(images) as server, tempfile.TemporaryDirectory() as directory:
            before, file = _listed(server), f"{directory}/w.duckdb"
            run([str(python), "-m", f"tests.benchmarks.{name}", server.url, file], **FAST)
            found[name] = _compared(before & _listed(server), file, query)
    with served(images) as server, tempfile.TemporaryDirectory() as directory:
        before = _listed(server)
        sync(server.url, Path(directory))
        found["tcss sync"] = _compared(before & _listed(server), f"{directory}/warehouse.duckdb", OURS)
    return found


def _listed(server: Server) -> set[str]:
    return {item["ImageID"] for item in server.truth()}


def _compared(stayed: set[str], file: str, query: str) -> dict[str, float]:
    with duckdb.connect(file) as connection:
        rows = [image_id for (image_id,) in connection.execute(query).fetchall()]
    return {"stayed": len(stayed), "lost": len(stayed - set(rows)), "doubled": len(rows) - len(set(rows))}
