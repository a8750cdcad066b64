"""Runs `tcss views`: makes the views and descriptions of a warehouse again, and counts its history again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import dlt

from connector.errors import DestinationError
from connector.settings import Settings
from connector.tables import POSTURE_CHANGES
from connector.warehouse.counting import Posture
from connector.warehouse.inventory import Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import Location, locate
from connector.warehouse.locks import lock
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.views import publish as publish_views
from connector.warehouse.views import published
from connector.warehouse.workdirs import workdir

_NAME = "views"  # for the pipeline and the lock, which usually have the name of an account


def publish(settings: Settings, say: Callable[[str], None], *, recount: bool = False) -> None:
    """Make the views of a warehouse that a sync has filled, and print one line per view; with `recount`, also make the
    rows of `posture_changes` again.

    Raises DestinationError, also where there are no tables yet or where views of the user's block some of ours, and
    LockedError while a sync writes to the same file, or for a recount to the same account.
    """
    location = locate(settings.destination, settings.dataset)
    with workdir() as directory, ExitStack() as locked:
        locked.enter_context(lock(location, _NAME))
        pipeline = open_pipeline(location, _NAME, directory)
        inventory = Inventory(location, pipeline)
        with inventory.session():
            inventory.verify()
            missing = inventory.missing()
        if missing:
            hint = "Run `tcss sync` first: it makes tables, and adds the columns of this release."
            raise DestinationError(f"there is no {missing[0]} in {location}", hint=hint)
        with Loader(location, pipeline).session():
            blocked = publish_views(location, pipeline, anew=True)
            made = published(location, pipeline)
        locked.close()  # the lock of a file is that of each account too
        if recount:
            _recount(location, pipeline, inventory)
    for view in made:
        say(f"{location.dataset}.{view.name}  {view.question}")
    if blocked:
        raise DestinationError(
            f"views of yours depend on {', '.join(blocked)}, so that an older release's view stays there",
            hint="Change or drop yours, then run `tcss views` again. All other views are made.",
        )


def _recount(location: Location, pipeline: dlt.Pipeline, inventory: Inventory) -> None:
    """Count the history of every account again, each account under its lock."""
    if not inventory.verify((POSTURE_CHANGES,)):
        raise DestinationError(
            f"{location} has no table {POSTURE_CHANGES.name}, so that nothing is counted there",
            hint="The next `tcss sync` counts the whole history, where the database has a lock for accounts.",
        )
    for account_id in sorted(inventory.account_ids()):
        with lock(location, account_id):
            Posture(location, pipeline, account_id).count(again=True)
