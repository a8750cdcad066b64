"""Runs the command `tcss` in a pod of its own, on any executor; the account's keys are in a Kubernetes Secret.

Needs an image with `tcss-connector[postgres]`, for each account a Secret with TENCENTCLOUD_SECRET_ID,
TENCENTCLOUD_SECRET_KEY and TCSS_DESTINATION, and the pools of the example of many accounts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret
from airflow.sdk import DAG
from kubernetes.client import models as k8s

ACCOUNTS = ["tcss-production", "tcss-staging"]
PARTIAL = 5  # the exit code of a run that has loaded its rows, but has no proof that no row is missing

with DAG(
    "example_tcss_kubernetes",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2), "retry_exponential_backoff": True},
    tags=["tcss", "example"],
    doc_md=__doc__,
):
    for account in ACCOUNTS:
        KubernetesPodOperator(
            task_id=f"sync_{account}",
            name=f"sync-{account}",
            pool=account.replace("-", "_"),
            image="tcss-connector:0.1.0",
            cmds=["tcss"],
            arguments=["sync", "--json"],
            secrets=[Secret("env", None, account)],
            container_resources=k8s.V1ResourceRequirements(requests={"cpu": "500m", "memory": "512Mi"}),
            skip_on_exit_code=PARTIAL,
        )
