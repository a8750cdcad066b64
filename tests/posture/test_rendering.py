"""`connector.posture.rendering`: what the templates do to a text, whatever the text is, and when they are loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from connector.errors import TcssError
from connector.posture import answers, document, drilldowns, rankings, rendering
from connector.posture.formats import visible
from connector.posture.questions import Filters, Question
from connector.posture.rendering import Part
from tests.posture.test_posture import HOSTILE, TEMPLATES
from tests.world import world

COUNTS = re.compile(r"cnt$|^matching$|^images|_critical$|^(critical|high|medium|low)$")
FACTS: dict[str, Any] = {
    "complete_at": None,
    "day": date(2026, 1, 1),
    "scan_state": "scanned",
    "scan_age": "never scanned",
    "state": "current",
}


class Row(dict[str, Any]):
    """A row that has every column: counts are 7, and every text is the same one."""

    def __init__(self, text: str) -> None:
        super().__init__(FACTS, account=text)
        self.text = text

    def __missing__(self, name: str) -> Any:
        return 7 if COUNTS.search(name) else self.text


class Answers:
    """Stands for `Queries`: every question has one row, and every text in it is the same one."""

    has_details = True

    def __init__(self, text: str) -> None:
        self.title, self.text = text, text

    def ask(self, question: Question, filters: Filters | None = None) -> Any:
        return [Row(self.text)]

    def session(self) -> AbstractContextManager[None]:
        return nullcontext()

    def account(self, account_id: str) -> str:
        return self.text

    def sql(self, question: Question, filters: Filters | None = None) -> str:
        return self.text


class Structure(HTMLParser):
    """Tags with their attributes' names, in order, but for the places where a text may break; and the text between
    them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":
            self.tags.append((tag, *(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def apart(ranking: document.Section) -> document.Section:
    """As the dashboard shows it."""
    return partial(ranking, links=rankings.linked_apart)


def parts(text: str) -> list[Part]:
    """Every section, where every text is this one."""
    queries: Any = Answers(text)
    filters = {"account": text, "registry": text}
    images = (rankings.risk, rankings.unscanned, rankings.stale)
    sections = (*document.SECTIONS, drilldowns.vulnerabilities, drilldowns.histories, *map(apart, images))
    problem = document.problem(TcssError(text, hint=text))
    history = answers.history(queries, text, text)
    heading = answers.heading(queries, filters, datetime(2026, 1, 1, tzinfo=UTC))
    pages = [*document.image(queries, text, text), *document.vulnerability(queries, text, text)]
    return [heading, *document.sections(queries, filters, sections), history, *pages, *problem, document.note(text)]


@pytest.mark.parametrize("shape", ["report", "fragment"])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_changes_the_structure(text: str, shape: str) -> None:
    """The tags and attributes of every template are those of a harmless text, and what is shown is the text."""
    hostile, harmless = (Structure(rendering.render(shape, parts(one))) for one in (text, "harmless"))
    assert hostile.tags == harmless.tags
    assert hostile.text.count(visible(text)) == harmless.text.count("harmless") > 30


def test_every_template_is_among_them() -> None:
    """A new one has to be added to the sections above."""
    rendering.environment.cache_clear()
    rendering.render("report", parts("harmless"))
    cache = rendering.environment().cache
    assert cache is not None
    loaded = {name for _, name in cache}
    assert loaded == {file.name for file in TEMPLATES.iterdir()}


def test_a_value_that_is_missing_is_an_error() -> None:
    """Never an empty place in the document."""
    with pytest.raises(UndefinedError, match="sentence"):
        rendering.render("fragment", [Part("note.html.jinja", {})])


def test_nothing_is_marked_as_safe() -> None:
    """No template and no module can leave a text as it is."""
    files = [*TEMPLATES.glob("*.jinja"), *TEMPLATES.parent.glob("*.py")]
    assert len(files) > 20
    for file in files:
        assert not re.search(r"\bsafe\b|Markup|autoescape(?!=True)", file.read_text(encoding="utf-8")), file


@pytest.mark.thorough
def test_only_a_document_loads_the_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command is a process of its own, which says what it imports."""
    with world(tmp_path, monkeypatch, images=20) as account:
        monkeypatch.setenv("TCSS_ENDPOINT", account.sandbox.url)
        loads = {}
        for command in (["--help"], ["sync"], ["status"], ["report", "--output", "posture.html"]):
            run = [sys.executable, "-X", "importtime", "-m", "connector", *command]
            done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stdout + done.stderr[-1000:]
            loads[command[0]] = bool(re.search(r"\| +jinja2$", done.stderr, re.MULTILINE))
    assert loads == {"--help": False, "sync": False, "status": False, "report": True}
