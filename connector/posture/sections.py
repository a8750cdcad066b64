"""Gives what every section needs: its question, its SQL, and the filters that its question can take."""

from __future__ import annotations

from typing import Any

from connector.posture.queries import Queries
from connector.posture.questions import Filters, Question
from connector.posture.rendering import Part


def section(name: str, question: Question, queries: Queries, filters: Filters, **shown: Any) -> Part:
    """Return a section, with the values of all sections and those that its template, of the same name, also shows."""
    sql = queries.sql(question, filters)
    return Part(f"{name}.html.jinja", {"name": name, "question": question.text, "sql": sql, **shown})


def known(question: Question, filters: Filters) -> Filters:
    """Return the filters that a question without `narrowed` can take."""
    return filters if question.narrowed else {name: value for name, value in filters.items() if name in question.knows}
