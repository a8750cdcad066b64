"""The sandbox's own API for other processes: benchmarks, demos and schedulers' tests."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connector.sandbox import Account, Fleet, Sandbox
from connector.sandbox.messages import Request


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    other = Account(Fleet.seeded(1, seed=5), "AKIDOTHEREXAMPLE", "OTHEREXAMPLE", "100000000002")
    with Sandbox(Fleet.seeded(6), accounts=[other]) as running:
        yield running


def ask(
    sandbox: Sandbox, method: str, path: str, body: bytes = b"", peer: str = "127.0.0.1", **headers: str
) -> tuple[int, bytes]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = sandbox.reply(Request(method, path, given, body, peer))
    return reply.status, reply.body


def told(sandbox: Sandbox, method: str, path: str, payload: Any = None) -> Any:
    status, body = ask(sandbox, method, path, json.dumps(payload).encode())
    assert status == 200
    return json.loads(body)


def test_the_truth_is_one_item_a_line(sandbox: Sandbox) -> None:
    """What is listed now, for the first account or a named one."""
    lines = ask(sandbox, "GET", "/-/truth")[1].splitlines()
    assert {json.loads(line)["ImageID"]: json.loads(line) for line in lines} == sandbox.fleet.truth()
    (line,) = ask(sandbox, "GET", "/-/truth?account=100000000002")[1].splitlines()
    assert json.loads(line) == next(iter(sandbox.account("100000000002").fleet.truth().values()))


def test_changes_say_what_they_changed_and_the_oracle_knows(sandbox: Sandbox) -> None:
    """change gives ids by change; mark and listed give what a sweep in between must and may have found."""
    before = sandbox.fleet.ids()
    mark = told(sandbox, "GET", "/-/mark")["mark"]
    changed = told(sandbox, "POST", "/-/change", {"delete": [before[0]], "insert": 1, "rescan": 2})
    assert (changed["delete"], len(changed["insert"]), len(changed["rescan"])) == ([before[0]], 1, 2)
    assert told(sandbox, "GET", f"/-/listed?mark={mark}") == {
        "throughout": sorted(before[1:]),
        "since": sorted([*before, *changed["insert"]]),
    }
    assert len(told(sandbox, "POST", "/-/change?account=100000000002", {"insert": 3})["insert"]) == 3
    assert len(sandbox.account("100000000002").fleet) == 4


def test_counters_count_and_are_reset(sandbox: Sandbox) -> None:
    """stats counts requests to the API, not to the control API, and errors by their code; reset starts anew."""
    sandbox.reply(Request("POST", "/", {}, b"{}"))
    zero = {"requests": 0, "refused": 0, "actions": {}, "errors": {}, "faults": {}, "images": 6, "spans": {}}
    assert told(sandbox, "GET", "/-/stats") == zero | {"requests": 1, "errors": {"UnsupportedProtocol": 1}}
    assert told(sandbox, "POST", "/-/reset") == {}
    assert told(sandbox, "GET", "/-/stats") == zero


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/-/nothing", b"", 404),
        ("GET", "/-/change", b"", 404),
        ("POST", "/-/change", b"{", 400),
        ("POST", "/-/change", b"3", 400),
        ("POST", "/-/change", b'{"explode": 1}', 400),
        ("POST", "/-/change", b'{"delete": ["nobody"]}', 400),
        ("GET", "/-/listed", b"", 400),
        ("GET", "/-/truth?account=5", b"", 400),
    ],
)
def test_mistakes_are_answered(sandbox: Sandbox, method: str, path: str, body: bytes, status: int) -> None:
    """404 for a path that is not there, 400 for what cannot be done; the sandbox goes on."""
    assert ask(sandbox, method, path, body)[0] == status
    assert ask(sandbox, "GET", "/-/stats")[0] == 200


def test_callers_from_elsewhere_are_refused(sandbox: Sandbox) -> None:
    """The control API is not signed, so it is for this machine only."""
    assert ask(sandbox, "GET", "/-/truth", peer="192.0.2.7") == (403, b"only for callers on this machine")
    assert ask(sandbox, "GET", "/-/stats", peer="::1")[0] == 200


PAGES = {
    "a form of another site": {"origin": "https://evil.example", "host": "127.0.0.1:8000"},
    "a file": {"origin": "null", "host": "127.0.0.1:8000"},
    "another server here": {"origin": "http://127.0.0.1:9000", "host": "127.0.0.1:8000"},
    "a picture": {"sec_fetch_site": "cross-site", "host": "127.0.0.1:8000"},
    "a name that leads here": {"host": "evil.example:8000"},
    "the same without a port": {"host": "evil.example"},
    "a name that looks like ours": {"host": "127.0.0.1.evil.example:8000"},
    "nothing": {"host": ""},
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("method", "path"), [("POST", "/-/change"), ("POST", "/-/reset"), ("GET", "/-/truth")])
def test_pages_in_a_browser_are_refused(sandbox: Sandbox, page: str, method: str, path: str) -> None:
    """They come from this machine too, and nothing changes."""
    before = sandbox.fleet.ids()
    assert ask(sandbox, method, path, b'{"insert": 1}', **PAGES[page]) == (403, b"not for pages in a browser")
    assert sandbox.fleet.ids() == before


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "localhost", "[::1]:8000", "[::1]"])
def test_programs_are_served_under_every_name_of_this_machine(sandbox: Sandbox, host: str) -> None:
    """curl and requests name the host and no site; an address line in a browser does so too."""
    assert ask(sandbox, "GET", "/-/stats", host=host)[0] == 200
    assert ask(sandbox, "GET", "/-/stats", host=host, sec_fetch_site="none")[0] == 200
