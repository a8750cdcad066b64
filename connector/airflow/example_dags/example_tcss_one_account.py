"""Syncs one account every hour, and runs a consumer when the account's images are loaded.

Connections: `tcss_default` of type tcss, and `warehouse`, such as `postgresql://user:password@host/database`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, task

from connector.airflow import TcssFreshnessSensor, TcssSyncOperator, table_asset

IMAGES = table_asset("images")

with DAG(
    "example_tcss_one_account",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a run reads the present state
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2), "retry_exponential_backoff": True},
    params={"mode": Param("auto", enum=["auto", "incremental", "full"])},
    tags=["tcss", "example"],
    doc_md=__doc__,
):
    TcssSyncOperator(task_id="sync", destination_conn_id="warehouse", mode="{{ params.mode }}", outlets=[IMAGES])

with DAG("example_tcss_consumer", schedule=[IMAGES], catchup=False, tags=["tcss", "example"]):

    @task
    def changed(triggering_asset_events: dict[Asset, Any] | None = None) -> int:
        """Return how many rows of `images` have changed, from the events, without a query to the warehouse."""
        return sum(event.extra["rows"] for event in (triggering_asset_events or {}).get(IMAGES, []))

    changed()

with DAG(
    "example_tcss_report",
    schedule="0 6 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},  # the warehouse may be down
    tags=["tcss", "example"],
    doc_md=__doc__,
):
    TcssFreshnessSensor(
        task_id="fresh", destination_conn_id="warehouse", max_age=timedelta(hours=2), timeout=timedelta(hours=1)
    )
