"""Names the actions of the API that each detail needs, for those who grant permissions and those who check them."""

from __future__ import annotations

from connector.detail.places import PLACES
from connector.detail.run import LISTS
from connector.tables import ASPECTS, RUNNING_DETAIL

IMAGES_OF = "DescribeVulImageList"
CONTAINERS_OF = "DescribeVulContainerList"
FIND = (*LISTS, IMAGES_OF, CONTAINERS_OF)
"""The actions that `tcss find` asks."""


def of_images(detail: str) -> str | None:
    """Return the action of this detail that takes one image; None if there is no such action."""
    return None if detail == RUNNING_DETAIL else ASPECTS[detail].action


def of_account(detail: str) -> tuple[str, ...]:
    """Return the actions of this detail that list what the whole account has."""
    if detail == RUNNING_DETAIL:
        return tuple(place.action for place in PLACES)
    return tuple(LISTS) if ASPECTS[detail].facts else ()
