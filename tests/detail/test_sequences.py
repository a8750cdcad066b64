"""When two passes over a list prove one order, in which equal rows are as many as their places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest

from connector.detail.sequences import is_one_order

PAIRS = [*range(50)] * 2


@pytest.mark.parametrize(
    ("one", "other", "ties", "proven"),
    [
        pytest.param(PAIRS, PAIRS, [1] * 100, True, id="copies far apart"),
        pytest.param(PAIRS, sorted(PAIRS), [1] * 100, False, id="another order"),
        pytest.param(PAIRS, [], [1] * 100, False, id="no other pass"),
        pytest.param([0] * 99 + [1], [0] * 99 + [1], [1] * 100, False, id="few orders: chance"),
        pytest.param([0, 0], [0, 0], [1, 1], False, id="one row, or two"),
        pytest.param([0, 1, 2], [0, 1, 2], [1, 1, 1], True, id="no equal rows"),
        pytest.param(PAIRS, PAIRS, [*range(100)], False, id="equal rows with other sort values"),
        pytest.param([0, 0, *PAIRS], [0, 0, *PAIRS], [0, 0] + [1] * 100, False, id="equal rows of two sort values"),
    ],
)
def test_two_passes(one: Sequence[int], other: Sequence[int], ties: Sequence[int], *, proven: bool) -> None:
    """Chance is out of the question where rows of one sort value, of which some are equal, have many orders."""
    assert is_one_order(one, other, ties) is proven


def test_orders_that_change_with_every_request_never_agree() -> None:
    """As many rows of a hundred are equal as may be: two orders of them agree only if they have next to no orders."""
    random = Random(1)
    for equal in range(2, 101):
        rows = [0] * equal + [*range(1, 101 - equal)]
        orders = [random.sample(rows, 100) for _ in range(20)]
        assert not any(is_one_order(one, other, [1] * 100) for one, other in pairwise(orders))
