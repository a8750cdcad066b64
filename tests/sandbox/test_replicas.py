"""Replicas that differ or are late, and shards that do not answer."""

from __future__ import annotations

import pytest

from connector.sandbox import Account, ApiError, Fault, Fleet, LocalServer, Quirks, Sandbox, shard_of
from tests.sandbox.asking import LIST, lettered, local, over_http, told

TWO = (frozenset("b"), frozenset("ef"))


def test_each_replica_has_a_list_and_a_total_of_its_own() -> None:
    """The rows that a replica lacks are not counted, and the rows behind them move up."""
    server = local(replicas=TWO, replica_by="request")
    assert [told(server, 0, 3), told(server, 0, 3), told(server, 3, 3)] == [("acd", 5), ("abc", 4), ("ef", 5)]


def test_the_page_chooses_the_replica() -> None:
    """By offset: the same page comes from the same replica in every pass, the next page from the next one."""
    server = local(replicas=TWO, replica_by="offset")
    passes = [[told(server, offset, 2) for offset in (0, 2, 4)] for _ in range(2)]
    assert passes == [[("ac", 5), ("cd", 4), ("f", 5)]] * 2
    assert [told(server, offset, 3) for offset in (0, 3)] == [("acd", 5), ("d", 4)]


def test_the_pass_chooses_the_replica() -> None:
    """By pass: when Offset returns to 0 the other replica answers, until it does so again."""
    server = local(replicas=TWO, replica_by="pass")
    assert [told(server, offset, 3)[0] for offset in (0, 0, 3, 0, 3, 0)] == ["acd", "acd", "ef", "abc", "d", "acd"]


def test_replicas_hold_for_filters_too() -> None:
    """A look-up asks a replica as any list does."""
    server = local(replicas=TWO, replica_by="request")
    wanted = [{"Name": "ImageID", "Values": ["a", "b"]}]
    assert [told(server, Filters=wanted), told(server, Filters=wanted)] == [("a", 1), ("ab", 2)]


def test_a_late_replica_answers_from_the_past() -> None:
    """Lag is counted in revisions of the fleet: the second replica is two changes behind."""
    fleet = lettered("abc")
    server = local(fleet, lags=(0, 2), replica_by="request")
    found = []
    for letter in "abc":
        fleet.delete([letter])
        found.append([told(server), told(server)])
    assert found == [[("bc", 2), ("abc", 3)], [("c", 1), ("abc", 3)], [("", 0), ("bc", 2)]]


def test_a_late_replica_sorts_and_filters_the_past() -> None:
    """Old values decide the order of an old state; what changed since is shown as it was."""
    fleet = lettered("abc")
    server = local(fleet, lags=(1,))
    fleet.replace({"a": {"CreateTime": "2024-02-01T00:00:00Z", "ImageName": "new"}})
    by_name = [{"Name": "ImageName", "Values": ["new"]}]
    assert told(server, By="CreateTime") == ("abc", 3)
    assert told(server, Filters=by_name) == ("", 0)
    fleet.rescan(0)
    assert told(server, By="CreateTime") == ("bca", 3)
    assert told(server, Filters=by_name) == ("a", 1)


def test_a_replica_can_be_late_and_lack_rows() -> None:
    """`replicas` and `lags` are about the same servers; the shorter one says nothing about the rest."""
    fleet = lettered("abc")
    server = local(fleet, replicas=(frozenset("a"),), lags=(1, 0), replica_by="request")
    fleet.delete(["b"])
    assert [told(server), told(server)] == [("bc", 2), ("ac", 2)]


def test_nobody_remembers_a_past_that_no_replica_needs() -> None:
    """Copies of the rows are kept for lags only, and only so many."""
    plain, late = Fleet.seeded(6), Fleet.seeded(6)
    LocalServer(plain)
    LocalServer(late, Quirks(lags=(0, 3)))
    for fleet in (plain, late):
        for _ in range(9):
            fleet.rescan(1)
    assert (plain.as_it_was(3) is plain, late.as_it_was(9) is late.as_it_was(3)) == (True, True)


