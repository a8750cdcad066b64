"""`TcssHook`: a connection becomes settings and credentials, and the button Test says whether they work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import redact
from sqlalchemy.engine import make_url

from connector.airflow import TcssHook, TcssSyncOperator
from connector.airflow.warehouses import destination, url_of
from connector.errors import ConfigurationError
from connector.sandbox import Fleet, wall_clock
from connector.sandbox.identity import Account
from connector.warehouse.locations import read_url
from tests.airflow.running import KEYS, airflow_world, connect
from tests.world import ACCOUNT_ID, World

THIRD = "300000000003"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """And another account, whose role may be assumed."""
    third = Account(Fleet.seeded(12, seed=3, clock=wall_clock), "AKIDTHIRD", "SECRETTHIRD", THIRD)
    with airflow_world(tmp_path, monkeypatch, images=30, accounts=[third]) as made:
        yield made


def test_every_field_of_a_connection_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and token as credentials, the rest as settings of the same name; numbers may be text."""
    extra = {
        "token": "TOKENEXAMPLE",
        "role_arn": "qcs::cam::uin/42:roleName/reader",
        "site": "cn",
        "endpoint": "https://tcss.example.com",
        "account_id": 42,
        "requests_per_second": "7.5",
        "lookback": 60,
        "metadata": False,
        "language": "",
    }
    connect(monkeypatch, "tcss_default", conn_type="tcss", login="AKIDEXAMPLE", password="KEYEXAMPLE", extra=extra)
    found = TcssHook().settings(mode="full")
    assert found.credentials is not None
    assert dict(found.credentials) == {"secret_id": "AKIDEXAMPLE", "secret_key": "KEYEXAMPLE", "token": "TOKENEXAMPLE"}
    assert {name: getattr(found, name) for name in (*extra, "mode") if name not in ("token", "language")} == {
        "role_arn": "qcs::cam::uin/42:roleName/reader",
        "site": "cn",
        "endpoint": "https://tcss.example.com",
        "account_id": "42",
        "requests_per_second": 7.5,
        "lookback": 60,
        "metadata": False,
        "mode": "full",
    }
    assert found.language == "en-US"


def test_a_connection_may_be_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    """As deployments write it into the environment."""
    monkeypatch.setenv("AIRFLOW_CONN_TCSS_DEFAULT", "tcss://AKIDEXAMPLE:a%2Fb@/?site=cn&account_id=42")
    found = TcssHook().settings()
    assert found.credentials is not None
    assert (found.credentials.secret_key, found.site, found.account_id) == ("a/b", "cn", "42")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"login": "AKIDEXAMPLE"}, "has no secret_key"),
        ({"password": "KEYEXAMPLE"}, "has no secret_id"),
        ({"extra": {"token": "TOKENEXAMPLE"}}, "has a token and no keys"),
        ({"host": "tcss.example.com"}, "has a host"),
        ({"extra": {"sight": "cn"}}, "may not have sight"),
        ({"extra": {"destination": "duckdb:///x.duckdb"}}, "may not have destination"),
        ({"extra": {"site": "us"}}, "site 'us' is none of intl, cn"),
        ({"extra": {"requests_per_second": "fast"}}, "requests_per_second cannot be 'fast'"),
        ({**KEYS, "extra": "{'role_arn': 'qcs::cam::uin/42:roleName/reader'}"}, "its extra is not a JSON object"),
        ({**KEYS, "extra": '["site", "cn"]'}, "its extra is not a JSON object"),
    ],
)
def test_a_connection_that_cannot_be_right_is_refused(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], says: str
) -> None:
    """And not half of it ignored: keys from elsewhere would be those of another account."""
    connect(monkeypatch, "tcss_default", conn_type="tcss", **fields)
    with pytest.raises(ConfigurationError, match=says):
        TcssHook().get_conn()


def test_connections_do_not_share_an_account_id(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is set for the whole worker would make all accounts one, whose images are gone in turns."""
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNT_ID", "42")
    assert TcssHook().settings().account_id is None


def test_settings_are_looked_up_as_for_the_command(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the connection does not say: in variables. A role is never that of all connections; a misspelt field of the
    extra is refused with the one that was meant."""
    monkeypatch.setenv("TCSS_LOOKBACK", "60")
    monkeypatch.setenv("TCSS_ROLE_ARN", f"qcs::cam::uin/{THIRD}:roleName/reader")
    found = TcssHook().settings()
    assert (found.lookback, found.role_arn) == (60, None)
    assert "TCSS_ROLE_ARN is not used for connection 'tcss_default'" in found.notes()[0]
    with pytest.raises(ConfigurationError, match=r"no setting 'lookbak'. Did you mean lookback\?"):
        TcssHook(settings={"lookbak": 5}).settings()
    connect(monkeypatch, "tcss_default", conn_type="tcss", **KEYS, extra={"lookbak": 5})
    with pytest.raises(ConfigurationError, match=r"may not have lookbak. Did you mean lookback\?"):
        TcssHook().settings()


# ---- the button Test ----


def test_the_button_says_which_account_it_is(account: World) -> None:
    """Through Airflow, which finds the hook by the connection's type."""
    ok, text = TcssHook.get_connection("tcss_default").test_connection()
    assert (ok, text) == (
        True,
        f"Account {ACCOUNT_ID}: tcss:DescribeAssetImageList is granted, 30 images are in the list.",
    )


def test_a_role_is_assumed(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the connection's keys."""
    extra = {"endpoint": account.sandbox.url, "role_arn": f"qcs::cam::uin/{THIRD}:roleName/reader"}
    connect(monkeypatch, "tcss_default", conn_type="tcss", **KEYS, extra=extra)
    assert TcssHook().test_connection()[1].startswith(f"Account {THIRD}: ")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"password": "CANARYEXAMPLE"}, "AuthFailure.SignatureFailure"),
        ({"extra": {"token": "CANARYEXAMPLE"}}, "AuthFailure"),
        ({"login": None, "password": None}, "no keys found"),
        ({"password": ""}, "has no secret_key"),
    ],
    ids=["refused-key", "refused-token", "no-keys", "half-a-key"],
)
def test_the_button_says_what_is_wrong(
    account: World, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], says: str
) -> None:
    """In a sentence, without the secret."""
    given = {**KEYS, **fields, "extra": {"endpoint": account.sandbox.url, **fields.get("extra", {})}}
    connect(monkeypatch, "tcss_default", conn_type="tcss", **given)
    ok, text = TcssHook().test_connection()
    assert not ok
    assert says in text
    assert "CANARY" not in text


