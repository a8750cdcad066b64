"""Tables for people: what they hold in a terminal of any width."""

from __future__ import annotations

import pytest

from connector.cli.grids import grid

NAME = "registry.example.com/payments/api:1.2"
HEADS = ("IMAGE", "SEEN", "VERDICT", "IMAGES", "BEHIND")
ROWS = [(NAME, "2027-01-15 06:30Z", "complete", "1,234,567", "12"), ("a", "never", "", "502", "")]


@pytest.mark.parametrize("columns", [1, 40, 60, 80, 200])
def test_no_number_is_cut(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of 502 is 50, which looks whole. Names go on in the next line; a table that needs more room takes it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    head, first, *others = grid(HEADS, ROWS, numbers=2, folded=1)
    assert head.split() == list(HEADS)
    assert first.endswith("  2027-01-15 06:30Z  complete  1,234,567      12")
    assert others[-1].split() == ["a", "never", "502"]
    assert "".join(line.split(" ")[0] for line in (first, *others[:-1])) == NAME
    assert max(map(len, (head, first, *others))) <= max(columns, 62)


@pytest.mark.parametrize("columns", [1, 40, 80])
def test_all_texts_may_go_on_in_the_next_line(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no column of texts is excepted; the numbers stay whole."""
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = grid(HEADS, ROWS, numbers=2)
    assert lines[0].split() == list(HEADS)
    assert [word for word in " ".join(lines).split() if word in ("1,234,567", "12", "502")] == [
        "1,234,567",
        "12",
        "502",
    ]
