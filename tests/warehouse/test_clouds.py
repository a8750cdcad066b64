"""Destinations without a server here: each extra installs, and URL, configuration and SQL are followed as far as that
goes. What only their servers could show is untested, and docs/warehouses.md says so."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

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


@pytest.mark.parametrize("name", EXPECTED)
def test_a_merge_deletes_by_the_whole_key_and_inserts_from_the_accounts_staging(
    name: str, clouds: dict[str, dict[str, Any]]
) -> None:
    """Delete by account and image, then insert: the one strategy on every destination."""
    merge = clouds[name]["merge"].lower()
    delete, insert = merge.index("delete from"), merge.index("insert into")
    assert delete < insert
    assert all(merge.find(word, delete, insert) > 0 for word in ("account_id", "image_id", "tcss_staging_1"))
    assert merge.find("tcss_staging_1", insert) > 0


def test_sql_server_needs_a_driver_of_the_system(clouds: dict[str, dict[str, Any]]) -> None:
    """pyodbc installs, and needs unixODBC; where that is missing, this is all that can be seen here."""
    found = clouds["mssql"]
    assert "libodbc" in found["error"] if "error" in found else "[tcss].[images]" in found["create"]
