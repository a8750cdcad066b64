"""Fixtures of every test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

# dlt would otherwise keep an anonymous id in the home directory of whoever runs the tests, and report them.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

# A shell's background job ignores Ctrl-C, and so would the processes that we start to see what it does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["duckdb", "sqlite", "postgresql", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """An empty place for a warehouse, of each kind in turn (`tests.warehouses.Place`)."""
    from tests.warehouses import place

    with place(request.param, tmp_path) as made:
        yield made
