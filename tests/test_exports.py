"""The package's public face."""

from __future__ import annotations

import connector


def test_the_export_list_is_true() -> None:
    """Every name in `__all__` is there, and has a docstring where it is code."""
    for name in connector.__all__:
        value = getattr(connector, name)
        assert isinstance(value, str) or value.__doc__
    assert set(connector.__all__) == {"__version__", "sync", "tcss"}
