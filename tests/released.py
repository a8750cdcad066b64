"""What the last release has: the columns of each table and view, in order, in `tests/vectors/released.json`.

`python -m tests.released` writes the present ones there: to be run when a release is made, and at no other time.
"""

from __future__ import annotations

import json
from pathlib import Path

import sqlglot

from connector import __version__
from connector.tables import ALL_TABLES
from connector.warehouse.views import views

FILE = Path(__file__).parent / "vectors" / "released.json"
Columns = dict[str, list[str]]


def present() -> dict[str, Columns]:
    """The columns of this checkout. That of a table is its name and type, since dlt changes no type."""
    return {
        "tables": {table.name: [f"{column.name} {column.type}" for column in table.columns] for table in ALL_TABLES},
        "views": {view.name: sqlglot.parse_one(view.sql, read="duckdb").named_selects for view in views()},
    }


def stored() -> dict[str, Columns]:
    """The columns of the last release."""
    found: dict[str, Columns] = json.loads(FILE.read_text(encoding="utf-8"))["columns"]
    return found


def broken(released: Columns, now: Columns) -> list[str]:
    """The tables or views that users of the release would miss something of, or find it at another place."""
    return [name for name, columns in released.items() if now.get(name, [])[: len(columns)] != columns]


if __name__ == "__main__":
    text = json.dumps({"release": __version__, "columns": present()}, indent=1)
    FILE.write_text(f"{text}\n", encoding="utf-8")
