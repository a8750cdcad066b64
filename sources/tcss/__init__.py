"""Loads images of Tencent Container Security Service: current, historical and typed, losing no row silently."""

from typing import Any

import dlt
from dlt.common.configuration.specs import BaseConfiguration

import connector
from connector import make_views
from connector.source import TcssSource
from connector.sync import sync

__all__ = ["make_views", "sync", "tcss"]


@dlt.source(name="tcss", section="tcss", spec=BaseConfiguration, _impl_cls=TcssSource)
def tcss(account: str | None = None, **given: Any) -> Any:
    """Return `connector.tcss()`, from a module where `dlt init` looks for the source."""
    return list(connector.tcss(account, **given).resources.values())
