"""Details on the pages: what is exploitable, what to upgrade, what is known; and where there are none."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connector.posture import document, drilldowns, findings
from connector.posture.finding_questions import (
    AFFECTED,
    COVERAGE,
    EXPLOITABLE,
    FINDING_QUESTIONS,
    FINDINGS,
    READ,
    UPGRADES,
)
from connector.posture.queries import Queries
from connector.posture.questions import Filters, Question
from connector.posture.rendering import Part, render
from connector.sandbox import Fleet, Sandbox, wall_clock
from tests import syncing
from tests.analysts.invented import invent
from tests.posture.test_posture import HOSTILE
from tests.warehouses import KINDS, Place, place

SECTIONS = ("detail_coverage", "exploitable", "upgrades", "vulnerabilities")
FILTERS: list[Filters] = [{}, {"used": "yes"}, {"os": "alpine"}, {"registry": "", "used": "yes"}, {"os": HOSTILE[2]}]
RANKS = {"CRITICAL": 1, "HIGH": 2, "MEDIUM": 3, "LOW": 4}


@pytest.fixture(scope="module", params=KINDS)
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A warehouse of every kind with the details of 40 images."""
    fleet = Fleet.seeded(40, clock=wall_clock)
    with (
        pytest.MonkeyPatch.context() as patch,
        place(request.param, tmp_path_factory.mktemp("read")) as made,
        Sandbox(fleet, rate=None) as sandbox,
    ):
        patch.setenv("SOURCES__TCSS__METADATA", "false")
        syncing.sync(made, sandbox.url, detail=["vulnerabilities", "malware"])
        yield made


def rows_of(place: Place, select: str) -> list[dict[str, Any]]:
    names = [name.strip() for name in select.split(",")]
    source = "{data}.current_findings f join {data}.images i on i.account_id = f.account_id and i.image_id = f.image_id"
    columns = ", ".join(f"i.{name}" if name in {"os_family", "image_registry"} else f"f.{name}" for name in names)
    return [dict(zip(names, row, strict=True)) for row in place.sql(f"select {columns} from {source}")]


def matches(row: dict[str, Any], filters: Filters) -> bool:
    used = {"yes": (row["container_cnt"] or 0) > 0}
    return all(
        {"used": used.get(value), "os": row["os_family"] == value, "registry": (row["image_registry"] or "") == value}[
            name
        ]
        for name, value in filters.items()
    )


COLUMNS = (
    "account_id, image_id, vul_id, cve_id, name, component, version, fixed_versions, severity, has_exploit, "
    "is_known_exploited, is_emergency, container_cnt, os_family, image_registry"
)


@pytest.mark.thorough(but=("duckdb",))
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_what_is_exploitable_and_what_to_upgrade_on_every_database(read: Place, filters: Filters) -> None:
    """A row a vulnerability, package and fix, each image counted once; as counted by hand from the findings."""
    found = [row for row in rows_of(read, COLUMNS) if row["container_cnt"] and matches(row, filters)]
    queries = Queries.open(read.url, read.dataset)
    exploitable: dict[tuple[Any, ...], dict[str, int]] = defaultdict(dict)
    upgrades: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        word = "exists" if row["has_exploit"] else None
        word = "emergency" if row["is_emergency"] else word
        word = "in the wild" if row["is_known_exploited"] else word
        if word:
            name = row["cve_id"] or row["name"] or row["vul_id"]
            key = (name, row["severity"], word, row["component"], row["fixed_versions"])
            exploitable[key][row["image_id"]] = row["container_cnt"]
        if row["fixed_versions"] is not None:
            upgrades[row["component"], row["version"], row["fixed_versions"]].append(row)
    names = ("vulnerability", "severity", "exploit", "component", "fixed_versions", "images", "containers")
    asked = queries.ask(EXPLOITABLE, filters)
    whole = {(*key, len(images), sum(images.values())) for key, images in exploitable.items()}
    assert {row["matching"] for row in asked} <= {len(whole)}
    assert len(asked) == min(len(whole), 100)
    assert {tuple(row[name] for name in names) for row in asked} <= whole
    order = [(row["exploit_rank"], RANKS.get(row["severity"], 5), -row["containers"]) for row in asked]
    assert order == sorted(order)
    asked = queries.ask(UPGRADES, filters)
    removed = {key: _upgrade(rows) for key, rows in upgrades.items()}
    assert len(asked) == min(len(removed), 100)
    for row in asked:
        assert (row["matching"], _counts(row)) == (
            len(removed),
            removed[row["component"], row["version"], row["fixed_versions"]],
        )
    order = [(-row["critical_findings"] - row["high_findings"], -row["findings"], -row["containers"]) for row in asked]
    assert order == sorted(order)


