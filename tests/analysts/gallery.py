"""Makes the manual's pictures (`make gallery`): the dashboard over two years of invented history, in a browser, and
the output of `tcss demo`, as a terminal shows it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page
from rich.console import Console
from rich.text import Text

from tests.analysts import browsing
from tests.analysts.invented import invent

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
COLUMNS = 80
# By file: the window's width, its scheme and its height.
DASHBOARD = {"dashboard.png": (1280, "light", 1150), "dashboard_phone.png": (390, "dark", 1150)}

DETAILS = (1280, "light", 1150)


def dashboard(directory: Path, images: int) -> None:
    """Make pictures of the dashboard: wide and light, narrow and dark."""
    with tempfile.TemporaryDirectory(prefix="tcss_gallery_") as made:
        file = Path(made) / "warehouse.duckdb"
        invent(file, images)
        with browsing.dashboard(f"duckdb:///{file}") as url, browsing.chromium() as browser:
            for name, window in DASHBOARD.items():
                with browsing.page(browser, *window) as page:
                    page.goto(url)
                    page.locator("#history tbody tr").first.wait_for(timeout=60_000)
                    page.screenshot(path=directory / name)


def details(directory: Path, images: int) -> None:
    """Make a picture of what is exploitable and running, and one of the page of such an image."""
    with tempfile.TemporaryDirectory(prefix="tcss_gallery_") as made:
        file = Path(made) / "warehouse.duckdb"
        invent(file, images, details=True)
        with (
            browsing.dashboard(f"duckdb:///{file}") as url,
            browsing.chromium() as browser,
            browsing.page(browser, *DETAILS) as page,
        ):
            page.goto(url)
            exploitable = page.locator("section#exploitable")
            exploitable.locator("tbody tr").first.wait_for(timeout=60_000)
            exploitable.screenshot(path=directory / "exploitable.png")
            vulnerability = _opened(page, "exploitable", "affected")
            image = _opened(vulnerability, "affected", "findings")
            image.screenshot(path=directory / "image.png")


def _opened(page: Page, section: str, wanted: str) -> Page:
    """Return the page that the first link of a section opens, once the page has the rows of a section."""
    with page.expect_popup() as popup:
        page.locator(f"section#{section} tbody a").first.click()
    popup.value.locator(f"section#{wanted} tbody tr").first.wait_for(timeout=60_000)
    return popup.value


def terminal(directory: Path, images: int) -> None:
    """Make a picture of `tcss demo` with its colours."""
    command = [sys.executable, "-m", "connector", "demo", "--images", str(images)]
    environ = {**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryDirectory(prefix="tcss_gallery_") as made:
        said = subprocess.run(command, capture_output=True, check=True, text=True, env=environ, cwd=made).stdout
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ tcss demo", style="bold"))
    console.print(Text.from_ansi(said.rstrip()))
    picture = console.export_svg(title="tcss demo", unique_id="tcss")
    # The picture would load its font from the network.
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (directory / "demo.svg").write_text(picture, encoding="utf-8")


def make(directory: Path = GALLERY, images: int = 3_000) -> None:
    """Make all pictures in this directory."""
    directory.mkdir(parents=True, exist_ok=True)
    dashboard(directory, images)
    details(directory, min(images, 300))
    terminal(directory, min(images, 2_000))


if __name__ == "__main__":
    make()
