"""`tcss views`: the views and descriptions of a warehouse, made again on request."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from connector.errors import DestinationError
from connector.settings import Settings
from connector.warehouse.inventory import Inventory
from connector.warehouse.pipeline import Warehouse
from connector.warehouse.views import views

_NAME = "views"  # of the pipeline and of the lock, which are otherwise named by an account


def publish(settings: Settings, say: Callable[[str], None]) -> None:
    """Makes the views of the warehouse that a sync has filled, and says a line each.

    Raises DestinationError, also where there are no tables yet, and LockedError while a sync writes to the same file.
    """
    warehouse = Warehouse.open(settings.destination, settings.dataset)
    with warehouse.lock(_NAME), tempfile.TemporaryDirectory(prefix="tcss_") as directory:
        pipeline = warehouse.pipeline(_NAME, Path(directory))
        inventory = Inventory(warehouse, pipeline)
        inventory.verify()
        if inventory.missing():
            raise DestinationError(f"there are no tables yet in {warehouse}", hint="Run `tcss sync` first.")
        warehouse.publish(pipeline, anew=True)
    for view in views():
        say(f"{warehouse.dataset}.{view.name}  {view.question}")
