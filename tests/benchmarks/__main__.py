"""Measures every target that we have set (`make bench`), against the sandbox in a process of its own.

Figures depend on the machine, so each is printed beside its comparison, measured in the same run: the time that the
API's limit allows, the sweep alone, the same merge by hand, or a rival. `--short` runs once on a small fleet.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import ACTION, RIVALS, TCSS, Server, Usage, medians, run, sandbox, sync
from tests.benchmarks.merges import measure as merge
from tests.benchmarks.moving import FAST, losses
from tests.benchmarks.sharing import LIMIT, Use, alone, beside_another, halved
from tests.warehouses import KINDS

RESULT = Path("benchmarks.json")
Figures = dict[str, dict[str, float]]


def limited(
    images: int, rounds: int, latency: float, others: Callable[[Server, threading.Event], Use] = alone
) -> Mapping[str, float]:
    """Measure a first full sync under 20 requests per second, beside `others`."""

    def once() -> dict[str, float]:
        ended = threading.Event()
        with (
            sandbox(images, rate=LIMIT, latency=latency) as server,
            tempfile.TemporaryDirectory() as directory,
            ThreadPoolExecutor(1) as pool,
        ):
            use = pool.submit(others, server, ended)
            try:
                usage, row = sync(server.url, Path(directory), rate=LIMIT)
            finally:
                ended.set()
            shared = use.result()
        return {
            "share_of_what_is_left": shared.share,
            "refused_share": row["throttled"] / row["requests"],
            "refused_share_of_others": shared.others_refused,
            "wall_over_floor_s": usage.wall - images / 100 / LIMIT,
            "requests": row["requests"],
            "peak_mb": usage.memory,
        }

    return medians(rounds, once)


def unchanged(images: int, rounds: int) -> Mapping[str, float]:
    """Measure a full sync of an unchanged fleet, and the sweep alone, under 20 requests per second."""
    pace = {"SOURCES__TCSS__REQUESTS_PER_SECOND": str(LIMIT)}
    with sandbox(images, latency=0.3) as server, tempfile.TemporaryDirectory() as directory:
        sync(server.url, Path(directory))
        server.post("limit", {"rate": LIMIT})

        def once() -> dict[str, float]:
            usage, row = sync(server.url, Path(directory), rate=LIMIT)
            sweep = run([sys.executable, "-m", "tests.benchmarks.sweep_alone", server.url], **pace)
            counts = {name: row[name] for name in ("images_unchanged", "images_changed")}
            return {"wall_s": usage.wall, "sweep_alone_s": sweep.wall, "ratio": usage.wall / sweep.wall} | counts

        return medians(rounds, once)


def unlimited(images: int, rounds: int) -> Figures:
    """Measure the first load, an unchanged full sweep, an incremental run after 200 changes, and the sweep alone."""
    found: dict[str, list[dict[str, float]]] = {}

    def note(name: str, usage: Usage, row: Mapping[str, Any]) -> None:
        figures = {"wall_s": usage.wall, "cpu_us_per_image": usage.cpu / images * 1e6, "peak_mb": usage.memory}
        names = ("requests", "images_new", "images_changed", "sandbox_pages_per_cpu_s")
        counts = {name: row[name] for name in names if name in row}
        found.setdefault(name, []).append(figures | counts)

    with sandbox(images) as server:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as directory:
                note("first load", *sync(server.url, Path(directory)))
                note("unchanged", *sync(server.url, Path(directory)))
                served, taken = server.stats()["actions"][ACTION], server.cpu()
                alone = run([sys.executable, "-m", "tests.benchmarks.sweep_alone", server.url], **FAST)
                pages = (server.stats()["actions"][ACTION] - served) / (server.cpu() - taken)
                note("sweep alone", alone, {"sandbox_pages_per_cpu_s": pages})
                server.post("change", {"rescan": 200})
                note("200 rescans, auto", *sync(server.url, Path(directory), "auto"))
                note("status", run([*TCSS, "status", "--destination", f"duckdb:///{directory}/warehouse.duckdb"]), {})
    return {
        name: {key: statistics.median(figures[key] for figures in results) for key in results[0]}
        for name, results in found.items()
    }


def nearly_all_scanned(images: int, rounds: int) -> Mapping[str, float]:
    """Measure an incremental run after 200 scans, one by one, of a smaller fleet: of its images without a scan only one
    in fifty is left, because each run reads them all."""

    def once() -> dict[str, float]:
        with sandbox(images) as server, tempfile.TemporaryDirectory() as directory:
            scanned, unscanned = [], []
            for item in server.truth():
                (scanned if item["ScanStatus"] == "SCANNED" else unscanned).append(item["ImageID"])
            left = len(unscanned) // 50
            server.post("change", {"delete": unscanned[left:]})
            sync(server.url, Path(directory))
            for image_id in scanned[:200]:
                server.post("change", {"rescan": [image_id]})
            usage, row = sync(server.url, Path(directory), "auto")
        counts = {name: row[name] for name in ("requests", "images_listed", "images_changed", "total_count")}
        costs = {"wall_s": usage.wall, "cpu_s": usage.cpu, "peak_mb": usage.memory}
        return costs | counts | {"unscanned_pages": -(-left // 100)}

    return medians(rounds, once)


def rivals(images: int, rounds: int) -> Figures:
    """Measure the CPU of `rivals` for one first load, without latency and limit, and our CPU for `images`."""
    found: Figures = {}
    with sandbox(images) as server:
        for name, python in (
            ("images_alone", sys.executable),
            ("rivals.sdk_loop", str(RIVALS)),
            ("rivals.async_fetch", str(RIVALS)),
            ("rivals.rest_source", sys.executable),
        ):

            def once(name: str = name, python: str = python) -> dict[str, float]:
                with tempfile.TemporaryDirectory() as directory:
                    command = [python, "-m", f"tests.benchmarks.{name}", server.url, f"{directory}/w.duckdb"]
                    usage = run(command, **FAST)
                cpu = usage.cpu / images * 1e6
                return {"wall_s": usage.wall, "cpu_us_per_image": cpu, "peak_mb": usage.memory}

            if Path(python).exists():
                found[name] = medians(rounds, once)
    return found


def measure(*, short: bool) -> Iterator[tuple[str, Figures]]:
    """Yield all figures, by group and case, as soon as they are measured."""
    rounds, small, medium, large = (1, 1_000, 1_000, 2_000) if short else (3, 20_000, 50_000, 200_000)
    pace, free = f"{LIMIT} requests/s", "no latency, no limit"
    for latency in (0.3,) if short else (0.05, 0.3, 1.0, 2.0):
        yield f"{small:,} images, {pace}", {f"latency {latency} s": dict(limited(small, rounds, latency))}
    for title, others in (("limit halved in mid-sweep", halved), ("another takes half", beside_another)):
        yield f"{medium:,} images, {pace}", {title: dict(limited(medium, rounds, 0.3, others))}
    yield f"{large:,} images, {pace}", {"unchanged": dict(unchanged(large, rounds))}
    yield f"{large:,} images, {free}", unlimited(large, rounds)
    title = "200 rescans, auto, nearly all scanned"
    yield f"{large:,} images, {free}", {title: dict(nearly_all_scanned(large, rounds))}
    if not short:
        yield f"rivals, {large:,} images", rivals(large, rounds)
    yield f"rivals, {small:,} images, the list moves", dict(losses(small))
    yield "tcss --help", {"": medians(rounds, lambda: {"cpu_s": run([*TCSS, "--help"]).cpu})}
    if not short:
        yield "1,000,000 images, once", unlimited(1_000_000, 1)
        for kind in KINDS:
            yield f"merging into 100,000, {kind}", merge(kind, rounds)


def main() -> None:
    """Measure, print, and write benchmarks.json."""
    machine = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in ("dlt", "duckdb", "pyarrow", "sqlalchemy")},
    }
    figures: dict[str, Figures] = {}
    for title, cases in measure(short="--short" in sys.argv):
        figures.setdefault(title, {}).update(cases)
        for name, values in cases.items():
            shown = ", ".join(f"{key} {value:,.3f}".rstrip("0").rstrip(".") for key, value in values.items())
            print(f"{title} | {name} | {shown}", flush=True)  # noqa: T201
    machine["load"] = os.getloadavg()
    RESULT.write_text(json.dumps({"machine": machine, "figures": figures}, indent=1), encoding="utf-8")
    print(machine)  # noqa: T201


if __name__ == "__main__":
    main()
