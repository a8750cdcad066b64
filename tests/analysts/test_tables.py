"""The pages' tables in a browser, over two years of history and over one day: sorted, shown whole, saved, linked, and
legible on a phone."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Page, expect

from connector.posture import answers
from connector.posture.report import write
from tests.analysts import browsing
from tests.analysts.invented import invent

# Names that a spreadsheet would run, and names that a careless CSV would break.
ODD = ["=1+1", " +1", "@SUM(A1)", "-2", "\t=1", 'a "quoted", name;=1', "two\nlines", "'=x"]
SAVED = ["'=1+1", "' +1", "'@SUM(A1)", "'-2", "'\t'=1", 'a "quoted", name;\'=1', "two\nlines", "'=x"]
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
WORST = "select image_id from tcss.images_at_risk order by risk_rank, account_id, image_id limit 8"
RISK = """
select image_name, container_cnt, critical_level_vul_cnt, high_level_vul_cnt, medium_level_vul_cnt, low_level_vul_cnt,
    virus_cnt, risk_cnt, os_name, strftime(scan_time at time zone 'UTC', '%Y-%m-%d %H:%M'), account_id, image_id
from tcss.images_at_risk
order by virus_cnt > 0 desc, coalesce(critical_level_vul_cnt, 0) desc, coalesce(virus_cnt, 0) desc,
    coalesce(high_level_vul_cnt, 0) desc, coalesce(vul_cnt, 0) desc, container_cnt desc, image_id
limit 100"""
WIDTHS = (1280, 390)
expect.set_options(timeout=30_000)  # for a slow machine
SHOWN = ("report", "dashboard")


@dataclass(frozen=True)
class Pages:
    """A warehouse, and its pages by their URL."""

    file: Path
    report: str
    dashboard: str

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def url(self, shown: str) -> str:
        return str(getattr(self, shown))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing.chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Two years of 2,000 images, of which eight of the riskiest have odd names."""
    directory = tmp_path_factory.mktemp("tables")
    file = directory / "warehouse.duckdb"
    invent(file, 2_000, details=True)
    with duckdb.connect(str(file)) as connection:
        worst = [row[0] for row in connection.execute(WORST).fetchall()]
        for table, (image_id, name) in itertools.product(("images", "image_history"), zip(worst, ODD, strict=True)):
            connection.execute(f"update tcss.{table} set image_name = ? where image_id = ?", [name, image_id])
        connection.execute("update tcss.vulnerabilities set name = $1, description = $1", [HOSTILE])
    write(f"duckdb:///{file}", None, directory / "posture.html")
    with browsing.dashboard(f"duckdb:///{file}") as url:
        yield Pages(file, f"file://{directory / 'posture.html'}", url)


def opened(page: Page, pages: Pages, shown: str) -> Page:
    page.goto(pages.url(shown))
    expect(page.locator("#stale tbody tr").first).to_be_visible(timeout=30_000)
    return page


