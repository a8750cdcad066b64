"""Runs `tcss views`: makes the views and descriptions of a warehouse again."""

from __future__ import annotations

from collections.abc import Callable

from connector.errors import DestinationError
from connector.settings import Settings
from connector.warehouse.inventory import Inventory
from connector.warehouse.locations import locate
from connector.warehouse.locks import lock
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.views import publish as publish_views
from connector.warehouse.views import published
from connector.warehouse.workdirs import workdir

_NAME = "views"  # for the pipeline and the lock, which usually have the name of an account


def publish(settings: Settings, say: Callable[[str], None]) -> None:
    """Make the views of a warehouse that a sync has filled, and print one line per view.

    Raises DestinationError, also where there are no tables yet or where views of the user's block some of ours, and
    LockedError while a sync writes to the same file.
    """
    location = locate(settings.destination, settings.dataset)
    with lock(location, _NAME), workdir() as directory:
        pipeline = open_pipeline(location, _NAME, directory)
        inventory = Inventory(location, pipeline)
        inventory.verify()
        if missing := inventory.missing():
            hint = "Run `tcss sync` first: it makes tables, and adds the columns of this release."
            raise DestinationError(f"there is no {missing[0]} in {location}", hint=hint)
        blocked = publish_views(location, pipeline, anew=True)
        made = published(location, pipeline)
    for view in made:
        say(f"{location.dataset}.{view.name}  {view.question}")
    if blocked:
        raise DestinationError(
            f"views of yours depend on {', '.join(blocked)}, so that an older release's view stays there",
            hint="Change or drop yours, then run `tcss views` again. All other views are made.",
        )
