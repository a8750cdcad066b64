"""Gives tests a scripted server, a clock, and clients of that server under that clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.api.client import Client, Limits
from connector.api.client import Clock as Time
from connector.api.endpoints import Endpoints
from tests.api.scripted import KEYS, Clock, Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(server: Server, clock: Clock) -> Iterator[Callable[..., Client]]:
    """Return a function that makes clients of the server, under the clock; further options are those of `Limits`."""
    made: list[Client] = []

    def make(credentials: Any = KEYS, **options: Any) -> Client:
        endpoint = options.pop("endpoint", f"http://{server.host}")
        language = options.pop("language", "en-US")
        time = options.pop("clock", Time(clock, clock.now, clock.sleep))
        limits = Limits(**options)
        made.append(
            Client(credentials, endpoints=Endpoints(endpoint=endpoint), language=language, limits=limits, clock=time)
        )
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make: Callable[..., Client]) -> Client:
    return make()
