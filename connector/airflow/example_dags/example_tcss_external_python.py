"""Runs the connector in an environment of its own, where it cannot be installed beside Airflow.

TCSS_PYTHON names the Python of that environment, which needs `tcss-connector` with the warehouse's extra, but no
Airflow. Connections: `tcss_default` of type tcss, and `warehouse`, a PostgreSQL server. Where Airflow shows the
arguments, passwords are `***`.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG, task

with DAG(
    "example_tcss_external_python",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2), "retry_exponential_backoff": True},
    tags=["tcss", "example"],
    doc_md=__doc__,
):

    @task.external_python(python=os.environ.get("TCSS_PYTHON", "/opt/tcss/bin/python"), expect_airflow=False)
    def sync(keys: dict[str, str], extra: str, warehouse: dict[str, str]) -> dict[str, Any]:
        """Sync the account, in the other environment: import what is used here, and return plain values."""
        import json

        from sqlalchemy import URL

        import connector

        user, password, host, database = (warehouse[part] for part in ("user", "password", "host", "database"))
        url = URL.create("postgresql", user, password, host, int(warehouse["port"] or 5432), database)
        destination = url.render_as_string(hide_password=False)
        settings = json.loads(extra)  # all of it: with another role or site, these are the images of another account
        credentials = {**keys, "token": settings.pop("token", None)}
        run = connector.sync(credentials=credentials, destination=destination, **settings)
        return dict(run)

    sync(
        keys={
            "secret_id": "{{ conn.tcss_default.login }}",
            "secret_key": "{{ conn.tcss_default.password }}",
        },
        extra="{{ conn.tcss_default.extra_dejson | tojson }}",
        # In parts, because Airflow hides a password, but not the form of the password in a URL.
        warehouse={
            "user": "{{ conn.warehouse.login }}",
            "password": "{{ conn.warehouse.password or '' }}",
            "host": "{{ conn.warehouse.host }}",
            "port": "{{ conn.warehouse.port or '' }}",
            "database": "{{ conn.warehouse.schema }}",
        },
    )
