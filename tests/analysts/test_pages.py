"""The report and the dashboard in a real browser: numbers, filters, hostile texts, widths, schemes, empty states."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
import tenacity
from playwright.sync_api import expect

from connector.posture import server
from connector.posture.queries import Queries
from connector.posture.report import write
from connector.sandbox import Fleet, Sandbox, wall_clock
from tests import syncing
from tests.analysts import browsing
from tests.images.odd_images import items
from tests.warehouses import Place, place

HOSTILE = {
    "script": "<script>document.title='owned'</script><img src=x onerror=alert(1)>",
    "quotes": "\"'`><svg onload=alert(2)>&lt;b&gt; {{7*7}} ${7*7} $\\alpha$",
    "emoji": "镜像 🚀👩\u200d🚀 e\u0301",
    "override": "\u202egnp.exe\u2066 abc",
}
WIDTHS, SCHEMES = (1280, 390), ("light", "dark")
LOOKS = [pytest.param(w, s, id=f"{w}-{s}") for w, s in itertools.product(WIDTHS, SCHEMES)]
CONDITIONS = {
    "Account": ("100000000009", "account_id = '100000000009'"),
    "Registry": ("(none)", ""),
    "OS": ("alpine", "os_family = 'alpine'"),
    "Images": ("in use", "container_cnt > 0"),
}


def hostile() -> list[dict[str, Any]]:
    """Images with these names and more, the riskiest of all."""
    worst = {"ContainerCnt": 99, "CriticalLevelVulCnt": 9_999, "OsName": "<b>os</b>", "ScanError": "<u>error</u>"}
    return [{**items()[0], **worst, "ImageID": f"hostile-{name}", "ImageName": text} for name, text in HOSTILE.items()]


@dataclass(frozen=True)
class Synced:
    place: Place
    report: str

    def count(self, condition: str) -> int:
        query = f"select count(*) from tcss.images where deleted_at is null and {condition}"
        with duckdb.connect(str(self.place.file), read_only=True) as connection:
            return int(connection.execute(query).fetchall()[0][0])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing.chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    """Two accounts: the sandbox's images and odd ones, those with hostile names the riskiest of all; and 40 more."""
    directory = tmp_path_factory.mktemp("pages")
    fleet = Fleet([*Fleet.seeded(300, clock=wall_clock).truth().values(), *items(), *hostile()], clock=wall_clock)
    with (
        place("duckdb", directory) as made,
        pytest.MonkeyPatch.context() as patch,
        Sandbox(fleet, rate=None) as sandbox,
    ):
        patch.setenv("SOURCES__TCSS__METADATA", "false")
        syncing.sync(made, sandbox.url)
        sandbox.change({"rescan": 30, "insert": 5, "change_counts": 10})
        syncing.sync(made, sandbox.url, mode="full")
        with Sandbox(Fleet.seeded(40, seed=2, clock=wall_clock), rate=None) as other:
            syncing.sync(made, other.url, account_id="100000000009")
        write(made.url, made.dataset, directory / "posture.html")
        yield Synced(made, f"file://{directory / 'posture.html'}")


@pytest.fixture(scope="module")
def served(synced: Synced) -> Iterator[str]:
    with browsing.dashboard(synced.place.url) as url:
        yield url


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("shown", ["report", "dashboard"])
def test_it_is_legible(shown: str, width: int, scheme: str, browser: Any, synced: Synced, request: Any) -> None:
    """Nothing wider than the screen, dark where that is asked for, no error, and the fleet's number is SQL's."""
    url = synced.report if shown == "report" else request.getfixturevalue("served")
    with browsing.page(browser, width, scheme) as page:
        page.goto(url)
        expect(page.locator("#stale")).to_be_visible(timeout=20_000)
        expect(page.locator("#fleet .number").first).to_have_attribute("data-value", str(synced.count("true")))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ink = page.locator("#fleet .number").first.evaluate("e => getComputedStyle(e).color")
        assert (sum(int(n) for n in ink[4:-1].split(",")) > 384) == (scheme == "dark")
        page.locator("summary").first.click()
        expect(page.locator("#freshness pre")).to_be_visible()
        browsing.picture(page, f"{shown}_{width}_{scheme}", full_page=shown == "report")


@pytest.mark.parametrize("shown", ["report", "dashboard"])
def test_no_name_breaks_or_enters_the_page(shown: str, browser: Any, synced: Synced, request: Any) -> None:
    """Each hostile name is text in one cell of the table of the riskiest images, as it is, and isolated."""
    url = synced.report if shown == "report" else request.getfixturevalue("served")
    with browsing.page(browser) as page:
        page.goto(url)
        expect(page.locator("#stale")).to_be_visible(timeout=20_000)
        names = page.locator("#risk tbody tr td:first-child bdi").all_text_contents()
        assert set(HOSTILE.values()) <= set(names)
        assert page.locator(".tcss script, .tcss img, .tcss b, .tcss i, .tcss u, .tcss svg[onload]").count() == 0
        assert page.title() == "TCSS security posture"


