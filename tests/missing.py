"""Names what this machine lacks: the tests are skipped, or fail under CI, and the last lines say what to do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import NoReturn

import pytest


def leave_out(lacking: str, remedy: str) -> NoReturn:
    """End the test; `remedy` is the next step for a user who wants the test to run."""
    reason = f"{lacking}. {remedy}."
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def summary(skipped: Iterable[str]) -> list[str]:
    """Return the last lines, from the reasons of the skipped tests."""
    reasons = Counter(reason.removeprefix("Skipped: ") for reason in skipped)
    lines = [f"  {count:,} {'test' if count == 1 else 'tests'}: {reason}" for reason, count in sorted(reasons.items())]
    return ["Not tested on this machine:", *lines] if lines else []
