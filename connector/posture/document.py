"""The document that answers the questions: the dashboard shows its parts one by one, the report in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from connector.errors import TcssError
from connector.posture import answers, rankings
from connector.posture.queries import Queries
from connector.posture.questions import FRESHNESS, Filters
from connector.posture.rendering import Part, render

Section = Callable[[Queries, Filters], Part]
SECTIONS: tuple[Section, ...] = (
    answers.fleet,
    answers.trend,
    rankings.risk,
    rankings.unscanned,
    answers.systems,
    answers.coverage,
    rankings.failures,
    rankings.stale,
)
"""What follows the heading, in this order."""


def body(queries: Queries, filters: Filters, following: Sequence[Section] = SECTIONS) -> list[Part]:
    """Heading and sections; where there is nothing to show, what to do instead."""
    now = datetime.now(UTC)
    try:
        if not any(row["images"] for row in queries.ask(FRESHNESS)):
            return _empty(
                f"There are no images in {queries}",
                "Run tcss sync. If it has run: the keys may be of the other site (--site cn or --site intl), or no "
                "agent is installed on the account's hosts. tcss check says more.",
            )
        return [answers.heading(queries, filters, now), *sections(queries, filters, following)]
    except TcssError as error:
        return problem(error)


def sections(queries: Queries, filters: Filters, wanted: Sequence[Section]) -> list[Part]:
    """These sections alone."""
    try:
        return [section(queries, filters) for section in wanted]
    except TcssError as error:
        return problem(error)


def image(queries: Queries, account_id: str, image_id: str) -> list[Part]:
    """What the dashboard shows of one image, on a page of its own."""
    return sections(queries, {}, [lambda queries, _: answers.history(queries, account_id, image_id)])


def problem(error: TcssError) -> list[Part]:
    """What is shown in place of a traceback."""
    return _empty(error.message, error.hint or "Run tcss check to see what is missing.")


def note(sentence: str) -> Part:
    """What stands for an answer without rows."""
    return Part("note.html.jinja", {"sentence": sentence})


def _empty(message: str, hint: str) -> list[Part]:
    return [Part("empty.html.jinja", {"message": message, "hint": hint})]


def fragment(parts: Sequence[Part]) -> str:
    """The parts as HTML with their style, to be set into another document."""
    return render("fragment", parts)


def report(queries: Queries) -> str:
    """The report: one HTML file that loads nothing, and runs only the script of its tables.

    Its policy (CSP) forbids every other script, and everything that would be loaded. Raises what `Queries.ask` raises.
    """
    queries.ask(FRESHNESS)
    return render("report", body(queries, {}, (*SECTIONS, rankings.histories)))
