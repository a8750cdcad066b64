"""Says how an aspect of a run ended: its verdict, and the reasons in words. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from connector import texts
from connector.detail.queue import TIMELESS, UNFINISHED
from connector.detail.rows import DetailRun, DetailVerdict
from connector.detail.settling import Tally

REASONS = 3  # that are named of those why sets are not proven

NOT_FILTERED = "the server does not filter by ImageID as documented: images that it leaves out cannot be read"


@dataclass
class Outcome:
    """Says how an aspect ended; `reasons` say why the aspect is not complete."""

    tally: Tally
    due: int | None = None
    behind: int | None = None
    unknown_tags: Sequence[str] = ()
    reasons: Sequence[str] = ()
    waiting: Counter[str] = field(default_factory=Counter)


def judge(row: DetailRun, outcome: Outcome) -> None:
    """Fill in the verdict: the worst of all that applies."""
    tally = outcome.tally
    doubts = [f"{count} x {reason}" for reason, count in tally.doubts.most_common(REASONS)]
    reasons = [*outcome.reasons, *([] if tally.is_filtered else [NOT_FILTERED]), *doubts]
    unknown = Counter({word: count for word, count in outcome.waiting.items() if word not in UNFINISHED})
    left = [f"{outcome.behind} images are left to the next run{_unlisted(tally)}"] if outcome.behind else []
    row.images_due, row.opened, row.closed = outcome.due, tally.opened, tally.closed
    if outcome.behind is not None:
        row.images_behind = outcome.behind + unknown.total()
    if outcome.due is None:
        row.opened = row.closed = None
    else:
        row.images_read, row.images_unproven = tally.read, tally.unproven
    row.unknown_tags = json.dumps(list(outcome.unknown_tags)) if outcome.unknown_tags else None
    if reasons:
        row.verdict = DetailVerdict.PARTIAL
    elif left or unknown:
        row.verdict, reasons = DetailVerdict.BEHIND, left
    else:
        row.verdict = DetailVerdict.COMPLETE
    row.verdict_reason = texts.shortened("; ".join([*reasons, *_not_scanned(outcome.waiting)])) or None


def _unlisted(tally: Tally) -> str:
    return f", {tally.unlisted} of which were not listed after they were read" if tally.unlisted else ""


def _not_scanned(waiting: Counter[str]) -> list[str]:
    """Say which images were not read because of their status, or because nothing says when they were scanned."""
    words = Counter({word: count for word, count in waiting.items() if word != TIMELESS})
    statuses = ", ".join(f"{count} {status}" for status, count in words.most_common(REASONS))
    said = [f"not read, since the ScanStatus is not SCANNED: {statuses}"] if words else []
    return [*said, f"not read: {waiting[TIMELESS]} {TIMELESS}"] if waiting[TIMELESS] else said