def _upgrade(rows: list[dict[str, Any]]) -> tuple[int, ...]:
    images = {row["image_id"]: row["container_cnt"] for row in rows}
    severities = [row["severity"] for row in rows]
    exploitable = sum(bool(row["has_exploit"] or row["is_known_exploited"]) for row in rows)
    return (
        len(rows),
        severities.count("CRITICAL"),
        severities.count("HIGH"),
        exploitable,
        len(images),
        sum(images.values()),
    )


def _counts(row: dict[str, Any]) -> tuple[int, ...]:
    names = ("findings", "critical_findings", "high_findings", "exploitable_findings", "images", "containers")
    return tuple(row[name] for name in names)


@pytest.mark.thorough(but=("duckdb",))
def test_drilling_down_on_every_database(read: Place) -> None:
    """An image has its findings, a vulnerability its images; the SQL that is shown gives as many rows."""
    queries = Queries.open(read.url, read.dataset)
    row = queries.ask(EXPLOITABLE)[0]
    by_vulnerability = {"account": row["account_id"], "vulnerability": row["vul_id"]}
    affected = queries.ask(AFFECTED, by_vulnerability)
    rows = rows_of(read, COLUMNS)
    assert {one["image_id"] for one in affected} == {one["image_id"] for one in rows if one["vul_id"] == row["vul_id"]}
    by_image = {"account": row["account_id"], "image": affected[0]["image_id"]}
    listed = queries.ask(FINDINGS, by_image)
    assert listed[0]["matching"] == sum(one["image_id"] == affected[0]["image_id"] for one in rows)
    for name, question in FINDING_QUESTIONS.items():
        filters = {"affected": by_vulnerability, "vulnerability": by_vulnerability, "findings": by_image}
        given = filters.get(name, by_image if name in ("read", "malware_read", "malware") else {})
        asked = queries.ask(question, given)
        if read.kind != "mysql":  # whose driver gives other types
            assert len(read.sql(queries.sql(question, given))) == len(asked)
    assert queries.ask(READ, by_image)[0]["verdict"] == "complete"
    page = drawn(*document.linked(queries, {"account_id": row["account_id"], "image_id": affected[0]["image_id"]}))
    assert "As of the scan of" in page
    assert f"?account_id={row['account_id']}&amp;vul_id=" in page
    page = drawn(*document.linked(queries, {"account_id": row["account_id"], "vul_id": row["vul_id"]}))
    assert f"account <bdi>{row['account_id']}</bdi>" in page


@pytest.mark.thorough(but=("duckdb",))
def test_narrowed_by_nothing_it_is_what_the_view_says(read: Place) -> None:
    """On every database; of the invented details, which have every state, too."""
    _narrowed_is_the_same(Queries.open(read.url, read.dataset))


def _narrowed_is_the_same(queries: Queries) -> None:
    for question in (COVERAGE, UPGRADES):
        assert question.narrowed is not None
        expected = queries.ask(question)
        assert expected
        assert queries.ask(Question(f"narrowed: {question.text}", question.narrowed)) == expected


# ---- invented details: every state, and hostile texts ----

