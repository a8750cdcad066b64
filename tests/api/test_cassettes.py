"""Exchanges on file, played back without a network: the documented one as published, and one recorded from the sandbox.

`make record` records the sandbox's again, and a real account's (`real.yaml`, not committed) where keys are set. One
configuration scrubs what may not be kept. vcrpy loses concurrent exchanges, so all is read with one request at a time.
"""

from __future__ import annotations

import os
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import vcr
from vcr.stubs.urllib3_stubs import VCRRequestsHTTPConnection, VCRRequestsHTTPSConnection

from connector.api.client import Client, Limits
from connector.api.connections import HttpPool, HttpsPool
from connector.api.credentials import Credentials
from connector.api.endpoints import Endpoints
from connector.images.records import ItemParser, Record
from connector.listing.full import FullSweep
from connector.listing.remote import RemoteList
from connector.runs.assembly import ACTION, instants
from connector.sandbox import Fleet, Sandbox
from tests.api.played import Played

CASSETTES = Path(__file__).parents[1] / "cassettes"
CANARY = "CANARYSECRETEXAMPLE"
RECORDING = os.environ.get("TCSS_RECORD") == "1"
SCRUBBED = ("Authorization", "X-TC-Token", "X-TC-Timestamp")


class _Plays:
    """Gives what vcrpy plays, or records through urllib3's own connections, as an answer of ours."""

    def getresponse(self) -> Played:
        played = super().getresponse()  # type: ignore[misc]
        headers = {name.lower(): value for name, value in played.headers.items()}
        headers.pop("date", None)  # that of the recording, which would tell that the answer is an old one
        return Played(played.status, headers, played.read())


class _Connection(_Plays, VCRRequestsHTTPConnection):
    pass


class _TlsConnection(_Plays, VCRRequestsHTTPSConnection):
    pass


CONNECTIONS = ((HttpPool, "ConnectionCls", _Connection), (HttpsPool, "ConnectionCls", _TlsConnection))

recorder = vcr.VCR(
    custom_patches=CONNECTIONS,
    cassette_library_dir=str(CASSETTES),
    record_mode="all" if RECORDING else "none",
    match_on=["method", "path", "body"],
    filter_headers=[(name, "SCRUBBED") for name in SCRUBBED],
    decode_compressed_response=True,
)


def images(client: Client) -> RemoteList:
    return RemoteList(partial(client.call, ACTION), partial(instants, UTC), in_flight=1)


def client(url: str) -> Client:
    keys = Credentials("AKIDEXAMPLE", CANARY)
    return Client(keys, endpoints=Endpoints(endpoint=url), limits=Limits(requests_per_second=100_000, patience=5))


def test_the_documented_exchange_is_one_typed_row_and_a_partial_sweep() -> None:
    """The page's own example: 1 row of TotalCount 339, so the sweep cannot be complete."""
    matched = ["method", "path"]
    player = vcr.VCR(
        custom_patches=CONNECTIONS, cassette_library_dir=str(CASSETTES), record_mode="none", match_on=matched
    )
    with player.use_cassette("documented.yaml"):
        answer = client("https://tcss.intl.tencentcloudapi.com").call(ACTION, {"Limit": 100, "Offset": 0})
    sweep = FullSweep(RemoteList(lambda _: answer, partial(instants, UTC), in_flight=1))
    items = {item["ImageID"]: item for page in sweep.pages() for item in page.items}
    assert (sweep.outcome.complete, sweep.outcome.total_count) == (False, 339)
    assert "339" in sweep.outcome.reason or "nothing new" in sweep.outcome.reason
    (record,) = ItemParser().parse([*items.values()])
    assert isinstance(record, Record)
    assert record.image_id == "sha256:2061084bfcc0d9ff44f479efc582e3ac9feaf96b556f6901bb39dbddfb9676b2"
    assert record.values[:2] == ("l10:latest", None)
    assert (record.scan_status, record.scan_time) == ("SCANNED", 1_611_900_612_021_000)


def test_the_sandboxs_exchange_plays_back_as_a_complete_sweep() -> None:
    """250 images in three pages, recorded from the sandbox and labelled so."""
    fleet = Fleet.seeded(250, seed=7)
    path = CASSETTES / "sandbox.yaml"
    if RECORDING:
        path.unlink(missing_ok=True)
        with Sandbox(fleet, secret_key=CANARY, rate=None, port=38_917) as sandbox:
            outcome, ids = swept("sandbox.yaml", sandbox.url)
        label = "# Recorded from this project's sandbox (connector/sandbox), not from Tencent Cloud.\n"
        path.write_text(label + path.read_text(encoding="utf-8"), encoding="utf-8")
    else:
        outcome, ids = swept("sandbox.yaml", "http://127.0.0.1:38917")
    assert (outcome.complete, outcome.reason) == (True, "by order")
    assert ids == set(fleet.ids())


def swept(name: str, url: str) -> tuple[Any, set[str]]:
    with recorder.use_cassette(name):
        sweep = FullSweep(images(client(url)))
        ids = {item["ImageID"] for page in sweep.pages() for item in page.items}
    return sweep.outcome, ids


@pytest.mark.skipif(
    not (RECORDING and os.environ.get("TENCENTCLOUD_SECRET_ID")),
    reason="records an account's own images: `make record` with keys in the environment",
)
def test_a_real_account_can_be_recorded() -> None:
    """A sweep of the account whose keys are set goes to `real.yaml`, which git ignores, and no secret with it."""
    from connector.api.credentials import default_chain

    path = CASSETTES / "real.yaml"
    path.unlink(missing_ok=True)
    endpoints = Endpoints(endpoint=os.environ.get("TCSS_ENDPOINT"))
    with recorder.use_cassette(path.name), Client(default_chain(), endpoints=endpoints) as account:
        sweep = FullSweep(images(account))
        assert sum(len(page.items) for page in sweep.pages()) == sweep.outcome.rows_listed
    text = path.read_text(encoding="utf-8")
    assert os.environ["TENCENTCLOUD_SECRET_KEY"] not in text
    assert "Signature=" not in text


@pytest.mark.parametrize("path", sorted(CASSETTES.glob("*.yaml")), ids=lambda path: path.name)
def test_no_cassette_holds_a_secret(path: Path) -> None:
    """No signature, token or key; what was scrubbed says so."""
    text = path.read_text(encoding="utf-8")
    assert CANARY not in text
    assert "Signature=" not in text
    assert "TC3-HMAC-SHA256" not in text
