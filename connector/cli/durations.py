"""Reads durations as people write them, such as 26h."""

from __future__ import annotations

from connector.errors import ConfigurationError
from connector.texts import LONGEST_NAME, shortened

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 365_250 * 86_400  # an instant so long ago has a year, and every database can hold the instant


def seconds_of(option: str, text: str) -> float:
    """Parse the value of an option to seconds. Raises ConfigurationError."""
    number, unit = text.strip()[:-1], text.strip()[-1:]
    whole, dot, decimals = number.partition(".")
    digits = (whole, decimals) if dot else (whole,)
    if unit not in _UNITS or not all(part.isascii() and part.isdecimal() for part in digits):
        raise ConfigurationError(f"{option} {text!r} is not a duration", hint="For example 26h, 90m or 2d.")
    seconds = float(number) * _UNITS[unit]
    if seconds > _LONGEST:
        raise ConfigurationError(f"{option} {shortened(text, LONGEST_NAME)!r} is longer than 1,000 years")
    return seconds
