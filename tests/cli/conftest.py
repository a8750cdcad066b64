"""Gives tests of the command several accounts on one sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY, Account
from tests.world import World, world

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


@pytest.fixture
def fleets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The own account with 30 images, `blue` with 20 and keys of its own, and `green` with 10, which has a role."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text(BLUE_KEYS, encoding="utf-8")
    blue, green = (Fleet.seeded(images, seed=seed, clock=wall_clock) for images, seed in ((20, 2), (10, 3)))
    others = [
        Account(blue, "AKIDBLUEEXAMPLE", "SECRETBLUEEXAMPLE", BLUE_ID),
        Account(green, "AKIDGREENEXAMPLE", "SECRETGREENEXAMPLE", GREEN_ID),
    ]
    with world(tmp_path, monkeypatch, images=30, accounts=others) as made:
        yield made
