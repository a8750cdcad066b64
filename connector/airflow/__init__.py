"""Wires the connector into Apache Airflow 3.3 and later: hook, operators, sensor, assets, and example DAGs to copy.

Every task calls `connector.sync`. Importing this package imports neither Airflow nor dlt, because Airflow imports the
package in each of its processes to find `provider_info`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.airflow.accounts import pools, sync_accounts
    from connector.airflow.assets import detail_assets, table_asset
    from connector.airflow.hook import TcssHook
    from connector.airflow.links import TcssConsoleLink
    from connector.airflow.operators import TcssPublishOperator, TcssSyncOperator
    from connector.airflow.sensors import TcssFreshnessSensor
    from connector.airflow.triggers import TcssFreshnessTrigger

__all__ = [
    "TcssConsoleLink",
    "TcssFreshnessSensor",
    "TcssFreshnessTrigger",
    "TcssHook",
    "TcssPublishOperator",
    "TcssSyncOperator",
    "detail_assets",
    "pools",
    "sync_accounts",
    "table_asset",
]

_HOMES = {
    "TcssConsoleLink": "links",
    "TcssFreshnessSensor": "sensors",
    "TcssFreshnessTrigger": "triggers",
    "TcssHook": "hook",
    "TcssPublishOperator": "operators",
    "TcssSyncOperator": "operators",
    "detail_assets": "assets",
    "pools": "accounts",
    "sync_accounts": "accounts",
    "table_asset": "assets",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
