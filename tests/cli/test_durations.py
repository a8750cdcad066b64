"""`connector.cli.durations`: durations on the command line."""

from __future__ import annotations

import pytest

from connector.cli.durations import seconds_of
from connector.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"), [("26h", 93_600.0), ("90m", 5_400.0), ("400d", 34_560_000.0), ("0s", 0.0), (" 1.5h ", 5_400.0)]
)
def test_a_number_and_a_unit(text: str, seconds: float) -> None:
    """Of seconds, minutes, hours or days."""
    assert seconds_of("--max-age", text) == seconds


@pytest.mark.parametrize("text", ["365251d", "9999999d", f"{'9' * 400}d"], ids=["1001 years", "no year", "no float"])
def test_a_duration_of_more_than_1000_years_is_refused(text: str) -> None:
    """No instant can be that long ago."""
    with pytest.raises(ConfigurationError, match=r"--older-than '\d+.*' is longer than 1,000 years"):
        seconds_of("--older-than", text)


@pytest.mark.parametrize("text", ["", "h", "26", "soon", "-1h", "1.h", ".5h", "1e3s", "1.2.3h", "٥h", "2w", "1 h"])
def test_anything_else_is_refused(text: str) -> None:
    """With the option, and examples."""
    with pytest.raises(ConfigurationError, match=r"--older-than .* is not a duration. For example 26h"):
        seconds_of("--older-than", text)
