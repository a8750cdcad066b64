"""`tcss check`: everything that a sync needs, tried one after the other, a line each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from connector.api.client import Client
from connector.errors import TcssError, UnavailableError
from connector.runs.assembly import ACTION, client_of
from connector.settings import Settings
from connector.warehouse.inventory import Inventory
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.probes import probe

Check = tuple[str, Callable[[], str]]

LICENCES = {0: "not bought; a trial is possible", 1: "not bought", 2: "trial", 3: "Pro", 4: "Pro, expired"}
TOLERANCE = 300  # seconds of clock skew that the API allows


def check(settings: Settings, say: Callable[[str], None]) -> int:
    """Runs every check and says how it went; the exit code of the first that failed, or 0.

    A check that needs what has failed before it is left out.
    """
    code = 0
    with client_of(settings) as client:
        for checks in (_api(client), _destination(settings)):
            for name, run in checks:
                try:
                    say(f"ok      {name}: {run()}")
                except TcssError as error:
                    say(f"FAILED  {name}: {error}")
                    code = code or error.exit_code
                    break
    return code


def _api(client: Client) -> Iterator[Check]:
    yield "keys", client.origin
    yield "signature", lambda: f"accepted for account {client.account_id()}"
    yield "clock", lambda: f"{client.skew or 0.0:+.0f} s from the server's, {TOLERANCE} s are allowed"
    yield "permission", lambda: _images(client)
    yield "licence", lambda: _licence(client)


def _images(client: Client) -> str:
    answer = client.call(ACTION, {"Limit": 1, "Offset": 0})
    return f"tcss:{ACTION} granted; {answer.response.get('TotalCount')} images in the list"


def _licence(client: Client) -> str:
    try:
        state = client.call("DescribePurchaseStateInfo", {}).response.get("State")
    except UnavailableError:
        raise
    except TcssError as error:
        return f"cannot be told ({error.code}); a sync does not need it"
    return (
        LICENCES.get(state, f"state {state}, which is not documented") if isinstance(state, int) else "cannot be told"
    )


def _destination(settings: Settings) -> Iterator[Check]:
    yield "destination", lambda: _named(settings)
    yield "writable", lambda: _writable(settings)


def _named(settings: Settings) -> str:
    location = locate(settings.destination, settings.dataset)
    note = "" if location.backend.tested else " (of a kind that the connector's tests have never reached)"
    return f"{location}{note}"


def _writable(settings: Settings) -> str:
    location = locate(settings.destination, settings.dataset)
    probe(location)
    with tempfile.TemporaryDirectory(prefix="tcss_") as directory:
        Inventory(location, open_pipeline(location, "check", Path(directory))).verify()
    return "yes"
