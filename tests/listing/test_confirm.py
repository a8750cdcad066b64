"""What look-ups by ImageID say of images that seem gone, and when no answer is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from connector.api.answers import Answer
from connector.errors import RequestRejectedError
from connector.listing.confirm import CONTROLS, LookUp, look_up, room
from connector.listing.reasons import ListReason
from connector.listing.remote import RemoteList

LISTED = [f"listed{number}" for number in range(40)]
DISTRUST = ListReason.ID_FILTER.given()


@dataclass
class Server:
    """Finds the images of `there` by id. `reads` gives the values that it reads of request n, from 1."""

    there: Sequence[str]
    reads: Callable[[int, list[str]], list[str]] = lambda number, values: values
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, payload: dict[str, Any]) -> Answer:
        (given,) = payload["Filters"]
        self.asked.append(given["Values"])
        found = [value for value in self.reads(len(self.asked), given["Values"]) if value in self.there]
        return Answer({"List": [{"ImageID": value} for value in found], "TotalCount": len(found)}, None)


def _look_up(server: Server, candidates: Sequence[str], limit: int = 10) -> LookUp:
    return look_up(RemoteList(server, lambda items, _: [None] * len(items), 1, limit), candidates, LISTED)


def _refuse(number: int, values: list[str]) -> list[str]:
    if number > 1:
        raise RequestRejectedError("too many values", code="InvalidParameter")
    return values


def _without(ids: Sequence[str]) -> Callable[[int, list[str]], list[str]]:
    """From the second request on, the server does not show these images."""
    return lambda number, values: [value for value in values if number == 1 or value not in ids]


GONE = [f"gone{number}" for number in range(5)]
BACK = [{"ImageID": "back"}]


def test_one_look_up_takes_as_many_as_an_answer_holds_beside_two_controls() -> None:
    """At least one."""
    assert [room(RemoteList(Server([]), lambda *_: [], 1, limit)) for limit in (100, 4, 3, 2, 1)] == [98, 2, 1, 1, 1]


def test_images_that_are_there_and_images_that_are_gone() -> None:
    """The candidates stand between two images that are listed; then as many listed images are asked for."""
    server = Server([*LISTED, "back"])
    assert _look_up(server, [*GONE, "back"]) == LookUp(BACK, GONE)
    assert server.asked == [[LISTED[0], *GONE, "back", LISTED[1]], LISTED[: len(GONE) + 3]]


@pytest.mark.parametrize(("candidates", "requests"), [(CONTROLS - 2, 1), (CONTROLS - 1, 2)])
def test_few_candidates_need_no_further_request(candidates: int, requests: int) -> None:
    """As many values as there are controls were read by then."""
    server = Server(LISTED)
    assert _look_up(server, GONE[:candidates]) == LookUp([], GONE[:candidates])
    assert len(server.asked) == requests


@pytest.mark.parametrize(
    ("reads", "trusted"),
    [
        (_refuse, False),
        (lambda number, values: values[:3] if number > 1 else values, False),
        (_without(LISTED[3:4]), True),
        (_without(LISTED[3:5]), False),
        (lambda number, values: values[1:] if number == 2 else values, True),
    ],
    ids=[
        "refused",
        "some values read",
        "one image gone since",
        "two images gone since",
        "one value not read, and found alone",
    ],
)
def test_a_server_that_does_not_find_as_many_images_is_not_believed(
    reads: Callable[[int, list[str]], list[str]], trusted: bool
) -> None:
    """One of a few listed images may be gone since, and is asked for alone. What was found is there all the same."""
    server = Server([*LISTED, "back"], reads)
    expected = LookUp(BACK, GONE) if trusted else LookUp(BACK, distrust=DISTRUST)
    assert _look_up(server, [*GONE, "back"]) == expected


def test_what_was_found_before_an_answer_that_is_not_believed_is_there() -> None:
    """The second look-up finds no control."""
    server = Server([*LISTED, "back"], lambda number, values: values if number == 1 else [])
    assert _look_up(server, ["back", *GONE], limit=4) == LookUp(BACK, distrust=DISTRUST)
