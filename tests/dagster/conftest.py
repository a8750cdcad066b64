"""Gives tests two accounts on a sandbox, an instance of Dagster, and a warehouse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from connector.sandbox import Fleet, wall_clock
from tests.dagster.accounts import Accounts, accounts_on
from tests.warehouses import Place, place

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Yield an empty DuckDB file, then an empty schema of a PostgreSQL server."""
    with place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def duckdb_file(tmp_path: Path) -> Iterator[Place]:
    with place("duckdb", tmp_path) as made:
        yield made


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    """Yield the accounts `one` and `two`, whose keys are in the environment."""
    fleets = {
        name: Fleet.seeded(n, seed=seed, clock=wall_clock) for name, n, seed in (("one", 210, 1), ("two", 130, 2))
    }
    with accounts_on(fleets, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made
