"""Aspects of one run are read beside each other, and keep apart what they read, write and count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.detail.reading import BATCH
from connector.detail.run import Details
from connector.errors import AccessError
from connector.runs.identity import Identity
from connector.settings import Settings
from connector.tables import ASPECTS
from tests.detail.account import MINUTE, NOW, FakeClient, Image, Memory, Server, finding, new_tables

NAMES = ["vulnerabilities", "malware"]
ACTIONS = {name: ASPECTS[name].action for name in NAMES}


class _Both(Server):
    """Gives each image a file of malware too, whose scan has ended; or refuses to."""

    refused = False

    def item(self, image_id: str) -> dict[str, Any]:
        return super().item(image_id) | {"VirusCnt": 1}

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        if action != ACTIONS["malware"]:
            return super().call(action, payload)
        self.requests.append(action)
        if self.refused:
            raise AccessError("not allowed", code="UnauthorizedOperation")
        answer = self._page([{"VirusName": "v", "Path": "/a", "RiskLevel": 1}], payload)
        return type(answer)({**answer.response, "VirusScanStatus": 2})


class _Memory(Memory):
    def live_images(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return [row | {"virus_cnt": 1, "scan_virus_error": None} for row in super().live_images(names)]

    def branch(self) -> _Memory:
        return _Memory(self._server, self.tables)


def account(**given: Any) -> tuple[_Both, dict[str, dict[Any, Any]], dict[str, Any]]:
    """The server, the tables after a run of both aspects, and the rows of the run by aspect."""
    images = {f"{number:04}": Image(NOW - 10_000 * MINUTE, [finding(1)]) for number in range(3 * BATCH)}
    server, tables, settings = _Both(images), new_tables(), Settings()
    for name, value in given.items():
        setattr(server, name, value)
    settings.detail, settings.in_flight = NAMES, 1
    client: Any = FakeClient(server, lambda: NOW)
    store: Any = _Memory(server, tables)
    rows = Details(settings, client, Identity("1", "run", NOW), store).execute()
    return server, tables, {row.aspect: row for row in rows}


def test_neither_aspect_waits_for_the_end_of_the_other() -> None:
    """Each has a limit of its own; both are whole."""
    server, tables, rows = account()
    first = {name: server.requests.index(action) for name, action in ACTIONS.items()}
    last = {name: len(server.requests) - server.requests[::-1].index(action) for name, action in ACTIONS.items()}
    assert max(first.values()) < min(last.values())
    assert {name: (row.verdict, row.images_read) for name, row in rows.items()} == dict.fromkeys(
        NAMES, ("complete", 3 * BATCH)
    )
    assert (len(tables["image_vulnerabilities"]), len(tables["image_malware"])) == (3 * BATCH, 3 * BATCH)
    assert len(tables["image_reads"]) == 6 * BATCH


def test_each_aspect_counts_its_own_requests() -> None:
    """A request for each image, one for each batch's look-up, and those for the account's lists."""
    server, _, rows = account()
    assert rows["malware"].requests == 3 * BATCH + 3
    assert sum(row.requests for row in rows.values()) == len(server.requests)


def test_a_refused_aspect_leaves_the_other_whole() -> None:
    """Its rows and its verdict are its own."""
    _, tables, rows = account(refused=True)
    assert {name: row.verdict for name, row in rows.items()} == {"vulnerabilities": "complete", "malware": "refused"}
    assert (len(tables["image_vulnerabilities"]), len(tables["image_malware"])) == (3 * BATCH, 0)
    assert {key[1] for key in tables["detail_runs"]} == set(NAMES)
