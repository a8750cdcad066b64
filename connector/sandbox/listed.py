"""Lists rows: in any order, through any filter, page by page. A fleet is such a list; so is a former state of it."""

from collections.abc import Callable, Hashable
from random import Random

from connector.sandbox.images import Item
from connector.sandbox.orders import Entry, Orders, Row, Sort, page

Where = Callable[[Item], bool]

# The most filtered columns that are kept.
MOST_VIEWS = 64


class Listed:
    """Holds rows by the number of their arrival. `revision` rises whenever rows change.

    `random` shuffles ties in answers.
    """

    def __init__(self, rows: dict[int, Row], random: Random) -> None:
        self.revision = 0
        self.random = random
        self._rows = rows
        self._orders = Orders(rows)
        self._views: dict[Hashable, tuple[int, list[Entry]]] = {}

    def __len__(self) -> int:
        """Return the number of listed rows (an image that is listed twice counts twice)."""
        return len(self._rows)

    def view(self, sort: Sort, keep: Where | None = None, name: Hashable = None) -> list[Entry]:
        """Return the column in an order, only with rows that `keep` accepts; `name` identifies `keep` in a cache."""
        entries = self._orders.column(sort.key)
        if keep is None:
            return entries
        revision, kept = self._views.get((sort.key, name), (-1, entries))
        if revision != self.revision:
            if len(self._views) > MOST_VIEWS:
                self._views.clear()
            rows = self._rows
            kept = [entry for entry in entries if keep(rows[entry[1]].item)]
            self._views[(sort.key, name)] = (self.revision, kept)
        return kept

    def page(self, entries: list[Entry], sort: Sort, span: tuple[int, int], *, permute: bool = False) -> list[Item]:
        """Return the items of `entries` (a view in `sort`) from position span[0] up to, but without, span[1]."""
        return [self._rows[seq].item for seq in page(entries, sort, span, self.random if permute else None)]

    def sample(self, entries: list[Entry], count: int) -> list[Item]:
        """Return `count` distinct items of a view (all, if the view has fewer), in a new random order at every call."""
        return [self._rows[seq].item for _, seq in self.random.sample(entries, min(count, len(entries)))]

    def copy(self) -> "Listed":
        """Return a copy of the present rows, which later changes do not touch."""
        rows = {seq: Row(seq, row.since, row.item) for seq, row in self._rows.items()}
        return Listed(rows, self.random)
