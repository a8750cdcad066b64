"""`tcss sandbox --change`: the fleet of a running sandbox, as somebody changes it who tries the connector."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.sandbox import CHANGES, DETAIL_CHANGES
from tests.manual import rows
from tests.world import World, world


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """After its first sync."""
    with world(tmp_path, monkeypatch, images=50, begun="synced") as made:
        yield made


def change(*arguments: str) -> tuple[int, str, str]:
    given = [word for argument in arguments for word in ("--change", argument)]
    result = CliRunner().invoke(app, ["sandbox", *given])
    return result.exit_code, result.stdout, result.stderr


def test_changes_are_made_and_the_next_sync_sees_them(account: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order; each says how many images it met, which may be fewer than were asked for. A change that is
    given twice is made for the sum."""
    monkeypatch.setenv("TCSS_ENDPOINT", account.sandbox.url)
    made = change("delete=3", "rescan=10", "delete=4", "insert=5", "bring_back=9")
    assert made == (0, "delete: 7 images\nrescan: 10 images\ninsert: 5 images\nbring_back: 7 images\n", "")
    row = account.sync("--mode", "full")
    assert (row["images_listed"], row["images_new"], row["images_gone"]) == (55, 5, 0)
    assert row["images_changed"] == 10


def test_the_manual_lists_every_change() -> None:
    """By its name, in the order of the code."""
    assert [row[0] for row in rows("docs/sandbox.md", "change")] == [f"`{name}`" for name in CHANGES + DETAIL_CHANGES]


@pytest.mark.parametrize(
    ("endpoint", "given", "says"),
    [
        (None, "rescan=2", "no sandbox is named. Set TCSS_ENDPOINT"),
        ("https://tcss.example.com", "rescan=2", "the endpoint is no sandbox of this machine"),
        ("http://127.0.0.1:1", "rescan=2", "no sandbox at http://127.0.0.1:1 has made the changes. Start one"),
        ("here", "rescn=2", " refuses the changes: no change is called 'rescn'; there are rescan, "),
        ("here", "rescan", "--change 'rescan' is not NAME=NUMBER"),
        ("here", "rescan=-2", "--change 'rescan=-2' is not NAME=NUMBER"),
        ("here", "=2", "--change '=2' is not NAME=NUMBER"),
        ("here", f"rescan={'9' * 5000}", "error: --change 'rescan=99"),
        ("http://[::1", "rescan=2", "the endpoint is no sandbox of this machine"),
    ],
    ids=["none", "elsewhere", "nobody", "unknown", "number-missing", "negative", "name-missing", "huge", "no-url"],
)
def test_what_cannot_be_changed_is_said(
    account: World, monkeypatch: pytest.MonkeyPatch, endpoint: str | None, given: str, says: str
) -> None:
    """With exit code 2 and the next step; the fleet stays as it is."""
    before = account.fleet.truth()
    if endpoint:
        monkeypatch.setenv("TCSS_ENDPOINT", account.sandbox.url if endpoint == "here" else endpoint)
    code, said, error = change(given)
    assert (code, said) == (2, "")
    assert says in error
    assert account.fleet.truth() == before


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_does_not_exist_is_bad_usage(port: str) -> None:
    """Said as any option's value that is out of range."""
    result = CliRunner().invoke(app, ["sandbox", "--images", "1", "--port", port])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value for '--port'" in result.stderr


def test_a_port_in_use_is_said() -> None:
    """With exit code 2, and how to go on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["sandbox", "--images", "1", "--port", str(port)])
    assert (result.exit_code, result.stdout) == (2, "")
    says = f"error: cannot listen on port {port}: Address already in use. Name another port with --port, or 0 for any"
    assert result.stderr == f"{says} port.\n"
