"""Defines the row of an aspect in `detail_runs`, as a value: a part of what `connector.sync()` returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from connector.runs.identity import rfc3339
from connector.tables import DETAIL_RUNS
from connector.texts import visible

_TIMES = tuple(column.name for column in DETAIL_RUNS.columns if column.type == "timestamp")


class DetailVerdict(StrEnum):
    """Names what a run can say of one aspect."""

    COMPLETE = "complete"
    BEHIND = "behind"
    PARTIAL = "partial"
    REFUSED = "refused"
    FAILED = "failed"


_EXIT_CODES = {DetailVerdict.PARTIAL: 5, DetailVerdict.REFUSED: 3, DetailVerdict.FAILED: 4}


@dataclass
class DetailRun:
    """Holds a row of `detail_runs`: a field for each column, in order. Instants are microseconds since the epoch."""

    sync_id: str
    aspect: str
    account_id: str
    started_at: int
    finished_at: int | None = None
    verdict: str = DetailVerdict.FAILED
    verdict_reason: str | None = None
    images_due: int | None = None
    images_read: int | None = None
    images_behind: int | None = None
    images_unproven: int | None = None
    opened: int | None = None
    closed: int | None = None
    requests: int | None = None
    throttled: int | None = None
    unknown_tags: str | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """The row, in the order of its columns."""
        return tuple(asdict(self).values())

    def exit_code(self, *, strict: bool) -> int:
        """Return 0, 5 for sets that are not proven, 3 for an action that was refused, 4 for an error; `behind` is 5
        under `strict`."""
        if self.verdict == DetailVerdict.BEHIND:
            return 5 if strict else 0
        return _EXIT_CODES.get(DetailVerdict(self.verdict), 0)

    def as_json(self) -> dict[str, Any]:
        """Return the row by column name, instants in RFC 3339."""
        return {name: rfc3339(value) if name in _TIMES else value for name, value in asdict(self).items()}

    def summary(self) -> str:
        """Return the row for people, in one line."""
        reason = f" ({self.verdict_reason})" if self.verdict_reason else ""
        counts = [
            f"{getattr(self, name):,} {word}"
            for name, word in (
                ("images_read", "read"),
                ("images_behind", "behind"),
                ("images_unproven", "unproven"),
                ("opened", "opened"),
                ("closed", "closed"),
            )
            if getattr(self, name) is not None
        ]
        return visible(
            f"  {self.aspect}: {self.verdict}{reason}: {', '.join((*counts, f'{self.requests or 0:,} requests'))}"
        )
