"""Serves the sandbox: a strict TCSS, STS and CVM metadata endpoint on a loopback address.

One thread with an event loop serves all connections; answers that wait (latency, a slow fault) do not block others.
"""

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import orjson

from connector.sandbox import control
from connector.sandbox.access import Window, authenticate
from connector.sandbox.backend import ACTIONS, Backend, ChurnCall, invalid_action
from connector.sandbox.faults import WIRE, Fault
from connector.sandbox.identity import (
    DEFAULT_ACCOUNT,
    DEFAULT_ID,
    DEFAULT_KEY,
    METADATA_PATH,
    Account,
    Accounts,
    Caller,
    metadata,
)
from connector.sandbox.messages import MalformedError, Reply, Request, read_request, reply_bytes
from connector.sandbox.parameters import ApiError
from connector.sandbox.quirks import Quirks
from connector.sandbox.state import Fleet


class Sandbox:
    """Runs a server for as long as the `with` block lasts; `url` is its endpoint.

    Args:
        fleet: the images of the first account, whose key is secret_id and secret_key and whose UIN is account_id.
        rate: the requests in any second for each action and secret id; None for any number.
        latency: seconds that each answer takes.
        quirks, faults, churn: see the classes; `churn` may be any callable that takes the fleet and the number of
            a request of DescribeAssetImageList, and is called after that request. `detail_churn`: the same after each
            answer to a list of details, with the number of such requests.
        accounts: further accounts with keys and fleets of their own.
        clock: Unix seconds, for timestamps, tokens, the Date header and the rate.
        host, port: where the server listens; port 0 takes a free port.

    Between requests a caller may change the fleets directly; while requests are under way, through `change`.
    """

    def __init__(
        self,
        fleet: Fleet,
        *,
        secret_id: str = DEFAULT_ID,
        secret_key: str = DEFAULT_KEY,
        account_id: str = DEFAULT_ACCOUNT,
        accounts: Iterable[Account] = (),
        rate: int | None = 20,
        latency: float = 0.0,
        quirks: Quirks | None = None,
        faults: Iterable[Fault] = (),
        churn: ChurnCall | None = None,
        detail_churn: ChurnCall | None = None,
        clock: Callable[[], float] = time.time,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.fleet = fleet
        served = [Account(fleet, secret_id, secret_key, account_id), *accounts]
        self.accounts = Accounts(served)
        self.backend = Backend(quirks, faults, churn, detail_churn=detail_churn)
        for account in served:
            self.backend.prepare(account.fleet)
        self.arrived = Counter[str]()
        self._address = (host, port)
        self._rate, self._latency, self._clock = rate, latency, clock
        self._window = Window(rate, clock)
        self._spans: dict[str, tuple[float, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="tcss-sandbox", daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`."""
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        """`127.0.0.1:<port>`, the value of the Host header."""
        return f"{self._address[0]}:{self._address[1]}"

    @property
    def requests(self) -> int:
        """The number of requests to the API that have arrived, refused requests included."""
        return self.arrived["requests"]

    @property
    def refused(self) -> int:
        """The number of requests over the rate limit."""
        return self.arrived["refused"]

    def stats(self) -> dict[str, Any]:
        """Return counters: requests, refused, actions (requests that were let in), errors (by code), faults (by name),
        images; and the span of each action: the Unix seconds of the first and last request that were let in."""
        backend = self.backend
        with backend.lock:
            return {
                "requests": self.requests,
                "refused": self.refused,
                "actions": dict(backend.numbers),
                "errors": dict(backend.errors),
                "faults": dict(backend.fired),
                "images": len(self.fleet),
                "spans": dict(self._spans),
            }

    def account(self, account_id: str | None = None) -> Account:
        """Return the account with this UIN, the first account for None. ValueError if there is no such account."""
        account = self.accounts.first if account_id is None else self.accounts.account(account_id)
        if account is None:
            raise ValueError(f"there is no account {account_id}")
        return account

    def change(self, changes: Mapping[str, Any], account_id: str | None = None) -> dict[str, list[str]]:
        """Change a fleet between two requests, such as `change({"rescan": 3})`; see `Fleet.apply`."""
        with self.backend.lock:
            return self.account(account_id).fleet.apply(changes)

    def reset(self) -> None:
        """Set the counters to zero (for faults and the rate limit too); the fleets stay as they are."""
        with self.backend.lock:
            self.backend.reset()
            self.arrived.clear()
            self._spans.clear()
            self._window = Window(self._rate, self._clock)

    def limit(self, rate: int | None) -> None:
        """Let in so many requests per second and action from now on; None: any number."""
        self._window.rate = rate

    def __enter__(self) -> "Sandbox":
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._failure is None:
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    # Serving

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, *self._address)
        self._address = server.sockets[0].getsockname()[:2]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (for the type checker: a coroutine that runs has a task)
        self._tasks.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: requests and replies in turn, until one side closes the connection."""
        peer = writer.get_extra_info("peername")[0]
        while True:
            try:
                request = await read_request(reader, peer)
            except MalformedError as error:
                writer.write(reply_bytes(Reply(str(error).encode(), 400, "text/plain"), self._clock(), closing=True))
                return
            if request is None:
                return
            reply = self.reply(request)
            if reply.delay:
                await asyncio.sleep(reply.delay)
            if reply.drop:
                writer.transport.abort()
                return
            writer.write(reply_bytes(reply, self._clock(), closing=not request.keeps_open))
            await writer.drain()
            if reply.cut or not request.keeps_open:
                return

    # Answering

    def reply(self, request: Request) -> Reply:
        """Return the reply to a request, by its path: the control API, the metadata, or the API itself."""
        path = request.target.partition("?")[0]
        if path.startswith(control.PREFIX):
            return control.reply(self, request)
        if path.startswith(METADATA_PATH.rstrip("/")) and request.method == "GET":
            found = metadata(path, self.accounts, self._clock())
            if isinstance(found, str):
                return Reply(found.encode(), content_type="text/plain")
            return Reply(status=404) if found is None else Reply(orjson.dumps(found))
        if path != "/":
            return Reply(b"Not Found", 404, "text/plain")
        return self._api_reply(request)

    def _api_reply(self, request: Request) -> Reply:
        self.arrived["requests"] += 1
        wire: tuple[Fault, ...] = ()
        try:
            outcome = self.backend.answer(*self._admitted(request))
            content, wire = outcome.content, outcome.wire
        except ApiError as error:
            content = self.backend.refusal(error)
        reply = Reply(orjson.dumps({"Response": content}))
        for fault in wire:
            reply = WIRE[fault.name](reply, fault.value)
        return replace(reply, delay=reply.delay + self._latency) if self._latency else reply

    def _admitted(self, request: Request) -> tuple[str, dict[str, Any], Caller]:
        """Return the action, the payload and the caller of a request that may be answered; else raise ApiError."""
        if request.method != "POST" or not request.headers.get("content-type", "").startswith("application/json"):
            raise ApiError("UnsupportedProtocol", "Only POST with the content type application/json is supported.")
        name = request.headers.get("x-tc-action")
        if name is None:
            raise ApiError("MissingParameter", "The request is missing a required parameter `Action`.")
        action = ACTIONS.get(name)
        if action is None:
            raise invalid_action(name)
        if request.headers.get("x-tc-version") != action.version:
            raise ApiError("NoSuchVersion", f"The version of {name} is {action.version}.")
        now = self._clock()
        key = authenticate(request, self.accounts, service=action.service, now=now) if action.signed else None
        try:
            self._window.admit((name, key.secret_id if key else request.peer))
        except ApiError:
            self.arrived["refused"] += 1
            raise
        self._spans[name] = (self._spans.get(name, (now, now))[0], now)
        return name, _payload(request.body), Caller(key, self.accounts, now)


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError("InvalidParameter.ParsingError", f"The body is not JSON: {error}.") from error
    if not isinstance(payload, dict):
        raise ApiError("InvalidParameter.ParsingError", "The body is not a JSON object.")
    return payload


def serve(fleet: Fleet, *, announce: Callable[[str], None], **options: Any) -> None:
    """Serve until Ctrl-C or SIGTERM. `announce` gets the URL once the server is ready. Only for a main thread.

    The options are those of `Sandbox`. The former signal handlers are restored.
    """
    told: SimpleQueue[int] = SimpleQueue()  # an Event could not be set by a handler that interrupts its wait
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, lambda number, _: told.put(number)) for number in numbers}
    try:
        with Sandbox(fleet, **options) as sandbox:
            announce(sandbox.url)
            told.get()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
