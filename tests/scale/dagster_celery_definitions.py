"""What the workers of `dagster_celery.py` load: a user's definitions, and a sync that waits to be killed in a load."""

import os
from pathlib import Path
from threading import Event
from typing import Any

import dagster as dg

from connector.dagster import TcssAccount, TcssResource, build_tcss_assets, build_tcss_schedule
from tests.syncing import before_the_merge

NAMES = os.environ["SCALE_ACCOUNTS"].split(",")
VICTIM = os.environ["SCALE_VICTIM"]
MARKS = Path(os.environ["SCALE_MARKS"])


class Observed(TcssResource):
    """Notes which worker syncs an account; the victim's first sync stops between staging and merge."""

    def sync(self, account: str | None = None, **given: Any) -> Any:
        worker = os.environ["SCALE_WORKER"]
        with (MARKS / "syncs").open("a", encoding="utf-8") as file:
            file.write(f"{account} {worker}\n")
        if account != VICTIM or (MARKS / "killed").exists():
            return super().sync(account, **given)

        def wait() -> None:
            (MARKS / "killed").write_text(worker, encoding="utf-8")
            Event().wait()

        with before_the_merge("images", wait):
            return super().sync(account, **given)


accounts = dg.StaticPartitionsDefinition(NAMES)
assets = build_tcss_assets(partitions_def=accounts)
schedule = build_tcss_schedule(
    assets,
    cron_schedule=os.environ["SCALE_CRON"],
    partitions_def=accounts,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
defs = dg.Definitions(
    assets=[assets],
    schedules=[schedule],
    resources={
        "tcss": Observed(
            destination=dg.EnvVar("SCALE_WAREHOUSE"),
            dataset=os.environ["SCALE_DATASET"],
            endpoint=os.environ["SCALE_ENDPOINT"],
            accounts={
                name: TcssAccount(secret_id=f"AKID{name.upper()}EXAMPLE", secret_key=dg.EnvVar(f"{name.upper()}_KEY"))
                for name in NAMES
            },
            options={"metadata": False, "requests_per_second": 1000.0},
        )
    },
)
