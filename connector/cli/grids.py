"""Draws tables of texts and numbers for people, in the width of the terminal, or 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

Rows = Iterable[Sequence[str]]


def grid(heads: Sequence[str], rows: Rows, *, numbers: int = 0, folded: int | None = None) -> list[str]:
    """Return the lines of a table whose last columns are `numbers`. Cells come from others, so they are never markup.

    Where the width does not suffice, texts of the first `folded` columns go on in the next line; None: of all columns.
    """
    table = Table(box=None, pad_edge=False, header_style="")
    for place, head in enumerate(heads):
        is_number = place >= len(heads) - numbers
        is_whole = is_number if folded is None else place >= folded
        table.add_column(head, justify="right" if is_number else "left", overflow="fold", no_wrap=is_whole)
    for row in rows:
        table.add_row(*map(Text, row))
    file = StringIO()
    Console(file=file, color_system=None, force_terminal=False).print(table)
    return [line.rstrip() for line in file.getvalue().split("\n")[:-1]]
