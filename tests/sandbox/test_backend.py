"""Answers that are given again, and RequestIds."""

from __future__ import annotations

from connector.sandbox import Fault, Sandbox
from connector.sandbox.quirks import Quirks
from tests.sandbox.asking import LIST, lettered, local, over_http, told


def test_a_cache_replays_what_was_recorded() -> None:
    """With `cache` answers are kept; while `replaying` they come again, whatever the fleet is now."""
    fleet = lettered("abc")
    server = local(fleet, cache=True)
    first = server.call(LIST, {"Limit": 2, "Offset": 0})
    fleet.delete(["a"])
    assert told(server, 0, 2) == ("bc", 2)
    fleet.delete(["b"])
    server.backend.replaying = True
    again = server.call(LIST, {"Offset": 0, "Limit": 2})
    assert ([row["ImageID"] for row in again["List"]], again["TotalCount"]) == (["b", "c"], 2)
    assert (first["RequestId"], again["RequestId"]) == ("local-1", "local-2")
    server.backend.replaying = False
    assert told(server, 0, 2) == ("c", 1)


def test_a_cache_fills_while_it_replays() -> None:
    """A payload that was never asked gets a new answer, and from then on that answer."""
    fleet = lettered("abc")
    server = local(fleet)
    server.backend.replaying = True
    assert told(server) == ("abc", 3)
    fleet.delete(["a"])
    assert [told(server), told(server, 1)] == [("abc", 3), ("c", 2)]


def test_the_cache_outlives_a_reset() -> None:
    """Counters begin anew for the next run; the answers of the run before are still there."""
    server = local(cache=True)
    before = server.call(LIST, {})
    server.backend.reset()
    server.backend.replaying = True
    assert server.call(LIST, {}) == before


def test_a_replayed_answer_cannot_be_spoilt() -> None:
    """Who takes an answer apart does not change the one that is kept."""
    server = local(cache=True)
    server.backend.replaying = True
    server.call(LIST, {}).clear()
    assert server.call(LIST, {})["RequestId"] == "local-1"


def test_a_fault_replays_single_answers() -> None:
    """The fault replayed: the first time there is nothing to replay, later the last new answer comes again."""
    fleet = lettered("abcd")
    server = local(fleet, [Fault("replayed", at={1, 3})])
    found = []
    for letter in "abcd":
        found.append((told(server), server.call("GetCallerIdentity", {})["RequestId"]))
        fleet.delete([letter])
    assert [answer for answer, _ in found] == [("abcd", 4), ("bcd", 3), ("bcd", 3), ("d", 1)]
    assert [request_id for _, request_id in found] == ["local-2", "local-4", "local-5", "local-7"]
    assert server.backend.fired == {"replayed": 1}


def test_each_account_has_a_cache_of_its_own_over_http() -> None:
    """A replayed answer keeps its RequestId on the wire too; new answers have new ones."""
    sandbox = Sandbox(lettered(), quirks=Quirks(cache=True))
    first, second = over_http(sandbox, {"Limit": 2}), over_http(sandbox, {"Limit": 2})
    sandbox.fleet.delete()
    sandbox.backend.replaying = True
    assert over_http(sandbox, {"Limit": 2}) == second
    assert first["RequestId"] != second["RequestId"]


def test_request_ids_can_be_missing() -> None:
    """`none` leaves them out of results and of errors, on the wire too."""
    quirks = Quirks(request_ids="none")
    sandbox = Sandbox(lettered("a"), quirks=quirks)
    assert set(local(request_ids="none").call(LIST, {})) == {"List", "TotalCount"}
    assert set(over_http(sandbox, {})) == {"List", "TotalCount"}
    assert set(over_http(sandbox, {"Limit": "x"})) == {"Error"}


def test_errors_have_request_ids() -> None:
    """An error over HTTP is told apart from another one by its RequestId."""
    sandbox = Sandbox(lettered("a"))
    one, other = over_http(sandbox, {"Limit": "x"}), over_http(sandbox, {"Limit": "x"})
    assert (set(one), one["Error"]) == ({"Error", "RequestId"}, other["Error"])
    assert one["RequestId"] != other["RequestId"]
