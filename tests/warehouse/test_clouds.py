"""Destinations without a server here: each extra installs, and URL, configuration and SQL are followed as far as that
goes. What only their servers could show is untested, and docs/warehouses.md says so."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from connector.tables import ALL_TABLES, IMAGES
from tests.tools import ROOT, UV

pytestmark = pytest.mark.thorough
EXTRAS = "redshift,mssql,snowflake,bigquery,clickhouse,databricks,oracle,trino"
URLS = {
    "motherduck": "duckdb:///md:db?motherduck_token=t",
    "redshift": "redshift://u:p@h:5439/d",
    "mssql": "mssql://u:p@h/d",
    "snowflake": "snowflake://u:p@account/d?warehouse=w",
    "bigquery": "bigquery://project/tcss",
    "clickhouse": "clickhouse://u:p@h/d",
    "databricks": "databricks://token:t@h?http_path=/sql/1&catalog=c",
    "oracle": "oracle://u:p@h/?service_name=s",
    "trino": "trino://u@h/c",
}
# The table as each names it, and the types of a text, a count, an instant and a truth.
EXPECTED = {
    "motherduck": ('"db"."tcss"."images"', "VARCHAR", "BIGINT", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"),
    "redshift": ('"tcss"."images"', "varchar(max)", "bigint", "timestamp with time zone", "boolean"),
    "snowflake": ('"TCSS"."IMAGES"', "VARCHAR", "NUMBER(19,0)", "TIMESTAMP_LTZ", "BOOLEAN"),
    "bigquery": ("`project`.`tcss`.`images`", "STRING", "INT64", "TIMESTAMP", "BOOL"),
    "clickhouse": (
        "`d`.`tcss___images`",
        "Nullable(String)",
        "Nullable(Int64)",
        "Nullable(DateTime64(6,'UTC'))",
        "Nullable(Boolean)",
    ),
    "databricks": ("`c`.`tcss`.`images`", "STRING", "BIGINT", "TIMESTAMP", "BOOLEAN"),
    "oracle": ("tcss.images", "CLOB", "NUMBER(19)", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"),
    "trino": ("tcss.images", "VARCHAR", "BIGINT", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"),
}


@pytest.fixture(scope="session")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `tests.warehouse.clouds` finds in an environment with all drivers, by name of the destination."""
    environment = tmp_path_factory.mktemp("clouds") / "venv"
    for command in (
        [UV, "venv", "-q", "--python", sys.executable, str(environment)],
        [UV, "pip", "install", "-q", "-p", str(environment), "-c", "constraints/default.txt", f".[{EXTRAS}]"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
    command = [str(environment / "bin" / "python"), "-m", "tests.warehouse.clouds", *URLS.values()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: found[url] for name, url in URLS.items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_table_is_created_with_faithful_types(name: str, clouds: dict[str, dict[str, Any]]) -> None:
    """Counts have 64 bits, instants a zone and microseconds, and texts no length but in keys."""
    table, text, count, instant, truth = EXPECTED[name]
    create = clouds[name]["create"]
    types = {
        words[0].strip('`"').lower(): words[1] for line in create.splitlines() if (words := line.split(None, 1))[1:]
    }
    wanted = {"extra": text, "vul_cnt": count, "scan_time": instant, "is_trust_image": truth}
    assert table in create.splitlines()[0] or table in create.splitlines()[1]
    assert {
        column: types[column].split(" COMMENT ")[0].split(" OPTIONS ")[0].rstrip(" ,") for column in wanted
    } == wanted


# What makes a merge whole. ClickHouse has neither MERGE nor transactions.
MERGED = {
    "motherduck": "transaction",
    "redshift": "transaction",
    "snowflake": "transaction",
    "bigquery": "one statement",
    "clickhouse": "one by one",
    "databricks": "one statement",
    "oracle": "transaction",
    "trino": "transaction",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_no_merge_can_be_half_done(name: str, clouds: dict[str, dict[str, Any]]) -> None:
    """Of any table, whether it names create_time or not: dlt looks for CREATE in the SQL."""
    assert clouds[name]["merged"] == {table.name: MERGED[name] for table in ALL_TABLES}


@pytest.mark.parametrize("name", [name for name, how in MERGED.items() if how == "one statement"])
def test_one_merge_takes_each_key_once_and_replaces_whole_rows(name: str, clouds: dict[str, dict[str, Any]]) -> None:
    """From the account's staging, by the whole key; a row that is there gets every column."""
    merge = clouds[name]["merge"].replace("`", "")
    source, on, matched, others = (merge.index(word) for word in ("USING (", "ON d.", "WHEN MATCHED", "WHEN NOT"))
    assert merge.strip().startswith(f"MERGE INTO {EXPECTED[name][0].replace('`', '')} d USING (")
    assert source < on < matched < others
    assert "ROW_NUMBER() OVER (partition BY account_id, image_id" in merge[source:on]
    assert ".tcss_staging_1.images" in merge[source:on]
    assert "_dlt_dedup_rn = 1" in merge[source:on]
    assert " ".join(merge[on:matched].split()) == "ON d.account_id = s.account_id AND d.image_id = s.image_id"
    assert all(f"{column} = s.{column}" in merge[matched:others] for column in IMAGES.column_names)
    assert all(f"s.{column}" in merge[others:] for column in IMAGES.column_names)


@pytest.mark.parametrize("name", [name for name, how in MERGED.items() if how != "one statement"])
def test_a_merge_deletes_by_the_whole_key_and_inserts_from_the_accounts_staging(
    name: str, clouds: dict[str, dict[str, Any]]
) -> None:
    """Delete by account and image, then insert."""
    merge = clouds[name]["merge"].lower()
    delete, insert = merge.index("delete from"), merge.index("insert into")
    assert delete < insert
    assert all(merge.find(word, delete, insert) > 0 for word in ("account_id", "image_id", "tcss_staging_1"))
    assert merge.find("tcss_staging_1", insert) > 0


def test_sql_server_needs_a_driver_of_the_system(clouds: dict[str, dict[str, Any]]) -> None:
    """pyodbc installs, and needs unixODBC; where that is missing, this is all that can be seen here."""
    found = clouds["mssql"]
    assert "libodbc" in found["error"] if "error" in found else "[tcss].[images]" in found["create"]
