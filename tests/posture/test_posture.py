"""`connector.posture`: the questions on every database, the report and its safety, and what is shown for nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from connector.cli.main import app
from connector.errors import DestinationError
from connector.posture import answers, charts, document, formats, rendering
from connector.posture.queries import Queries
from connector.posture.questions import (
    COVERAGE,
    FAILURES,
    FLEET,
    HISTORY,
    MOST_ROWS,
    QUESTIONS,
    RISK,
    SYSTEMS,
    TREND,
    Question,
)
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.tables import IMAGES
from connector.warehouse import views
from tests import syncing
from tests.warehouses import KINDS, Place, place
from tests.world import ACCOUNT_ID

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "C:\\' or 1=1 --",
    "\u202eevil\u2066",
    "🚀 镜像",
    "\x1b[31m\ud800\x9b\x7f",
)
TEMPLATES = Path(rendering.__file__).parent / "templates"
STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
FILTERS = [
    {},
    {"account": ACCOUNT_ID},
    {"registry": ""},
    {"os": "alpine"},
    {"used": "yes"},
    {"used": "no", "os": "ubuntu", "account": ACCOUNT_ID},
    *({"os": text, "registry": text} for text in HOSTILE[:5]),
]


@pytest.fixture(scope="module", params=KINDS)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A warehouse of every kind, with 300 images, after two syncs."""
    seeded = Fleet.seeded(300, clock=wall_clock)
    with (
        pytest.MonkeyPatch.context() as patch,
        place(request.param, tmp_path_factory.mktemp("fleet")) as made,
        Sandbox(seeded, rate=None) as sandbox,
    ):
        patch.setenv("SOURCES__TCSS__METADATA", "false")
        syncing.sync(made, sandbox.url)
        sandbox.change({"rescan": 30, "insert": 5, "delete": 10, "change_counts": 10})
        syncing.sync(made, sandbox.url, mode="full")
        yield made


@pytest.mark.thorough(but=("duckdb-some",))
@pytest.mark.parametrize(
    ("fleet", "chosen"),
    [
        pytest.param("duckdb", FILTERS[::4], id="duckdb-some"),
        *(pytest.param(kind, FILTERS, id=f"{kind}-all") for kind in KINDS),
    ],
    indirect=["fleet"],
    scope="module",  # so that later tests have the same warehouse
)
def test_every_question_is_answered_with_every_filter(fleet: Place, chosen: list[dict[str, str]]) -> None:
    """On every database, also in its narrowed form; the counts are those of plain SQL; the SQL that is shown gives as
    many rows; a value that looks like SQL finds nothing; and the connection refuses to write."""
    place, queries = fleet, Queries.open(fleet.url, fleet.dataset)
    asked = [
        (question, filters)
        for filters in chosen
        for question in QUESTIONS.values()
        if "{filters}" in question.sql and (question.narrowed or filters.keys() <= question.knows)
    ]
    with queries.session():  # a file is opened once for all questions, and once for all SQL, since the answers are kept
        for question, filters in (*asked, *((q, filters) for q in (FLEET, COVERAGE, TREND) for filters in chosen)):
            queries.ask(question, filters)
        assert queries.ask(FLEET, FILTERS[-1])[0]["images"] == 0
        _narrowed_is_the_same(queries)
        row = queries.ask(RISK)[0]
        history = queries.ask(HISTORY, {"account": row["account_id"], "image": row["image_id"]})
    with place.opened():
        if place.kind != "mysql":  # whose driver gives other types
            for question, filters in asked:
                assert len(place.sql(queries.sql(question, filters))) == len(queries.ask(question, filters))
        for filters in chosen:
            (count,) = place.sql(f"select count(*) from {{data}}.images where {_condition(filters)}")[0]
            fleet = queries.ask(FLEET, filters)[0]
            assert fleet["images"] == count
            scanned = "count(case when critical_level_vul_cnt is not null and scan_time is not null then 1 end)"
            (counted,) = place.sql(f"select {scanned} from {{data}}.images where {_condition(filters)}")[0]
            assert fleet["images_counted"] == counted
            assert sum(row["images"] for row in queries.ask(COVERAGE, filters)) == count
            trend = queries.ask(TREND, filters)
            last = trend[-1] if trend else {"images": 0, "critical": 0}
            assert (last["images"], last["critical"]) == (count, fleet["critical_level_vul_cnt"])
        _history_is_the_versions(history, row["image_id"], place)
    with pytest.raises((duckdb.Error, sa.exc.DBAPIError)):
        _write(queries)


