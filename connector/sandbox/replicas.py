"""Chooses the replica of a list that answers a request, and says what the replica has."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from connector.sandbox.listed import Listed
from connector.sandbox.quirks import Quirks
from connector.sandbox.state import Fleet


class Replica(NamedTuple):
    """Holds one server's list: its rows, and the ids among them that this server does not show."""

    listed: Listed
    missing: frozenset[str] = frozenset()


class Balancer:
    """Chooses replicas as `Quirks.replica_by` says. Each account has a balancer, which counts the account's passes."""

    def __init__(self) -> None:
        self._passes = 0
        self._offset = 0

    def choose(self, fleet: Fleet, payload: Mapping[str, Any], number: int, quirks: Quirks) -> Replica:
        """Return the replica that answers request `number` (from 1); the payload may be invalid."""
        replicas, lags = quirks.replicas, quirks.lags
        index = self._turn(payload, number, quirks) % max(len(replicas), len(lags))
        if lags:
            fleet.remember(max(lags))
        listed = fleet.as_it_was(lags[index]) if index < len(lags) else fleet
        return Replica(listed, frozenset(replicas[index]) if index < len(replicas) else frozenset())

    def _turn(self, payload: Mapping[str, Any], number: int, quirks: Quirks) -> int:
        offset, limit = _whole(payload.get("Offset"), 0), _whole(payload.get("Limit"), 10)
        if offset == 0 < self._offset:
            self._passes += 1
        self._offset = offset
        return {"offset": offset // max(limit, 1), "request": number - 1, "pass": self._passes}[quirks.replica_by]


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default
