"""`connector.warehouse.locations`: destinations as users write them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import registry

from connector.errors import ConfigurationError, DestinationError
from connector.warehouse import locations
from connector.warehouse.locations import locate

SECRET = "p@ss/w:rd"
QUOTED = "p%40ss%2Fw%3Ard"
UTF8 = "client_encoding=utf8&connect_timeout=10&keepalives_count=6&keepalives_idle=60&keepalives_interval=10"
STRICT = "sql_mode=STRICT_ALL_TABLES%2CNO_ENGINE_SUBSTITUTION"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Relative paths are of an empty directory, and no configuration of the machine is seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGUSER", "ann")
    return tmp_path


def test_a_duckdb_url_names_a_file(directory: Path) -> None:
    """Three slashes: relative to the working directory. The dataset is `tcss`."""
    found = locate("duckdb:///w.duckdb")
    assert (found.kind, found.backend.destination, found.dataset, found.file) == (
        "duckdb",
        "duckdb",
        "tcss",
        directory / "w.duckdb",
    )
    assert found.display == "duckdb:///w.duckdb"


def test_an_sqlite_url_names_a_file_and_its_own_dataset(directory: Path) -> None:
    """Any other dataset of SQLite would be another file."""
    found = locate("sqlite:///w.db")
    assert (found.kind, found.backend.destination, found.dataset, found.file) == (
        "sqlite",
        "sqlalchemy",
        "main",
        directory / "w.db",
    )


@pytest.mark.parametrize(
    ("text", "url", "dataset"),
    [
        pytest.param(
            f"postgresql+psycopg2://u:{QUOTED}@h:5433/d?sslmode=require",
            f"postgresql://u:{QUOTED}@h:5433/d?{UTF8}&sslmode=require",
            "tcss",
            id="driver-is-stripped",
        ),
        pytest.param(
            "postgres://u:p@h/d",
            f"postgresql://u:p@h:5432/d?{UTF8}",
            "tcss",
            id="short-name",
        ),
        pytest.param(
            "postgresql://u@h/d",
            f"postgresql://u:@h:5432/d?{UTF8}",
            "tcss",
            id="no-password",
        ),
        pytest.param(
            "postgresql:///d",
            f"postgresql://ann:@localhost:5432/d?{UTF8}",
            "tcss",
            id="no-user-and-host",
        ),
        pytest.param("mysql://u:p@h:3307/d", f"mysql+pymysql://u:p@h:3307/?charset=utf8mb4&{STRICT}", "d", id="mysql"),
        pytest.param("mariadb://u:p@h/d-1", f"mysql+pymysql://u:p@h/?charset=utf8mb4&{STRICT}", "d-1", id="mariadb"),
        pytest.param("mysql://h/d?charset=utf8", f"mysql+pymysql://h/?charset=utf8mb4&{STRICT}", "d", id="charset"),
        pytest.param("mssql+pyodbc://u:p@h/d", "mssql://u:p@h/d", "tcss", id="mssql"),
        pytest.param("snowflake://u:p@account/d", "snowflake://u:p@account/d", "tcss", id="snowflake"),
        pytest.param(
            "snowflake://u:p@a/d/Sch?warehouse=w", "snowflake://u:p@a/d?warehouse=w", "sch", id="snowflake-schema"
        ),
        pytest.param("redshift+psycopg2://u:p@h:5439/d", "redshift://u:p@h:5439/d", "tcss", id="redshift"),
        pytest.param("clickhouse+native://u:p@h/d", "clickhouse://u:p@h/d", "tcss", id="clickhouse"),
        pytest.param("oracle://u:p@h/d", "oracle+oracledb://u:p@h/d", "tcss", id="oracle"),
        pytest.param("trino://u@h/c", "trino://u@h/c", "tcss", id="trino"),
    ],
)
def test_a_server_url_is_completed_for_its_driver(
    text: str, url: str, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dlt and the drivers get the form that they insist on."""
    monkeypatch.setattr(locations, "_installed", lambda module: True)
    found = locate(text)
    assert found.url is not None
    assert (found.url.render_as_string(hide_password=False), found.dataset) == (url, dataset)


