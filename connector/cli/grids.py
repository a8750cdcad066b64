"""Draws tables of texts and numbers for people, in the width of the terminal, or 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

Rows = Iterable[Sequence[str]]
LEAST = 8  # the narrowest that a column of texts gets, if its texts are not shorter
_GAP = 2


def grid(heads: Sequence[str], rows: Rows, *, numbers: int = 0, folded: int | None = None) -> list[str]:
    """Return the lines of a table whose last columns are `numbers`. Cells come from others, so they are never markup.

    Where the width does not suffice, texts of the first `folded` columns go on in the next line; None: of all columns.
    No cell of another column is ever cut, because half a number is another number: the lines are rather too long.
    """
    rows = list(rows)
    texts = len(heads) - numbers if folded is None else folded
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    needed = sum(min(width, LEAST) if place < texts else width for place, width in enumerate(widths))
    file = StringIO()
    console = Console(file=file, color_system=None, force_terminal=False)
    console.width = max(console.width, needed + _GAP * len(heads))
    table = Table(box=None, pad_edge=False, header_style="")
    for place, head in enumerate(heads):
        is_number = place >= len(heads) - numbers
        table.add_column(head, justify="right" if is_number else "left", overflow="fold", no_wrap=place >= texts)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
    return [line.rstrip() for line in file.getvalue().split("\n")[:-1]]
