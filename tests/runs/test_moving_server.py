"""Runs of one account, one after the other, against a server that moves: a complete run has lost nothing.

Images are scanned, fail, are reset, come, go and get other ids, between runs and between requests. TotalCount may lag.
A cache may repeat answers under new RequestIds. The API may fail in the middle of a run, a run may die between two
packages, and clocks differ by minutes. Whatever an answer shows was so at some time: a late answer makes the promise
start earlier.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from connector.api.answers import Answer
from connector.errors import TcssError, from_code
from connector.listing.query import Filters
from connector.listing.remote import RemoteList
from connector.runs.assembly import ACTION, instants
from connector.runs.identity import Identity
from connector.runs.observation import Observation
from connector.runs.policy import HOUR, Mode, Policy
from connector.runs.spool import Spool
from connector.sandbox import Fleet, LocalServer, Quirks
from connector.sandbox.images import instant_text
from connector.tables import API_COLUMNS, IMAGE_HISTORY, IMAGES, Row
from tests.listing.lists import DAY, NOW, Item, fetching, in_turns, items
from tests.properties import examples
from tests.runs.memory import ACCOUNT, ZONE, Runs, typed

MINUTE = HOUR // 60
UNSCANNED = ("NOT_SCAN", "SCANNING", "SCAN_ERR")
COLUMNS = [name for name in API_COLUMNS if not name.endswith("_raw")]
FILTERED: Filters = (("ScanStatus", ("scanned",)),)
QUIRKS: dict[str, Quirks] = {
    "plain": Quirks(),
    "ties": Quirks(ties="permuted"),
    "nulls": Quirks(nulls="last"),
    "offsets": Quirks(nulls="last", max_offset=50),
    "window": Quirks(window=60),
    "few at once": Quirks(page_cap=3),
    "no order": Quirks(sortable=frozenset(), default_order="shuffled"),
    "CreateTime alone": Quirks(sortable=frozenset({"CreateTime"}), unknown_by="create_time"),
    "parts": Quirks(sortable=frozenset(), image_id_match="substring"),
    "late replicas": Quirks(lags=(0, 3, 1), replica_by="request"),
    "naive times": Quirks(times="naive"),
    "no status": Quirks(status_values=1),
}


@dataclass(frozen=True)
class Script:
    """A server and what happens: `moves` between runs and, with probability `churn`, before a request."""

    seed: int
    images: int
    widest: int
    nulls: bool
    quirks: str
    moves: tuple[str, ...]
    churn: float
    lag: int
    cache: int
    failing: float
    in_flight: int
    runs: int


@dataclass
class Server:
    """Answers requests, moves the list, and remembers every state of each image with the revision of its beginning."""

    script: Script
    random: Random = field(init=False)
    fleet: Fleet = field(init=False)
    states: dict[str, list[tuple[int, Item]]] = field(default_factory=dict)
    oldest: int = 0  # the oldest revision that an answer of this run shows
    _begun: dict[str, int] = field(default_factory=dict)  # scans under way
    _totals: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _cache: dict[str, tuple[int, int, Answer]] = field(default_factory=dict)
    _calls: int = 0
    _made: int = 0

    def __post_init__(self) -> None:
        script, self.random = self.script, Random(self.script.seed)
        listed = [self._image(DAY * (n // self.random.randint(1, script.widest))) for n in range(script.images)]
        for item in listed[:: 9 if script.nulls else 1000]:
            item["CreateTime"] = ""
        self.fleet = Fleet(listed, seed=script.seed, now=NOW)
        local = LocalServer(self.fleet, replace(QUIRKS[script.quirks], max_limit=8))
        self._fetch, self._lags = fetching(local), max(local.backend.quirks.lags, default=0)
        self._remember()

    def fetch(self, payload: dict[str, Any]) -> Answer:
        script, key = self.script, json.dumps(payload)
        self._calls += 1
        self.fleet.now += MINUTE // 60
        if self.random.random() < script.churn:
            self.move()
        if self.random.random() < script.failing:
            raise from_code("InternalError", "an error of the API", action=ACTION)
        call, revision, answer = self._cache.get(key, (-script.cache, 0, None))
        if answer is None or self._calls - call >= script.cache:
            revision, answer = self.fleet.revision - self._lags, self._with_late_total(payload)
            self._cache[key] = self._calls, revision, answer
        self.oldest = min(self.oldest, revision)
        return Answer(dict(answer.response), f"answer {self._calls}")

    def _with_late_total(self, payload: dict[str, Any]) -> Answer:
        answer = self._fetch(payload)
        totals = self._totals[json.dumps(payload.get("Filters"))]
        totals.append(answer.response["TotalCount"])
        late = totals[max(0, len(totals) - 1 - self.script.lag)]
        return Answer({**answer.response, "TotalCount": late}, None)

    def move(self) -> None:
        getattr(self, self.random.choice(self.script.moves))()
        self._remember()

    def _remember(self) -> None:
        for image_id, item in self.fleet.truth().items():
            known = self.states.setdefault(image_id, [])
            if not known or known[-1][1] is not item:
                known.append((self.fleet.revision, item))

    def lately(self, image_id: str) -> list[Item]:
        """Return the states of an image that an answer of this run may have shown."""
        known = self.states[image_id]
        first = max((n for n, (since, _) in enumerate(known) if since <= self.oldest), default=0)
        return [item for _, item in known[first:]]

    def _image(self, created: int) -> Item:
        self._made += 1
        name = f"sha256:{Random(f'{self.script.seed} {self._made}').getrandbits(256):064x}"
        scanned = self.random.choice([NOW - self.random.randint(0, 9_000) * MINUTE] * 20 + [None])
        return {**items([created], [scanned])[0], "ImageID": name}

    def _some(self) -> list[str]:
        ids = self.fleet.ids()
        return self.random.sample(ids, min(self.random.randint(1, 2), len(ids)))

    def _set(self, ids: list[str], **values: Any) -> None:
        for image_id in ids:
            self._begun.pop(image_id, None)
        self.fleet.replace(dict.fromkeys(ids, values))

    # Moves.

    def scan(self) -> None:
        self._set(self._some(), ScanStatus="SCANNED", ScanTime=instant_text(self.fleet.now), VulCnt=self._calls)

    def scan_listed_late(self) -> None:
        at = instant_text(self.fleet.now - self.random.randint(0, 50) * MINUTE)
        self._set(self._some(), ScanStatus="SCANNED", ScanTime=at)

    def begin_scan(self) -> None:
        ids = [image_id for image_id in self._some() if image_id not in self._begun]
        self._set(ids, ScanStatus="SCANNING")
        self._begun |= dict.fromkeys(ids, self.fleet.now)

    def end_scan(self) -> None:
        """With the ScanTime of its beginning, which may be long ago."""
        for image_id, at in [*self._begun.items()][:1]:
            if image_id in self.fleet:
                self._set([image_id], ScanStatus="SCANNED", ScanTime=instant_text(at))

    def fail_scan(self) -> None:
        self._set(self._some(), ScanStatus="SCAN_ERR", ScanTime=self.random.choice(["", None]))

    def reset(self) -> None:
        self._set(self._some(), ScanStatus="NOT_SCAN", ScanTime=None)

    def insert(self) -> None:
        created = self.random.choice([self.fleet.now, DAY * self.random.randint(0, 90)])
        self.fleet._load([self._image(created)])

    def delete(self) -> None:
        self.fleet.delete(self._some())

    def come_back(self) -> None:
        self.fleet.bring_back(1)

    def rename(self) -> None:
        """Another id at the same place: TotalCount stays."""
        for image_id in self._some():
            created = self.fleet[image_id]["CreateTime"]
            self.fleet.delete([image_id])
            self.fleet._load([{**self._image(0), "CreateTime": created}])

    def turn_over(self) -> None:
        """One image goes and another comes, elsewhere."""
        self.fleet.delete(self._some()[:1])
        self.insert()


MOVES = (
    *("scan", "scan_listed_late", "begin_scan", "end_scan", "fail_scan", "reset"),
    *("insert", "delete", "come_back", "rename", "turn_over"),
)
scripts = st.builds(
    Script,
    seed=st.integers(0, 2**20),
    images=st.sampled_from((0, 7, 30, 90, 150)),
    widest=st.sampled_from((1, 1, 3, 20)),
    nulls=st.sampled_from((False, False, False, True)),
    quirks=st.sampled_from(sorted(QUIRKS)),
    moves=st.lists(st.sampled_from(MOVES), min_size=1, max_size=6).map(tuple),
    churn=st.sampled_from((0, 0.05, 0.2, 1)),
    lag=st.sampled_from((0, 0, 0, 2, 8)),
    cache=st.sampled_from((0, 0, 0, 4, 30)),
    failing=st.sampled_from((0, 0, 0, 0.02)),
    in_flight=st.sampled_from((1, 1, 4)),
    runs=st.integers(2, 5),
)


class Moving(Runs):
    """Runs against a server of a script; `taken` is what the last run left, None where the API ended it."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, limit=8)  # type: ignore[arg-type]  # a server with a fleet
        self.moving = server

    def observation(self, spool: Spool, started_at: int, policy: Policy) -> Observation:
        remote = RemoteList(
            self.moving.fetch,
            partial(instants, ZONE),
            in_flight=self.moving.script.in_flight,
            limit=self.limit,
            clock=lambda: self.moving.fleet.now,
        )
        identity = Identity(ACCOUNT, f"run-{self.number}", started_at)
        return Observation(identity, policy, self.warehouse, remote, self.parser.read, spool)


