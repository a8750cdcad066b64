"""Defines the links that Airflow shows at a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

CONSOLES = {
    "tcss.tencentcloudapi.com": "https://console.cloud.tencent.com/tcss",
    "tcss.intl.tencentcloudapi.com": "https://console.tencentcloud.com/tcss",
}
"""The console of each site, by the host of its API. The vendor's documentation names the first; the second is the same
page on the host of the international console."""


class TcssConsoleLink(BaseOperatorLink):
    """Links a sync to the console of Container Security, on the site that the sync has read. A sync that failed, or
    that has read another endpoint, has no link."""

    name = "TCSS console"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address; empty if there is none. Airflow asks in the worker, when the task has ended."""
        row = XCom.get_value(ti_key=ti_key, key="return_value") or {}
        return CONSOLES.get(row.get("endpoint", ""), "")
