"""Answers for lists of details: checks parameters as documented, filters, sorts, and makes a page. Each list is an
`Action`.

`Quirks` decides what the documentation leaves open. An entry becomes a row only when a page shows the entry.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from connector.sandbox.detail.account import Account
from connector.sandbox.detail.places import Places
from connector.sandbox.detail.state import Details
from connector.sandbox.images import Item
from connector.sandbox.parameters import ApiError, bad_value, check_types, require, wrong_type
from connector.sandbox.quirks import Quirks

if TYPE_CHECKING:
    from random import Random

PARAMETERS: Mapping[str, type] = {"Limit": int, "Offset": int, "Filters": list}
SORTING: Mapping[str, type] = {"By": str, "Order": str}
FILTER_KEYS: Mapping[str, type] = {"Name": str, "Values": list, "ExactMatch": bool}

# The most filtered lists of an account that are kept.
MOST_VIEWS = 64
DIRECTIONS = {"+": False, "asc": False, "-": True, "desc": True}


class Desk:
    """Holds the sources of all answers for one fleet; each source is made when it is first asked for."""

    def __init__(self, details: Details, random: "Random") -> None:
        self.details = details
        self.random = random
        self.account = Account(details)
        self.places = Places(details)
        self.views: dict[tuple[int, str], tuple[tuple[int, int], Quirks, list[Any]]] = {}


@dataclass(frozen=True)
class Ask:
    """Holds one request for a list: the payload, and `number`, the count of requests for this action."""

    desk: Desk
    payload: Mapping[str, Any]
    quirks: Quirks
    number: int = 1

    def image(self) -> Item | None:
        """Return the image of the request; None where a missing image has an empty list.

        Raises:
            ApiError: there is no such image.
        """
        fleet, image_id = self.desk.details.fleet, self.payload["ImageID"]
        if image_id in fleet:
            return fleet[image_id]
        if self.quirks.unknown_ids == "error":
            raise ApiError("ResourceNotFound", "The image is not found.")
        return None


Value = Callable[[Ask, Any], Any]
Passes = Callable[[Ask, Any], bool]


@dataclass(frozen=True)
class Filter:
    """Describes a filter: an entry's values (one text or several), and the words that a request may ask for.

    words: words of the request -> the entry's value; empty where any text is allowed. whole: the whole text must match.
    """

    value: Value
    words: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True)
class Action:
    """Describes a list: its entries in their default order, the row of an entry, filters and orders by name.

    about: the parameter that the request must have. beside: the fields beside List. sorts: values of By; None where
    the action has no By. needs_licence: without a licence the list is empty.
    """

    entries: Callable[[Ask], Sequence[Any]]
    row: Callable[[Ask, Any], Item]
    filters: Mapping[str, Filter]
    sorts: Mapping[str, Value] | None
    about: str | None = None
    beside: Callable[[Ask], Item] = lambda _: {}
    needs_licence: bool = True


def answer(action: Action, ask: Ask) -> dict[str, Any]:
    """Return the content of `Response` without its RequestId.

    Raises:
        ApiError: a parameter is missing, unknown, of the wrong type or out of its range; or the page is too large.
    """
    quirks, payload = ask.quirks, ask.payload
    limit, offset = _checked(action, payload, quirks)
    wanted = [_wanted(action, raw, place, quirks) for place, raw in enumerate(payload.get("Filters", ()))]
    order = _order(action, payload, quirks)
    kept = _kept(action, ask, wanted)
    shown = _sorted(ask, kept, order)[offset : offset + limit]
    if quirks.detail_most_rows is not None and len(shown) > quirks.detail_most_rows:
        raise ApiError("ResponseSizeLimitExceeded", "The size of the response exceeds the limit.")
    rows = [{**action.row(ask, entry), **quirks.detail_extra_fields} for entry in shown]
    total = len(kept) + (quirks.total_moves if ask.number % 2 == 0 else 0)
    empty: list[Item] | None = None if quirks.empty_list == "null" else []
    return {"List": rows or empty, "TotalCount": _written(total, quirks), **action.beside(ask)}


def _kept(action: Action, ask: Ask, wanted: list[Passes]) -> list[Any]:
    """Return the entries that pass all filters. Those of the account's lists are kept until the fleet changes."""
    details, quirks = ask.desk.details, ask.quirks
    name = (id(action), repr(ask.payload.get("Filters")))
    state = (details.fleet.revision, details.revised.total())
    before = ask.desk.views.get(name)
    if action.about is None and before is not None and before[0] == state and before[1] is quirks:
        return before[2]
    entries = action.entries(ask) if quirks.licensed or not action.needs_licence else ()
    kept = [entry for entry in entries if all(passes(ask, entry) for passes in wanted)]
    if action.about is None:
        if len(ask.desk.views) > MOST_VIEWS:
            ask.desk.views.clear()
        ask.desk.views[name] = (state, quirks, kept)
    return kept