Invented = Callable[..., Queries]
STATES_TOLD = "select aspect, state, sum(images) from tcss.detail_coverage group by aspect, state"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Warehouses of 240 images, by whether they have details."""
    directory = tmp_path_factory.mktemp("invented")
    made = {details: directory / f"{details}.duckdb" for details in (True, False)}
    for details, file in made.items():
        invent(file, 240, days=120, details=details)
    return made


@pytest.fixture
def invented(files: dict[bool, Path], tmp_path: Path) -> Invented:
    """Such a warehouse, changed by these statements."""

    def made(*statements: str, details: bool = True) -> Queries:
        file = shutil.copy(files[details], tmp_path / "w.duckdb")
        if statements:
            with duckdb.connect(str(file)) as connection:
                for statement in statements:
                    connection.execute(statement)
        return Queries.open(f"duckdb:///{file}", "tcss")

    return made


def sql(queries: Queries, query: str) -> list[tuple[Any, ...]]:
    assert queries.location.file is not None
    with duckdb.connect(str(queries.location.file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def drawn(*parts: Part) -> str:
    """The document without its style."""
    return render("fragment", parts).partition("</style>")[2]


def test_without_tables_of_details_nothing_changes(invented: Invented) -> None:
    """Neither in the report nor on an image's page."""
    queries = invented(details=False)
    assert not queries.has_details
    assert [section(queries, {}) for section in (findings.coverage, findings.exploitable, findings.upgrades)] == [
        None
    ] * 3
    report = document.report(queries)
    assert [name for name in SECTIONS if f'id="{name}"' in report] == []
    assert "Its vulnerabilities" not in report
    (account_id, image_id), *_ = sql(queries, "select account_id, image_id from tcss.images_at_risk")
    assert [part.template for part in document.image(queries, account_id, image_id)] == ["history.html.jinja"]


def test_every_state_is_told(invented: Invented) -> None:
    """The sum is the fleet: an account whose details no sync was asked for is told too."""
    queries = invented(
        "delete from tcss.image_reads where account_id = '100000000002'",
        "update tcss.images set scan_time = null where image_id in (select image_id from tcss.images limit 7)",
        "update tcss.image_reads set level_counts = '-1/0/0/0' where image_id < 'sha256:4'",
    )
    _narrowed_is_the_same(queries)
    part = findings.coverage(queries, {})
    assert part is not None
    told = {shares.title: {level.name: level.images for level in shares.levels} for shares in part.shown["shares"]}
    expected: dict[str, dict[str, int]] = defaultdict(dict)
    for aspect, state, images in sql(queries, STATES_TOLD):
        expected[aspect.capitalize()][state] = images
    (other,) = sql(queries, "select count(*) from tcss.current_images where account_id = '100000000002'")[0]
    assert other > 0
    for states in expected.values():
        states["not asked for"] = other
    assert told == expected
    every = {"current", "behind the scan", "not proven", "not read yet", "scan not finished", "never scanned"}
    every.add("not asked for")
    assert told["Vulnerabilities"].keys() == every


def test_an_aspect_that_nobody_asked_for_is_told(invented: Invented) -> None:
    """Of every image, where another aspect was read."""
    queries = invented("delete from tcss.image_reads where aspect = 'malware'", "delete from tcss.detail_runs")
    part = findings.coverage(queries, {})
    assert part is not None
    told = {shares.title: [level.name for level in shares.levels] for shares in part.shown["shares"]}
    assert ("current" in told["Vulnerabilities"], told["Malware"]) == (True, ["not asked for"])


@pytest.mark.parametrize(
    "statement",
    ["delete from tcss.image_reads", "update tcss.image_reads set read_no = 0"],
    ids=["never asked", "never proven"],
)
def test_an_empty_list_is_not_called_clean(statement: str, invented: Invented) -> None:
    """It says of how many images in use the vulnerabilities are known: none."""
    queries = invented(statement)
    ((used,),) = sql(queries, "select count(*) from tcss.current_images where container_cnt > 0")
    known = f"The vulnerabilities of 0 of {used} images in use are known as of their last scan."
    shown = drawn(*document.sections(queries, {}, (findings.exploitable,)))
    assert f"No such vulnerability is known. {known}" in shown
    (row,) = sql(queries, "select account_id, image_id from tcss.images_at_risk where scan_time is not null limit 1")
    assert "Not known:" in drawn(*document.image(queries, *row))


def test_a_filter_narrows_what_is_known_too(invented: Invented) -> None:
    """So that a list that is empty under a filter is not called clean by what the rest of the fleet is."""
    queries = invented("update tcss.image_reads set read_no = 0 where image_id in "
                       "(select image_id from tcss.images where os_family = 'alpine')")  # fmt: skip
    condition = "container_cnt > 0 and os_family = 'alpine'"
    ((used,),) = sql(queries, f"select count(*) from tcss.current_images where {condition}")
    part = findings.exploitable(queries, {"os": "alpine"})
    assert part is not None
    assert part.shown["table"].rows == []
    assert part.shown["none"].endswith(
        f"The vulnerabilities of 0 of {used} images in use are known as of their last scan."
    )


