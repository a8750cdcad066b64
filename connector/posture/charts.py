"""Charts as inline SVG: no script, no font, no colour of their own (the page's style has it)."""

from collections.abc import Sequence
from datetime import date

WIDTH, HEIGHT = 300.0, 72.0
POINTS = 400
"""More are not seen at the widths that a chart has."""


def steps(days: Sequence[date], values: Sequence[int], until: date, name: str, label: str) -> str:
    """A line that keeps each day's value until the next one, over the area below it, from 0 to the greatest value.

    `name` is the class that gives the colour, `label` what a screen reader says. Its size is the page's to set.
    """
    first, last = days[0], max(until, days[-1])
    span = max((last - first).days, 1)
    top = max(*values, 1)
    picked = _thinned(len(days))
    corners = [f"M0 {_y(values[picked[0]], top)}"]
    for i in picked[1:]:
        corners.append(f"H{(days[i] - first).days / span * WIDTH:.1f}V{_y(values[i], top)}")
    line = f"{''.join(corners)}H{WIDTH:.0f}"
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<path class="area {name}" d="{line}V{HEIGHT:.0f}H0Z"></path>'
        f'<path class="line {name}" d="{line}" vector-effect="non-scaling-stroke"></path></svg>'
    )


def _y(value: int, top: int) -> str:
    return f"{(1 - value / top) * (HEIGHT - 3) + 1.5:.1f}"


def _thinned(count: int) -> list[int]:
    """Indexes from 0 to count - 1, both included, evenly spaced."""
    if count <= POINTS:
        return list(range(count))
    return sorted({round(i * (count - 1) / (POINTS - 1)) for i in range(POINTS)})


def bar(parts: Sequence[tuple[str, float]], label: str) -> str:
    """A bar of parts side by side: (class, share of the whole width)."""
    drawn, left = [], 0.0
    for name, share in parts:
        width = share * 100
        drawn.append(f'<rect class="{name}" x="{left:.2f}" y="0" width="{width:.2f}" height="10"></rect>')
        left += width
    return (
        f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{''.join(drawn)}</svg>"
    )
