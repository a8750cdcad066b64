"""The page that answers the questions, as HTML: sections that the dashboard shows one by one and the report in a row.

The report also forbids every script (its CSP), and everything that would be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.errors import TcssError
from connector.posture import answers
from connector.posture.formats import text
from connector.posture.queries import Queries
from connector.posture.questions import FRESHNESS, Filters

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")

Section = Callable[[Queries, Filters], str]
SECTIONS: tuple[Section, ...] = (
    answers.fleet,
    answers.trend,
    answers.risk,
    answers.systems,
    answers.coverage,
    answers.failures,
    answers.stale,
)
"""What follows the heading, in this order."""


def body(queries: Queries, filters: Filters, following: Sequence[Section] = SECTIONS) -> str:
    """Heading and sections; where there is nothing to show, what to do instead."""
    now = datetime.now(UTC)
    try:
        if not any(row["images"] for row in queries.ask(FRESHNESS)):
            return _empty(
                f"There are no images in {queries}",
                "Run tcss sync. If it has run: the keys may be of the other site (--site cn or --site intl), or no "
                "agent is installed on the account's hosts. tcss check says more.",
            )
        return answers.heading(queries, filters, now) + sections(queries, filters, following)
    except TcssError as error:
        return problem(error)


def sections(queries: Queries, filters: Filters, wanted: Sequence[Section]) -> str:
    """These sections alone."""
    try:
        return "".join(section(queries, filters) for section in wanted)
    except TcssError as error:
        return problem(error)


def problem(error: TcssError) -> str:
    """The page in place of a traceback."""
    return _empty(error.message, error.hint or "Run tcss check to see what is missing.")


def _empty(message: str, hint: str) -> str:
    return (
        "<header><h1>Security posture of the fleet</h1></header>"
        f'<section class="empty" role="status"><h2>Nothing to show yet</h2><p>{text(message)}.</p>'
        f"<p>{text(hint)}</p></section>"
    )


def fragment(content: str) -> str:
    """The content with its style, to be set into a page."""
    return f'<style>{STYLE}</style><div class="tcss">{content}</div>'


def document(queries: Queries) -> str:
    """The report: one HTML file that loads nothing and runs nothing. Raises what `Queries.ask` raises."""
    queries.ask(FRESHNESS)
    content = body(queries, {}, (*SECTIONS, answers.histories))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="color-scheme" content="light dark"><title>TCSS security posture</title>'
        "<style>body{margin:0;padding:20px max(10px,1.5vw);background:#fbfbfa}"
        "@media(prefers-color-scheme:dark){body{background:#15181b}}</style>"
        f"</head><body>{fragment(content)}</body></html>\n"
    )