STATES = {
    "current": ("select 1", "complete", "As of the scan of"),
    "scanned again": (
        "update tcss.images set scan_time = scan_time + interval 1 day",
        "complete",
        "The image was scanned or counted anew since then",
    ),
    "counted anew": (
        "update tcss.image_reads set vul_cnt = -1",
        "complete",
        "The image was scanned or counted anew since then",
    ),
    "counted anew by level": (
        "update tcss.image_reads set level_counts = '-1/0/0/0'",
        "complete",
        "The image was scanned or counted anew since then",
    ),
    "not proven": (
        "update tcss.image_reads set verdict_reason = 'moved'",
        "partial",
        "could not be shown to be whole (<bdi>moved</bdi>), so this is the set before it",
    ),
    "never proven": (
        "update tcss.image_reads set verdict_reason = 'moved', read_no = 0",
        "partial",
        "were read, and could not be shown to be whole (<bdi>moved</bdi>)",
    ),
    "not read": ("delete from tcss.image_reads", "complete", "were not read yet"),
    "never scanned": (
        "delete from tcss.image_reads; update tcss.images set scan_time = null",
        "complete",
        "cannot be read, since the image was never scanned",
    ),
    "gone": ("update tcss.images set deleted_at = now()", "complete", "are not shown: the image is not listed now"),
    "clean": ("delete from tcss.image_vulnerabilities", "complete", "That scan found none."),
}
CURRENT = """
select reads.account_id, reads.image_id from tcss.image_reads as reads
join tcss.current_images as image on image.image_id = reads.image_id and image.scan_time = reads.scan_time
where reads.aspect = 'vulnerabilities' and reads.verdict = '{}' order by all"""


@pytest.fixture(scope="module")
def unchanged(files: dict[bool, Path]) -> dict[str, tuple[str, str]]:
    """An image of each verdict, whose page has no remark."""
    queries = Queries.open(f"duckdb:///{files[True]}", "tcss")
    found = {verdict: sql(queries, CURRENT.format(verdict))[0] for verdict in ("complete", "partial")}
    for identity in found.values():
        assert "scanned or counted anew" not in drawn(*document.image(queries, *identity))
    return {verdict: (account_id, image_id) for verdict, (account_id, image_id) in found.items()}


@pytest.mark.parametrize("state", STATES)
def test_an_image_says_what_its_list_is_worth(
    state: str, invented: Invented, unchanged: dict[str, tuple[str, str]]
) -> None:
    """In each state of its reads; only a set of the image's last scan has no such remark."""
    statement, verdict, sentence = STATES[state]
    shown = " ".join(drawn(*document.image(invented(statement), *unchanged[verdict])).split())
    assert sentence in shown
    remarks = ("As of the scan of", "Not known:")
    assert [remark in shown for remark in remarks] == [state not in UNKNOWN, state in UNKNOWN]


UNKNOWN = {"never proven", "not read", "never scanned", "gone"}


@pytest.mark.thorough
def test_many_findings_are_bounded_and_counted(invented: Invented) -> None:
    """50 of an image's in the report, 100 on its page of the dashboard; the rest is left out, and said to be."""
    worst = "select account_id, image_id from tcss.images_at_risk order by risk_rank, image_id limit 1"
    queries = invented(f"""
        insert into tcss.image_vulnerabilities by name
        select account_id, image_id, 'x' || n as finding_id, 1 as opened_read, 'CVE-1999-' || n as vul_id,
            'many' as component from ({worst}) cross join range(150) as t(n)
        """, f"""
        insert into tcss.image_reads by name select account_id, image_id, 'vulnerabilities' as aspect, 2 as read_no,
            'complete' as verdict from ({worst}) where image_id not in
            (select image_id from tcss.image_reads where aspect = 'vulnerabilities')
        """, "update tcss.image_reads set read_no = 2, verdict = 'complete'")  # fmt: skip
    identity = sql(queries, worst)[0]
    total = len(sql(queries, f"from tcss.current_findings where image_id = '{identity[1]}'"))
    assert total >= 150
    histories = document.sections(queries, {}, (drilldowns.histories,))
    for most, parts in ((50, histories), (100, document.image(queries, *identity))):
        assert f"{most} of {total} rows are here. The other {total - most} are left out" in drawn(*parts)


