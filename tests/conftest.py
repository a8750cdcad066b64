"""Fixtures of every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

# dlt would otherwise keep an anonymous id in the home directory of whoever runs the tests, and report them.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"


# Schedulers are installed in environments of their own: `make test-dagster`.
collect_ignore = [name for name in ("dagster",) if find_spec(name) is None]


@pytest.fixture(params=["duckdb", "sqlite", "postgresql", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """An empty place for a warehouse, of each kind in turn (`tests.warehouses.Place`)."""
    from tests.warehouses import place

    with place(request.param, tmp_path) as made:
        yield made
