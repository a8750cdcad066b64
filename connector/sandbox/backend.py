"""Answers behind the sockets: actions by name, faults and changes by request number, counters.

`LocalServer` gives the same answers without a socket, for property tests.
"""

import itertools
import json
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from connector.sandbox import identity
from connector.sandbox.actions import LIST_ACTION, describe_asset_image_list
from connector.sandbox.detail.actions import DETAIL_ACTIONS
from connector.sandbox.detail.counting import recounted
from connector.sandbox.detail.lists import Ask, Desk, answer, longer
from connector.sandbox.faults import PAGES, Churn, Content, Fault, Page, error
from connector.sandbox.identity import Account, Accounts, Caller, Key
from connector.sandbox.parameters import ApiError
from connector.sandbox.quirks import Quirks
from connector.sandbox.replicas import Balancer, Replica
from connector.sandbox.state import Fleet

ChurnCall = Callable[[Fleet, int], None]
More = Callable[[int], list[Any]]
Handler = Callable[[Caller, Mapping[str, Any]], Content]

# How many requests are remembered.
LOG_LENGTH = 10_000


@dataclass(frozen=True)
class Action:
    """Describes an action: product and version. `run` is None for the lists, which the backend answers itself."""

    service: str
    version: str
    run: Handler | None = None
    signed: bool = True


ACTIONS: Mapping[str, Action] = {
    **dict.fromkeys((LIST_ACTION, *DETAIL_ACTIONS), Action("tcss", "2020-11-01")),
    "DescribePurchaseStateInfo": Action("tcss", "2020-11-01", identity.describe_purchase_state_info),
    "GetCallerIdentity": Action("sts", "2018-08-13", identity.get_caller_identity),
    "AssumeRole": Action("sts", "2018-08-13", identity.assume_role),
    "AssumeRoleWithWebIdentity": Action("sts", "2018-08-13", identity.assume_role_with_web_identity, signed=False),
}


@dataclass(frozen=True)
class Outcome:
    """Holds the content of `Response` (a result or an Error), and the faults of its transmission."""

    content: Content
    wire: tuple[Fault, ...] = ()


