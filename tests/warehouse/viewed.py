"""Queries a view's columns and rows, in the same form from every database."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import duckdb

from connector.tables import POSTURE_CHANGES, TABLES
from connector.warehouse import views
from connector.warehouse.views import View
from tests.warehouses import Place, place

Row = dict[str, Any]


def ask(pipeline: dlt.Pipeline, name: str, before: str | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns and rows of a view, in no order; `before` is the session's first statement."""
    with pipeline.sql_client() as client:
        if before:
            client.execute_sql(before)
        with client.execute_query(f"SELECT * FROM {client.make_qualified_table_name(name)}") as cursor:
            columns = list(cursor.columns_schema)
            return columns, [tuple(map(plain, row)) for row in cursor.fetchall()]


@contextmanager
def for_reading(made: Place) -> Iterator[None]:
    """Keep a DuckDB file open, which from now on nobody changes, and a copy of the file for analysts."""
    if made.kind != "duckdb":
        yield
        return
    shutil.copyfile(made.file, _copy(made))
    with made.opened(), duckdb.connect(_copy(made)):
        yield


def _copy(made: Place) -> str:
    return f"{made.file}.copy"


@contextmanager
def analyst(made: Place) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an analyst's connection to the copy of `for_reading`, whose settings can be changed, unlike those of
    ours."""
    with duckdb.connect(_copy(made)) as connection:
        connection.execute(f"USE {made.dataset}")
        yield connection


def ask_as_analyst(made: Place, name: str, before: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Do the same as an analyst."""
    with analyst(made) as connection:
        connection.execute(before)
        found = connection.execute(f"FROM {name}")
        return [column[0] for column in found.description or ()], [tuple(map(plain, row)) for row in found.fetchall()]


def plain(value: Any) -> Any:
    """Return instants as microseconds, dates as dates, however the database gives them; truth may be 0 and 1."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return date.fromisoformat(value)
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return value


ZONES = {
    "duckdb": "SET TimeZone = 'Asia/Shanghai'",
    "postgresql": "SET TIME ZONE 'Asia/Shanghai'",
    "mysql": "SET time_zone = '+08:00'",
}


def whole(row: Row, columns: list[str]) -> tuple[Any, ...]:
    assert set(row) <= set(columns)
    return tuple(row.get(column) for column in columns)


def check_header(view: View, columns: list[str]) -> None:
    """Check that the file begins with a question, then explains its view's columns, each once; no line is too long."""
    assert re.fullmatch(r"[A-Z][^?\n]{20,100}\?", view.question)
    header = [line for line in view.sql.splitlines() if line.startswith("--")]
    explained = re.findall(r"^-- (\w+): \S", "\n".join(header), re.MULTILINE)
    assert [name for name in columns if name in explained] == explained
    assert max(map(len, view.sql.splitlines())) <= 120


@contextmanager
def with_views(kind: str, directory: Path) -> Iterator[tuple[Place, Any]]:
    """A warehouse with its views, and no rows; and its pipeline."""
    with place(kind, directory) as there:
        pipeline = there.prepared(tables=(*TABLES, POSTURE_CHANGES))
        with pipeline.sql_client() as client:
            views.create(client)
        with there.opened():
            yield there, pipeline
