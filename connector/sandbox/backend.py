"""What stands behind the sockets: actions by name, faults and changes by request number, counters.

`LocalServer` is the same without any socket: what property tests call.
"""

import itertools
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from connector.sandbox import identity
from connector.sandbox.actions import LIST_ACTION, describe_asset_image_list
from connector.sandbox.faults import PAGES, Churn, Content, Fault, Page
from connector.sandbox.identity import Account, Accounts, Caller, Key
from connector.sandbox.parameters import ApiError
from connector.sandbox.quirks import Quirks
from connector.sandbox.state import Fleet

ChurnCall = Callable[[Fleet, int], None]
Handler = Callable[[Caller, Mapping[str, Any]], Content]

# How many requests are remembered.
LOG_LENGTH = 10_000


@dataclass(frozen=True)
class Action:
    """An action: its product and version; `run` is None for the list, which the backend answers itself."""

    service: str
    version: str
    run: Handler | None = None
    signed: bool = True


ACTIONS: Mapping[str, Action] = {
    LIST_ACTION: Action("tcss", "2020-11-01"),
    "DescribePurchaseStateInfo": Action("tcss", "2020-11-01", identity.describe_purchase_state_info),
    "GetCallerIdentity": Action("sts", "2018-08-13", identity.get_caller_identity),
    "AssumeRole": Action("sts", "2018-08-13", identity.assume_role),
    "AssumeRoleWithWebIdentity": Action("sts", "2018-08-13", identity.assume_role_with_web_identity, signed=False),
}


@dataclass(frozen=True)
class Outcome:
    """The content of `Response` without its RequestId (a result or an Error), and the faults for the way back."""

    content: Content
    wire: tuple[Fault, ...] = ()


class Backend:
    """Answers requests whose sender is known, one at a time.

    `numbers` counts the requests of each action, `errors` the error codes, `fired` the faults (by name), and `log`
    holds the last requests as (action, payload). `lock` is held while a request is answered.
    """

    def __init__(
        self,
        quirks: Quirks | None = None,
        faults: Iterable[Fault] = (),
        churn: ChurnCall | None = None,
    ) -> None:
        permuted = isinstance(churn, Churn) and churn.permute_ties
        quirks = quirks or Quirks()
        self.quirks = replace(quirks, ties="permuted") if permuted else quirks
        self.faults = tuple(faults)
        self.churn = churn
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Starts counting anew; the fleets stay as they are."""
        self.numbers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.log: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=LOG_LENGTH)
        self._times: Counter[int] = Counter()
        self._previous: dict[str, Content] = {}

    def payloads(self, action: str = LIST_ACTION) -> list[Mapping[str, Any]]:
        """The remembered payloads of one action, oldest first."""
        return [payload for name, payload in self.log if name == action]

    def answer(self, action: str, payload: Mapping[str, Any], caller: Caller) -> Outcome:
        """Runs an action of ACTIONS for a caller: its result, or its error as an Outcome."""
        with self.lock:
            self.numbers[action] += 1
            number = self.numbers[action]
            self.log.append((action, payload))
            due = self._due(action, number)
            try:
                outcome = Outcome(self._run(action, payload, caller, due), self._on_the_way(due))
            except ApiError as error:
                outcome = Outcome(self.refusal(error), self._on_the_way(due))
            if action == LIST_ACTION and self.churn is not None:
                self.churn(caller.account.fleet, number)
            return outcome

    def refusal(self, error: ApiError) -> Content:
        """The content of an answer with an error, which is counted."""
        self.errors[error.code] += 1
        return {"Error": {"Code": error.code, "Message": error.message}}

    def _run(self, action: str, payload: Mapping[str, Any], caller: Caller, due: list[int]) -> Content:
        for index in due:
            fault, limit = self.faults[index], payload.get("Limit", 10)
            try:
                fault.check(limit if isinstance(limit, int) else 0)
            except ApiError:
                self._fire(index)
                raise
        run = ACTIONS[action].run
        return run(caller, payload) if run else self._list(caller.account, payload, due)

    def _list(self, account: Account, payload: Mapping[str, Any], due: list[int]) -> Content:
        if self.quirks.listed_twice:
            account.fleet.list_twice(self.quirks.listed_twice)
        right = content = describe_asset_image_list(account.fleet, payload, self.quirks)
        previous = self._previous.get(account.account_id)

        def more(count: int) -> list[Any]:
            limit = payload.get("Limit", 10) + count
            wider = replace(self.quirks, max_limit=limit, page_cap=None)
            return describe_asset_image_list(account.fleet, {**payload, "Limit": limit}, wider)["List"] or []

        for index in due:
            fault = self.faults[index]
            if fault.layer == "page":
                self._fire(index)
                content = PAGES[fault.name](Page(content, previous, fault.value, more))
        self._previous[account.account_id] = right
        return content

    def _due(self, action: str, number: int) -> list[int]:
        """The indexes of the faults that are meant for a request and not used up."""
        return [
            index
            for index, fault in enumerate(self.faults)
            if fault.hits(action, number) and (fault.times is None or self._times[index] < fault.times)
        ]

    def _on_the_way(self, due: list[int]) -> tuple[Fault, ...]:
        wire = [index for index in due if self.faults[index].layer == "wire"]
        for index in wire:
            self._fire(index)
        return tuple(self.faults[index] for index in wire)

    def _fire(self, index: int) -> None:
        self._times[index] += 1
        self.fired[self.faults[index].name] += 1


class LocalServer:
    """One account's API in this process: the code of the HTTP server without HTTP, signatures and rate limit.

    Raises:
        ValueError: a fault that needs a socket.
    """

    def __init__(
        self,
        fleet: Fleet,
        quirks: Quirks | None = None,
        faults: Iterable[Fault] = (),
        churn: ChurnCall | None = None,
        *,
        account: Account | None = None,
    ) -> None:
        self.fleet = fleet
        self.backend = Backend(quirks, faults, churn)
        needy = [fault.name for fault in self.backend.faults if fault.layer == "wire"]
        if needy:
            raise ValueError(f"these faults need a socket: {', '.join(needy)}")
        account = account or Account(fleet)
        key = Key(account, account.secret_id, account.secret_key)
        self._caller = Caller(key, Accounts([account]), fleet.now / 1e6)
        self._ids = itertools.count(1)

    @property
    def requests(self) -> int:
        """How many calls were made."""
        return self.backend.numbers.total()

    @property
    def payloads(self) -> list[Mapping[str, Any]]:
        """The payloads of the calls of DescribeAssetImageList, oldest first (the last 10,000)."""
        return self.backend.payloads()

    def call(self, action: str, payload: Mapping[str, Any]) -> Content:
        """The content of `Response`, its RequestId included.

        Raises:
            ApiError: the answer would be an error.
        """
        if action not in ACTIONS:
            raise invalid_action(action)
        content = self.backend.answer(action, payload, self._caller).content
        if "Error" in content:
            raise ApiError(content["Error"]["Code"], content["Error"]["Message"])
        return {**content, "RequestId": f"local-{next(self._ids)}"}


def invalid_action(action: str) -> ApiError:
    """The error for an action that this server does not have."""
    return ApiError("InvalidAction", f"The action `{action}` does not exist in this version of the API.")