def test_the_report_runs_no_script_even_if_one_got_in(browser: Any, synced: Synced, tmp_path: Path) -> None:
    """Its policy stops a script that is written into it."""
    text = Path(synced.report.removeprefix("file://")).read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("</body>", "<script>document.title='owned'</script></body>"), encoding="utf-8")
    page = browser.new_page()
    page.goto(f"file://{broken}")
    assert page.title() == "TCSS security posture"
    page.close()


@pytest.mark.parametrize("label", CONDITIONS)
def test_a_filter_changes_the_numbers_to_those_of_sql(label: str, browser: Any, synced: Synced, served: str) -> None:
    """Each filter by itself; and back again."""
    choice, condition = CONDITIONS[label]
    with browsing.page(browser) as page:
        page.goto(served)
        number = page.locator("#fleet .number").first
        expect(number).to_have_attribute("data-value", str(synced.count("true")), timeout=20_000)
        select = page.get_by_label(label, exact=True)
        options = select.locator("option").all_text_contents()
        wanted = next((text for text in options if choice in text), options[1])
        if label == "Registry":
            (condition,) = [f"coalesce(image_registry, '(none)') = '{wanted.strip(chr(0x2068)).split(chr(0x2069))[0]}'"]
        select.select_option(label=wanted)
        expected = synced.count(condition)
        assert 0 < expected < synced.count("true")
        expect(number).to_have_attribute("data-value", str(expected))
        expect(page.locator("#trend .number").last).to_have_attribute("data-value", str(expected))
        select.select_option(label="all")
        expect(number).to_have_attribute("data-value", str(synced.count("true")))


def test_an_image_is_found_and_its_history_shown(browser: Any, synced: Synced, served: str) -> None:
    """By a part of its name that is markup; where more than 20 have the text, the page says so."""
    with browsing.page(browser) as page:
        page.goto(served)
        expect(page.locator("#history")).to_be_visible(timeout=20_000)
        box = page.get_by_placeholder("part of its name, or its id")
        box.fill("<script>document.title")
        box.press("Enter")
        expect(page.locator("#history bdi").nth(1)).to_have_text("hostile-script")
        expect(page.locator("#history tbody tr")).to_have_count(1)
        box.fill(":")
        box.press("Enter")
        named = synced.count("image_name like '%:%'")
        expect(page.get_by_text(f"20 of {named:,} images: write more of the name")).to_be_visible()
        open_to_write(synced.place)  # the page is open, and does not keep a sync from the file


def test_an_image_without_a_name_is_found_by_its_id(browser: Any, synced: Synced, served: str) -> None:
    """Such an image may also be among the riskiest, which the page offers before anybody asks."""
    with duckdb.connect(str(synced.place.file), read_only=True) as connection:
        query = "select image_id from tcss.current_images where image_name is null order by image_id limit 1"
        ((image_id,),) = connection.execute(query).fetchall()
    with browsing.page(browser) as page:
        page.goto(served)
        expect(page.locator("#history")).to_be_visible(timeout=20_000)
        box = page.get_by_placeholder("part of its name, or its id")
        box.fill(image_id)
        box.press("Enter")
        expect(page.locator("#history bdi").first).to_have_text(image_id)
        expect(page.get_by_text("not known").first).to_be_visible()
        expect(page.locator("option", has_text="no name").first).to_be_attached()


@tenacity.retry(wait=tenacity.wait_fixed(0.05), stop=tenacity.stop_after_delay(60), reraise=True)
def open_to_write(made: Place) -> None:
    """Open the file as a sync does, which waits for the end of a question."""
    duckdb.connect(str(made.file)).close()


def no_tables(made: Place) -> None:
    duckdb.connect(str(made.file)).close()


def no_images(made: Place) -> None:
    with Sandbox(Fleet([], clock=wall_clock), rate=None) as sandbox:
        syncing.sync(made, sandbox.url)


