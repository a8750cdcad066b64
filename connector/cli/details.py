"""Checks the details in `tcss check`: asks each action for one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from connector.api.client import Client
from connector.detail.actions import of_account, of_images
from connector.listing.query import MAX_LIMIT
from connector.runs.assembly import ACTION


def detail_checks(details: Sequence[str], client: Client) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield a check for each action of these details, with the action's name."""
    sample = partial(_sample, client)
    for detail in dict.fromkeys(details):
        if (action := of_images(detail)) is not None:
            yield f"{detail}.{action}", partial(_one_image, client, action, sample)
        for action in of_account(detail):
            yield f"{detail}.{action}", partial(_page, client, action)


def _sample(client: Client) -> str | None:
    """Return the id of the first image in the list; None where the list is empty."""
    items = client.call(ACTION, {"Limit": 1, "Offset": 0}).response.get("List") or []
    return items[0].get("ImageID") if items and isinstance(items[0], dict) else None


def _one_image(client: Client, action: str, sample: Callable[[], str | None]) -> str:
    image_id = sample()
    if image_id is None:
        return f"tcss:{action} cannot be tried, because the account has no image"
    return _page(client, action, ImageID=image_id)


def _page(client: Client, action: str, **about: Any) -> str:
    response = client.call(action, {**about, "Limit": MAX_LIMIT, "Offset": 0}).response
    rows = len(response.get("List") or [])
    return f"tcss:{action} granted; {rows} of {response.get('TotalCount')} rows in one page"
