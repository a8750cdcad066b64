"""A planted secret turns up nowhere: not in output, logs, tables, dlt's files or errors."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from connector.sandbox import Fault
from connector.sandbox.identity import Account
from tests.world import World, world

SECRET = "CANARYKEYEXAMPLE"
TOKEN = "CANARYTOKENEXAMPLE"


@pytest.mark.thorough("cut-body")
@pytest.mark.parametrize(
    "faults",
    [(), (Fault("cut_body", at=3),), (Fault("unauthorized", at=range(5, 99)),), (Fault("html", at=range(4, 99)),)],
    ids=["quiet", "cut-body", "denied", "html"],
)
def test_the_canary_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, faults: tuple[Fault, ...]
) -> None:
    """With every logger at debug, and dlt's working directory kept."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", SECRET)
    monkeypatch.setenv("SOURCES__TCSS__PATIENCE", "1")
    monkeypatch.setattr("shutil.rmtree", lambda *args, **kwargs: None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with world(tmp_path, monkeypatch, images=300, secret_key=SECRET, faults=faults) as account:
        monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", SECRET)
        outputs = [account.tcss("sync", "--json"), account.tcss("sync"), account.tcss("check"), account.tcss("status")]
    assert_nowhere(account, [result.output for result in outputs], caplog)


def test_a_token_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A token that is refused is not repeated in the error."""
    caplog.set_level(logging.DEBUG)
    with world(tmp_path, monkeypatch, images=5) as account:
        monkeypatch.setenv("TENCENTCLOUD_TOKEN", TOKEN)
        outputs = [account.tcss("sync", "--json").output, account.tcss("check").output]
    assert_nowhere(account, outputs, caplog)


def assert_nowhere(account: World, outputs: list[str], caplog: pytest.LogCaptureFixture) -> None:
    for text in [*outputs, caplog.text]:
        assert SECRET not in text
        assert TOKEN not in text
    files = [path for path in account.directory.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        assert SECRET.encode() not in content, path
        assert TOKEN.encode() not in content, path


def test_the_search_would_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A check that cannot fail proves nothing."""
    with world(tmp_path, monkeypatch, images=1) as account:
        (tmp_path / "leak.txt").write_text(SECRET, encoding="utf-8")
    with pytest.raises(AssertionError):
        assert_nowhere(account, [], caplog)
    assert SECRET not in repr(Account(account.fleet)) + repr(account.sandbox)