def test_the_report_links_to_what_it_shows(invented: Invented) -> None:
    """Each link has its target: images and vulnerabilities."""
    queries = invented()
    report = document.report(queries)
    exploitable = re.search(r'<section id="exploitable">.*?</section>', report, re.DOTALL)
    assert exploitable
    assert exploitable[0] in drawn(*document.sections(queries, {}, (findings.exploitable,)))
    links = re.findall(r'href="#([^"]+)"', report)
    assert {link.partition("-")[0] for link in links} == {"history", "vulnerability"}
    assert [link for link in links if report.count(f'id="{link}"') != 1] == []


def test_links_end_where_the_report_has_no_more() -> None:
    """A row links to the place of its vulnerability, also where the vulnerability has several rows."""
    rows = [{"account_id": "1", "vul_id": f"CVE-{n // 2}"} for n in range(60)]
    assert findings.vulnerabilities_below(rows) == [f"#vulnerability-{n // 2 + 1}" for n in range(40)]


@pytest.mark.thorough(but=("markup",))
@pytest.mark.parametrize("text", HOSTILE[:3], ids=["markup", "attribute", "quotes"])
def test_no_text_of_a_vulnerability_is_obeyed(text: str, invented: Invented) -> None:
    """Name, description and solution, package and fix are texts, in the report and on the dashboard's pages."""
    quoted = text.replace("'", "''")
    queries = invented(
        f"update tcss.vulnerabilities set cve_id = null, name = '{quoted}', description = '{quoted}', "
        f"official_solution = '{quoted}'",
        f"update tcss.image_vulnerabilities set component = '{quoted}', fixed_versions = '{quoted}'",
    )
    row = queries.ask(EXPLOITABLE)[0]
    assert (row["vulnerability"], row["component"]) == (text, text)
    page = drawn(*document.linked(queries, {"account_id": row["account_id"], "vul_id": row["vul_id"]}))
    script = r"<script>.*?</script>"
    report = document.report(queries)
    assert len(re.findall(script, report, re.DOTALL)) == 1
    for shown in (page, re.sub(script, "", report, flags=re.DOTALL)):
        assert not re.search(r"<script|<img", shown)
        assert "alert(1)" not in text or "alert(1)" in shown


def test_a_link_names_an_image_or_a_vulnerability(invented: Invented) -> None:
    """Else there is no page; an unknown one is said to be unknown."""
    queries = invented()
    assert document.linked(queries, {}) == []
    assert document.linked(queries, {"account_id": "1"}) == []
    shown = drawn(*document.linked(queries, {"account_id": "1", "vul_id": "<b>none</b>"}))
    assert "No list of the account has shown this vulnerability." in shown
    assert "<b>" not in shown


@pytest.mark.thorough(but=("duckdb",))
def test_the_malicious_files_of_an_image_are_on_its_page(read: Place) -> None:
    """Each file of the set, as the view has it. An image without such files says that its scan found none, and without
    tables of details, or where nobody asked for malware, nothing is said."""
    queries = Queries.open(read.url, read.dataset)
    files = read.sql("select account_id, image_id, virus_name, path from {data}.current_malware")
    counts = dict(read.sql("select image_id, virus_cnt from {data}.current_images where scan_time is not null"))
    infected = {image_id for _, image_id, _, _ in files}
    assert infected == {image_id for image_id, count in counts.items() if count}
    clean = min(image_id for image_id, count in counts.items() if count == 0)
    (account_id, *_), *_ = files
    for image_id in (min(infected), clean):
        part = drilldowns.image_malware(queries, account_id, image_id)
        assert part is not None
        rows = sorted((row["virus_name"], row["path"]) for row in part.shown["table"].rows)
        assert rows == sorted((virus, path) for _, of, virus, path in files if of == image_id)
        assert ("That scan found none." in drawn(part)) == (image_id == clean)
    read.sql("delete from {data}.image_reads where aspect = 'malware'")
    assert drilldowns.image_malware(Queries.open(read.url, read.dataset), account_id, clean) is None
    unknown = drilldowns.image_malware(Queries.open(read.url, read.dataset), account_id, min(infected))
    assert unknown is not None
    assert "Not known:</span> the malicious files of this image" in drawn(unknown)
