"""Debian's Chromium, headless, under Playwright: pages are watched for errors, and for what they ask the network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.missing import leave_out

CHROMIUM = Path(os.environ.get("TCSS_TEST_CHROMIUM", "/usr/bin/chromium"))
# No sandbox, because CI runs as root; the rest keeps the browser itself from the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = Path(__file__).parents[2] / ".artefacts" / "analysts"
_HERE = re.compile(r"^(http://127\.0\.0\.1[:/]|ws://127\.0\.0\.1[:/]|file:|data:|blob:|about:)")


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser. Skips, or under CI fails, where there is none."""
    if not CHROMIUM.exists():
        leave_out(f"there is no browser at {CHROMIUM}", "Install chromium, or give its path in TCSS_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def page(browser: Any, width: int = 1280, scheme: str = "light", height: int = 900) -> Iterator[Page]:
    """A page. It is an error if it logs an error, throws, opens a dialog, or asks any other machine for anything."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    wrong: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    opened.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    opened.on("request", lambda r: None if _HERE.match(r.url) else wrong.append(f"request: {r.url}"))
    yield opened
    context.close()
    assert wrong == []


@contextmanager
def dashboard(destination: str, dataset: str | None = None, *, directory: Path | None = None) -> Iterator[str]:
    """`tcss dashboard` in a process of its own; the URL that it announces. `directory` may hold another connector.

    Told to stop, it has to end with 0 and to have said nothing else."""
    command = [sys.executable, "-m", "connector", "dashboard", *(["--dataset", dataset] if dataset else [])]
    environ = {**os.environ, "TCSS_DESTINATION": destination, "PYTHONUNBUFFERED": "1"}
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env=environ, cwd=directory
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(20)
            said.seek(0)
        assert (code, said.read()) == (0, "")


def picture(opened: Page, name: str, **options: Any) -> None:
    """A screenshot, kept as an artefact of CI."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    opened.screenshot(path=PICTURES / f"{name}.png", **options)
