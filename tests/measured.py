"""Measures which lines and branches of connector/ the tests take, also in the processes of pytest-xdist.

Slipcover changes the code that it measures, and no other code. A tracer, which Python calls for each line of every
library, doubled the time of the tests. Slipcover's own plugin cannot import modules as `--import-mode=importlib` does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
import slipcover
from slipcover.importer import SlipcoverMetaPathFinder

PACKAGE = "connector"
OMITTED = [
    f"{PACKAGE}/{name}"
    for name in (
        # Tested where Airflow, Dagster or a browser is,
        *("airflow/*", "dagster/*", "posture/server.py"),
        # or in processes of their own.
        *("__main__.py", "cli/board.py", "cli/jobs.py", "cli/process.py", "cli/streams.py", "cli/worker.py"),
        "warehouse/turns.py",
    )
]
FLOOR = 97.5  # percent of lines and branches; 98.1 in November 2026


class Measurement:
    """Is a plugin of pytest. It has to be made before the package is imported."""

    def __init__(self, config: pytest.Config) -> None:
        self._is_worker = hasattr(config, "workeroutput")
        source = None if self._is_worker else [PACKAGE]  # whose files count although no test imports them
        self._measured = slipcover.Slipcover(branch=True, source=source, omit=OMITTED)
        self._of_workers: list[dict[str, Any]] = []
        sys.meta_path.insert(0, _Finder(self._measured, slipcover.FileMatcher([PACKAGE], OMITTED)))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._of_workers += map(json.loads, node.workeroutput.get("coverage", ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        found = self._measured.get_coverage()
        if self._is_worker:
            session.config.workeroutput["coverage"] = [json.dumps(found)]  # type: ignore[attr-defined]
            return
        for other in self._of_workers:
            slipcover.merge_coverage(found, other)
        slipcover.print_coverage(found, skip_covered=True)
        share = found["summary"]["percent_covered"]
        print(f"{share:.2f} % of the lines and branches of {PACKAGE}/ are taken; {FLOOR} % have to be.")  # noqa: T201
        if share < FLOOR and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


class _Finder(SlipcoverMetaPathFinder):
    """Leaves modules of others alone, which pytest may import in its own way."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec: ModuleSpec | None = super().find_spec(fullname, path, target)
        return spec
