"""Readies a run for MySQL and MariaDB, where a pipeline of the user's own has none of the settings of `sync`.

dlt's texts end at 64 KB there. A server whose sql_mode is not strict cuts longer texts, and writes a ? for each
character that its tables do not know, and reports no error. A sql_select_limit cuts what a run reads.
"""

from __future__ import annotations

from typing import Any

import dlt
from dlt.extract import DltResource
from dlt.extract.source import DltSource

from connector.errors import ConfigurationError
from connector.tables import ALL_TABLES

_STRICT = {"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES"}  # each lets InnoDB refuse what does not fit
_ALL = 2**64 - 1  # rows: the default of sql_select_limit


def ready_mysql(pipeline: dlt.Pipeline, source: DltSource) -> None:
    """Do nothing for another server. Raises ConfigurationError where the server would cut texts or results silently."""
    if not str(pipeline.destination.destination_type).endswith(".sqlalchemy"):
        return
    client: Any = pipeline.sql_client(source.schema.name)
    if client.dialect_name not in ("mysql", "mariadb"):
        return
    with client:
        mode, most = client.execute_sql("SELECT @@sql_mode, @@sql_select_limit")[0]
    if int(most) < _ALL:
        raise ConfigurationError(
            f"the server cuts results: its sql_select_limit is {most}, so that a run would not see what is loaded",
            hint=f"Add ?init_command=SET sql_select_limit={_ALL} to the URL of the pipeline's destination.",
        )
    if not _STRICT & {*str(mode).split(",")}:
        raise ConfigurationError(
            f"the server cuts texts that do not fit, and replaces characters: its sql_mode is {mode!r}",
            hint="Add ?sql_mode=STRICT_ALL_TABLES to the URL of the pipeline's destination.",
        )
    for name in {table.name for table in ALL_TABLES} & source.resources.keys():
        _shorten(source.resources[name])


def _shorten(resource: DltResource) -> None:
    """Leave out the descriptions of columns. dlt stores the whole schema as one text, which with details and these
    descriptions is longer than 64 KB; it writes none of them into MySQL's catalogue. `make_views` does."""
    columns: Any = (resource._hints or {}).get("columns")
    for hint in columns.values() if isinstance(columns, dict) else ():
        hint.pop("description", None)
