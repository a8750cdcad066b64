"""Whose word the working directory's files are: keys go nowhere that their owner has not named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from connector.errors import ConfigurationError
from connector.runs.assembly import client_of
from connector.settings import Settings
from tests.settings.conftest import Folder

ENDPOINT = "http://127.0.0.1:9"
OF_THE_DIRECTORY = f'[sources.tcss]\nendpoint = "{ENDPOINT}"\n'
CREDENTIALS = '[sources.tcss.credentials]\nsecret_id = "AKIDEXAMPLE"\nsecret_key = "KEYEXAMPLE"\n'
GIVEN = {"secret_id": "AKIDEXAMPLE", "secret_key": "KEYEXAMPLE"}
Prepare = Callable[[Folder, pytest.MonkeyPatch], dict[str, Any] | None]


def variables(**given: str) -> Prepare:
    def prepare(folder: Folder, patch: pytest.MonkeyPatch) -> None:
        for name, value in given.items():
            patch.setenv(name, value)

    return prepare


def profile(folder: Folder, _: pytest.MonkeyPatch) -> None:
    (folder.home / ".tencentcloud").mkdir()
    (folder.home / ".tencentcloud" / "credentials").write_text("[default]\nsecret_id=AKIDEXAMPLE\nsecret_key=KEY\n")


def half_at_home(folder: Folder, _: pytest.MonkeyPatch) -> None:
    """dlt merges the two tables, and the directory's file is what the whole of it is from."""
    folder.write("secrets.toml", CREDENTIALS, at_home=True)
    folder.write("secrets.toml", f'{OF_THE_DIRECTORY}[sources.tcss.credentials]\ntoken = "t"\n')


# Where the keys are from, while the endpoint is from the working directory.
ELSEWHERE: dict[str, Prepare] = {
    "the environment": variables(TENCENTCLOUD_SECRET_ID="AKIDEXAMPLE", TENCENTCLOUD_SECRET_KEY="KEYEXAMPLE"),
    "a token": variables(
        TENCENTCLOUD_SECRET_ID="AKIDEXAMPLE", TENCENTCLOUD_SECRET_KEY="KEYEXAMPLE", TENCENTCLOUD_TOKEN="TOKEN"
    ),
    "our variables": variables(TCSS_CREDENTIALS__SECRET_ID="AKIDEXAMPLE", TCSS_CREDENTIALS__SECRET_KEY="KEYEXAMPLE"),
    "our variable": variables(TCSS_CREDENTIALS='{"secret_id": "AKIDEXAMPLE", "secret_key": "KEYEXAMPLE"}'),
    "dlt's variables": variables(
        SOURCES__TCSS__CREDENTIALS__SECRET_ID="AKIDEXAMPLE", SOURCES__TCSS__CREDENTIALS__SECRET_KEY="KEYEXAMPLE"
    ),
    "a service account": variables(
        TKE_ROLE_ARN="qcs::cam::uin/1:roleName/r",
        TKE_PROVIDER_ID="p",
        TKE_REGION="r",
        TKE_WEB_IDENTITY_TOKEN_FILE="/dev/null",
    ),
    "nowhere, so the CVM": lambda folder, patch: None,
    "the profile file": profile,
    "the home directory": lambda folder, patch: folder.write("secrets.toml", CREDENTIALS, at_home=True),
    "both directories": half_at_home,
    "the call": lambda folder, patch: {"credentials": GIVEN},
    "the call, with a role": lambda folder, patch: {"credentials": GIVEN, "role_arn": "qcs::cam::uin/1:roleName/r"},
}


