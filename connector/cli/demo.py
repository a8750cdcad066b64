"""Runs `tcss demo`: a sandbox, a first sync, a changed fleet, two more syncs, and an analyst's first questions."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.engine import URL

from connector.cli.streams import drawing
from connector.errors import ConfigurationError
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from connector.settings import Settings, TcssCredentials
from connector.sync import sync
from connector.texts import visible
from connector.warehouse.urls import rendered
from connector.wire import is_storable

FILE = Path("tcss_demo.duckdb")
"""The demo's warehouse if no file was given. No other file has this name, so the next demo may replace the file."""
WIDTH = 80
Mode = Literal["auto", "full"]

CHANGES = {"rescan": 60, "insert": 15, "delete": 10, "change_counts": 20}

QUESTIONS = {
    "What do we run, and how much of it is scanned?": """
        select scan_status, count(*) as images, sum(container_cnt)::bigint as containers, max(scan_time) as newest_scan
        from tcss.images where deleted_at is null group by scan_status order by images desc""",
    "Which images in use are the riskiest?": """
        select image_name, container_cnt as containers, critical_level_vul_cnt as critical, high_level_vul_cnt as high
        from tcss.images where deleted_at is null and container_cnt > 0
        order by critical desc nulls last, high desc nulls last, image_name limit 5""",
    "What changed since the first sync?": """
        select case when h.deleted_at is not null then 'gone' when h.version = 1 then 'new' else 'changed' end as what,
               count(*) as images
        from tcss.image_history h
        where h.observed_at > (select min(started_at) from tcss.sync_runs) group by what order by what""",
    "Can I trust it?": """
        select mode, verdict, reason_code, images_listed as listed, images_new as new, images_changed as changed,
               images_gone as gone
        from tcss.sync_runs order by started_at""",
}


NEXT = """\
The warehouse is the file {file}. To see more of it:

  tcss status --destination {destination}
  tcss report --destination {destination}

With the keys of your own account in TENCENTCLOUD_SECRET_ID and
TENCENTCLOUD_SECRET_KEY:

  tcss check
  tcss sync"""


def show(images: int, output: Path | None, say: Callable[[str], None]) -> None:
    """Show the demo, and keep its warehouse. Raises ConfigurationError where `output` exists."""
    if output is not None and os.path.lexists(output):  # a link to a missing file may be another user's
        raise ConfigurationError(f"{output} exists", hint="Name a new file, or remove it.")
    file = output or FILE
    if not is_storable(str(file)):
        raise ConfigurationError(f"the name {file} is not UTF-8", hint="Name another with --output.")
    destination = rendered(URL.create("duckdb", database=str(file)))
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"cannot replace {file}: {error.strerror}", hint="Name another with --output."
        ) from None
    fleet = Fleet.seeded(images, clock=wall_clock)
    with Sandbox(fleet) as sandbox:
        say(f"A sandbox with {images:,} images, 20 requests a second at most.")
        _sync(destination, sandbox.url, "auto", say)
        sandbox.change(CHANGES)
        say(f"The fleet changes: {', '.join(f'{name} {count}' for name, count in CHANGES.items())}.")
        _sync(destination, sandbox.url, "auto", say)
        say("Deletions are what only a full sweep can see:")
        _sync(destination, sandbox.url, "full", say)
    _ask(file)
    for line in ("", *NEXT.format(file=file, destination=shlex.quote(destination)).split("\n")):
        say(line)


def _sync(destination: str, url: str, mode: Mode, say: Callable[[str], None]) -> None:
    """Sync with the demo's own settings: a dataset or filters that the user has configured are not looked up."""
    credentials = TcssCredentials(secret_id=DEFAULT_ID, secret_key=DEFAULT_KEY)
    settings = Settings(
        destination=destination, endpoint=url, mode=mode, credentials=credentials, confirm_gone_after=0
    )  # a demo cannot wait ten minutes before it calls images gone
    for line in sync(settings=settings).summary().split("\n"):
        for shown in textwrap.wrap(line, WIDTH, subsequent_indent="  "):
            say(shown)


def _ask(path: Path) -> None:
    console = Console(file=drawing(sys.stdout), width=WIDTH)
    with duckdb.connect(str(path), read_only=True) as connection:
        for question, query in QUESTIONS.items():
            cursor = connection.execute(query)
            rows = cursor.fetchall()
            shown = Table()
            for number, column in enumerate(cursor.description or []):
                counts = any(isinstance(row[number], int) for row in rows)
                shown.add_column(column[0], justify="right" if counts else "left", overflow="fold")
            for row in rows:
                shown.add_row(*(Text(_cell(value)) for value in row))  # a plain str would be markup
            console.print(f"\n[bold]{question}[/bold]", shown, sep="\n")


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else visible(str(value))