def column(page: Page, section: str, number: int) -> list[str]:
    """The texts of a column's cells that are seen, from above."""
    cells = page.locator(f"#{section} tbody tr:visible td:nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


@pytest.mark.parametrize("shown", SHOWN)
def test_a_table_is_sorted_by_a_click_and_by_a_key(shown: str, browser: Any, pages: Pages) -> None:
    """Numbers begin with the greatest, severities with the worst, what is not known comes last both ways, and the
    heading says the direction."""
    with browsing.page(browser) as page:
        opened(page, pages, shown)
        heading = page.locator("#risk th").nth(2)
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", "descending")
        page.locator("#risk button.all").click()
        greatest = column(page, "risk", 3)
        heading.get_by_role("button").press("Enter")
        expect(heading).to_have_attribute("aria-sort", "ascending")
        least = column(page, "risk", 3)
        page.locator("#risk th").first.get_by_role("button").press("Space")
        expect(page.locator("#risk th[aria-sort]")).to_have_count(1)
        names = page.locator("#risk tbody bdi:visible").all_text_contents()
        page.locator("#exploitable tbody td:nth-child(2) bdi").evaluate_all(
            "(cells, words) => cells.forEach((cell, place) => (cell.textContent = words[place % 4]))",
            ["LOW", "HIGH", "MEDIUM", "CRITICAL"],
        )
        page.locator("#exploitable th").nth(1).get_by_role("button").click()
        severities = column(page, "exploitable", 2)
    assert list(dict.fromkeys(severities)) == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
    known = [str(row[2]) for row in pages.sql(RISK) if row[2] is not None]
    unknown = ["not known"] * (100 - len(known))
    assert 0 < len(unknown) < 100
    assert greatest == [*sorted(known, key=int, reverse=True), *unknown]
    assert least == [*sorted(known, key=int), *unknown]
    expected = sorted(str(row[0]) for row in pages.sql(RISK))
    assert [name for name in names if name in expected] == expected


@pytest.mark.parametrize("shown", SHOWN)
def test_more_than_twenty_rows_are_shown_on_demand(shown: str, browser: Any, pages: Pages) -> None:
    """And on paper; up to a hundred; what is left out beyond that is counted, and never in the page."""
    (count,) = pages.sql("select count(*) from tcss.images_at_risk")[0]
    with browsing.page(browser) as page:
        opened(page, pages, shown)
        rows, button = page.locator("#risk tbody tr"), page.locator("#risk button.all")
        expect(rows.locator("visible=true")).to_have_count(20)
        button.click()
        expect(rows.locator("visible=true")).to_have_count(100)
        expect(button).to_have_attribute("aria-expanded", "true")
        assert rows.count() == 100 < count
        expect(page.locator("#risk")).to_contain_text(f"100 of {count:,} rows are here")
        button.click()
        expect(rows.locator("visible=true")).to_have_count(20)
        page.emulate_media(media="print")  # every row is on paper, and no button
        expect(rows.locator("visible=true")).to_have_count(100)
        expect(button).to_be_hidden()


@pytest.mark.parametrize("shown", SHOWN)
def test_a_table_is_saved_as_csv(shown: str, browser: Any, pages: Pages, tmp_path: Path) -> None:
    """Whole rows as SQL has them, with their ids, in the order that is shown; and no cell is a formula."""
    with browsing.page(browser) as page:
        opened(page, pages, shown)
        with page.expect_download() as download:
            page.locator("#risk button.csv").click()
        assert download.value.suggested_filename == "risk.csv"
        download.value.save_as(tmp_path / "risk.csv")
    with (tmp_path / "risk.csv").open(encoding="utf-8-sig", newline="") as file:
        heading, *found = csv.reader(file)
    assert heading[:3] + heading[-2:] == ["image", "containers", "critical", "account", "image id"]
    safe = dict(zip(ODD, SAVED, strict=True))
    expected = [["" if value is None else str(value) for value in row] for row in pages.sql(RISK)]
    assert {row[0] for row in expected} >= set(ODD)
    assert found == [[safe.get(row[0], row[0]), *row[1:]] for row in expected]


def test_a_filter_keeps_the_order_that_was_chosen(browser: Any, pages: Pages) -> None:
    """New rows in a table that was sorted are those of the filter, in that order, each once."""
    condition = "virus_cnt is not null and image_id in (select image_id from tcss.images where os_family = 'alpine')"
    with browsing.page(browser) as page:
        opened(page, pages, "dashboard")
        page.locator("#risk th").nth(1).get_by_role("button").click()
        select = page.get_by_label("OS", exact=True)
        wanted = next(text for text in select.locator("option").all_text_contents() if "alpine" in text)
        select.select_option(label=wanted)
        (count,) = pages.sql(f"select count(*) from tcss.images_at_risk where {condition}")[0]
        expect(page.locator("#risk pre")).to_contain_text("'alpine'")
        expect(page.locator("#risk tbody tr")).to_have_count(min(count, 100))
        page.locator("#risk button.all").click()
        found = [int(text) for text in column(page, "risk", 2)]
        ids = page.locator("#risk tbody td:last-child").all_text_contents()
        select.select_option(label="all")
        expect(page.locator("#risk pre")).not_to_contain_text("'alpine'")
        expect(page.locator("#risk tbody tr")).to_have_count(100)
        again = [int(text) for text in column(page, "risk", 2)]
    limited = RISK.replace("\norder by", f"\nwhere {condition}\norder by", 1)
    assert found == sorted((row[1] for row in pages.sql(limited)), reverse=True)
    assert sorted(ids) == sorted(str(row[-1]) for row in pages.sql(limited))
    assert again == sorted((row[1] for row in pages.sql(RISK)), reverse=True)


def test_a_risky_image_of_the_report_links_to_its_history(browser: Any, pages: Pages) -> None:
    """Which opens, and comes into sight; also after the table was sorted."""
    with browsing.page(browser, 390) as page:
        opened(page, pages, "report")
        page.locator("#risk th").nth(1).get_by_role("button").click()
        row = page.locator("#risk tbody tr:visible", has=page.locator("a")).first
        image_id = row.locator("td:last-child").text_content()
        row.locator("a").click()
        target = page.locator("#histories details[open] p.soft[id]")
        expect(target).to_contain_text(str(image_id))
        expect(target).to_be_in_viewport()


@pytest.mark.parametrize("section", ["risk", "unscanned", "stale"])
def test_an_image_of_the_dashboard_links_to_its_history(section: str, browser: Any, pages: Pages) -> None:
    """On a page of its own, so that the filters stay as they are."""
    with browsing.page(browser) as page:
        opened(page, pages, "dashboard")
        row = page.locator(f"#{section} tbody tr").nth(3)
        image_id = str(row.locator("td:last-child").text_content())
        with page.expect_popup() as popup:
            row.locator("a").click()
        history = popup.value.locator("#history")
        expect(history).to_contain_text(image_id, timeout=30_000)
        (count,) = pages.sql(f"select count(*) from tcss.image_history where image_id = '{image_id}'")[0]
        expect(history.locator("tbody tr")).to_have_count(count)
        expect(popup.value.locator("#fleet")).to_have_count(0)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shown", SHOWN)
def test_details_are_shown_and_drilled_into(shown: str, width: int, browser: Any, pages: Pages) -> None:
    """A vulnerability opens its images and an image its findings: on a page of their own, or below in the report."""
    query = "select vul_id, count(distinct account_id) from tcss.current_findings where is_known_exploited group by 1"
    known = dict(pages.sql(query))
    with browsing.page(browser, width) as page:
        opened(page, pages, shown)
        expect(page.locator("#detail_coverage .bar")).to_have_count(2)
        rows = page.locator("#exploitable tbody tr")
        names = rows.filter(has_text="in the wild").locator("td:first-child").all_inner_texts()
        assert {name: names.count(name) for name in names} == known
        expect(page.locator("#upgrades tbody tr").first).to_be_visible()
        images = rows.first.locator("td:nth-child(6)").text_content()
        account = rows.first.locator("td:nth-child(8)").text_content()
        affected = drilled(page, "exploitable", "#vulnerabilities details[open]", "#affected")
        expect(affected).to_contain_text(names[0])
        expect(affected.get_by_text(HOSTILE, exact=True)).to_have_count(2)  # name and description, as they are
        assert affected.page.locator(".tcss script, .tcss img").count() == 0
        assert affected.page.title() == "TCSS security posture"
        query = f"from tcss.current_findings where vul_id = '{names[0]}' and account_id = '{account}'"
        expect(affected.locator("tbody tr")).to_have_count(min(len(pages.sql(query)), 50 if shown == "report" else 100))
        assert 0 < int(str(images)) <= len(pages.sql(query))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = drilled(page, "risk", "#histories details[open]", "#findings")
        expect(found).to_contain_text("Which vulnerabilities does this image have?")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        browsing.picture(page, f"details_{shown}_{width}", full_page=shown == "report")


def drilled(page: Page, section: str, below: str, apart: str) -> Any:
    """What the first link of a section leads to."""
    link = page.locator(f"#{section} tbody a").first
    if (link.get_attribute("href") or "").startswith("#"):
        link.click()
        return page.locator(below)
    with page.expect_popup() as popup:
        link.click()
    return popup.value.locator(apart)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_filters_stay_in_sight(width: int, browser: Any, pages: Pages) -> None:
    """All four, at the end of the page."""
    with browsing.page(browser, width) as page:
        opened(page, pages, "dashboard")
        page.locator("#history").scroll_into_view_if_needed()
        expect(page.locator("#fleet")).not_to_be_in_viewport()
        for label in ("Account", "Registry", "OS", "Images"):
            expect(page.get_by_label(label, exact=True)).to_be_in_viewport(ratio=1)
            box = page.get_by_label(label, exact=True).bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= width
        browsing.picture(page, f"filters_{width}")


# Every piece of a name between two places where it may break is on one line.
BROKEN = """cells => cells.flatMap(cell => [...cell.querySelectorAll("bdi")].flatMap(name => [...name.childNodes]
    .filter(node => node.nodeType === Node.TEXT_NODE)
    .filter(node => { const range = document.createRange(); range.selectNodeContents(node);
        return new Set([...range.getClientRects()].map(r => r.top)).size > 1; })
    .map(node => node.data)))"""
# How far a number's end is from the beginning of the text in the next cell.
GUTTERS = """cells => cells.map(cell => {
    const edges = c => { const r = document.createRange(); r.selectNodeContents(c); return r.getBoundingClientRect(); };
    return edges(cell).left - edges(cell.previousElementSibling).right; })"""
# Whether what scrolls shows it: a table that is wider than its box lies over the shadows of the box's edges.
SCROLLING = """boxes => boxes.filter(box => box.scrollWidth > box.clientWidth)
    .map(box => getComputedStyle(box).backgroundImage.split("linear-gradient").length - 1)"""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shown", SHOWN)
def test_tables_are_legible(shown: str, width: int, browser: Any, pages: Pages) -> None:
    """Names break where their parts do, numbers keep away from texts, and what scrolls has a shadow at its edge."""
    with browsing.page(browser, width) as page:
        opened(page, pages, shown)
        names = page.locator("#stale tbody tr:visible td:first-child")
        assert names.count() == 20
        assert names.evaluate_all(BROKEN) == []
        gutters = page.locator("tbody .n + :not(.n):visible").evaluate_all(GUTTERS)
        assert len(gutters) > 20
        assert min(gutters) >= 12
        scrolling = page.locator(".scroll:visible").evaluate_all(SCROLLING)
        assert set(scrolling) <= {4}
        assert (len(scrolling) > 0) == (width == 390)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.get_by_text("–", exact=True).count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_day_is_said_to_be_one(
    width: int, browser: Any, pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of five charts of nothing; and nothing is worse than on the day before."""
    file = tmp_path / "first.duckdb"
    invent(file, 200, days=3)
    with duckdb.connect(str(file)) as connection:
        for table, day in (("images", "first_seen_at"), ("images", "changed_at"), ("image_history", "observed_at")):
            connection.execute(f"update tcss.{table} set {day} = now()")
        (day,) = connection.execute("select max(day) from tcss.posture_by_day").fetchall()[0]
        assert connection.execute("select count(*) from tcss.changes_since_yesterday").fetchall() == [(0,)]
    monkeypatch.setattr(answers, "_today", lambda: day)
    write(f"duckdb:///{file}", None, tmp_path / "posture.html")
    with browsing.dashboard(f"duckdb:///{file}") as dashboard, browsing.page(browser, width) as page:
        for url, first_day in ((f"file://{tmp_path / 'posture.html'}", str(day)), (dashboard, "")):
            page.goto(url)
            told = (
                f"One day of history so far ({first_day}"  # the dashboard is a process of its own, with its own today
            )
            expect(page.locator("#trend")).to_contain_text(told, timeout=30_000)
            expect(page.locator("#trend svg")).to_have_count(0)
            expect(page.locator("#trend .number")).to_have_count(5)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        browsing.picture(page, f"first_day_{width}", full_page=True)
