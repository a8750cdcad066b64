"""Planted secrets turn up nowhere: not in logs, XCom, rendered fields, serialised DAGs, run configuration, assets, or
any other table or file of Airflow's; in runs that succeed and in runs that fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy as sa

from connector.sandbox import Fault
from connector.sandbox.identity import DEFAULT_ID
from tests.airflow.conftest import HOME
from tests.airflow.running import airflow_world, connect, run, written
from tests.airflow.test_examples import ISOLATED, example, needs_isolated
from tests.warehouses import Place, place, user
from tests.world import World

KEY, TOKEN = "CANARYKEYEXAMPLE/+=", "CANARYTOKENEXAMPLE"
SYNC = """
TcssSyncOperator(dag=dag, task_id="sync", destination_conn_id="warehouse", outlets=[table_asset("images")])
"""
BY_URL = """
import os
TcssSyncOperator(dag=dag, task_id="sync", destination=os.environ["URL"])
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Place, str]]:
    """A PostgreSQL schema, and the URL of a user whose password has to be quoted in it."""
    with (
        place("postgresql", tmp_path) as made,
        user(made, [f"GRANT CREATE ON DATABASE {made.engine.url.database} TO {{user}}"]) as url,
    ):
        yield made, url


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[Place, str]) -> Iterator[World]:
    made, url = server
    with airflow_world(tmp_path, monkeypatch, images=60, secret_key=KEY) as account:
        monkeypatch.setenv("SOURCES__TCSS__DATASET", made.dataset)
        monkeypatch.setenv("SOURCES__TCSS__PATIENCE", "0.05")
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", url)
        monkeypatch.setenv("URL", url)
        extra = {"endpoint": account.sandbox.url}
        connect(monkeypatch, "tcss_default", conn_type="tcss", login=DEFAULT_ID, password=KEY, extra=extra)
        yield account


def forms(url: str) -> set[str]:
    """Every secret, as it may be written."""
    password = sa.make_url(url).password
    assert isinstance(password, str)
    secrets = (KEY, TOKEN, password)
    return {form for s in secrets for form in (s, quote(s), quote(s, safe=""), quote_plus(s), json.dumps(s)[1:-1])}


def assert_nowhere(forms: set[str], *texts: str) -> None:
    for form in forms:
        for text in texts:
            assert form not in text
        for path in [path for path in HOME.rglob("*") if path.is_file()]:
            assert form.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (SYNC, None),
        (SYNC, Fault("cut_body", at=range(1, 99))),
        (SYNC, Fault("unauthorized", at=range(1, 99))),
        (SYNC, "database"),
        (SYNC, "token"),
        (BY_URL, None),
        (BY_URL, "database"),
    ],
    ids=["quiet", "cut-body", "denied", "no-database", "refused-token", "url", "url-no-database"],
)
def test_the_canary_is_nowhere(
    account: World,
    server: tuple[Place, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    code: str,
    fault: Fault | str | None,
) -> None:
    """With our loggers at debug; the keys in one connection, the warehouse's password in another or in a URL."""
    caplog.set_level(logging.DEBUG, "connector")
    _, url = server
    if isinstance(fault, Fault):
        account.sandbox.backend.faults = (fault,)
    elif fault == "database":
        gone = sa.make_url(url).set(port=1).render_as_string(hide_password=False)
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", gone)
        monkeypatch.setenv("URL", gone)
    elif fault == "token":
        extra = {"endpoint": account.sandbox.url, "token": TOKEN}
        connect(monkeypatch, "tcss_default", conn_type="tcss", login=DEFAULT_ID, password=KEY, extra=extra)
    task = run(written(code))["sync"]
    assert task.state == ("success" if fault is None else "failed")
    out, err = capfd.readouterr()
    assert "sync" in out + err
    assert_nowhere(forms(url), out, err, caplog.text, repr(task))


@needs_isolated
def test_nor_with_an_environment_of_its_own(
    account: World, server: tuple[Place, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the example gives the secrets to a function, and Airflow stores its arguments."""
    monkeypatch.setenv("TCSS_PYTHON", str(ISOLATED))
    task = run(example("example_tcss_external_python"))["sync"]
    assert task.state == "success"
    out, err = capfd.readouterr()
    assert_nowhere(forms(server[1]), out, err, repr(task))


def test_the_search_would_find_it(server: tuple[Place, str]) -> None:
    """A check that cannot fail proves nothing: in the metadata database, in a file, in a text."""
    found = forms(server[1])
    assert len(found) > 5
    assert (HOME / "airflow.db").stat().st_size > 100_000
    for form in found:
        with pytest.raises(AssertionError):
            assert_nowhere(found, f"... {form} ...")
    leak = HOME / "leak.txt"
    leak.write_text(KEY, encoding="utf-8")
    try:
        with pytest.raises(AssertionError, match="leak"):
            assert_nowhere(found)
    finally:
        leak.unlink()
