"""The page's smallest parts: tables, cells, and texts that are not ours, made harmless."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from connector.posture.queries import Rows

# By column: its heading, with its unit; what is not here is headed by its name.
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
    "valid_from": "from (UTC)",
    "valid_to": "to (UTC)",
    "complete_at": "complete as of (UTC)",
    "data_age_hours": "age (hours)",
    "full_at": "last full sweep (UTC)",
    "last_run_verdict": "last run",
    "last_run_reason": "why",
    "scan_age_days": "age (days)",
    "scan_state": "state",
}
_WIDE = {
    "medium_level_vul_cnt",
    "low_level_vul_cnt",
    "risk_cnt",
    "os_name",
    "full_at",
    "latest_scan_time",
}  # columns that a narrow screen leaves out


def table(rows: Rows, names: Iterable[str], extra: tuple[str, Callable[[Mapping[str, Any]], str]] | None = None) -> str:
    """The columns of that name, and one more: its heading, and what it shows of a row."""
    kinds = {name: _kind(rows, name) for name in names}
    head = "".join(f'<th class="{kind}">{_heading(name)}</th>' for name, kind in kinds.items())
    head += f"<th>{extra[0]}</th>" if extra else ""
    lines = ""
    for row in rows:
        cells = "".join(f'<td class="{kind}">{_cell(row[name])}</td>' for name, kind in kinds.items())
        lines += f"<tr>{cells}{f'<td>{extra[1](row)}</td>' if extra else ''}</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _heading(name: str) -> str:
    return _HEADINGS.get(name, name.replace("_", " "))


def _kind(rows: Rows, name: str) -> str:
    value = next((row[name] for row in rows if row[name] is not None), None)
    kind = "n" if isinstance(value, int) else "when" if isinstance(value, datetime) else "text"
    return f"{kind} wide" if name in _WIDE else kind


def _cell(value: Any) -> str:
    if value is None:
        return '<span class="soft">–</span>'
    if isinstance(value, datetime):
        return when(value)
    return number(value) if isinstance(value, int) else text(value)


def when(instant: datetime) -> str:
    """In UTC, to the minute."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"


def number(value: int) -> str:
    return f"{value:,}"


def share(part: int, whole: int) -> str:
    """In percent; never rounded to all or nothing."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    return f"{min(max(part / whole * 100, 0.1), 99.9):.1f} %"


def text(value: Any) -> str:
    """A text that is not ours: escaped, and isolated, so that its direction ends where it ends."""
    return f"<bdi>{escape(visible(str(value)))}</bdi>"


def isolated(value: str) -> str:
    """A text that is not ours, for where there can be no markup: between characters that isolate its direction."""
    return f"\u2068{visible(value)}\u2069"


def visible(value: str) -> str:
    """Control characters as their pictures, but for line breaks; half a surrogate pair, which no file holds, as �."""
    return "".join(
        chr(0x2400 + ord(c)) if c < " " and c not in "\n\t" else "�" if 0xD800 <= ord(c) <= 0xDFFF else c for c in value
    )


def nothing(sentence: str) -> str:
    """What stands for an answer without rows."""
    return f'<p class="soft">{sentence}</p>'


def keys(marks: Mapping[str, str]) -> str:
    """The legend of a bar: name -> class that gives the colour."""
    items = "".join(f'<span class="item"><span class="key {mark}"></span>{name}</span>' for name, mark in marks.items())
    return f'<div class="keys soft">{items}</div>'
