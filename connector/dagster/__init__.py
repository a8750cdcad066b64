"""Gives Dagster the tables as assets, partitioned by account, with checks, schedules and a component.

Needs the extra `dagster`. A sync loads all tables of one account, so the tables are one multi-asset, and each account
is a partition. `tcss_assets` and `TcssResource.materialize` put code of the user's around a sync:

    import dagster as dg
    from connector import dagster as tcss

    accounts = dg.StaticPartitionsDefinition(["production", "staging"])
    assets = tcss.build_tcss_assets(partitions_def=accounts)
    defs = dg.Definitions(
        assets=[assets],
        asset_checks=[tcss.build_tcss_asset_checks(partitions_def=accounts)],
        schedules=[tcss.build_tcss_schedule(assets, cron_schedule="0 * * * *", partitions_def=accounts)],
        resources={"tcss": tcss.TcssResource(destination=dg.EnvVar("TCSS_DESTINATION"))},
    )
"""

from connector.dagster.assets import SyncConfig, build_tcss_assets, tcss_assets
from connector.dagster.checks import build_tcss_asset_checks, build_tcss_key_checks
from connector.dagster.component import TcssComponent
from connector.dagster.resource import TcssAccount, TcssResource
from connector.dagster.schedules import ACCOUNT_TAG, build_tcss_schedule
from connector.dagster.translator import DagsterTcssTranslator

__all__ = [
    "ACCOUNT_TAG",
    "DagsterTcssTranslator",
    "SyncConfig",
    "TcssAccount",
    "TcssComponent",
    "TcssResource",
    "build_tcss_asset_checks",
    "build_tcss_assets",
    "build_tcss_key_checks",
    "build_tcss_schedule",
    "tcss_assets",
]
