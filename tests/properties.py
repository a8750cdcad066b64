"""Sets the number of examples of a property: few in `make test`, `TCSS_EXAMPLES` times as many in longer runs."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("TCSS_EXAMPLES", "1"))


def examples(few: int) -> settings:
    """Return settings with the same examples at every run, and without a time limit."""
    return settings(
        max_examples=few * TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
