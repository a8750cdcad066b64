"""Puts the document together: the dashboard shows its parts one by one, the report in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from connector.errors import TcssError
from connector.posture import answers, drilldowns, findings, rankings
from connector.posture.queries import Queries
from connector.posture.questions import FRESHNESS, Filters
from connector.posture.rendering import Part, render

Section = Callable[[Queries, Filters], Part | None]
SECTIONS: tuple[Section, ...] = (
    answers.fleet,
    answers.trend,
    rankings.risk,
    findings.coverage,
    findings.exploitable,
    findings.upgrades,
    rankings.unscanned,
    answers.systems,
    answers.coverage,
    rankings.failures,
    rankings.stale,
)
"""The sections after the heading, in this order. A section is None if the warehouse has no tables for the section."""


def body(queries: Queries, filters: Filters, following: Sequence[Section] = SECTIONS) -> list[Part]:
    """Return heading and sections; if there is nothing to show, or no answer, a hint what to do instead."""
    try:
        return _body(queries, filters, following)
    except TcssError as error:
        return problem(error)


def _body(queries: Queries, filters: Filters, following: Sequence[Section]) -> list[Part]:
    """Return what `body` does. Raises what `Queries.ask` raises."""
    now = datetime.now(UTC)
    with queries.session():
        if not any(row["images"] for row in queries.ask(FRESHNESS)):
            return _empty(
                f"There are no images in {queries}",
                "Run tcss sync. If it has run: the keys may be of the other site (--site cn or --site intl), or no "
                "agent is installed on the account's hosts. tcss check says more.",
            )
        return [answers.heading(queries, filters, now), *_sections(queries, filters, following)]


def sections(queries: Queries, filters: Filters, wanted: Sequence[Section]) -> list[Part]:
    """Return these sections alone; if there is no answer, a hint what to do instead."""
    try:
        with queries.session():
            return _sections(queries, filters, wanted)
    except TcssError as error:
        return problem(error)


def _sections(queries: Queries, filters: Filters, wanted: Sequence[Section]) -> list[Part]:
    made = [section(queries, filters) for section in wanted]
    return [part for part in made if part is not None]


def image(queries: Queries, account_id: str, image_id: str) -> list[Part]:
    """Return what the dashboard shows of one image."""
    return sections(
        queries,
        {},
        [
            lambda queries, _: answers.history(queries, account_id, image_id),
            lambda queries, _: drilldowns.image_findings(
                queries, account_id, image_id, links=drilldowns.vulnerabilities_apart
            ),
            lambda queries, _: drilldowns.image_malware(queries, account_id, image_id),
        ],
    )


def vulnerability(queries: Queries, account_id: str, vul_id: str) -> list[Part]:
    """Return what the dashboard shows of one vulnerability."""
    links = rankings.linked_apart
    return sections(queries, {}, [lambda queries, _: drilldowns.affected(queries, account_id, vul_id, links=links)])


def linked(queries: Queries, asked: Mapping[str, str]) -> list[Part]:
    """Return the page behind the link of an image or a vulnerability; empty if `asked` names neither."""
    for identity, page in ((rankings.IDENTITY, image), (drilldowns.VULNERABILITY_IDENTITY, vulnerability)):
        if all(asked.get(name) for name in identity):
            return page(queries, *(asked[name] for name in identity))
    return []


def problem(error: TcssError) -> list[Part]:
    """Return what is shown in place of a traceback."""
    return _empty(error.message, error.hint or "Run tcss check to see what is missing.")


def note(sentence: str) -> Part:
    """Return what is shown in place of an answer without rows."""
    return Part("note.html.jinja", {"sentence": sentence})


def _empty(message: str, hint: str) -> list[Part]:
    return [Part("empty.html.jinja", {"message": message, "hint": hint})]


def fragment(parts: Sequence[Part]) -> str:
    """Return the parts as HTML with their style, to be set into another document."""
    return render("fragment", parts)


def report(queries: Queries) -> str:
    """Return the report: one HTML file that loads nothing, and runs only the script of its tables. The report is about
    the account that the queries ask about, or about all.

    The report's policy (CSP) forbids all other scripts, and all loading. Raises what `Queries.ask` raises.
    """
    with queries.session():
        parts = _body(queries, queries.of_account(), (*SECTIONS, drilldowns.vulnerabilities, drilldowns.histories))
    return render("report", parts)
