"""Prints the line of a failure under `--json` where a command line cannot be used, as for every other failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from connector.cli.report import Reporter
from connector.errors import ConfigurationError

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]  # of click, which typer contains and does not export
FLAG, PARAMETER, VARIABLE = "--json", "as_json", "TCSS_JSON"
_TRUE = ("1", "true", "t", "yes", "y", "on")


class Commands(TyperGroup):
    """The commands. What cannot be used ends with 2 and a message on stderr, as before."""

    _words: tuple[str, ...] = ()

    def make_context(self, info_name: str | None, args: list[str], *given: Any, **options: Any) -> Any:
        """Parse the options before the command."""
        self._words = tuple(args)
        with self._told():
            return super().make_context(info_name, args, *given, **options)

    def invoke(self, ctx: Any) -> Any:
        """Parse the options of the command, and call the command."""
        with self._told():
            return super().invoke(ctx)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except USAGE_ERROR as error:
            if self._wants_json(error):
                Reporter(as_json=True).said(ConfigurationError(error.format_message()))  # type: ignore[attr-defined]
            raise

    def _wants_json(self, error: Any) -> bool:
        """Return whether JSON was asked for, of a command that knows it or of none that exists."""
        command = error.ctx.command if error.ctx else self
        knows = any(parameter.name == PARAMETER for parameter in command.params)
        if FLAG in self._words:
            return knows or command is self
        return knows and os.environ.get(VARIABLE, "").strip().lower() in _TRUE
