"""Checks an action's parameters before the action runs, with the error texts of the public API gateway."""

from collections.abc import Iterable, Mapping
from typing import Any


class ApiError(Exception):
    """An answer with `Response.Error`: Code and Message, as the HTTP server sends them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def check_types(given: Mapping[str, Any], known: Mapping[str, type], where: str = "") -> None:
    """Raise UnknownParameter for an unknown key, InvalidParameter for a value of another type (int: uint64)."""
    for name, value in given.items():
        if name not in known:
            raise ApiError("UnknownParameter", f"The parameter `{where}{name}` is not recognized.")
        out_of_range = isinstance(value, int) and not 0 <= value < 2**64
        if type(value) is not known[name] or out_of_range:
            raise wrong_type(f"{where}{name}")


def require(given: Mapping[str, Any], names: Iterable[str], where: str = "") -> None:
    """Raise MissingParameter for a name that is not given."""
    for name in names:
        if name not in given:
            raise ApiError("MissingParameter", f"The request is missing a required parameter `{where}{name}`.")


def wrong_type(name: str) -> ApiError:
    """Return the error for a value of another type than the documented type."""
    return ApiError("InvalidParameter", f"The value type of parameter `{name}` is not valid.")


def bad_value(name: str, value: object) -> ApiError:
    """Return the error for a value that the parameter does not take."""
    return ApiError("InvalidParameterValue", f"The value `{value}` specified in the parameter `{name}` is not valid.")