def _condition(filters: dict[str, str]) -> str:
    columns = {"account": "account_id", "registry": "coalesce(image_registry, '')", "os": "os_family"}
    used = {"yes": "container_cnt > 0", "no": "container_cnt = 0"}
    parts = [
        used[value] if name == "used" else f"{columns[name]} = '{value if value not in HOSTILE else '-'}'"
        for name, value in filters.items()
    ]
    return " and ".join(["deleted_at is null", *parts])


def _write(queries: Queries) -> None:
    statement = f"delete from {queries._names['images']}"
    if queries.location.kind == "duckdb":
        with queries.engine as connection:
            connection.execute(statement)
        return
    with queries.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def _narrowed_is_the_same(queries: Queries) -> None:
    """Narrowed by nothing, a question is answered as the view does."""
    for question in (TREND, SYSTEMS, FAILURES):
        assert question.narrowed is not None
        narrowed = Question(f"narrowed: {question.text}", question.narrowed)
        expected, found = queries.ask(question), queries.ask(narrowed)
        days = {row["day"]: row for row in found} if question is TREND else {}
        assert [row for row in expected if not days or row["day"] in days] == found


def _history_is_the_versions(found: list[dict[str, Any]], image_id: str, place: Place) -> None:
    """The newest first, each with its event."""
    count = f"select count(*) from {{data}}.image_history where image_id = '{image_id}'"
    assert (len(found), found[-1]["event"], found[0]["valid_to"]) == (place.sql(count)[0][0], "new", None)


@pytest.mark.thorough(but=("duckdb",))
def test_the_riskiest_are_those_of_the_view(fleet: Place) -> None:
    """In its order, malware first; `matching` counts those that a page leaves out too."""
    found = Queries.open(fleet.url, fleet.dataset).ask(RISK)
    ranked = [row[0] for row in fleet.sql("select image_id from {data}.images_at_risk order by risk_rank, image_id")]
    assert [row["image_id"] for row in found] == ranked[:MOST_ROWS]
    assert {row["matching"] for row in found} == {len(ranked)}