def longer(action: Action, ask: Ask, count: int) -> list[Item]:
    """Return the rows of a page with so many more rows than Limit."""
    limit = ask.payload.get("Limit", 10) + count
    wider = replace(ask, payload={**ask.payload, "Limit": limit}, quirks=replace(ask.quirks, max_limit=limit))
    return answer(action, wider)["List"] or []


def _checked(action: Action, payload: Mapping[str, Any], quirks: Quirks) -> tuple[int, int]:
    """Return Limit and Offset as the server takes them."""
    about = {action.about: str} if action.about else {}
    check_types(payload, {**PARAMETERS, **(SORTING if action.sorts is not None else {}), **about})
    require(payload, about)
    if action.about and not payload[action.about]:
        raise ApiError("InvalidParameter.MissingParameter", f"The parameter `{action.about}` is empty.")
    limit, offset = payload.get("Limit", 10), payload.get("Offset", 0)
    if limit > quirks.max_limit and quirks.limit_over_max == "error":
        raise ApiError("InvalidParameterValue.DataRange", f"Limit must be in the range [0, {quirks.max_limit}].")
    if quirks.max_offset is not None and offset > quirks.max_offset:
        raise ApiError("InvalidParameterValue.DataRange", f"Offset must be in the range [0, {quirks.max_offset}].")
    return min(limit, quirks.max_limit, quirks.page_cap or limit), offset


def _order(action: Action, payload: Mapping[str, Any], quirks: Quirks) -> tuple[Value | None, bool]:
    """Return the value to sort the list by, and whether the order is descending."""
    by, order = payload.get("By"), payload.get("Order", "asc")
    if order.lower() not in DIRECTIONS:
        raise bad_value("Order", order)
    value = (action.sorts or {}).get(by or "")
    if by and value is None and quirks.unknown_by == "reject":
        raise bad_value("By", by)
    return value, DIRECTIONS[order.lower()]


def _wanted(action: Action, raw: object, place: int, quirks: Quirks) -> Passes:
    """Return the predicate of the element of Filters at `place`: any of its values."""
    where = f"Filters.{place}"
    if not isinstance(raw, dict):
        raise wrong_type(where)
    check_types(raw, FILTER_KEYS, f"{where}.")
    require(raw, ("Name", "Values"), f"{where}.")
    if not all(type(value) is str for value in raw["Values"]):
        raise wrong_type(f"{where}.Values")
    known = action.filters.get(raw["Name"])
    if known is None:
        raise bad_value(f"{where}.Name", raw["Name"])
    unknown = [value for value in raw["Values"] if known.words and value not in known.words]
    if unknown:
        raise bad_value(f"{where}.Values", unknown[0])
    values = {known.words.get(value, value) for value in raw["Values"]}
    exact = raw.get("ExactMatch")
    whole = bool(known.words) or (known.whole if exact is None else exact is (quirks.exact_match == "exact"))
    return lambda ask, entry: _matches(known.value(ask, entry), values, whole)


def _matches(has: Any, values: Collection[str], whole: bool) -> bool:
    texts = (has,) if isinstance(has, str) else has
    if whole:
        return any(text in values for text in texts)
    return any(value in text for value in values for text in texts)


def _sorted(ask: Ask, entries: list[Any], order: tuple[Value | None, bool]) -> list[Any]:
    """Sort entries. Equal entries keep their order, or get a new order every time; descending also reverses ties."""
    value, descending = order
    if value is None:
        if ask.quirks.default_order == "shuffled":
            return ask.desk.random.sample(entries, len(entries))
        return entries
    keys = [value(ask, entry) for entry in entries]
    places = sorted(range(len(entries)), key=keys.__getitem__)
    if ask.quirks.detail_ties == "permuted":
        ties = [list(group) for _, group in groupby(places, keys.__getitem__)]
        places = [place for tie in ties for place in ask.desk.random.sample(tie, len(tie))]
    return [entries[place] for place in (reversed(places) if descending else places)]


def _written(total: int, quirks: Quirks) -> int | float | str:
    number = max(total, 0)
    if quirks.total_as == "integer":
        return number
    return str(number) if quirks.total_as == "text" else float(number)
