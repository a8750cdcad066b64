"""What users build on the tables and views of a release keeps working: new columns come at the end, and none goes."""

from __future__ import annotations

import pytest

from tests.released import broken, present, stored


@pytest.mark.parametrize("kind", ["tables", "views"])
def test_new_columns_come_at_the_end_alone(kind: str) -> None:
    """So PostgreSQL replaces a view with its grants and comments, `select *` keeps its order, and no type changes."""
    assert stored()[kind]
    assert broken(stored()[kind], present()[kind]) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"a": ["x", "y"], "b": ["x"]}, []),
        ({"a": ["x", "y", "z"], "b": ["x", "y"], "c": ["x"]}, []),
        ({"a": ["x"], "b": ["x"]}, ["a"]),
        ({"a": ["x", "z", "y"], "b": ["x"]}, ["a"]),
        ({"a": ["y", "x"], "b": ["z", "x"]}, ["a", "b"]),
        ({"a": ["x", "y"]}, ["b"]),
    ],
    ids=["the same", "more at the end", "one less", "one between", "other places", "one gone"],
)
def test_what_breaks_is_found(now: dict[str, list[str]], expected: list[str]) -> None:
    """A column or a whole view that went, another order, and another name."""
    assert broken({"a": ["x", "y"], "b": ["x"]}, now) == expected
