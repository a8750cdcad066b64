"""The details against an account that changes while it is read: a set that is shown is one that the image had."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector.errors import TransientError
from tests.detail.account import MINUTE, NOW, Image, Server, finding, new_tables, run, shown
from tests.properties import examples

PACKAGE = ("vulnerabilities", "image_vulnerabilities", "image_reads")

EVENTS = ("rescan", "library", "delete", "create", "fault", "unscanned")
SCRIPTS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "cap": st.sampled_from((3, 5, 100)),
        "permuted": st.booleans(),
        "splits": st.booleans(),
        "count": st.sampled_from(("rows", "subjects", "findings")),
        "events": st.lists(st.tuples(st.integers(1, 12), st.sampled_from(EVENTS)), max_size=12),
        "kills": st.lists(
            st.none() | st.tuples(st.integers(0, 1), st.sets(st.sampled_from(PACKAGE))), min_size=2, max_size=5
        ),
        "batch": st.sampled_from((1, 2, 99)),
    }
)


class Script:
    """Changes the images of a server between its requests."""

    def __init__(self, script: dict[str, Any]) -> None:
        self.random = Random(script["seed"])
        self.clock = NOW - 10_000 * MINUTE
        self._events = list(script["events"])
        self._wait = 0
        self.server = Server(
            {}, cap=script["cap"], permuted=script["permuted"], splits=script["splits"], count=script["count"]
        )
        self.history: dict[str, dict[int, Any]] = {}
        for _ in range(self.random.randint(1, 5)):
            self.create()
        self.server.before = self.step

    def step(self, action: str) -> None:
        while self._events and self._wait >= self._events[0][0]:
            self._wait = 0
            self.happen(self._events.pop(0)[1])
        self._wait += 1

    def happen(self, event: str) -> None:
        if event == "create":
            return self.create()
        if event == "fault":
            raise TransientError("the server is down")
        if not self.server.images:
            return None
        image_id = self.random.choice(sorted(self.server.images))
        image = self.server.images[image_id]
        if event == "delete":
            del self.server.images[image_id]
        elif event == "unscanned":
            image.status = "SCANNING"
        elif event == "rescan":
            image.scan_time, image.status = self.tick(), "SCANNED"
            self.change(image)
        else:
            before = len(image.rows)
            self.change(image)
            if len(image.rows) == before:  # what no count shows is no part of the promise
                image.rows.append(finding(self.random.randint(100, 199), level=self.random.randint(1, 4)))
        image.remember()
        return None

    def create(self) -> None:
        image = Image(self.tick(), [], containers=self.random.randint(0, 1))
        for _ in range(self.random.choice((0, 1, 3, 8, 14))):
            row = finding(self.random.randint(0, 40), level=self.random.randint(1, 4))
            image.rows += [row] * self.random.choice((1, 1, 1, 2))
        image.remember()
        name = f"image{len(self.history)}"
        self.server.images[name] = image
        self.history[name] = image.history

    def change(self, image: Image) -> None:
        for _ in range(self.random.randint(0, 3)):
            if image.rows and self.random.random() < 0.5:
                image.rows = [row for row in image.rows if row is not image.rows[0]]
            else:
                image.rows = [*image.rows, finding(self.random.randint(0, 40), level=self.random.randint(1, 4))]
        self.random.shuffle(image.rows)

    def tick(self) -> int:
        self.clock += self.random.randint(1, 30) * MINUTE
        return self.clock


def play(script: dict[str, Any], monkeypatch: Any) -> None:
    """Runs of which each may be killed in a commit, and then quiet ones until nothing is due."""
    monkeypatch.setattr("connector.detail.run.BATCH", script["batch"])
    monkeypatch.setattr("connector.detail.run.COMMIT_EVERY", 0)
    made, tables = Script(script), new_tables()
    seen: dict[tuple[str, int], Any] = {}
    for number, kill in enumerate(script["kills"]):
        killed_in, committed = kill or (None, ())
        run(made.server, tables, now=NOW + number * 60 * MINUTE, killed_in=killed_in, committed=committed)
        check(made, tables, seen)
    made.server.before = lambda _: None
    for image in made.server.images.values():
        image.status = "SCANNED"
    for number in range(3):
        last = run(made.server, tables, now=NOW + (100 + number) * 60 * MINUTE)
        check(made, tables, seen)
    assert last is not None
    assert last.images_behind == 0
    if script["cap"] == 100:  # else equal rows may never be in one answer
        assert last.verdict == "complete", last
        for image_id, image in made.server.images.items():
            found = shown(tables, image_id)
            assert found in image.history[image.scan_time]
            if script["count"] == "rows":  # what a count of the images list shows is seen
                assert len(found) == len(image.rows)


def check(made: Script, tables: Any, seen: dict[tuple[str, int], Any]) -> None:
    """What is shown of an image is a set that the image had at its marker's ScanTime, and what was shown before is
    still known."""
    for (_, image_id, _), marker in tables["image_reads"].items():
        number = marker["read_no"]
        if number:
            found = shown(tables, image_id)
            # How often a row occurs is updated in place: a run that is killed may have done so before its marker.
            assert set(found) in map(set, made.history[image_id][marker["scan_time"]]), (image_id, marker)
            seen[image_id, number] = found
    for (image_id, number), found in seen.items():
        assert set(shown(tables, image_id, number)) == set(found)


@given(SCRIPTS)
@examples(200)
def test_a_shown_set_is_one_that_the_image_had(script: dict[str, Any]) -> None:
    """Whatever happens between the requests, and wherever a run is killed; in the end everything is current."""
    import pytest

    with pytest.MonkeyPatch.context() as monkeypatch:
        play(script, monkeypatch)


@given(SCRIPTS, st.lists(st.sets(st.sampled_from(PACKAGE)), min_size=2, max_size=5))
@examples(100)
def test_what_a_package_has_lost_is_read_again(script: dict[str, Any], packages: list[set[str]]) -> None:
    """In a pipeline of a user's own, any tables of a package may arrive without the others. Runs of which everything
    arrives show each set as the image had it, with its facts, whatever was lost before."""
    import pytest

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("connector.detail.run.BATCH", script["batch"])
        made, tables = Script({**script, "cap": 100}), new_tables()
        for number, arriving in enumerate(packages):
            run(made.server, tables, now=NOW + number * 60 * MINUTE, arriving=arriving)
        made.server.before = lambda _: None
        for image in made.server.images.values():
            image.status = "SCANNED"
        for number in range(4):
            last = run(made.server, tables, now=NOW + (100 + number) * 60 * MINUTE, arriving=PACKAGE)
        assert last is not None
        assert (last.verdict, last.images_due) == ("complete", 0)
        for image_id, image in made.server.images.items():
            assert shown(tables, image_id) in image.history[image.scan_time]
