"""Formats values: columns with their headings, numbers, shares, instants, and texts of others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from connector import texts
from connector.posture.queries import Rows
from connector.texts import LONGEST_LINE, shortened

FIRST_ROWS = 20
"""Rows of a table that are visible before the reader asks for all rows."""
_PIECE = re.compile(r"[^/:-]+[/:-]*|[/:-]+")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# By column: its heading, with its unit; other columns have their name as heading.
_HEADINGS = {
    "image_name": "image",
    "container_cnt": "containers",
    "critical_level_vul_cnt": "critical",
    "high_level_vul_cnt": "high",
    "medium_level_vul_cnt": "medium",
    "low_level_vul_cnt": "low",
    "virus_cnt": "malicious files",
    "risk_cnt": "secrets",
    "os_name": "system",
    "os_family": "system",
    "os_version": "version",
    "images_in_use": "in use",
    "account_id": "account",
    "scan_time": "last scan (UTC)",
    "latest_scan_time": "newest scan (UTC)",
    "first_seen_at": "first seen (UTC)",
    "valid_from": "from (UTC)",
    "valid_to": "to (UTC)",
    "complete_at": "complete as of (UTC)",
    "data_age_hours": "age (hours)",
    "full_at": "last full sweep (UTC)",
    "last_run_verdict": "last run",
    "last_run_reason": "why",
    "scan_age_days": "age (days)",
    "component": "package",
    "fixed_versions": "fixed in",
    "critical_findings": "critical",
    "high_findings": "high",
    "exploitable_findings": "exploitable",
    "first_found_at": "found (UTC)",
    "vul_id": "vulnerability id",
    "scan_state": "state",
}
_WIDE = {
    "medium_level_vul_cnt",
    "low_level_vul_cnt",
    "risk_cnt",
    "os_name",
    "full_at",
    "latest_scan_time",
    "first_seen_at",
    "first_found_at",
    "start",
    "exploitable_findings",
}  # columns that a narrow screen leaves out

_WORDS = {"severity", "exploit", "start", "account", "account_id", "os_name"}  # columns of short texts


class Column(NamedTuple):
    """Describes a column of a table: its name in the rows, its heading, and the classes that align its cells."""

    name: str
    heading: str
    classes: str


class Table(NamedTuple):
    """Holds rows, the columns to show, and the number of rows that there would be without a limit.

    The first rows have a link each. `name` is the name of the CSV file.
    """

    columns: Sequence[Column]
    rows: Rows
    matching: int
    links: Sequence[str]
    name: str
    first: int = FIRST_ROWS

    @property
    def left_out(self) -> int:
        return self.matching - len(self.rows)


def table(
    rows: Rows, names: Iterable[str], *, name: str, saved: Iterable[str] = (), links: Sequence[str] = ()
) -> Table:
    """Make a table of an answer. The column `matching` is the number of rows without a limit; an answer without
    `matching` has all its rows. The columns `saved` are in the CSV alone; that of accounts is also on the page where
    the rows are of several accounts.

    Where an account has a name, the column of accounts shows what each is called, and the CSV has both.
    """
    matching = rows[0].get("matching", len(rows)) if rows else 0
    names, saved, headings, whose = list(names), list(saved), {}, "account_id"
    if any(row.get("account") != row.get("account_id") for row in rows):
        headings, whose = {"account_id": "account id"}, "account"
        saved += {"account_id"} - {*saved} if "account_id" in names else {"account"} if "account_id" in saved else ()
        names = ["account" if column == "account_id" else column for column in names]
    shown = {*names, whose} if len({row.get("account_id") for row in rows}) > 1 else {*names}
    columns = [
        Column(
            column,
            headings.get(column) or _heading(column),
            _classes(rows, column) + ("" if column in shown else " saved"),
        )
        for column in (*names, *saved)
    ]
    return Table(columns, rows, matching, links, name)


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _classes(rows: Rows, name: str) -> str:
    value = next((row[name] for row in rows if row[name] is not None), None)
    text = "word" if name in _WORDS or value is None else "text"
    kind = "n" if isinstance(value, int) else "when" if isinstance(value, datetime) else text
    return f"{kind} wide" if name in _WIDE else kind


def when(instant: datetime) -> str:
    """Return the instant in UTC, to the minute."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"


def number(value: int) -> str:
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    """Return the share in percent; a part is never rounded to 0 or 100 %."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    return f"{min(max(part / whole * 100, 0.1), 99.9):.1f} %"


def pieces(value: str) -> list[str]:
    """Return the text cut behind each `/`, `:` and `-`, where a long name may break."""
    return _PIECE.findall(visible(value)) or [""]


def isolated(value: str) -> str:
    """Return a text of others between characters that isolate its direction, for places without markup."""
    return f"\u2068{visible(value)}\u2069"


def visible(value: str) -> str:
    """Replace C0 controls, except line breaks, by pictures, C1 controls by escapes, and half surrogate pairs, which no
    file holds, by �. Marks of direction and without width stay, because each text is isolated. Long texts are cut."""
    return _UNSEEN.sub(_seen, shortened(value, LONGEST_LINE))


def _seen(found: re.Match[str]) -> str:
    character = found[0]
    if character < " ":
        return chr(0x2400 + ord(character))
    return "�" if character >= "\ud800" else texts.visible(character)
