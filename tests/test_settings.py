"""Settings: what cannot be used is refused before anything is asked of the API or the warehouse."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.settings import NUMBERS, POSITIVE, Settings

NOT_NUMBERS = [(name, value) for name in NUMBERS for value in ("7.5 a second", [7], True)]
TOO_SMALL = [(name, value) for name in POSITIVE for value in (0, -1, float("nan"))]


@pytest.mark.parametrize(("name", "value"), NOT_NUMBERS)
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    """The message names the setting and what it was given."""
    with pytest.raises(ConfigurationError, match=name):
        Settings.load(**{name: value})


@pytest.mark.parametrize(("name", "value"), TOO_SMALL)
def test_what_has_to_be_more_than_nothing_is(name: str, value: float) -> None:
    """Neither 0 nor less, nor what is no number at all."""
    with pytest.raises(ConfigurationError, match=f"{name} must be more than 0"):
        Settings.load(**{name: value})


def test_the_number_of_requests_under_way_may_be_left_open() -> None:
    """Then it follows the latency."""
    assert Settings.load().in_flight is None
    assert Settings.load(in_flight=3).in_flight == 3
