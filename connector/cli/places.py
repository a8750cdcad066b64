"""Writes where settings are from, for `tcss check`: as lines for people, and without names for a bug report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from connector.settings import Settings
from connector.settings.accounts import IN_ENVIRONMENT, chosen
from connector.settings.places import GIVEN, files_read, providers
from connector.settings.strays import strays

OPTIONS = {"filters": "filter"}  # setting: the option with another name
_ACCOUNT = "<account>"
_SECTION = re.compile(r'(\[sources\.tcss\.accounts\.)("(?:[^"\\]|\\.)*"|[\w-]+)')


def lines(settings: Settings, account: str | None) -> Iterator[str]:
    """Yield the files that were read, the place of each setting without its default, and the keys that were not
    understood, but no values."""
    for file in files_read(providers()):
        yield f"file    {file}"
    for name, place in _read(settings):
        yield f"read    {name}: {place}"
    for stray in strays(chosen(account)):
        yield f"unknown {stray}"


def nameless(settings: Settings, account: str | None) -> dict[str, Any]:
    """Return the same without names of directories, accounts and users' variables, for strangers: files by their last
    name, and for a key that was not understood, the key that was probably meant, or null."""
    name = chosen(account)
    return {
        "files": [file.name for file in files_read(providers())],
        "read": {setting: _nameless(place, name) for setting, place in _read(settings)},
        "unknown": [stray.meant and _nameless(stray.meant, name) for stray in strays(name)],
    }


def _read(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, place in settings.places().items():
        option = OPTIONS.get(name, name).replace("_", "-")
        yield name, f"option --{option}" if place == GIVEN else place


def _nameless(text: str, account: str | None) -> str:
    if account is not None:
        text = text.replace(f"{IN_ENVIRONMENT}{account.upper()}__", f"{IN_ENVIRONMENT}{_ACCOUNT}__")
    return _SECTION.sub(rf"\1{_ACCOUNT}", text)
