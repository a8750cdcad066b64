"""What tables, tiles and charts say of one day, of nothing, and of what is left out; and where names may break."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from connector.posture import answers, drilldowns, rankings, rendering
from connector.posture.formats import pieces, table

TODAY = date(2026, 1, 2)
COUNTS = {"images": 9, "critical": 1, "high": 2, "medium": 3, "low": 4}


class Asked:
    """Stands for `Queries`: every question has these rows."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)

    def ask(self, *_: Any) -> list[dict[str, Any]]:
        return self.rows

    def sql(self, *_: Any) -> str:
        return "select 1"


def drawn(*parts: rendering.Part) -> str:
    """The document without its style."""
    return rendering.render("fragment", parts).partition("</style>")[2]


@pytest.mark.parametrize(
    ("days", "charts", "sentence"),
    [
        pytest.param([2], 0, "One day of history so far (2026-01-02, UTC)", id="one day"),
        pytest.param([1], 5, "From 2026-01-01 to 2026-01-02", id="yesterday alone"),
        pytest.param([1, 2], 5, "From 2026-01-01 to 2026-01-02", id="two days"),
    ],
)
def test_one_day_has_no_chart(days: list[int], charts: int, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers are there, and a sentence says why there is nothing more."""
    monkeypatch.setattr(answers, "_today", lambda: TODAY)
    queries: Any = Asked(*({"day": date(2026, 1, day), **COUNTS} for day in days))
    shown = drawn(answers.trend(queries, {}))
    assert (shown.count("<svg"), sentence in shown) == (charts, True)
    assert [f'data-value="{count}"' in shown for count in COUNTS.values()] == [True] * 5


FLEET = {
    **dict.fromkeys(("images", "images_in_use", "container_cnt", "images_scanned", "images_counted"), 5),
    **dict.fromkeys(("images_critical", "in_use_critical", "images_malware", "images_scan_error"), 0),
    **dict.fromkeys(("critical_level_vul_cnt", "virus_cnt", "risk_cnt"), 0),
}


@pytest.mark.parametrize(
    ("found", "marks"),
    [
        pytest.param({}, ["good"] * 6, id="nothing"),
        pytest.param(
            dict.fromkeys(FLEET, 7) | {"images_scanned": 6},
            ["warn", "critical", "critical", "warn", "warn", "warn"],
            id="all",
        ),
        pytest.param(
            {"images_scanned": 4, "images_counted": 4},
            ["warn", "plain", "plain", "plain", "plain", "good"],
            id="one not scanned",
        ),
        pytest.param({"images_counted": 4}, ["good", "plain", "plain", "plain", "plain", "good"], id="one not counted"),
    ],
)
def test_a_tile_has_a_colour_of_alarm_only_where_something_was_found(found: dict[str, int], marks: list[str]) -> None:
    """A size has none, every colour is explained, and no two tiles have the same noun. Before every image was scanned,
    and where a count is not known, nothing that a scan may find is called good."""
    queries: Any = Asked(FLEET | found)
    shown = answers.fleet(queries, {}).shown
    assert [tile.mark for tile in shown["tiles"]] == ["plain", "plain", *marks]
    assert {tile.mark for tile in shown["tiles"]} <= {mark for mark, _ in shown["meanings"]}
    assert len({tile.noun for tile in shown["tiles"]}) == 8


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "example.com:5000/team/app:1.2-rc",
            ["example.com:", "5000/", "team/", "app:", "1.2-", "rc"],
        ),
        ("docker://x", ["docker://", "x"]),
        ("-/:", ["-/:"]),
        ("two\nlines", ["two\nlines"]),
        ("", [""]),
    ],
)
def test_a_name_may_break_behind_what_parts_it(name: str, expected: list[str]) -> None:
    """And nothing of the name is lost."""
    assert pieces(name) == expected
    assert "".join(expected) == name


def test_what_is_left_out_is_counted() -> None:
    """And how to get it is said."""
    counts = {"images": 1, "images_in_use": 0, "latest_scan_time": None, "matching": 20_000}
    row = {"scanner": "vul", "cause": "x", **counts}
    queries: Any = Asked(*[row] * 100)
    shown = drawn(rankings.failures(queries, {}))
    assert shown.count("<tr data-place") == 100
    assert "100 of 20,000 rows are here. The other 19,900 are left out" in shown
    assert "Show all 100" in shown


def test_what_is_not_known_says_so() -> None:
    """In a cell of numbers too; and nothing is said to be left out of an answer that is whole."""
    rows = [{"name": None, "count": 1}, {"name": "x", "count": None}]
    template = '{% from "parts.html.jinja" import table %}{{ table(shown) }}'
    shown = rendering.environment().from_string(template).render(shown=table(rows, ("name", "count"), name="x"))
    assert shown.count(">not known<") == 2
    assert "left out" not in shown
    assert "Show all" not in shown


def test_the_links_of_images_hold_any_text() -> None:
    """As a query of the same page, in which no text can name another one."""
    rows = [{"account_id": "1", "image_id": 'javascript:&image_id=\ud800#"'}]
    assert rankings.linked_apart(rows) == ["?account_id=1&image_id=javascript%3A%26image_id%3D%3F%23%22"]
    assert rankings.linked_below(rows * 30) == [f"#history-{place}" for place in range(1, 21)]


def test_no_image_hides_another_one_of_the_same_name() -> None:
    """Neither the same image of another account, nor one whose id ends alike."""
    ends = [("1", "a:x"), ("2", "a:x"), ("1", "b:12345678"), ("1", "c:12345678"), ("1", "a:x")]
    rows = [{"account_id": a, "account": f"shop {a}", "image_id": i, "image_name": None} for a, i in ends]
    found = drilldowns.choices(rows)
    assert list(found.values()) == ends[:4]
    assert list(found)[1:] == [
        "\u2068no name\u2069 · a:x · \u2068shop 2\u2069",
        "\u2068no name\u2069 · 12345678 · \u2068shop 1\u2069",
        "\u2068no name\u2069 · c:12345678 · \u2068shop 1\u2069",
    ]
    assert list(drilldowns.choices(rows[:1])) == ["\u2068no name\u2069 · a:x"]
