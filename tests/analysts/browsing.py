"""Runs Debian's Chromium, headless, under Playwright, and watches pages for errors and for their requests."""

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
# Chromium's sandbox is off, because CI runs as root; the other options keep the browser itself from the network.
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
    """Yield the browser. Skips, or under CI fails, if there is no browser."""
    if not CHROMIUM.exists():
        leave_out(f"there is no browser at {CHROMIUM}", "Install chromium, or give its path in TCSS_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def page(browser: Any, width: int = 1280, scheme: str = "light", height: int = 900) -> Iterator[Page]:
    """Yield a page. A page may not log an error, throw, open a dialog, or send a request to another machine."""
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
    """Run `tcss dashboard` in a process of its own, and yield its URL. `directory` may hold another connector.

    When stopped, the process has to end with 0 and without further output."""
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
        text = said.read()
        assert (code, text) == (0, ""), f"{code}: {text}"


def picture(opened: Page, name: str, **options: Any) -> None:
    """Keep a screenshot as an artefact of CI."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    opened.screenshot(path=PICTURES / f"{name}.png", **options)