# ---- the warehouse ----


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"uri": "postgresql://me:p%40ss%2Fw@db.example.com:5433/warehouse?sslmode=require"},
            "postgresql://me:p%40ss%2Fw@db.example.com:5433/warehouse?sslmode=require",
        ),
        (
            {"conn_type": "mysql", "login": "me", "password": "p:w", "host": "db.example.com", "schema": "tcss"},
            "mysql://me:p%3Aw@db.example.com/tcss",
        ),
        ({"uri": "duckdb:////data/w.duckdb"}, "duckdb:////data/w.duckdb"),
        ({"conn_type": "duckdb", "host": "/data/w.duckdb"}, "duckdb:////data/w.duckdb"),
        ({"conn_type": "sqlite", "host": "w.db"}, "sqlite:///w.db"),
        (
            {"conn_type": "motherduck", "host": "db", "extra": '{"motherduck_token": "t"}'},
            "motherduck://db?motherduck_token=t",
        ),
        (
            {"conn_type": "snowflake", "login": "me", "host": "acc", "schema": "db", "extra": '{"warehouse": "w"}'},
            "snowflake://me@acc/db?warehouse=w",
        ),
    ],
    ids=["postgres", "mysql", "duckdb-uri", "duckdb", "sqlite", "motherduck", "snowflake"],
)
def test_a_connection_names_a_warehouse(fields: dict[str, Any], url: str) -> None:
    """As the URL that `--destination` takes."""
    found = url_of(Connection(conn_id="warehouse", **fields))
    assert found.render_as_string(hide_password=False) == url
    assert make_url(url) == found


@pytest.mark.parametrize("name", ["a?b", "a%41b", "a@b", "a#b c", "中"])
def test_a_connection_with_an_odd_database_names_this_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's SQLAlchemy 2.0 would write the name of the database into the URL as it is."""
    connect(monkeypatch, "warehouse", conn_type="postgres", login="me", password=name, host="h", schema=name)
    found = read_url(str(destination("warehouse", None)))
    assert (found.database, found.password) == (name, name)


def test_the_secrets_of_a_url_are_masked_in_logs() -> None:
    """The password as it is and as it stands in the URL, and options that are secrets; not the others."""
    url = "postgresql://me:p%40ssCANARY@db.example.com/warehouse?token=TOKENCANARY&sslmode=require"
    assert destination(None, url) == url
    assert redact("p@ssCANARY p%40ssCANARY TOKENCANARY require") == "*** *** *** require"
    with pytest.raises(ConfigurationError) as caught:
        destination(None, "postgresql://me:CANARY@db:port/warehouse")
    assert "CANARY" not in str(caught.value)


def test_a_warehouse_is_given_once() -> None:
    """By its connection or by its URL."""
    assert destination(None, "duckdb:///x.duckdb") == "duckdb:///x.duckdb"
    assert destination(None, None) is None
    with pytest.raises(ConfigurationError):
        destination("warehouse", "duckdb:///x.duckdb")


def test_a_file_has_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a schema such as `main` too, it would be the file `main` in the worker's directory."""
    connect(monkeypatch, "warehouse", conn_type="duckdb", host="/data/w.duckdb", schema="main")
    with pytest.raises(ConfigurationError, match="a host and a schema"):
        destination("warehouse", None)


def test_the_options_of_a_warehouse_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow takes an extra that is no JSON for an empty one, and the connection would be without encryption."""
    connect(monkeypatch, "warehouse", conn_type="postgres", host="h", schema="w", extra="{'sslmode': 'verify-full'}")
    with pytest.raises(ConfigurationError, match="connection warehouse: its extra is not a JSON object"):
        destination("warehouse", None)


@pytest.mark.parametrize(
    ("conn_id", "given"),
    [("", {}), (None, {"destination": ""}), (None, {"dataset": ""}), (None, {"detail": ""}), (None, {"filters": ""})],
)
def test_an_empty_text_is_not_left_out(
    monkeypatch: pytest.MonkeyPatch, conn_id: str | None, given: dict[str, str]
) -> None:
    """A template or a variable that gives nothing does not mean the default: a file on the worker, all images, or no
    details."""
    connect(monkeypatch, "tcss_default", conn_type="tcss", **KEYS)
    with pytest.raises((ConfigurationError, AirflowNotFoundException), match=r"is empty|`` isn't defined"):
        TcssSyncOperator(task_id="sync", destination_conn_id=conn_id, **given)._settings()
