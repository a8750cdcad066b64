"""`connector.runs.progress`: what a report says of the phases of a run."""

from __future__ import annotations

import pytest

from connector.api.answers import CallStats
from connector.cli.report import Reporter
from connector.runs import progress
from connector.runs.progress import Lines, begin


def test_a_line_names_the_detail_whose_images_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The images themselves need no name."""
    monkeypatch.setattr(progress, "LOG_EVERY", 0)
    said: list[str] = []
    lines = Lines(lambda text, *values: said.append(text % values))
    lines(50, 100, CallStats(requests=3, throttled=1))
    begin(lines, "vulnerabilities")
    lines(1, 2, CallStats(requests=4))
    assert said == [
        "50 of 100 images, 3 requests, 1 throttled",
        "1 of 2 images (vulnerabilities), 4 requests, 0 throttled",
    ]


def test_a_report_of_three_arguments_stays_a_report() -> None:
    """A function that somebody gave to `connector.sync()` hears nothing of phases, nor does nobody."""
    begin(lambda *_: None, "vulnerabilities")
    begin(None, "vulnerabilities")


def test_the_bar_begins_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the phase's name, and with its own speed."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Reporter(as_json=False).progress() as report:
        report(50, 100, CallStats(requests=3))
        begin(report, "vulnerabilities")
        report(1, 2, CallStats(requests=4))
    drawn = capsys.readouterr().err
    assert "vulnerabilities" in drawn
    assert "1/2" in drawn
