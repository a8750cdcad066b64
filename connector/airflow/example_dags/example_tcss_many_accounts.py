"""Loads many accounts into one dataset: a task and a pool for each account, on any executor.

Needs a connection of type tcss for each account, `warehouse`, which has to be a server, and the pools:

    python -m connector.airflow.accounts tcss_production tcss_staging > pools.json && airflow pools import pools.json
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from connector.airflow import TcssPublishOperator, sync_accounts, table_asset

ACCOUNTS = ["tcss_production", "tcss_staging"]

with DAG(
    "example_tcss_many_accounts",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2), "retry_exponential_backoff": True},
    tags=["tcss", "example"],
    doc_md=__doc__,
):
    syncs = sync_accounts(ACCOUNTS, destination_conn_id="warehouse")
    TcssPublishOperator(
        task_id="publish",
        results=[sync.output for sync in syncs],
        outlets=[table_asset("images"), table_asset("image_history")],
    )