@pytest.mark.parametrize(
    ("text", "credentials", "options", "dataset"),
    [
        pytest.param("duckdb:///md:db?motherduck_token=t", "md:db?motherduck_token=t", {}, "tcss", id="motherduck"),
        pytest.param("motherduck:///db", "md:db", {}, "tcss", id="motherduck-token-in-the-environment"),
        pytest.param(
            "bigquery://project/sets?location=EU",
            None,
            {"project_id": "project", "location": "EU"},
            "sets",
            id="bigquery",
        ),
        pytest.param(
            "databricks://token:t@host?http_path=/sql/1&catalog=c&schema=s",
            {"server_hostname": "host", "access_token": "t", "http_path": "/sql/1", "catalog": "c"},
            {},
            "s",
            id="databricks",
        ),
    ],
)
def test_a_url_that_dlt_does_not_take_becomes_its_configuration(
    text: str, credentials: object, options: dict[str, str], dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written as SQLAlchemy's dialects of these databases have it, tokens hidden."""
    monkeypatch.setattr(locations, "_installed", lambda module: True)
    found = locate(text)
    assert (found.credentials, found.access.options, found.dataset) == (credentials, options, dataset)
    assert not re.search("[:=]t(?![a-z])", f"{found!r} {found.display}")


@pytest.mark.parametrize("dataset", ["other", "_x1", "a" * 63])
def test_a_dataset_that_is_given_is_used(dataset: str) -> None:
    """`--dataset` wins over every default."""
    assert [locate(url, dataset).dataset for url in ("duckdb:///w.duckdb", "mysql://h/d", "sqlite:///w.db")] == [
        dataset
    ] * 3


@pytest.mark.parametrize(
    ("destination", "dataset", "message"),
    [
        pytest.param(f"://u:{SECRET}@h/d", None, "not a URL", id="unparsable"),
        pytest.param("postgresql://u:p@h:port/d", None, "not a URL", id="port-is-no-number"),
        *(
            pytest.param(text, None, "the destination is neither a URL nor a SQL destination", id=text)
            for text in (
                f"mysql:/u:{SECRET}@h/d",
                f"mysql//u:{SECRET}@h/d",
                f"u:{SECRET}@h/d",
                f"password={SECRET}",
            )
        ),
        pytest.param("nosuch", None, "neither a URL nor a SQL destination", id="unknown-name"),
        pytest.param("filesystem", None, "neither a URL nor a SQL destination", id="not-sql"),
        pytest.param("nosuch://h/d", None, "not a database that SQLAlchemy knows", id="unknown-dialect"),
        pytest.param("bigquery://", None, "BigQuery URL names no project", id="bigquery-without-project"),
        pytest.param("snowflake://u:p@a", None, "Snowflake URL names no database", id="snowflake-without-database"),
        pytest.param("databricks://token:t@h?catalog=c", None, "names no host, token, http_path", id="databricks"),
        pytest.param("duckdb:///md:", None, "MotherDuck URL names no database", id="motherduck-without-database"),
        pytest.param("duckdb://", None, "must be a file", id="duckdb-in-memory"),
        pytest.param("duckdb:///:memory:", None, "must be a file", id="duckdb-memory"),
        pytest.param("duckdb://w.duckdb", None, "must be a file", id="two-slashes"),
        pytest.param("sqlite://", None, "must be a file", id="sqlite-in-memory"),
        pytest.param("postgresql://u:p@h", None, "names no database", id="postgresql-without-database"),
        pytest.param("mysql://h", None, "names no database", id="mysql-without-database"),
        pytest.param("mysql://h/mysql", None, "belongs to the server", id="mysql-own"),
        pytest.param("postgresql://u:p@h/d", "pg_x", "reserves names in pg_", id="pg"),
        pytest.param("postgresql://u:p@h/d", "information_schema", "belongs to the server", id="information-schema"),
        pytest.param("duckdb:///tcss.duckdb", None, "cannot tell the dataset", id="stem"),
        pytest.param("duckdb:///dir/Mine.v2.duckdb", "mine", "cannot tell the dataset", id="stem-to-the-first-dot"),
        pytest.param("sqlite:///w.db", "temp", "belongs to the server", id="sqlite-temp"),
        pytest.param("duckdb:///w.duckdb", "no-hyphen", "not usable", id="hyphen"),
        pytest.param("duckdb:///w.duckdb", "Upper", "not usable", id="upper-case"),
        pytest.param("duckdb:///w.duckdb", 'x"; drop', "not usable", id="quote"),
        pytest.param("duckdb:///w.duckdb", "a" * 64, "not usable", id="too-long"),
        pytest.param("postgresql://u:p@h/d", "", "names no database", id="empty"),
    ],
)
def test_what_cannot_be_right_is_a_usage_error(destination: str, dataset: str | None, message: str) -> None:
    """Exit code 2 with a next step, before anything is connected to, and without the password."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        locate(destination, dataset)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "module", "step"),
    [
        ("postgresql://u:p@h/d", "psycopg2", 'pip install "tcss-connector[postgres]"'),
        ("mysql://u:p@h/d", "pymysql", 'pip install "tcss-connector[mysql]"'),
        ("mssql://u:p@h/d", "pyodbc", 'pip install "tcss-connector[mssql]"'),
        ("snowflake://u:p@h/d", "snowflake.connector", 'pip install "tcss-connector[snowflake]"'),
        ("bigquery://project", "google.cloud.bigquery", 'pip install "tcss-connector[bigquery]"'),
    ],
    ids=["postgresql", "mysql", "mssql", "snowflake", "bigquery"],
)
def test_a_missing_driver_names_the_extra(url: str, module: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 6, and what to type."""
    monkeypatch.setattr(locations, "find_spec", lambda name: None if name == module else object())
    with pytest.raises(DestinationError, match=re.escape(step)):
        locate(url)


def test_a_dialect_without_its_driver_names_the_module() -> None:
    """SQLAlchemy knows the dialect, and nobody here has its driver."""
    registry.register("toydb", "sqlalchemy.dialects.oracle.cx_oracle", "OracleDialect_cx_oracle")
    with pytest.raises(DestinationError, match="Install the Python package that has the module cx_Oracle"):
        locate("toydb://u:p@h/d")


def test_a_name_takes_its_url_from_dlts_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--destination postgres` is then what the URL would have been; so is a named destination."""
    monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", "postgresql://u:p@h/d")
    monkeypatch.setenv("DESTINATION__MINE__DESTINATION_TYPE", "sqlalchemy")
    monkeypatch.setenv("DESTINATION__MINE__CREDENTIALS", "mysql://u:p@h/d")
    assert [(found.kind, found.dataset) for found in map(locate, ("postgres", "mine"))] == [
        ("postgresql", "tcss"),
        ("mysql", "d"),
    ]


def test_a_name_without_credentials_says_what_to_set() -> None:
    """The environment variable is named."""
    with pytest.raises(ConfigurationError, match="DESTINATION__POSTGRES__CREDENTIALS"):
        locate("postgres")


def test_other_destinations_are_left_to_dlt() -> None:
    """Their credentials are dlt's business."""
    found = locate("motherduck")
    assert (found.kind, found.backend.destination, found.dataset, found.url) == ("other", "motherduck", "tcss", None)


def test_a_password_is_never_shown() -> None:
    """Neither `str`, `repr` nor `display` has it, and `scrub` takes it out of any text, in each of its forms."""
    found = locate(f"postgresql://u:{QUOTED}@h/d?sslpassword=x")
    assert found.display == "postgresql://u:***@h/d"
    for text in (str(found), repr(found), found.scrub(f"{SECRET} and {QUOTED} and mysql://v:other@h/d")):
        assert not re.search(f"{re.escape(SECRET)}|{QUOTED}|other|sslpassword", text)


@given(st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=30, unique=True))
def test_accounts_never_share_a_name(account_ids: list[str]) -> None:
    """Staging that two accounts share loses rows; names are legal on every server, and no longer than it allows."""
    place = locate("postgresql://u:p@h/d", "d" * 63)
    names = [place.staging(account_id) for account_id in account_ids]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z_][a-z0-9_]{0,62}", name) for name in names)


def test_an_account_of_tencent_cloud_keeps_its_name() -> None:
    """Twelve digits need nothing."""
    assert locate("duckdb:///w.duckdb").staging("100012345678") == "tcss_staging_100012345678"


def test_runs_without_a_lock_have_their_own_staging() -> None:
    """Two syncs of an account may then run at once; where there is a lock, staging is the account's, and stays."""
    for url, expected in (("motherduck", "tcss_staging_1_s1"), ("duckdb:///w.duckdb", "tcss_staging_1")):
        assert locate(url).staging("1", run="s1") == expected
