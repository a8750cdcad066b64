"""Leaves out the items that two answers in succession show alike, because pages overlap."""

from collections.abc import Sequence
from typing import Any

import orjson

from connector.listing.page import image_ids_of

_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS


def all_but_alike(items: Sequence[Any], before: Sequence[Any]) -> Sequence[Any]:
    """Return the items without those that `before` has with the same JSON."""
    if not before:
        return items
    shown = {image_id: item for image_id, item in zip(image_ids_of(before), before, strict=True) if image_id}
    return [
        item
        for image_id, item in zip(image_ids_of(items), items, strict=True)
        if image_id not in shown or not _is_alike(item, shown[image_id])
    ]


def _is_alike(one: Any, other: Any) -> bool:
    """Whether two items are the same JSON: for Python, 1 and true would be equal."""
    try:
        return orjson.dumps(one, option=_STRICT) == orjson.dumps(other, option=_STRICT)
    except orjson.JSONEncodeError:  # a value that orjson cannot write, such as `Verbatim`
        return False
