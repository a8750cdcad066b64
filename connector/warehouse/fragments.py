"""Puts named selects into selects. A fragment is a select in `schemas/fragments`, in DuckDB's SQL. Views and questions
name a fragment as they name a table, so that a join that several of them need is written once."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlglot
from sqlglot import exp

from connector.tables import POSTURE_CHANGES

_HERE = Path(__file__).parents[1]
_FILES = (_HERE / "_schemas" / "fragments", _HERE.parent / "schemas" / "fragments")  # in the wheel, in a checkout

# For a dataset without that table: no row, with the types of the columns.
_NOTHING_COUNTED = (
    f"select account_id, changed_at, "  # noqa: S608
    f"{', '.join(f'size as {name}' for name in POSTURE_CHANGES.column_names[2:])} from images where 1 = 0"
)


@cache
def fragments() -> Mapping[str, str]:
    """Return the select of every fragment by name. Where the tables `posture_changes` and `named_accounts` do not
    exist, they are fragments."""
    directory = next(path for path in _FILES if path.is_dir())
    found = {file.stem: file.read_text(encoding="utf-8") for file in sorted(directory.glob("*.sql"))}
    return MappingProxyType(found | {POSTURE_CHANGES.name: _NOTHING_COUNTED})


def with_fragments(sql: str, tables: Mapping[str, str]) -> Any:
    """Parse a select, and put the select of each fragment in the place of its name. A name in `tables` is a table."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    for node in list(tree.find_all(exp.Table)):
        if node.name in fragments() and node.name not in tables:
            inner = with_fragments(fragments()[node.name], tables)
            node.replace(exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(node.alias_or_name))))
    return tree
