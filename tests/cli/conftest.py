"""Gives tests of the command several accounts on one sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY, Account
from tests.world import World, apart, world

BLUE_ID, GREEN_ID = "200000000002", "300000000003"
ROLE = "qcs::cam::uin/{account_id}:roleName/reader"
BLUE_KEYS = """
[sources.tcss.accounts.blue.credentials]
secret_id = "AKIDBLUEEXAMPLE"
secret_key = "SECRETBLUEEXAMPLE"
"""
OWN_KEYS = f"""
[sources.tcss.credentials]
secret_id = "{DEFAULT_ID}"
secret_key = "{DEFAULT_KEY}"
"""


@pytest.fixture(autouse=True)
def _check_without_round_trip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the round trip of texts in `tcss check` too, which is most of its time, unless the test is marked."""
    if not request.node.get_closest_marker("round_trip"):
        monkeypatch.setattr("connector.cli.check.round_trip", lambda *_: None)


@pytest.fixture
def fleets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The own account with 30 images, `blue` with 20 and keys of its own, and `green` with 10, which has a role."""
    with several(tmp_path, monkeypatch, seeded()) as made:
        yield made


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Those accounts, after a first sync of the own one and of `blue`."""
    first = first_syncs()
    (tmp_path / "warehouse.duckdb").write_bytes(first.warehouse)
    with several(tmp_path, monkeypatch, deepcopy(first.fleets)) as made:
        yield made


def seeded() -> list[Fleet]:
    return [Fleet.seeded(images, seed=seed, clock=wall_clock) for images, seed in ((30, 1), (20, 2), (10, 3))]


@contextmanager
def several(directory: Path, monkeypatch: pytest.MonkeyPatch, fleets: list[Fleet]) -> Iterator[World]:
    """Yield a world of these three accounts."""
    (directory / ".dlt").mkdir()
    (directory / ".dlt" / "secrets.toml").write_text(BLUE_KEYS, encoding="utf-8")
    own, blue, green = fleets
    others = [
        Account(blue, "AKIDBLUEEXAMPLE", "SECRETBLUEEXAMPLE", BLUE_ID),
        Account(green, "AKIDGREENEXAMPLE", "SECRETGREENEXAMPLE", GREEN_ID),
    ]
    with world(directory, monkeypatch, fleet=own, accounts=others) as made:
        yield made


@dataclass(frozen=True)
class FirstSyncs:
    """Holds what a first sync of the own account and then one of `blue` made: the warehouse, after the own account's
    and after both, and the runs' rows."""

    own: bytes
    warehouse: bytes
    fleets: list[Fleet]
    rows: list[dict[str, Any]]


@cache
def first_syncs() -> FirstSyncs:
    fleets = seeded()
    with apart() as (directory, patch), several(directory, patch, fleets) as made:
        rows = [made.sync()]
        own = made.file.read_bytes()
        rows.append(made.sync("--account", "blue"))
        return FirstSyncs(own, made.file.read_bytes(), deepcopy(fleets), rows)
