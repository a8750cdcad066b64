"""A RequestId that was seen before is no answer: caches and proxies that give an old answer again are found out."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

import pytest

from connector.api.client import Client, Limits
from connector.api.credentials import Credentials
from connector.api.endpoints import Endpoints
from connector.api.replays import Replays
from connector.errors import TransientError
from connector.sandbox import Fault, Fleet, Quirks, Sandbox
from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY
from tests.api.scripted import ACTION, START, Clock, Reply, Server, call, refusal, response

PAGE = {"Limit": 100, "Offset": 0}


def test_each_id_counts_once() -> None:
    """Those of earlier clients included; an answer without an id proves nothing."""
    replays = Replays()
    replays.remember(["earlier"])
    ids = ["earlier", "one", "two", "one", None, None]
    assert [replays.is_replayed(request_id) for request_id in ids] == [True, False, False, True, False, False]


def test_an_old_answer_is_asked_for_again(server: Server, client: Client) -> None:
    """As after any fault that passes: what comes of it is the first answer with an id of its own."""
    server.plays(response(RequestId="a"), response(RequestId="a"), response(RequestId="a"), response(RequestId="b"))
    assert [call(client).request_id, call(client).request_id] == ["a", "b"]
    assert (client.stats.requests, client.stats.retries) == (4, 2)


def test_an_answer_of_an_earlier_run_is_an_old_one(server: Server, make: Callable[..., Client]) -> None:
    """The error says what it is, which answer, and what to do."""
    server.plays(response(RequestId="last"))
    client = make(patience=0.0)
    client.refuse_answers(["first", "last"])
    with pytest.raises(TransientError) as caught:
        call(client)
    assert str(caught.value) == (
        f"{ACTION}: the answer has the RequestId of an earlier answer, so that it is an old one (request id last, "
        "attempt 1). Gave up after 0 s. A cache or a proxy gives old answers again: "
        f"let the requests to {server.host} pass."
    )


def test_answers_without_an_id_are_answers(server: Server, client: Client) -> None:
    """However many there are."""
    server.plays(response(RequestId=None))
    assert [call(client).request_id for _ in range(3)] == [None] * 3


def test_an_old_answer_says_nothing_of_the_clock(server: Server, make: Callable[..., Client], clock: Clock) -> None:
    """Its Date is as old as itself."""
    old = response(RequestId="a")
    old.headers["Date"] = "Tue, 14 Nov 2023 00:00:00 GMT"
    server.plays(response(RequestId="a"), old)
    client = make(patience=0.0)
    call(client)
    with pytest.raises(TransientError):
        call(client)
    assert (client.skew, client.now()) == (None, int((START + clock.seconds) * 1e6))


@pytest.mark.parametrize(("seconds", "is_old"), [(-3600, True), (-320, True), (-290, False), (-1, False), (900, False)])
@pytest.mark.parametrize("wrong", [0, 86_400, -86_400], ids=["right", "a day behind", "a day ahead"])
def test_an_answer_that_is_dated_before_its_request_is_an_old_one(
    server: Server, client: Client, clock: Clock, seconds: int, is_old: bool, wrong: int
) -> None:
    """The API refuses a timestamp that is 5 minutes off, so it has not answered this request. Where our own clock is
    wrong, the timestamp is by the server's clock."""
    now = clock.now() + wrong
    expired = [refusal("AuthFailure.SignatureExpire", date=now)] if wrong else []
    server.plays(*expired, dated("one", now), dated("two", now + seconds), dated("three", now))
    answers = [call(client).request_id, call(client).request_id]
    assert answers == ["one", "three" if is_old else "two"]
    assert client.stats.retries == is_old + bool(wrong)
    assert client.skew == pytest.approx(wrong if is_old else wrong + seconds, abs=5)


def test_an_answer_that_is_dated_before_its_request_is_said(
    server: Server, make: Callable[..., Client], clock: Clock
) -> None:
    """By how much, and what to do."""
    server.plays(dated("old", clock.now() - 3600))
    with pytest.raises(TransientError) as caught:
        call(make(patience=0.0))
    assert str(caught.value) == (
        f"{ACTION}: the answer is 3600 s older than the request, by the answer's Date (request id old, attempt 1). "
        f"Gave up after 0 s. A cache or a proxy gives old answers again: let the requests to {server.host} pass."
    )


def dated(request_id: str, moment: float) -> Reply:
    reply = response(RequestId=request_id)
    reply.headers["Date"] = formatdate(moment, usegmt=True)
    return reply


def asking(url: str) -> Client:
    limits = Limits(requests_per_second=100_000, patience=0.0)
    return Client(Credentials(DEFAULT_ID, DEFAULT_KEY), endpoints=Endpoints(endpoint=url), limits=limits)


def test_a_cache_in_front_of_the_sandbox_is_found_out() -> None:
    """The same request twice; without RequestIds nobody could tell."""
    for quirks, refused in ((Quirks(cache=True), True), (Quirks(cache=True, request_ids="none"), False)):
        with Sandbox(Fleet.seeded(5), quirks=quirks, rate=None) as sandbox, asking(sandbox.url) as client:
            client.call(ACTION, PAGE)
            sandbox.backend.replaying = True
            try:
                client.call(ACTION, PAGE)
            except TransientError:
                assert refused
            else:
                assert not refused


def test_one_replayed_answer_costs_one_request() -> None:
    """The next attempt gets through."""
    fault = Fault("replayed", at=2)
    with Sandbox(Fleet.seeded(5), faults=[fault], rate=None) as sandbox:
        limits = Limits(requests_per_second=100_000)
        keys = Credentials(DEFAULT_ID, DEFAULT_KEY)
        with Client(keys, endpoints=Endpoints(endpoint=sandbox.url), limits=limits) as client:
            first, second = (client.call(ACTION, PAGE).request_id for _ in range(2))
            assert (first != second, client.stats.requests) == (True, 3)