class Backend:
    """Answers requests whose sender is known, one at a time.

    `numbers` counts the requests of each action, `errors` the error codes, `fired` the faults (by name), and `log`
    holds the last requests as (action, payload). `lock` is held while a request is answered. While `replaying`, the
    list repeats its kept answers (see `Quirks.cache`), RequestId included; a payload without a kept answer gets a new
    answer.
    """

    def __init__(
        self,
        quirks: Quirks | None = None,
        faults: Iterable[Fault] = (),
        churn: ChurnCall | None = None,
        request_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        *,
        detail_churn: ChurnCall | None = None,
    ) -> None:
        permuted = isinstance(churn, Churn) and churn.permute_ties
        quirks = quirks or Quirks()
        self.quirks = replace(quirks, ties="permuted") if permuted else quirks
        self.faults = tuple(faults)
        self.churn, self.detail_churn = churn, detail_churn
        self._desks: dict[str, Desk] = {}
        self.replaying = False
        self.lock = threading.RLock()
        self._request_id = request_id
        self._answers: dict[tuple[str, str], Content] = {}
        self.reset()

    def reset(self) -> None:
        """Set the counters to zero; the fleets and the kept answers stay."""
        self.numbers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()
        self.log: deque[tuple[str, Mapping[str, Any]]] = deque(maxlen=LOG_LENGTH)
        self._times: Counter[int] = Counter()
        self._previous: dict[tuple[str, str], Content] = {}
        self._balancers: dict[str, Balancer] = {}

    def prepare(self, fleet: Fleet) -> None:
        """Prepare a fleet for being served: replicas that lag need the fleet's former states from now on."""
        if self.quirks.lags:
            fleet.remember(max(self.quirks.lags))
        if self.quirks.late_requests or self.quirks.late_seconds:
            _ = fleet.details  # details keep their history from the first use on

    def payloads(self, action: str = LIST_ACTION) -> list[Mapping[str, Any]]:
        """Return the remembered payloads of one action, oldest first."""
        return [payload for name, payload in self.log if name == action]

    def answer(self, action: str, payload: Mapping[str, Any], caller: Caller) -> Outcome:
        """Run an action of ACTIONS for a caller, and return its result or its error."""
        with self.lock:
            self.numbers[action] += 1
            number = self.numbers[action]
            self.log.append((action, payload))
            due = self._due(action, number)
            try:
                content = self._identified(self._run(action, payload, caller, due))
                outcome = Outcome(content, self._on_the_way(due))
            except ApiError as error:
                outcome = Outcome(self.refusal(error), self._on_the_way(due))
            if action == LIST_ACTION and self.churn is not None:
                self.churn(caller.account.fleet, number)
            if action in DETAIL_ACTIONS and self.detail_churn is not None:
                self.detail_churn(caller.account.fleet, sum(self.numbers[name] for name in DETAIL_ACTIONS))
            return outcome

    def refusal(self, error: ApiError) -> Content:
        """Return the content of an answer with an error, and count the error."""
        self.errors[error.code] += 1
        return self._identified({"Error": {"Code": error.code, "Message": error.message}})

    def _run(self, action: str, payload: Mapping[str, Any], caller: Caller, due: list[int]) -> Content:
        for index in due:
            fault, limit = self.faults[index], payload.get("Limit", 10)
            try:
                fault.check(limit if isinstance(limit, int) else 0)
            except ApiError:
                self._fire(index)
                raise
        if action in self.quirks.refused:
            raise ApiError(self.quirks.refused[action], error("unauthorized", action).message)
        if action in DETAIL_ACTIONS:
            return self._details(action, payload, caller.account, due)
        run = ACTIONS[action].run
        return run(caller, payload) if run else self._list(caller.account, payload, due)

    def _details(self, action: str, payload: Mapping[str, Any], account: Account, due: list[int]) -> Content:
        """Return the answer of a list of details, after the faults that are due."""
        fleet = account.fleet
        desk = self._desks.setdefault(account.account_id, Desk(fleet.details, fleet.random))
        known, ask = DETAIL_ACTIONS[action], Ask(desk, payload, self.quirks, self.numbers[action])
        content = answer(known, ask)
        return self._worse(content, (account.account_id, action), due, partial(longer, known, ask))

    def _list(self, account: Account, payload: Mapping[str, Any], due: list[int]) -> Content:
        """Return the answer of the list; a repeated answer keeps its RequestId."""
        if not (self.quirks.cache or self.replaying or (self.faults and self._may_replay())):
            return self._page(account, payload, due)
        key = (account.account_id, json.dumps(payload, sort_keys=True, default=repr))
        replayed = [index for index in due if self.faults[index].name == "replayed"]
        old = self._answers.get(key)
        if old is not None and (self.replaying or replayed):
            for index in replayed:
                self._fire(index)
            return dict(old)
        content = self._identified(self._page(account, payload, due))
        self._answers[key] = dict(content)
        return content

    def _may_replay(self) -> bool:
        return any(fault.name == "replayed" for fault in self.faults)

    def _page(self, account: Account, payload: Mapping[str, Any], due: list[int]) -> Content:
        """Return a new answer of the list, after the faults that are due."""
        quirks = self._silenced(due) if due else self.quirks
        if quirks.listed_twice:
            account.fleet.list_twice(quirks.listed_twice)
        balanced = quirks.replicas or quirks.lags
        listed, missing = self._replica(account, payload) if balanced else (account.fleet, frozenset())
        content = describe_asset_image_list(listed, payload, quirks, missing)
        if quirks.vul_cnt != "rows":
            content = {**content, "List": recounted(account.fleet.details, content["List"], quirks)}

        def more(count: int) -> list[Any]:
            limit = payload.get("Limit", 10) + count
            wider = replace(quirks, max_limit=limit, page_cap=None)
            return describe_asset_image_list(listed, {**payload, "Limit": limit}, wider, missing)["List"] or []

        return self._worse(content, (account.account_id, LIST_ACTION), due, more)

    def _worse(self, content: Content, name: tuple[str, str], due: list[int], more: More) -> Content:
        """Return an answer of a list (of an account and an action) after the faults of its page."""
        previous = self._previous.get(name)
        self._previous[name] = content
        for index in due:
            fault = self.faults[index]
            if fault.name in PAGES:
                self._fire(index)
                content = PAGES[fault.name](Page(content, previous, fault.value, more))
        return content

    def _silenced(self, due: list[int]) -> Quirks:
        """Return the quirks with those shards down that are silent for this request."""
        silent = [index for index in due if self.faults[index].name == "silent_shard"]
        if not silent or not self.quirks.shards:
            return self.quirks
        for index in silent:
            self._fire(index)
        down = {int(self.faults[index].value or 0) for index in silent}
        return replace(self.quirks, down_shards=self.quirks.down_shards | down)

    def _replica(self, account: Account, payload: Mapping[str, Any]) -> Replica:
        balancer = self._balancers.setdefault(account.account_id, Balancer())
        return balancer.choose(account.fleet, payload, self.numbers[LIST_ACTION], self.quirks)

    def _identified(self, content: Content) -> Content:
        """Return the content with its RequestId; with a new RequestId, if the content has none."""
        if "RequestId" in content or self.quirks.request_ids == "none":
            return content
        return {**content, "RequestId": self._request_id()}

    def _due(self, action: str, number: int) -> list[int]:
        """Return the indexes of the faults that are meant for a request and not used up."""
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
    """Answers for one account in this process: the HTTP server's code without HTTP, signatures and rate limit.

    Raises:
        ValueError: a fault needs a socket.
    """

    def __init__(
        self,
        fleet: Fleet,
        quirks: Quirks | None = None,
        faults: Iterable[Fault] = (),
        churn: ChurnCall | None = None,
        *,
        account: Account | None = None,
        detail_churn: ChurnCall | None = None,
    ) -> None:
        self.fleet = fleet
        ids = itertools.count(1)
        self.backend = Backend(quirks, faults, churn, lambda: f"local-{next(ids)}", detail_churn=detail_churn)
        self.backend.prepare(fleet)
        needy = [fault.name for fault in self.backend.faults if fault.layer == "wire"]
        if needy:
            raise ValueError(f"these faults need a socket: {', '.join(needy)}")
        account = account or Account(fleet)
        key = Key(account, account.secret_id, account.secret_key)
        self._caller = Caller(key, Accounts([account]), fleet.now / 1e6)

    @property
    def requests(self) -> int:
        """The number of calls."""
        return self.backend.numbers.total()

    @property
    def payloads(self) -> list[Mapping[str, Any]]:
        """The payloads of the last 10,000 calls of DescribeAssetImageList, oldest first."""
        return self.backend.payloads()

    def call(self, action: str, payload: Mapping[str, Any]) -> Content:
        """Return the content of `Response`, its RequestId included.

        Raises:
            ApiError: the answer is an error.
        """
        if action not in ACTIONS:
            raise invalid_action(action)
        content = self.backend.answer(action, payload, self._caller).content
        if "Error" in content:
            raise ApiError(content["Error"]["Code"], content["Error"]["Message"])
        return content


def invalid_action(action: str) -> ApiError:
    """Return the error for an action that this server does not have."""
    return ApiError("InvalidAction", f"The action `{action}` does not exist in this version of the API.")
