"""Reads the accounts of an organisation from the file that `accounts_from` names: CSV, a line for each account.

TCSS has no action that lists the members of an organisation, so the file takes the place of hundreds of sections.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from connector.errors import ConfigurationError
from connector.settings.places import SECTION, Found, in_dlt, in_environment, refuse_strangers
from connector.settings.values import close_to, text

ACCOUNTS_FROM = "accounts_from"
ACCOUNT = "{account_id}"
"""Stands in a role for the id of the account, so that all accounts of an organisation have one pattern."""
COLUMNS: Mapping[str, str | None] = {"name": None, "account_id": "account_id", "role": "role_arn"}
"""The columns of the file, and the setting of each."""
_HEADER = f"The first line is {','.join(COLUMNS)}."

Member = Mapping[str, Found]
"""What a line says of its account, by the names of the settings."""


def members() -> dict[str, Member]:
    """Return the accounts of the file by name; none without `accounts_from`. Raises ConfigurationError."""
    named = in_environment(ACCOUNTS_FROM) or in_dlt((ACCOUNTS_FROM,), [SECTION])
    if named is None:
        return {}
    try:
        file = FilePath(text(named.value)).expanduser()
    except ValueError as error:
        raise ConfigurationError(f"{ACCOUNTS_FROM} ({named.place}) {error}", hint="Name a CSV file.") from None
    refuse_strangers(file.absolute())
    found: dict[str, Member] = {}
    lines: dict[str, int] = {}
    for number, line in _lines(file, named.place):
        name = line.pop("name", "")
        for same in (name, line.get("account_id") or account_of_role(line.get("role", ""))):
            if same and (before := lines.setdefault(same, number)) != number:
                _refuse(file, number, f"{same!r} is in line {before} too", "An account has one line.")
        found[name] = _member(file, number, name, line)
    return found


def _lines(file: FilePath, place: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of each line after the first, and its cells that are not empty."""
    try:
        rows = csv.reader(file.read_text(encoding="utf-8-sig").splitlines(), strict=True)
    except OSError as error:
        hint = f"Correct {ACCOUNTS_FROM}, which {place} sets; a relative path begins in the working directory."
        raise ConfigurationError(f"cannot read {file}: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file} is no text in UTF-8", hint="Save it as CSV in UTF-8.") from None
    try:
        each = _cells(file, rows)
        header = next(each, [])
        _require_header(file, header)
        for cells in each:
            if len(cells) > len(header):
                _refuse(file, rows.line_num, "has more cells than the first line", "Put quotes around a comma.")
            if any(cells):
                yield rows.line_num, {name: cell for name, cell in zip(header, cells, strict=False) if cell}
    except csv.Error as error:
        _refuse(file, rows.line_num, f"is no CSV: {error}", _HEADER)


def _cells(file: FilePath, rows: Any) -> Iterator[list[str]]:
    """Yield the cells of each line. A quote that stays open would make one account of several lines."""
    before = 0
    for row in rows:
        if rows.line_num > before + 1:
            _refuse(file, before + 1, "has a quote that a later line closes", "Close it in its own line.")
        before = rows.line_num
        yield [cell.strip() for cell in row]


def _require_header(file: FilePath, header: list[str]) -> None:
    for column in header:
        if column not in COLUMNS:
            close = close_to(column, COLUMNS)
            hint = f"Did you mean {close}?" if close else _HEADER
            _refuse(file, 1, f"names a column {column!r}, which is none of {', '.join(COLUMNS)}", hint)
    if len({*header}) < len(header):
        _refuse(file, 1, "names a column twice", _HEADER)
    if "name" not in header:
        _refuse(file, 1, "names no column name", _HEADER)


def _member(file: FilePath, number: int, name: str, line: Mapping[str, str]) -> Member:
    if not name:
        _refuse(file, number, "has no name", "Every account needs a name of its own.")
    if name.startswith("#"):
        _refuse(file, number, "begins with #, which makes no comment here", "Take the line away, or name the account.")
    if not line:
        _refuse(file, number, "has neither an account_id nor a role", "Write at least one of them.")
    account_id, role = line.get("account_id"), line.get("role")
    if account_id and not (account_id.isascii() and account_id.isdecimal()):
        hint = "Write all its digits. A spreadsheet shortens long numbers, unless the column is of text."
        _refuse(file, number, f"has the account_id {account_id!r}, which is no number", hint)
    if account_id and role and (other := account_of_role(role)) not in (None, account_id):
        hint = f"Correct one of them, or write {ACCOUNT} into the role."
        _refuse(file, number, f"has the account_id {account_id}, but its role is of account {other}", hint)
    settings = {column: setting for column, setting in COLUMNS.items() if setting and column in line}
    return {
        setting: Found(line[column], f"{ACCOUNTS_FROM} line {number} {column}") for column, setting in settings.items()
    }


def account_of_role(role: str) -> str | None:
    """Return the number of the account in a role such as `qcs::cam::uin/100000000001:roleName/reader`."""
    numbers = (part.removeprefix("uin/") for part in role.split(":") if part.startswith("uin/"))
    return next((number for number in numbers if number.isdecimal()), None)


def _refuse(file: FilePath, number: int, what: str, hint: str) -> None:
    raise ConfigurationError(f"{file}, line {number} {what}", hint=hint)
