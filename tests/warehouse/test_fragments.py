"""`connector.warehouse.fragments`: what several views and questions need is written in one fragment."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from connector.posture.finding_questions import FINDING_QUESTIONS
from connector.posture.questions import QUESTIONS
from connector.warehouse.dialects import DIALECTS, translate
from connector.warehouse.fragments import fragments
from connector.warehouse.views import views

ASKED = [*QUESTIONS.items(), *FINDING_QUESTIONS.items()]
NARROWED = {f"{name}, narrowed": question.narrowed for name, question in ASKED if question.narrowed}
SELECTS = (
    {view.name: view.sql for view in views()}
    | {name: question.sql for name, question in ASKED}
    | NARROWED
    | {name: sql for name, sql in fragments().items() if name != "posture_changes"}
)
STATUSES = ("NOT_SCAN", "SCANNED", "SCANNING", "WAIT_SCAN", "CANCELED", "SCAN_ERR", "FAILED", "FINISHED")


def parsed(name: str) -> exp.Expr:
    sql = SELECTS[name].replace("{filters}", "").replace("{most}", "1")
    return sqlglot.parse_one(sql, read="duckdb")


def literals(name: str) -> set[str]:
    return {str(literal.this) for literal in parsed(name).find_all(exp.Literal)}


def test_the_words_of_scan_status_stand_in_one_select() -> None:
    """So that a status that the API adds is understood by all at once."""
    assert {name for name in SELECTS if literals(name) & set(STATUSES)} == {"scan_states"}
    assert literals("scan_states") >= set(STATUSES)


def test_whether_a_scanner_failed_is_decided_in_one_select() -> None:
    """All errors are together in no other COALESCE."""
    together = {
        name
        for name in SELECTS
        for found in parsed(name).find_all(exp.Coalesce)
        if {"agent_error", "scan_risk_error"} <= {column.name for column in found.find_all(exp.Column)}
    }
    assert together == {"scan_states"}


def test_the_next_version_is_joined_in_one_select() -> None:
    """Which says until when a version was valid."""
    joined = {
        name
        for name in SELECTS
        for join in parsed(name).find_all(exp.Join)
        if join.args.get("on") is not None and " ".join(join.args["on"].sql().split()).count("version + 1")
    }
    assert joined == {"versions"}


@pytest.mark.parametrize("name", SELECTS)
def test_no_select_hides_a_fragment(name: str) -> None:
    """A WITH of the same name would be ignored."""
    named = {cte.alias for cte in parsed(name).find_all(exp.CTE)}
    assert not named & fragments().keys()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_columns_of_a_table_can_be_said_everywhere(dialect: str) -> None:
    """ClickHouse gives a column its name again, but not a star."""
    sql = translate("select history.*, history.observed_at from image_history as history", dialect, {})
    assert "history.*, history.observed_at" in " ".join(sql.split())


def test_every_fragment_says_what_it_is() -> None:
    """A first sentence, as the views have a question."""
    for path in (Path(__file__).parents[2] / "schemas" / "fragments").glob("*.sql"):
        assert path.read_text(encoding="utf-8").startswith("-- "), path
