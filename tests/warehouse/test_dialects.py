"""`connector.warehouse.dialects`: DuckDB's SQL as other databases have it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import sqlglot
from sqlglot import ErrorLevel
from sqlglot.errors import UnsupportedError

from connector.tables import ALL_TABLES
from connector.warehouse.dialects import DIALECTS, translate
from connector.warehouse.views import View, views


@pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_view_can_be_said_in_every_dialect(dialect: str, view: View) -> None:
    """Nothing is left out as unsupported, and that dialect's own parser reads it, to the same text."""
    names = {table.name: f"d.{table.name}" for table in ALL_TABLES}
    said = view.select(dialect, names)
    again = sqlglot.transpile(said, read=dialect, write=dialect, unsupported_level=ErrorLevel.RAISE, pretty=True)
    assert again == [said]


DAY = "select cast(a at time zone 'UTC' as date) as x from t"
TODAY = "select cast(current_timestamp at time zone 'UTC' as date) as x from t"
SECONDS = "select date_diff('second', a, b) as x from t"
DAYS = "select date_add(a, interval (b) day) as x from t"
# What sqlglot alone would write into something else, or not at all. Those of PostgreSQL, MariaDB, SQLite and ClickHouse
# were run on the databases themselves.
IDIOMS = {
    ("postgres", SECONDS): "EXTRACT(EPOCH FROM b - a)",
    ("postgres", DAYS): "(a + CAST(b AS INT))",
    ("mysql", TODAY): "DATE(UTC_TIMESTAMP(6))",
    ("mysql", SECONDS): "TIMESTAMPDIFF(SECOND, a, b)",
    ("mysql", DAYS): "DATE_ADD(a, INTERVAL b DAY)",
    ("sqlite", TODAY): "DATE(STRFTIME('%Y-%m-%d %H:%M:%f000', 'now'))",
    ("sqlite", SECONDS): "(STRFTIME('%s', b) - STRFTIME('%s', a))",
    ("sqlite", DAYS): "DATE(a, b || ' days')",
    ("sqlite", "select floor(a) as x from t"): "(CAST(a AS INTEGER) - (a < CAST(a AS INTEGER)))",
    ("clickhouse", DAY): "toDate(toTimeZone(a, 'UTC'))",
    ("clickhouse", DAYS): "addDays(a, b)",
    ("tsql", TODAY): "CAST(SYSUTCDATETIME() AT TIME ZONE 'UTC' AS DATE)",
    ("tsql", "select true as x from t"): "CAST(1 AS BIT)",
    ("tsql", DAYS): "DATEADD(DAY, b, a)",
    ("bigquery", DAY): "DATE(a, 'UTC')",
    ("bigquery", SECONDS): "TIMESTAMP_DIFF(b, a, SECOND)",
    ("databricks", SECONDS): "TIMESTAMPDIFF(SECOND, a, b)",
    ("snowflake", DAYS): "DATEADD(DAY, b, a)",
    ("redshift", DAYS): "DATEADD(DAY, b, a)",
    ("trino", DAYS): "DATE_ADD('DAY', CAST(b AS BIGINT), a)",
}


@pytest.mark.parametrize(("dialect", "sql"), IDIOMS, ids=[f"{dialect}-{sql[7:20]}" for dialect, sql in IDIOMS])
def test_time_means_the_same_everywhere(dialect: str, sql: str) -> None:
    said = translate(sql, dialect, {}).partition("SETTINGS")[0]
    assert squeezed(said) == f"SELECT {IDIOMS[dialect, sql]} AS x FROM t"


def squeezed(sql: str) -> str:
    return " ".join(sql.split()).replace("( ", "(").replace(" )", ")")


def test_tables_get_their_names_and_keep_what_their_columns_are_called_by() -> None:
    """A database may put the dataset into a table's name; what is not a table of ours stays."""
    sql = "with mine as (select images.a from images) select a from mine join image_history as h on h.b = mine.a"
    names = {"images": "`d`.`d___images`", "image_history": "`d`.`d___image_history`"}
    assert squeezed(translate(sql, "mysql", names)) == (
        "WITH mine AS (SELECT images.a FROM `d`.`d___images` AS images) "
        "SELECT a FROM mine JOIN `d`.`d___image_history` AS h ON h.b = mine.a"
    )


def test_clickhouse_reads_outer_joins_and_aliases_as_others_do() -> None:
    """Both by settings of the query; and its columns are called as they are elsewhere."""
    assert squeezed(translate("select t.a, sum(b) as b from t", "clickhouse", {})) == (
        "SELECT t.a AS a, SUM(b) AS b FROM t SETTINGS join_use_nulls = 1, prefer_column_name_to_alias = 1"
    )


def test_comments_are_left_out() -> None:
    """Databases that keep a view's text would keep them in strange places."""
    assert squeezed(translate("-- What?\n--\n-- a: it\nselect a /* b */ from t", "sqlite", {})) == "SELECT a FROM t"


def test_what_a_dialect_cannot_say_is_an_error() -> None:
    """Rather than a view that means something else."""
    with pytest.raises(UnsupportedError):
        translate("select sum(a) over (order by b rows unbounded preceding) as x from t", "mysql", {})


def test_sqlite_rounds_down_below_zero_too() -> None:
    """The age of what a clock ahead of ours has written is below zero; SQLite's cast would round up there."""
    query = translate("select floor(a / 2.0) as x from t", "sqlite", {})
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("create table t as select column1 as a from (values (-4), (-3), (-1), (0), (3))")
        assert [x for (x,) in db.execute(query)] == [-2, -2, -1, 0, 1]
