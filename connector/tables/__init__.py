"""Defines what is loaded: every table and column, with its type and meaning, as data; and a few conversions of tables.

Column names, order and types are a contract with everyone who queries the warehouse; dlt never changes a column's type.
`TABLES` are loaded by every sync, `DETAIL_TABLES` by a sync that is asked for details (`aspects`). `POSTURE_CHANGES` is
counted in the warehouse, by a sync that holds the account's lock. `NAMED_ACCOUNTS` is written by a run that has another
name for its account.
"""

from collections.abc import Iterable

from connector.tables.accounts import NAMED_ACCOUNTS
from connector.tables.aspects import ASPECTS, IMAGE_MALWARE, IMAGE_VULNERABILITIES, Aspect
from connector.tables.details import DETAIL_RUNS, IMAGE_READS, VULNERABILITIES
from connector.tables.images import (
    API_COLUMNS,
    IMAGE_HISTORY,
    IMAGE_SCANS,
    IMAGES,
    LONGEST_ACCOUNT_NAME,
    POSTURE_CHANGES,
    REJECTED_VALUES,
    SYNC_RUNS,
    TABLES,
    versions,
)
from connector.tables.model import Column, ColumnType, Row, Table, plain_rows
from connector.tables.places import CONTAINERS, HOSTS

DETAIL_TABLES = (
    VULNERABILITIES,
    *(aspect.table for aspect in ASPECTS.values()),
    IMAGE_READS,
    CONTAINERS,
    HOSTS,
    DETAIL_RUNS,
)
LOADED_TABLES = TABLES + DETAIL_TABLES
ALL_TABLES = (*LOADED_TABLES, POSTURE_CHANGES, NAMED_ACCOUNTS)
RUNNING_DETAIL = "running"
"""The detail that says where images run, and is no aspect of an image."""


def written_by(detail: str) -> tuple[Table, ...]:
    """Return the tables of details that a sync with one detail writes. KeyError if there is no such detail."""
    if detail == RUNNING_DETAIL:
        return (CONTAINERS, HOSTS, DETAIL_RUNS)
    aspect = ASPECTS[detail]
    return (*([aspect.facts] if aspect.facts else []), aspect.table, IMAGE_READS, DETAIL_RUNS)


def of_details(details: Iterable[str]) -> tuple[Table, ...]:
    """Return the tables that a sync with these details writes, without those of every sync."""
    written = {table.name for detail in details for table in written_by(detail)}
    return tuple(table for table in DETAIL_TABLES if table.name in written)


__all__ = [
    "ALL_TABLES",
    "API_COLUMNS",
    "ASPECTS",
    "CONTAINERS",
    "DETAIL_RUNS",
    "DETAIL_TABLES",
    "HOSTS",
    "IMAGES",
    "IMAGE_HISTORY",
    "IMAGE_MALWARE",
    "IMAGE_READS",
    "IMAGE_SCANS",
    "IMAGE_VULNERABILITIES",
    "LOADED_TABLES",
    "LONGEST_ACCOUNT_NAME",
    "NAMED_ACCOUNTS",
    "POSTURE_CHANGES",
    "REJECTED_VALUES",
    "RUNNING_DETAIL",
    "SYNC_RUNS",
    "TABLES",
    "VULNERABILITIES",
    "Aspect",
    "Column",
    "ColumnType",
    "Row",
    "Table",
    "of_details",
    "plain_rows",
    "versions",
    "written_by",
]
