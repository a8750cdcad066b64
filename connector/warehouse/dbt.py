"""Writes the tables and views as a source of dbt: a `sources.yml` with descriptions, tests of keys, and freshness."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import yaml

from connector.tables import SYNC_RUNS, Table
from connector.warehouse.views import views_of

FRESHNESS = {
    "warn_after": {"count": 26, "period": "hour"},
    "error_after": {"count": 50, "period": "hour"},
}
"""How old the last complete run without a filter may be. A late daily sync warns; two missing daily syncs fail."""

LOADED_AT = (
    "select min(loaded_at) from (select coalesce(max(case when verdict = 'complete' and filters is null then started_at"
    " end), min(started_at)) as loaded_at from {{ this }} group by account_id) as accounts"
)
"""The last such run of the account that waits longest for one; an account without such a run waits since its first run.
The newest run of all would hide an account that is synced no more."""


def sources(dataset: str, tables: Sequence[Table]) -> str:
    """Return the text of a `sources.yml` for dbt 1.10 and later, whose source `tcss` is in the schema `dataset`."""
    source = {
        "name": "tcss",
        "description": "Container images of Tencent Container Security Service (TCSS), loaded by `tcss sync`.",
        "schema": dataset,
        "tables": [*map(_table, tables), *({"name": v.name, "description": v.question} for v in views_of(tables))],
    }
    whole = {"version": 2, "sources": [source]}
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120).rstrip()


def _table(table: Table) -> dict[str, Any]:
    described: dict[str, Any] = {"name": table.name, "description": table.description}
    if table is SYNC_RUNS:
        described["config"] = {"loaded_at_query": LOADED_AT, "freshness": FRESHNESS}
    if len(table.key) > 1:
        described["data_tests"] = [{"unique": {"name": f"tcss_{table.name}_key", "arguments": _key(table)}}]
    described["columns"] = [
        {"name": c.name, "description": c.description, **_tests(c.nullable, (c.name,) == table.key)}
        for c in table.columns
    ]
    return described


def _key(table: Table) -> dict[str, str]:
    """Join the columns of a key into one text. In some warehouses `concat` takes only two arguments."""
    return {"column_name": reduce(lambda text, name: f"concat({text}, concat('/', {name}))", table.key)}


def _tests(nullable: bool, alone: bool) -> dict[str, list[str]]:
    tests = [*([] if nullable else ["not_null"]), *(["unique"] if alone else [])]
    return {"data_tests": tests} if tests else {}
