"""Refuses an argument whose template has given nothing: None would mean the default, such as another warehouse."""

from __future__ import annotations

from typing import Any

from connector.errors import ConfigurationError


def given(operator: Any) -> tuple[str, ...]:
    """Return the names of the template fields that have a value. Called when the operator is made."""
    return tuple(name for name in operator.template_fields if getattr(operator, name) is not None)


def refuse_nothing(operator: Any, names: tuple[str, ...]) -> None:
    """Raises ConfigurationError if one of these template fields is None, now that the templates are rendered.

    A template gives None with `render_template_as_native_obj`. The output of a task is None if the task was skipped or
    has returned nothing.
    """
    for name in names:
        if getattr(operator, name) is None:
            raise ConfigurationError(
                f"{name} is None: its template, or the task whose output it is, has given nothing",
                hint=f"Leave {name} out if you mean the default.",
            )