def test_every_account_of_a_sandbox_has_late_replicas() -> None:
    """The past of each fleet is remembered from the start, before the first request."""
    fleets = [lettered("abc"), lettered("xyz")]
    other = Account(fleets[1], "AKIDOTHEREXAMPLE", "OTHEREXAMPLE", "100000000002")
    Sandbox(fleets[0], accounts=[other], quirks=Quirks(lags=(1,)))
    for fleet in fleets:
        fleet.delete(1)
    assert [len(fleet.as_it_was(1)) for fleet in fleets] == [3, 3]


def test_ids_lie_in_shards() -> None:
    """An id is always in the same shard, and many ids are spread evenly."""
    assert [shard_of(letter, 4) for letter in "abcdef"] == [3, 1, 3, 0, 2, 0]
    spread = [shard_of(image_id, 4) for image_id in Fleet.seeded(1000).ids()]
    assert [spread.count(shard) for shard in range(4)] == [283, 259, 206, 252]


def test_a_shard_that_is_down_is_missing_everywhere() -> None:
    """down_shards: neither rows nor TotalCount know its images, in pages and in look-ups."""
    server = local(shards=4, down_shards=frozenset({3}))
    assert told(server) == ("bdef", 4)
    assert told(server, Filters=[{"Name": "ImageID", "Values": ["a", "b", "c"]}]) == ("b", 1)


def test_a_silent_shard_is_missing_at_some_requests() -> None:
    """The fault silent_shard: at request 2 shard 3 is neither listed nor counted; two faults silence two shards."""
    faults = [Fault("silent_shard", at={2, 3}, value=3), Fault("silent_shard", at=3, value=0)]
    server = local(faults=faults, shards=4)
    assert [told(server, 0, 3) for _ in range(4)] == [("abc", 6), ("bde", 4), ("be", 2), ("abc", 6)]
    assert server.backend.fired == {"silent_shard": 3}


def test_a_list_without_shards_has_none_that_is_silent() -> None:
    """The fault does nothing there, and is not counted; shards that are down must exist."""
    server = local(faults=[Fault("silent_shard")])
    assert (told(server), server.backend.fired) == (("abcdef", 6), {})
    with pytest.raises(ValueError, match="down_shards needs shards"):
        Quirks(down_shards=frozenset({0}))


def test_a_silent_shard_leaves_room_for_other_faults() -> None:
    """The page of the shards that answer can be wrong as well."""
    faults = [Fault("short_page", value=1), Fault("silent_shard", value=3)]
    assert told(local(faults=faults, shards=4)) == ("b", 4)


def test_http_gives_what_the_local_server_gives() -> None:
    """Every quirk of the list works in both servers: the same questions get the same answers."""
    every = {
        "window": {"window": 4},
        "by": {"by_aliases": {"ScanTime": "CreateTime"}, "unknown_by": "create_time"},
        "default": {"default_order": "create_time"},
        "replicas": {"replicas": TWO, "replica_by": "pass"},
        "lags": {"lags": (0, 1), "replica_by": "request"},
        "shards": {"shards": 4, "down_shards": frozenset({2})},
        "rows": {"poison": frozenset("b"), "huge": {"e": 1}},
        "written": {"times": "naive", "total_as": "float", "request_ids": "none"},
    }
    payloads = [{"Limit": 2, "Offset": offset, "Order": "desc"} for offset in (0, 2, 4, 0, 2, 4)]
    payloads += [{**payload, "By": "ScanTime"} for payload in payloads]
    for name, quirks in every.items():
        server = local(lettered(), **quirks)
        sandbox = Sandbox(lettered(), quirks=Quirks(**quirks), rate=None)
        for payload in payloads:
            assert _without_id(_content(server, payload)) == _without_id(over_http(sandbox, payload)), name
            server.fleet.delete(0)
            sandbox.fleet.delete(0)


def _content(server: LocalServer, payload: dict[str, object]) -> dict[str, object]:
    try:
        return server.call(LIST, payload)
    except ApiError as error:
        return {"Error": {"Code": error.code, "Message": error.message}}


def _without_id(content: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in content.items() if name != "RequestId"}