@pytest.mark.thorough("postgresql")
@pytest.mark.parametrize("fleet", ["duckdb", "postgresql"], indirect=True)
def test_the_report_is_one_file_that_loads_nothing(fleet: Place, tmp_path: Path) -> None:
    """Its policy forbids it, and every script but that of the tables; the numbers are those of SQL."""
    place, queries = fleet, Queries.open(fleet.url, fleet.dataset)
    output = tmp_path / "posture.html"
    options = ["--destination", place.url, "--dataset", place.dataset, "--output", str(output)]
    result = CliRunner().invoke(app, ["report", *options])
    assert (result.exit_code, result.stdout) == (0, f"wrote {output}\n"), result.output
    text = output.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    head, script, rest = re.split(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    assert not re.search(r"<script|<link|<img|<iframe| src=| href=\"[^#]|url\(|@import|https?://(?!127)", head + rest)
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'\"" in head
    assert f'data-value="{queries.ask(FLEET)[0]["container_cnt"]}"' in text
    assert str(tmp_path) not in text
    assert "-->" not in text.replace("--&gt;", "")
    assert [p.name for p in tmp_path.glob(".tcss_*")] == []
    result = CliRunner().invoke(app, ["report", *options[:-1], str(tmp_path / "none" / "x.html")])
    assert (result.exit_code, "cannot write" in result.stderr) == (2, True)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_of_the_api_leaves_its_cell(text: str) -> None:
    """Escaped, isolated, without control characters, and writable as UTF-8."""
    table = formats.table([{"image_name": text}], ("image_name",), name="names")
    shown = drawn("{{ table(shown) }}{{ foreign(text) }}", shown=table, text=text)
    assert not re.search(r"<script|<img|[\x00-\x08\x1b\x7f-\x9f]", shown)
    assert shown.count("<bdi>") == shown.count("</bdi>") == 2
    assert shown.encode()
    assert formats.isolated(text).startswith("\u2068")


def drawn(template: str, **shown: Any) -> str:
    """What the templates' parts make of it."""
    parts = '{% from "parts.html.jinja" import foreign, steps, table %}'
    return rendering.environment().from_string(parts + template).render(shown)


EMPTY = [
    pytest.param(lambda place: None, "does not exist", "Run `tcss sync", 2, id="no-file"),
    pytest.param(
        lambda place: duckdb.connect(str(place.file)).close(), "there are no tables yet", "tcss sync", 6, id="no-tables"
    ),
]


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
@pytest.mark.parametrize(("prepare", "message", "hint", "code"), EMPTY)
def test_nothing_to_show_says_what_to_do(
    place: Place, tmp_path: Path, prepare: Any, message: str, hint: str, code: int
) -> None:
    """The page says it, and `tcss report` ends with the exit code of its kind and writes nothing."""
    prepare(place)
    queries = Queries.open(place.url, place.dataset)
    shown = document.fragment(document.body(queries, {}))
    assert message in shown
    assert hint in shown
    output = tmp_path / "posture.html"
    result = CliRunner().invoke(app, ["report", "--destination", place.url, "--output", str(output)])
    assert (result.exit_code, output.exists()) == (code, False)
    assert message in result.stderr


@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    ["drop view {data}.scan_failures", "alter table {data}.images rename column container_cnt to cnt"],
    ids=["no-view", "no-column"],
)
def test_a_report_that_cannot_be_whole_leaves_the_old_one(place: Place, statement: str, tmp_path: Path) -> None:
    """Whichever answer is missing, as in the warehouse of an older release."""
    pipeline = place.ready()
    place.insert({IMAGES: [{"account_id": "1", "image_id": "a", "version": 1}]})
    with pipeline.sql_client() as client:
        views.create(client)
    place.sql(statement)
    output = tmp_path / "posture.html"
    output.write_text("old")
    options = ["--destination", place.url, "--dataset", place.dataset, "--output", str(output)]
    result = CliRunner().invoke(app, ["report", *options])
    assert (result.exit_code, output.read_text()) == (6, "old")
    assert "or they lack the views of this release. Run `tcss sync`" in result.stderr


def test_a_warehouse_without_images_says_what_to_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is no error."""
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    with Sandbox(Fleet.seeded(0, clock=wall_clock), rate=None) as sandbox:
        syncing.sync(place, sandbox.url)
    assert "There are no images in" in document.report(Queries.open(place.url, place.dataset))


@pytest.mark.parametrize("place", ["postgresql", "mysql"], indirect=True)
def test_a_server_without_the_dataset_says_what_to_do(place: Place) -> None:
    """A schema or database that does not exist is a warehouse without tables."""
    with pytest.raises(DestinationError, match="there are no tables yet"):
        document.report(Queries.open(place.url, place.dataset))


@pytest.mark.parametrize(
    ("command", "more", "code", "message"),
    [
        (["report", "--output", "x.html"], ["--destination", "bigquery://project/dataset"], 2, "by its URL"),
        (["dashboard"], ["--port", "99999"], 2, "port"),
    ],
    ids=["no-url", "bad-port"],
)
@pytest.mark.parametrize("place", ["duckdb"], indirect=True)
def test_bad_usage_ends_with_2(
    place: Place,
    command: list[str],
    more: list[str],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a message, and never a traceback."""
    monkeypatch.setattr("connector.warehouse.locations._installed", lambda module: True)
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, [*command, "--destination", place.url, *more])
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_the_dashboard_without_its_extra_names_it() -> None:
    """Exit code 2, in an interpreter that cannot import marimo."""
    code = "import sys; sys.modules['marimo'] = None; sys.argv[0] = 'tcss'; from connector.cli.main import main; main()"
    command = [sys.executable, "-c", code, "dashboard", "--destination", "duckdb:///no.duckdb"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert 'pip install "tcss-connector[notebooks]"' in result.stderr


def test_a_line_keeps_a_value_until_the_next_day_that_has_one() -> None:
    """Steps and not slopes, from 0 to the greatest value, up to today."""
    days = [date(2026, 1, 1), date(2026, 1, 6)]
    steps = charts.steps(days, [10, 5], date(2026, 1, 11))
    assert 'd="M0 1.5H150.0V36.0H300"' in drawn('{{ steps(shown, "high", "a label") }}', shown=steps)


@pytest.mark.parametrize("peak", [0, 1, 333, 728, 729])
def test_a_line_of_years_shows_the_greatest_day(peak: int) -> None:
    """And no more points than can be seen."""
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(730)]
    values = [100 + (n == peak) * 900 for n in range(730)]
    line = charts.steps(days, values, days[-1]).line
    assert "1.5" in re.findall(r"(?:M0 |V)([\d.]+)", line)
    assert line.count("V") <= charts.POINTS