@pytest.mark.parametrize(
    ("prepare", "text", "hint"),
    [
        pytest.param(lambda made: None, "does not exist", "Run `tcss sync", id="no-file"),
        pytest.param(no_tables, "there are no tables yet", "Run `tcss sync", id="no-tables"),
        pytest.param(no_images, "There are no images in", "Run tcss sync. If it has run", id="no-images"),
    ],
)
def test_an_empty_state_says_what_to_do(
    prepare: Any, text: str, hint: str, browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page, and never a traceback."""
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    with place("duckdb", tmp_path) as made:
        prepare(made)
        with browsing.dashboard(made.url) as url, browsing.page(browser, 390) as page:
            page.goto(url)
            expect(page.get_by_role("status").filter(has_text=text)).to_be_visible(timeout=20_000)
            expect(page.get_by_text(hint)).to_be_visible()
            assert page.get_by_text("Traceback").count() == 0


WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
ELSEWHERE = {"another site": {"Origin": "http://evil.example"}, "its name for us": {"Host": "evil.example"}}


def asked(url: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """The status and the text of what the dashboard answers, to a path that is not made decent on its way."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("path", ["", "ws?session_id=s_abcdef"], ids=["page", "websocket"])
@pytest.mark.parametrize("who", ELSEWHERE)
def test_other_sites_are_refused(who: str, path: str, served: str) -> None:
    """A host name of somebody else's that leads here, and another site's page; also where they know the path."""
    known = urlsplit(served).path
    status, _ = asked(served, f"{known}{path}", {**ELSEWHERE[who], **(WEBSOCKET if path else {})})
    assert status == 403


@pytest.mark.parametrize("tail", ["", "ws?session_id=s_abcdef", "api/kernel/instantiate", "health"])
@pytest.mark.parametrize("form", ["/", "//", "/{other}/", "/{begun}/", "/{token}x/", "/x/../{token}/", "/./{token}/"])
def test_other_users_of_the_machine_are_refused(form: str, tail: str, served: str) -> None:
    """Who does not know the path reads nothing and starts nothing."""
    token = urlsplit(served).path.strip("/")
    assert len(token) >= 43
    path = form.format(token=token, begun=token[:-1], other="A" * len(token))
    status, text = asked(served, f"{path}{tail}", WEBSOCKET if tail.startswith("ws") else {})
    assert (status, "TCSS" in text or "marimo" in text) == (403, False)


def test_the_path_is_new_each_time(tmp_path: Path) -> None:
    """So that one that became known is worth nothing tomorrow."""
    paths = set()
    for _ in range(2):
        with browsing.dashboard(f"duckdb:///{tmp_path}/w.duckdb") as url:
            paths.add(urlsplit(url).path)
            assert asked(url, urlsplit(url).path, {})[0] == 200
    assert len(paths) == 2


def test_the_kernel_of_a_page_that_was_closed_ends_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As marimo is told."""
    import marimo
    import uvicorn

    told: dict[str, Any] = {}
    create = marimo.create_asgi_app
    monkeypatch.setattr(marimo, "create_asgi_app", lambda **options: (told.update(options), create(**options))[1])
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
    monkeypatch.setenv("TCSS_DATASET", "")  # put back afterwards: the dashboard sets both for its notebook
    monkeypatch.setenv("TCSS_DESTINATION", "")
    said: list[str] = []
    server.serve(Queries.open(f"duckdb:///{tmp_path}/w.duckdb", "tcss"), 0, said.append)
    assert (told["session_ttl"], told["include_code"], len(said)) == (60, False, 1)


# ---- what lies in the working directory, above it and at home ----

DECOY = """
import pathlib
pathlib.Path({witness!r}).touch()
raise ImportError("not the one that was meant")
"""
VARIABLES = "TCSS_ACCOUNT_ID=\n"  # each of the notebook's cells would refuse it
SETTINGS = "[{section}]\npythonpath = [{code!r}]\ndotenv = [{variables!r}]\n"
# A file's name below the place, and the section of marimo's settings in it.
FILES = {
    "pyproject.toml": "tool.marimo.runtime",
    ".marimo.toml": "runtime",
    "marimo/marimo.toml": "runtime",
    ".config/marimo/marimo.toml": "runtime",
}


def test_nothing_around_it_is_obeyed(
    browser: Any, synced: Synced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No code and no variables from the working directory, those above it, and the user's settings for marimo."""
    project = tmp_path / "above" / "project"
    code, variables, witness = tmp_path / "code", tmp_path / "variables", tmp_path / "witness"
    for directory in (project, code):
        directory.mkdir(parents=True)
        for name in ("jinja2", "altair", "polars", "sitecustomize", "usercustomize", "marimo", "uvicorn", "duckdb"):
            (directory / f"{name}.py").write_text(DECOY.format(witness=str(witness)))
    variables.write_text(VARIABLES)
    (project / ".dlt").mkdir()
    (project / ".dlt" / "config.toml").write_text("[sources.tcss]\nlookback = 60\n")
    for place_ in (project, project.parent):
        (place_ / ".env").write_text(VARIABLES)
        for name, section in FILES.items():
            (place_ / name).parent.mkdir(parents=True, exist_ok=True)
            text = SETTINGS.format(section=section, code=str(code), variables=str(variables))
            (place_ / name).write_text(text)
    monkeypatch.setenv("HOME", str(project.parent))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project))
    with browsing.dashboard(synced.place.url, directory=project) as url, browsing.page(browser) as page:
        page.goto(url)
        expect(page.locator("#fleet .number").first).to_have_attribute(
            "data-value", str(synced.count("true")), timeout=20_000
        )
    assert not witness.exists()
