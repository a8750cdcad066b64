"""Serves the sandbox's own API for other processes, below `/-/`: unsigned, only for callers on loopback addresses, and
not for pages in a browser on this machine.

    GET  /-/stats            counters (`Sandbox.stats`)
    POST /-/change           {"rescan": 200, "insert": 60, "delete": ["sha256:..."]} -> the ids that changed, by change
    GET  /-/truth            the items listed now, one JSON object per line
    GET  /-/mark             {"mark": 17}: a point in the fleet's history
    GET  /-/listed?mark=17   {"throughout": [ids], "since": [ids]}: ids listed all the time since, and at any time since
    POST /-/reset            sets the counters to zero
    POST /-/limit            {"rate": 10}: from now on, the requests per second and action; null: any number

All paths but stats, reset and limit take `?account=<UIN>`; without `account` they mean the first account.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from connector.sandbox.messages import Reply, Request
from connector.sandbox.state import Fleet

if TYPE_CHECKING:
    from connector.sandbox.server import Sandbox

PREFIX = "/-/"


@dataclass(frozen=True)
class Call:
    """Holds a parsed request to the control API."""

    sandbox: "Sandbox"
    options: Mapping[str, str]
    body: bytes

    @property
    def fleet(self) -> Fleet:
        """The fleet of the account in the request. ValueError if there is no such account."""
        return self.sandbox.account(self.options.get("account")).fleet


def reply(sandbox: "Sandbox", request: Request) -> Reply:
    """Return the reply to a request below PREFIX: 400 if bad, 403 for a caller from elsewhere, 404 for another path."""
    if not _is_loopback(request.peer):
        return _text(403, "only for callers on this machine")
    if _is_a_pages(request):
        return _text(403, "not for pages in a browser")
    path, _, query = request.target.partition("?")
    route = ROUTES.get((request.method, path.removeprefix(PREFIX)))
    if route is None:
        return _text(404, "no such path")
    try:
        with sandbox.backend.lock:
            return route(Call(sandbox, dict(parse_qsl(query)), request.body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _text(400, f"{type(error).__name__}: {error}")


def _is_a_pages(request: Request) -> bool:
    """Whether a browser sends the request for a page: it has an Origin, or its Host is not a name of this machine."""
    headers = request.headers
    return (
        not _is_loopback(_name_of(headers.get("host", "localhost")))
        or "origin" in headers
        or headers.get("sec-fetch-site", "none") != "none"
    )


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _stats(call: Call) -> Reply:
    return _json(call.sandbox.stats())


def _change(call: Call) -> Reply:
    return _json(call.fleet.apply(orjson.loads(call.body)))


def _truth(call: Call) -> Reply:
    lines = [orjson.dumps(item) + b"\n" for item in call.fleet.truth().values()]
    return Reply(b"".join(lines), content_type="application/x-ndjson")


def _mark(call: Call) -> Reply:
    return _json({"mark": call.fleet.mark()})


def _listed(call: Call) -> Reply:
    mark = int(call.options["mark"])
    throughout, since = call.fleet.listed_throughout(mark), call.fleet.listed_since(mark)
    return _json({"throughout": sorted(throughout), "since": sorted(since)})


def _reset(call: Call) -> Reply:
    call.sandbox.reset()
    return _json({})


def _limit(call: Call) -> Reply:
    rate = orjson.loads(call.body)["rate"]
    call.sandbox.limit(None if rate is None else int(rate))
    return _json({})


ROUTES: Mapping[tuple[str, str], Callable[[Call], Reply]] = {
    ("GET", "stats"): _stats,
    ("POST", "change"): _change,
    ("GET", "truth"): _truth,
    ("GET", "mark"): _mark,
    ("GET", "listed"): _listed,
    ("POST", "reset"): _reset,
    ("POST", "limit"): _limit,
}


def _json(value: Any) -> Reply:
    return Reply(orjson.dumps(value))


def _text(status: int, text: str) -> Reply:
    return Reply(text.encode(), status, "text/plain")
