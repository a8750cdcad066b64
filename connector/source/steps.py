"""Checks the steps that a user has added to a resource: refuses steps that choose rows, and watches steps that map."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from dlt.extract import DltResource
from dlt.extract.items import DataItemWithMeta
from dlt.extract.items_transform import FilterItem, LimitItem, MapItem, MetricsItem, ValidateItem, YieldMapItem

from connector.errors import ConfigurationError

_KNOWN_STEPS = (MapItem, YieldMapItem, LimitItem, MetricsItem, ValidateItem)  # besides filters and cursors
_QUERY = "Query a view instead, or give tcss() the API's own `filters`."


def check_steps(resource: DltResource) -> None:
    """Raise ConfigurationError if a step would drop rows. From here on, a map that drops or adds rows raises it too."""
    incremental = resource.incremental
    if incremental is not None and getattr(incremental, "incremental", incremental) is not None:
        what, hint = "an incremental cursor", "Remove the cursor: tcss() finds its own watermark in the destination."
    elif any(isinstance(step, FilterItem) for step in resource._pipe.steps):
        what, hint = "a filter", _QUERY
    elif any(not isinstance(step, _KNOWN_STEPS) for step in resource._pipe.steps[1:]):
        what, hint = "a step that is not one of dlt's", "Use add_map: it is watched."
    elif resource.is_transformer:
        what, hint = "a transformer in its place", "Give the transformer a name of its own."
    else:
        _watch_maps(resource)
        return
    raise ConfigurationError(f"{resource.name} has {what}, which would drop rows silently", hint=hint)


def _watch_maps(resource: DltResource) -> None:
    for step in resource._pipe.steps:
        if isinstance(step, MapItem | YieldMapItem):
            watch = _Mapped if isinstance(step, MapItem) else _Yielded
            for name in ("_f", "_f_meta"):
                function = getattr(step, name, None)
                if function is not None and not isinstance(function, watch):
                    setattr(step, name, watch(resource.name, function))


@dataclass(frozen=True)
class _Mapped:
    """Calls the function of `add_map`, and compares the rows of its result with the rows that it got."""

    resource: str
    function: Callable[..., Any]

    def __call__(self, batch: Any, *meta: Any) -> Any:
        made = self.function(batch, *meta)
        if isawaitable(made):
            return self._awaited(batch, made)
        if callable(made):  # as of `dlt.defer`: dlt calls it later, in another thread
            return lambda: self._checked(batch, made())
        return self._checked(batch, made)

    async def _awaited(self, batch: Any, made: Awaitable[Any]) -> Any:
        return self._checked(batch, await made)

    def _checked(self, batch: Any, made: Any) -> Any:
        _compare(self.resource, len(batch), _rows(made))
        return made


@dataclass(frozen=True)
class _Yielded:
    """Does the same for `add_yield_map`."""

    resource: str
    function: Callable[..., Any]

    def __call__(self, batch: Any, *meta: Any) -> Iterator[Any]:
        rows = 0
        for made in self.function(batch, *meta):
            rows += _rows(made)
            yield made
        _compare(self.resource, len(batch), rows)


def _rows(made: Any) -> int:
    """Count the rows of what a map makes: Arrow, a frame, or a list of rows or of Arrow."""
    if isinstance(made, DataItemWithMeta):
        return _rows(made.data)
    if isinstance(made, list):
        return sum(getattr(item, "num_rows", 1) for item in made)
    return 0 if made is None else len(made)


def _compare(resource: str, given: int, made: int) -> None:
    if given != made:
        raise ConfigurationError(f"a map of {resource} makes {made} rows of {given}: rows would be lost", hint=_QUERY)