def test_shares_are_never_rounded_to_all_or_nothing() -> None:
    """One of ten thousand is not 0 %, and all but one not 100 %."""
    assert [formats.share(n, 10_000) for n in (0, 1, 5_000, 9_999, 10_000)] == [
        "0 %", "0.1 %", "50.0 %", "99.9 %", "100 %"
    ]  # fmt: skip


def test_instants_are_shown_in_utc() -> None:
    """Wherever they come from."""
    assert formats.when(datetime.fromisoformat("2026-01-01T01:00:00+08:00")) == "2025-12-31 17:00"
    assert formats.when(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00"


def _colours(scheme: str) -> dict[str, tuple[float, ...]]:
    light, dark = STYLE.split("@media (prefers-color-scheme: dark)")[:2]
    found = re.findall(
        r"--(page|card|critical|high|medium|low): #([0-9a-f]{3,6})", light if scheme == "light" else dark
    )
    full = {name: code * 2 if len(code) == 3 else code for name, code in found[:6]}
    return {name: tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)) for name, code in full.items()}


# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear light.
_BLIND = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def _linear(colour: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)


def _lab(linear: tuple[float, ...]) -> tuple[float, float, float]:
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    whites = (0.9505, 1.0, 1.089)
    ratios = [
        sum(a * max(b, 0) for a, b in zip(row, linear, strict=True)) / w for row, w in zip(to_xyz, whites, strict=True)
    ]
    f, g, h = (r ** (1 / 3) if r > 0.008856 else 7.787 * r + 16 / 116 for r in ratios)
    return 116 * g - 16, 500 * (f - g), 200 * (g - h)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("blind", _BLIND)
def test_severities_differ_for_every_eye(scheme: str, blind: str) -> None:
    """Any two of the four are at least 15 apart in Lab, as each kind of colour blindness sees them."""
    colours = _colours(scheme)
    seen = {}
    for name in answers.LEVELS:
        linear = _linear(colours[name])
        seen[name] = _lab(tuple(sum(a * b for a, b in zip(row, linear, strict=True)) for row in _BLIND[blind]))
    pairs = [(a, b) for i, a in enumerate(answers.LEVELS) for b in answers.LEVELS[i + 1 :]]
    near = {
        f"{a} {b}": round(sum((x - y) ** 2 for x, y in zip(seen[a], seen[b], strict=True)) ** 0.5, 1) for a, b in pairs
    }
    assert min(near.values()) >= 15, near


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_severities_stand_out_from_the_card(scheme: str) -> None:
    """By a contrast of 3 to 1, as WCAG asks of graphics."""
    colours = _colours(scheme)
    light = {
        name: sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), _linear(c), strict=True))
        for name, c in colours.items()
    }
    for name in answers.LEVELS:
        high, low = max(light[name], light["card"]), min(light[name], light["card"])
        assert (high + 0.05) / (low + 0.05) >= 3, name
