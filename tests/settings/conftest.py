"""Gives tests a folder with dlt's files, and an environment that configures nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext


@dataclass
class Folder:
    """Holds the folder in which a test runs, and the home directory beside it; both may have a `.dlt`."""

    path: Path
    home: Path

    def write(self, name: str, text: str, *, at_home: bool = False) -> None:
        """Write one of dlt's files, and let dlt read it again."""
        directory = (self.home if at_home else self.path) / ".dlt"
        directory.mkdir(exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
        read_again()


def read_again() -> None:
    Container()[PluggableRunContext].reload_providers()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("TCSS_", "SOURCES__", "TENCENTCLOUD_"))]:
            patch.delenv(name)
        found = Folder(tmp_path / "project", tmp_path / "home")
        found.path.mkdir()
        found.home.mkdir()
        patch.setattr(os, "geteuid", lambda: 1000)  # dlt takes root's files from another directory
        patch.setenv("HOME", str(found.home))
        patch.chdir(found.path)
        read_again()
        yield found
    read_again()