def check(script: Script) -> None:
    server = Server(script)
    runs, random = Moving(server), server.random
    read_whole: int | None = None  # the oldest revision that the last complete full run may have shown
    for _ in range(script.runs):
        server.fleet.now += random.choice((0, 5, 20, 60, 180, 1800)) * MINUTE
        for _ in range(random.choice((0, 1, 4))):
            server.move()
        policy = Policy(
            mode=Mode(random.choice(("auto", "auto", "full", "incremental"))),
            filters=random.choice(((), (), (), FILTERED)),
            confirm_gone_after=random.choice((0, HOUR // 6, HOUR)),
            max_delete_share=random.choice((0.2, 1.0)),
        )
        packages = random.choice((3, 3, 3, 3, 0, 1, 2))
        before = {row["image_id"] for row in runs.warehouse[IMAGES] if row["deleted_at"] is not None}
        server.oldest = server.fleet.revision
        try:
            with in_turns(script.seed), mock.patch("connector.listing.reader.MOST_READS", 500):
                row = runs.run(policy, packages=packages, now=server.fleet.now + random.choice((0, 0, -2, 2)) * MINUTE)
        except TcssError:
            continue
        images = {image["image_id"]: image for image in runs.warehouse[IMAGES]}
        throughout = server.fleet.listed_throughout(server.oldest)
        if packages == 3:
            check_history(runs)
            gone = {image_id for image_id, image in images.items() if image["deleted_at"] is not None}
            assert not (gone - before) & throughout
        if packages < 3 or row["verdict"] != "complete" or policy.filters:
            continue
        if row["mode"] == "full":
            read_whole = server.oldest
            check_full(server, images, throughout)
        elif read_whole is not None:
            check_incremental(server, images, throughout & server.fleet.listed_throughout(read_whole))


def check_history(runs: Runs) -> None:
    versions: defaultdict[str, set[int]] = defaultdict(set)
    for version in runs.warehouse[IMAGE_HISTORY]:
        versions[version["image_id"]].add(version["version"])
    for image in runs.warehouse[IMAGES]:
        assert versions[image["image_id"]] >= {*range(1, image["version"] + 1)}


def check_full(server: Server, images: dict[str, Row], throughout: set[str]) -> None:
    """Every image that was listed throughout is there, in a state that it had meanwhile."""
    assert throughout <= images.keys()
    for image_id in throughout:
        image = images[image_id]
        states = [typed({image_id: item})[image_id] for item in server.lately(image_id)]
        shown = [[value for name, value in zip(API_COLUMNS, state, strict=True) if name in COLUMNS] for state in states]
        assert image["deleted_at"] is None
        assert [image[name] for name in COLUMNS] in shown


def check_incremental(server: Server, images: dict[str, Row], throughout: set[str]) -> None:
    """Every image that was there since the last full run has the scan of a state that it had meanwhile."""
    scan_time, scan_status = map(API_COLUMNS.index, ("scan_time", "scan_status"))
    for image_id in throughout:
        states = [typed({image_id: item})[image_id] for item in server.lately(image_id)]
        scans = {(state[scan_time], state[scan_status]) for state in states}
        assert (images[image_id]["scan_time"], images[image_id]["scan_status"]) in scans


@examples(10)
@given(scripts)
def test_a_complete_run_has_lost_nothing(script: Script) -> None:
    """Full: every image. Incremental: every scan. Always: no version is missing, and nothing is gone that is listed."""
    check(script)
