"""Runs `tcss sandbox`: serves an invented fleet, or changes the fleet of a sandbox that runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import typer

from connector.errors import ConfigurationError

_DIGITS = 9  # of a number of images
_TIMEOUT = 60  # seconds: a fleet of a million images takes a while to change


def serve(images: int, *, port: int, rate: int, latency: float, seed: int) -> None:
    """Serve until the sandbox is stopped, and print first how to reach it. `rate` 0 admits any number of requests.

    Raises ConfigurationError if the sandbox cannot listen on the port.
    """
    from connector.sandbox import Fleet, wall_clock
    from connector.sandbox import serve as serve_fleet
    from connector.sandbox.identity import DEFAULT_ID, DEFAULT_KEY

    def announce(url: str) -> None:
        typer.echo(f"export TENCENTCLOUD_SECRET_ID={DEFAULT_ID} TENCENTCLOUD_SECRET_KEY={DEFAULT_KEY}")
        typer.echo(f"export TCSS_ENDPOINT={url}")
        sys.stdout.flush()

    fleet = Fleet.seeded(images, seed=seed, clock=wall_clock)
    try:
        serve_fleet(fleet, announce=announce, port=port, rate=rate or None, latency=latency)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)  # asyncio's own text names the port again
        raise ConfigurationError(
            f"cannot listen on port {port}: {why}", hint="Name another port with --port, or 0 for any port."
        ) from None


def change(endpoint: str | None, given: Sequence[str], say: Callable[[str], None]) -> None:
    """Change the fleet of the sandbox at the endpoint, and print how many images each change affected.

    `given` are texts NAME=NUMBER. Raises ConfigurationError for other texts, or where no sandbox of this machine
    answers.
    """
    import requests

    from connector.settings import Settings

    changes = _changes(given)
    url = _sandbox(Settings.load(endpoint=endpoint).endpoint)
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy for requests to this machine
            answer = session.post(f"{url}/-/change", json=changes, timeout=_TIMEOUT)
            changed = answer.json() if answer.ok else None
    except (requests.RequestException, ValueError):
        changed, answer = None, None
    if answer is not None and answer.status_code == requests.codes.bad_request:
        raise ConfigurationError(
            f"the sandbox at {url} refuses the changes: {answer.text.removeprefix('ValueError: ')}",
            hint="docs/sandbox.md says what each change does.",
        )
    if not isinstance(changed, dict):
        raise ConfigurationError(f"no sandbox at {url} has made the changes", hint="Start one: `tcss sandbox`.")
    for name, ids in changed.items():
        say(f"{name}: {len(ids):,} images")


def _changes(given: Sequence[str]) -> dict[str, int]:
    changes: dict[str, int] = {}
    for text in given:
        name, _, number = text.partition("=")
        if not name or not number.isdecimal() or len(number) > _DIGITS:
            raise ConfigurationError(f"--change {text!r} is not NAME=NUMBER", hint="For example rescan=20.")
        changes[name] = changes.get(name, 0) + int(number)
    return changes


def _sandbox(endpoint: str | None) -> str:
    from connector.api.endpoints import is_loopback

    if endpoint is None:
        raise ConfigurationError(
            "no sandbox is named", hint="Set TCSS_ENDPOINT as the sandbox says when it starts, or give --endpoint."
        )
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:  # such as http://[::1
        host = ""
    if not is_loopback(host):
        raise ConfigurationError("the endpoint is no sandbox of this machine", hint="Start one: `tcss sandbox`.")
    return endpoint.rstrip("/")
