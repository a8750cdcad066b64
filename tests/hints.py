"""Makes dlt's checks of schemas faster: dlt asks Python for the type hints of a few classes hundreds of times per
sync. The answers are cached here, and every check is still made."""

from __future__ import annotations

from typing import Any

from dlt.common import validation

_ask = validation.get_type_hints
_known: dict[type, dict[str, Any]] = {}


def _hints(asked: type, **options: Any) -> dict[str, Any]:
    if asked not in _known:
        _known[asked] = _ask(asked, **options)
    return _known[asked]


def remember() -> None:
    """Cache the hints from now on, in this process and its forks."""
    validation.get_type_hints = _hints  # type: ignore[assignment]