@pytest.mark.parametrize("file", ["config.toml", "secrets.toml"])
@pytest.mark.parametrize("keys", ELSEWHERE)
def test_keys_from_elsewhere_go_to_no_endpoint_of_the_directory(
    keys: str, file: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file and the next step; nothing is sent."""
    folder.write(file, OF_THE_DIRECTORY)
    given = ELSEWHERE[keys](folder, monkeypatch) or {}
    with pytest.raises(ConfigurationError, match=r"\.toml \[sources\.tcss\] endpoint.*--endpoint or TCSS_ENDPOINT"):
        client_of(Settings.load(**given))


def test_nor_do_those_of_a_named_account(folder: Folder) -> None:
    """Its own section is in a file too."""
    folder.write("config.toml", f'[sources.tcss.accounts.a]\nendpoint = "{ENDPOINT}"\n')
    folder.write("secrets.toml", CREDENTIALS.replace("tcss.", "tcss.accounts.a."), at_home=True)
    with pytest.raises(ConfigurationError, match="only a file of the working directory names the endpoint"):
        client_of(Settings.load("a"))


def test_what_does_not_need_keys_goes_on(folder: Folder) -> None:
    """`tcss status` and the report only ask the warehouse."""
    folder.write("config.toml", OF_THE_DIRECTORY)
    assert Settings.load().endpoint == ENDPOINT


# Who names the endpoint, so that keys of the environment go there.
NAMED: dict[str, Prepare] = {
    "the call": lambda folder, patch: {"endpoint": ENDPOINT},
    "our variable": variables(TCSS_ENDPOINT=ENDPOINT),
    "dlt's variable": variables(SOURCES__TCSS__ENDPOINT=ENDPOINT),
    "the home directory": lambda folder, patch: folder.write("config.toml", OF_THE_DIRECTORY, at_home=True),
    "a directory with keys of its own": lambda folder, patch: folder.write(
        "secrets.toml", OF_THE_DIRECTORY + CREDENTIALS
    ),
}


@pytest.mark.parametrize("who", NAMED)
def test_an_endpoint_that_the_user_names_is_used(who: str, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so is one beside which the keys lie."""
    variables(TENCENTCLOUD_SECRET_ID="AKIDEXAMPLE", TENCENTCLOUD_SECRET_KEY="KEYEXAMPLE")(folder, monkeypatch)
    given = NAMED[who](folder, monkeypatch) or {}
    with client_of(Settings.load(**given)) as client:
        assert client.host == ENDPOINT.removeprefix("http://")


# ---- a destination of the directory ----

IMMODEST = {
    "opened": "duckdb:///w.duckdb?enable_external_access=true",
    "opened to extensions": "duckdb:///w.duckdb?memory_limit=1GB&autoload_known_extensions=true",
    "a server that gets PGPASSWORD": "postgresql://u@127.0.0.1:1/d",
    "another that does": "postgresql+psycopg2://u@127.0.0.1:1/d",
    "a server that gets a file's password": "mysql://u@127.0.0.1:1/d?read_default_file=/dev/null",
}
MODEST = (
    *("duckdb:///w.duckdb", "duckdb:///w.duckdb?memory_limit=1GB&threads=2", "sqlite:///w.db"),
    *("postgresql://u:p@127.0.0.1:1/d", "mysql://u:p@127.0.0.1:1/d"),
)


@pytest.mark.parametrize("what", IMMODEST)
def test_a_destination_of_the_directory_gets_no_more_than_the_directory_has(
    what: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a password of this user, nor this user's files; unless the user names it."""
    monkeypatch.setenv("PGPASSWORD", "password")
    folder.write("secrets.toml", f'[sources.tcss]\ndestination = "{IMMODEST[what]}"\n')
    with pytest.raises(
        ConfigurationError, match=r"only a file of the .* names the destination .*--destination or TCSS"
    ):
        Settings.load()
    assert Settings.load(destination=IMMODEST[what]).destination == IMMODEST[what]
    monkeypatch.setenv("TCSS_DESTINATION", IMMODEST[what])
    assert Settings.load().destination == IMMODEST[what]


@pytest.mark.parametrize("destination", MODEST)
def test_a_destination_of_the_directory_is_used(
    destination: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for its rows alone, or a server with the password that stands beside its name."""
    monkeypatch.setenv("PGPASSWORD", "password")
    folder.write("secrets.toml", f'[sources.tcss]\ndestination = "{destination}"\n')
    assert Settings.load().destination == destination


# ---- files of other users ----


@pytest.mark.parametrize("whose", ["file", "folder"])
def test_a_file_that_anybody_could_have_put_there_is_not_read(whose: str, folder: Folder) -> None:
    """As in a temporary directory; where only this user may write, files of others are meant to be there."""
    folder.write("config.toml", "[sources.tcss]\nlookback = 5\n")
    file = folder.path / ".dlt" / "config.toml"
    path = file if whose == "file" else file.parent
    if os.getuid() == 0:
        os.chown(path, 4242, 4242)
    else:
        os.geteuid = lambda: os.getuid() + 1  # the fixture puts it back
    assert Settings.load().lookback == 5
    path.parent.chmod(0o1777)
    with pytest.raises(ConfigurationError, match=f"{file} is not read: {path} belongs to another user"):
        Settings.load()


# ---- what dlt itself would send ----


class Listener(BaseHTTPRequestHandler):
    heard: list[str]

    def parse_request(self) -> bool:
        self.heard.append(str(self.raw_requestline))
        return False

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    heard: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Heard", (Listener,), {"heard": heard})) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", heard
        finally:
            server.shutdown()
            thread.join()


def test_the_command_sends_no_errors_and_no_telemetry(tmp_path: Path) -> None:
    """dlt would, to any address that a file of the working directory names, with what variables held."""
    (tmp_path / ".dlt").mkdir()
    with listening() as (address, heard):
        (tmp_path / ".dlt" / "secrets.toml").write_text(
            f'[runtime]\nsentry_dsn = "http://a@{address}/1"\nslack_incoming_hook = "http://{address}/slack"\n'
            f'dlthub_telemetry = true\ndlthub_telemetry_endpoint = "http://{address}/use"\nlog_level = "DEBUG"\n'
        )
        code = "from connector.cli.main import main; import sys; sys.argv = ['tcss', 'views']; main()"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("RUNTIME_", "TCSS_"))}
        command = [sys.executable, "-P", "-c", code]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ, check=False)
    assert (ended.returncode, "there is no table images in" in ended.stderr) == (6, True), ended.stderr
    assert (heard, "DEBUG" in ended.stderr) == ([], False)
