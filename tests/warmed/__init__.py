"""Lets processes begin with warm caches. The server that forks the tests' processes imports these modules first
(`tests.conftest`), and each of them syncs a small fleet once. Nothing else imports them."""

from __future__ import annotations

import tempfile
import threading
from typing import Any
from unittest import mock

import connector.sync
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from connector.settings import Settings
from tests import crashing, hints, syncing  # noqa: F401  # what runs in the processes


def warm(kind: str, **given: Any) -> None:
    """Sync into an empty file, which is removed. No thread is left: a fork copies only the thread that forks."""
    hints.remember()
    keys = {"secret_id": DEFAULT_ID, "secret_key": DEFAULT_KEY}
    with (
        tempfile.TemporaryDirectory() as directory,
        Sandbox(Fleet.seeded(10, clock=wall_clock), rate=None) as sandbox,
        mock.patch("connector.runs.run.round_trip"),
    ):
        where = {"destination": f"{kind}:///{directory}/w.{kind}", "endpoint": sandbox.url, "credentials": keys}
        connector.sync.sync(settings=Settings.load(**where, mode="full", requests_per_second=1e6, **given))
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(60)
    assert threading.enumerate() == [threading.main_thread()]
    hints.collect_less()
