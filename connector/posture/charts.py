"""Computes the geometry of charts; the templates draw them as inline SVG, and the style gives their colours."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

WIDTH, HEIGHT = 300.0, 72.0
POINTS = 400
"""The most points of a chart; more cannot be seen at a chart's width."""


class Steps(NamedTuple):
    """Holds a line, the area below the line, and the box of both, as attributes of SVG."""

    box: str
    line: str
    area: str


class Piece(NamedTuple):
    """Holds a part of a bar: the class of its colour, its start and its width, in percent."""

    mark: str
    left: str
    width: str


def steps(days: Sequence[date], values: Sequence[int], until: date) -> Steps:
    """Return a line that keeps each day's value until the next day, above its area, from 0 to the greatest value."""
    first, last = days[0], max(until, days[-1])
    span = max((last - first).days, 1)
    top = max(*values, 1)
    picked = _thinned(values)
    corners = [f"M0 {_y(values[picked[0]], top)}"]
    for i in picked[1:]:
        corners.append(f"H{(days[i] - first).days / span * WIDTH:.1f}V{_y(values[i], top)}")
    line = f"{''.join(corners)}H{WIDTH:.0f}"
    return Steps(f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", line, f"{line}V{HEIGHT:.0f}H0Z")


def _y(value: int, top: int) -> str:
    return f"{(1 - value / top) * (HEIGHT - 3) + 1.5:.1f}"


def _thinned(values: Sequence[int]) -> list[int]:
    """Return the indexes of at most `POINTS` values: the first, the last, and the extremes of equal spans, since one
    day of two years may have the greatest value."""
    if len(values) <= POINTS:
        return list(range(len(values)))
    spans = POINTS // 2 - 1
    cuts = [n * len(values) // spans for n in range(spans + 1)]
    found = {0, len(values) - 1}
    for start, end in pairwise(cuts):
        found |= {min(range(start, end), key=values.__getitem__), max(range(start, end), key=values.__getitem__)}
    return sorted(found)


def bar(shares: Sequence[tuple[str, float]]) -> list[Piece]:
    """Return a bar of parts side by side, each given as its class and its share of the whole width."""
    pieces, left = [], 0.0
    for mark, share in shares:
        width = share * 100
        pieces.append(Piece(mark, f"{left:.2f}", f"{width:.2f}"))
        left += width
    return pieces
