"""Settings: what cannot be used is refused before anything is asked of the API or the warehouse."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.settings import NUMBERS, POSITIVE, Given, Settings

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


@pytest.mark.parametrize("value", [-1, float("nan")])
def test_what_is_not_found_twice_cannot_be_gone_before_that(value: float) -> None:
    """The time between two look-ups is 0, or more."""
    with pytest.raises(ConfigurationError, match="confirm_gone_after must not be less than 0"):
        Settings.load(confirm_gone_after=value)  # type: ignore[arg-type]
    assert (Settings.load().confirm_gone_after, Settings.load(confirm_gone_after=0).confirm_gone_after) == (600, 0)


def test_the_number_of_requests_under_way_may_be_left_open() -> None:
    """Then it follows the latency."""
    assert Settings.load().in_flight is None
    assert Settings.load(in_flight=3).in_flight == 3


def test_the_keywords_are_the_settings() -> None:
    """What `sync`, `tcss` and `Settings.load` take is what can be set, in the same order."""
    assert list(Given.__annotations__) == list(Settings.get_resolvable_fields())


def test_a_setting_that_does_not_exist_is_refused() -> None:
    """With the one that was probably meant."""
    with pytest.raises(ConfigurationError, match=r"'destinaton'\. Did you mean destination\?"):
        Settings.load(destinaton="duckdb:///x.duckdb")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match=r"'zzz'\. Settings: destination, dataset"):
        Settings.load(zzz=1)  # type: ignore[call-arg]
