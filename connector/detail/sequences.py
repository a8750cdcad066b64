"""Tells whether two passes over a list have shown one order, in which each place is a row of its own. Pure.

In such an order, rows that cannot be told apart are as many as their places. Two passes whose pages begin at other
places show the same rows at all places, if the server keeps the order of rows with equal sort values. If the server
changes that order with every request, the passes may agree by chance, and a row may stand at the place of another one.
So they have to agree in so many different rows that chance is out of the question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import lgamma

CERTAIN = 30.0  # natural logarithm of the number of orders, of which two passes show one by chance


def is_one_order(one: Sequence[int], other: Sequence[int], ties: Sequence[Hashable]) -> bool:
    """Return whether two passes have shown one order. `one` and `other` are the rows' numbers by place, `ties` the sort
    values: only rows of one sort value can change places."""
    if list(one) != list(other):
        return False
    groups: dict[Hashable, Counter[int]] = {}
    for number, tie in zip(one, ties, strict=True):
        groups.setdefault(tie, Counter())[number] += 1
    if sum(map(len, groups.values())) != len(set(one)):
        return False  # rows with other sort values are no equal rows
    return all(_orders(group) >= CERTAIN for group in groups.values() if max(group.values()) > 1)


def _orders(group: Counter[int]) -> float:
    """Return the natural logarithm of the number of orders of these rows."""
    return lgamma(group.total() + 1) - sum(lgamma(count + 1) for count in group.values())
