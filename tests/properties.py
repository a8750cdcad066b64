"""Sets the examples of a property: few in `make test`; in longer runs others, `TCSS_EXAMPLES` times as many."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, seed, settings

TIMES = int(os.environ.get("TCSS_EXAMPLES", "1"))


def examples(few: int) -> Callable[[Any], Any]:
    """Return a decorator: the same examples at every run, and no time limit."""
    chosen = settings(
        max_examples=few * TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    return chosen if TIMES == 1 else lambda test: seed(TIMES)(chosen(test))
