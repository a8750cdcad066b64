"""Runs `tcss sync` for `images` and the run's row only, one table like the rivals, without scans and history."""

import sys
from pathlib import Path
from typing import Any

from connector.cli import main as cli
from connector.runs import run, spool
from connector.tables import IMAGES, SYNC_RUNS, Table

LOADED = {table.name for table in (IMAGES, SYNC_RUNS)}


class ImagesAlone(spool.Spool):
    def add(self, table: Table, row: tuple[Any, ...]) -> int:
        return super().add(table, row) if table.name in LOADED else 0

    def drop(self, table: Table, number: int) -> None:
        if table.name in LOADED:
            super().drop(table, number)

    def finish(self, table: Table) -> Path | None:
        return super().finish(table) if table.name in LOADED else None

    def _of(self, table: Table) -> spool._Rows:
        if table.name not in self._rows:
            self._rows[table.name] = spool._Rows(table, [spool._File(table, self._path(table))])
        return self._rows[table.name]


def main(url: str, file: str) -> None:
    run.Spool = ImagesAlone  # type: ignore[misc]
    sys.argv[1:] = ["sync", "--json", "--endpoint", url, "--destination", f"duckdb:///{file}"]
    cli.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
