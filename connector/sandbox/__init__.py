"""Serves an invented TCSS endpoint on a loopback address, for demos, notebooks, benchmarks and tests.

A `Fleet` holds one account's images and changes them. A `Sandbox` serves fleets over HTTP as the API would, and a
`LocalServer` serves one fleet without a socket. `Quirks` decides what the documentation leaves open, a `Fault` makes
a chosen request go wrong, and a `Churn` changes the fleet between requests.
"""

from connector.sandbox.backend import LocalServer
from connector.sandbox.detail.state import DETAIL_CHANGES
from connector.sandbox.faults import FAULTS, Churn, Fault
from connector.sandbox.filters import shard_of
from connector.sandbox.identity import Account
from connector.sandbox.images import Mix
from connector.sandbox.parameters import ApiError
from connector.sandbox.quirks import Quirks
from connector.sandbox.server import Sandbox, serve
from connector.sandbox.state import CHANGES, Fleet, wall_clock

__all__ = [
    "CHANGES",
    "DETAIL_CHANGES",
    "FAULTS",
    "Account",
    "ApiError",
    "Churn",
    "Fault",
    "Fleet",
    "LocalServer",
    "Mix",
    "Quirks",
    "Sandbox",
    "serve",
    "shard_of",
    "wall_clock",
]
