"""Finds out what the filters match, and how many of their values the API reads. The values are ids and words that the
list has shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector.listing.reasons import Cause
from connector.listing.survey.asking import Asking, Reply
from connector.listing.survey.findings import FEW_ROWS, Found, NoAnswerError, cannot_tell

BEGINNING, INSIDE = slice(0, 14), slice(14, 28)  # parts of an id; the first part includes `sha256:`
FEWER_VALUES = (1, 26, 50)  # numbers of values to try where the API refuses as many as a page has ids
# ScanStatus of an image -> word of the filter, the rarest first.
STATUS_WORDS = {"SCAN_ERR": "scanErr", "SCANNING": "scanning", "NOT_SCAN": "notScan", "SCANNED": "scanned"}


def image_id_filter(asking: Asking) -> Cause:
    """Tell which parts of an id find its image."""
    if _part_finds(asking, INSIDE):
        return Found.SUBSTRING.given()
    if _part_finds(asking, BEGINNING):
        return Found.PREFIX.given()
    known = filter_values(asking)
    if known.reason in (Found.FINDS_NOTHING, Found.REFUSED, Found.FAILED):
        return Found.FINDS_NOTHING.given()
    return Found.WHOLE_ID.given()


def exact_match(exact: bool, asking: Asking) -> Cause:
    """Whether the beginning of an id finds its image with ExactMatch."""
    found = _part_finds(asking, BEGINNING, ExactMatch=exact)
    return (Found.PART_FOUND if found else Found.PART_NOT_FOUND).given()


def filter_values(asking: Asking) -> Cause:
    """Count the values of a filter that are read: known ids, all of a page but one, so that an ignored filter shows."""
    asking.a_known_id()
    ids = list(dict.fromkeys(asking.plain().ids))
    known = ids[: max(1, len(ids) - 1)]
    try:
        return _read(asking, known, _filtered(asking, "ImageID", known))
    except NoAnswerError as error:
        if error.cause.reason not in (Found.REFUSED, Found.FAILED):
            raise
        return _fewer(asking, known, error.cause)


def status_filter(asking: Asking) -> Cause:
    """Whether the API obeys the ScanStatus filter, tested with several words if rows of several statuses were seen."""
    shown = [item.get("ScanStatus") for item in asking.rows.values()]
    statuses = [status for status in STATUS_WORDS if status in shown]
    if len(statuses) < 2:
        raise cannot_tell("images of two statuses are needed")
    wanted = statuses[: max(1, min(2, len(statuses) - 1))]
    reply = _filtered(asking, "ScanStatus", [STATUS_WORDS[status] for status in wanted])
    got = [item.get("ScanStatus") for item in reply.items]
    if any(status not in wanted for status in got):
        return Found.FILTER_IGNORED.given()
    found = [status in got for status in wanted]
    if any(found) and not all(found) and len(got) < (reply.total or 0):
        raise cannot_tell("the first rows have one status only")
    return _counted(found)


def _part_finds(asking: Asking, part: slice, **more: Any) -> bool:
    """Whether a part of an id finds its image. NoAnswerError where the filter finds other images too."""
    image_id = asking.a_known_id()
    if len(image_id) < INSIDE.stop:
        raise cannot_tell("the ids are too short to take a part of")
    text = image_id[part]
    reply = _filtered(asking, "ImageID", [text], **more)
    if any(text not in found for found in reply.ids):
        raise NoAnswerError(Found.FILTER_IGNORED.given())
    if reply.ids and asking.total() < 2:
        raise cannot_tell(FEW_ROWS)
    return image_id in reply.ids


def _fewer(asking: Asking, known: Sequence[str], cause: Cause) -> Cause:
    """Find the most values that are accepted, where all of `known` are refused because of `cause`."""
    sizes = [size for size in FEWER_VALUES if size < len(known)]
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        if _maybe_filtered(asking, known[: sizes[middle]]) is None:
            high = middle
        else:
            low = middle + 1
    if low == 0:
        raise NoAnswerError(cause)
    accepted, refused = sizes[low - 1], [*sizes, len(known)][low]
    read = _read(asking, known[:accepted], _filtered(asking, "ImageID", known[:accepted]))
    if read.reason is not Found.ALL_READ:
        return read
    return Found.FEWER_ACCEPTED.given(accepted=accepted, refused=refused, **cause.facts)


def _read(asking: Asking, known: Sequence[str], reply: Reply) -> Cause:
    """Tell how many of the `known` ids a reply shows."""
    found = set(reply.ids)
    if found - set(known):
        return Found.FILTER_IGNORED.given()
    if found and asking.total() < 2:
        raise cannot_tell(FEW_ROWS)
    if (reply.total or 0) > len(reply.ids):  # more rows than the list gives at once
        read = min(reply.total or 0, len(known))
        reason = Found.ALL_READ if read == len(known) else Found.SOME_READ
        return reason.given(asked=len(known), read=read)
    return _counted([image_id in found for image_id in known])


def _counted(found: Sequence[bool]) -> Cause:
    """Make a finding from `found`, which says for each value whether the value found a row."""
    asked = len(found)
    if not any(found):
        return Found.FINDS_NOTHING.given()
    read = max(place for place, hit in enumerate(found, start=1) if hit)
    if sum(found) < 0.9 * read:  # a few may be gone since they were seen
        return Found.SOME_READ.given(asked=asked, read=sum(found))
    return (Found.ALL_READ if read == asked else Found.FIRST_READ).given(asked=asked, read=read)


def _filtered(asking: Asking, name: str, values: Sequence[str], **more: Any) -> Reply:
    return asking.ask(Filters=[{"Name": name, "Values": list(values), **more}])


def _maybe_filtered(asking: Asking, ids: Sequence[str]) -> Reply | None:
    return asking.maybe(Filters=[{"Name": "ImageID", "Values": list(ids)}])
