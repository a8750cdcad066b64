"""Uses the limit while a sync runs: not at all, half of it by another client, or while the server halves it."""

from __future__ import annotations

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from urllib.parse import urlsplit

from connector.api.signing import sign
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from tests.benchmarks.measuring import ACTION, Server

LIMIT = 20  # requests a second
HALF = LIMIT // 2
LOOK_EVERY = 0.02  # seconds


@dataclass(frozen=True)
class Use:
    """Counts from a sync's first page to its last: its admitted requests, and the most that could be admitted."""

    ours: int
    left: float
    others_refused: float = 0.0  # share of the others' requests that was refused

    @property
    def share(self) -> float:
        return self.ours / self.left


def alone(server: Server, ended: Event) -> Use:
    """Run without other clients."""
    ended.wait()
    stats = server.stats()
    first, last = stats["spans"][ACTION]
    return Use(stats["actions"][ACTION] - 1, LIMIT * (last - first))


def halved(server: Server, ended: Event) -> Use:
    """Halve the limit once half of the pages have been asked for."""
    stats = server.stats()
    while stats["actions"].get(ACTION, 0) < stats["images"] / 200 and not ended.wait(LOOK_EVERY):
        stats = server.stats()
    server.post("limit", {"rate": HALF})
    since = time.time()
    use = alone(server, ended)
    _, last = server.stats()["spans"][ACTION]
    return Use(use.ours, use.left - HALF * max(0.0, last - since))


def beside_another(server: Server, ended: Event) -> Use:
    """Take half by another client with the same key: one request per tenth of a second, whatever the answers are."""
    begun = time.time()
    with ThreadPoolExecutor(LIMIT) as pool:
        sent, counts = [], []
        while not ended.wait(max(0.0, begun + len(sent) / HALF - time.time())):
            counts.append((time.time(), server.stats()["actions"].get(ACTION, 0)))
            sent.append((time.time(), pool.submit(_is_let_in, server.url)))
        theirs = [when for when, let_in in sent if let_in.result()]
    refused = 1 - len(theirs) / len(sent)
    ours = [(when, count - sum(their < when for their in theirs)) for when, count in counts]
    most = max(count for _, count in ours)
    first = next(when for when, count in ours if count > 0)
    last = next(when for when, count in ours if count == most)
    return Use(most - 1, HALF * (last - first), refused)


def _is_let_in(url: str) -> bool:
    """Ask for one image, once."""
    body, timestamp = b'{"Limit": 1}', int(time.time())
    authorization = sign(
        secret_id=DEFAULT_ID,
        secret_key=DEFAULT_KEY,
        service="tcss",
        host=urlsplit(url).netloc,
        body=body,
        timestamp=timestamp,
        content_type="application/json",
    )
    headers = {
        "Authorization": authorization,
        "Content-Type": "application/json",
        "X-TC-Action": ACTION,
        "X-TC-Version": "2020-11-01",
        "X-TC-Timestamp": str(timestamp),
    }
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        return "Error" not in json.load(answer)["Response"]
