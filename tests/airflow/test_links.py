"""The link that Airflow shows at a sync."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector.airflow import TcssConsoleLink, TcssSyncOperator
from connector.airflow.links import CONSOLES
from connector.api.endpoints import Endpoints
from tests.airflow.running import airflow_world, pushed, run, written

SYNC = "TcssSyncOperator(dag=dag, task_id='sync', destination_conn_id='warehouse')"


def test_a_sync_links_to_the_console_of_its_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is in XCom, where Airflow's pages look for it; a host that has no console has no link."""
    with airflow_world(tmp_path, monkeypatch, images=20) as account:
        elsewhere = written(SYNC)
        assert run(elsewhere)["sync"].state == "success"
        assert pushed(elsewhere.dag_id, "_link_TcssConsoleLink") == [""]
        monkeypatch.setitem(CONSOLES, account.sandbox.host, "https://console.example.com/tcss")
        here = written(SYNC)
        assert run(here)["sync"].state == "success"
        assert pushed(here.dag_id, "_link_TcssConsoleLink") == ["https://console.example.com/tcss"]


@pytest.mark.parametrize("row", [None, {"endpoint": "tcss.example.com"}], ids=["a failed sync", "another endpoint"])
def test_without_a_console_there_is_no_link(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty text, and no error in the log of the task."""
    monkeypatch.setattr("connector.airflow.links.XCom.get_value", lambda **_: row)
    operator: Any = TcssSyncOperator(task_id="sync")
    assert TcssConsoleLink().get_link(operator, ti_key=SimpleNamespace()) == ""  # type: ignore[arg-type]
    assert operator.operator_extra_links == (TcssConsoleLink(),)


def test_every_site_has_a_console() -> None:
    """By the host of its API."""
    hosts = {Endpoints(site).urls()["tcss"].removeprefix("https://") for site in ("intl", "cn")}
    assert set(CONSOLES) == hosts
