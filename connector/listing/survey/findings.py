"""Defines the findings of a survey. `Found` has the codes and their sentences; a sentence contains no secrets."""

from __future__ import annotations

import re

from connector.errors import AccountStateError, RequestRejectedError, TcssError
from connector.listing.reasons import Cause, Reason

_CODE = re.compile(r"[A-Z][A-Za-z]*(\.[A-Z][A-Za-z]*)*", re.ASCII)  # a host never matches

# Why something cannot be told.
FEW_ROWS = "the list has too few rows"
FEW_VALUES = "the rows have too few different values"
NO_IMAGES = "no image was seen"


class Found(Reason):
    """Codes of findings, and their sentences."""

    # Any question.
    CANNOT_BE_TOLD = "cannot be told: {why}"
    REFUSED = "refused ({error})"
    FAILED = "no answer ({error})"

    # How rows are sorted.
    SORTED = "the rows are sorted so; rows without a time: {nulls}"
    SORTED_BACKWARDS = "the rows are sorted by it in the other direction"
    IGNORED = "ignored: the same rows come without By"
    REPLACED = "replaced: the rows are sorted by {field}"
    NOT_SORTED = "the rows are not sorted so"
    BOTH_CASES = "desc and DESC do the same"
    LOWER_CASE = "only in lower case"
    UPPER_CASE = "only in upper case"
    BY_FIELD = "sorted by {field}, {direction}; Order alone is {order}"
    OWN_ORDER = "always the same, and by no field; Order alone is {order}"
    CHANGING = "another one at every request"

    # Filters.
    SUBSTRING = "any part of an id finds its image"
    PREFIX = "the beginning of an id finds its image, another part does not"
    WHOLE_ID = "only a whole id finds its image"
    PART_FOUND = "a part of an id finds its image"
    PART_NOT_FOUND = "a part of an id does not find its image"
    FILTER_IGNORED = "ignored: rows come that do not match"
    FINDS_NOTHING = "even values that rows have find nothing"
    ALL_READ = "all {asked} values are read"
    FIRST_READ = "only the first {read} of {asked} values are read"
    SOME_READ = "{read} of {asked} values find rows, and not the first ones"
    FEWER_ACCEPTED = "{accepted} values are read, {refused} are refused ({error})"

    # Offset and Limit.
    NO_LARGEST_OFFSET = "no offset up to {largest} is refused; beyond the end: {beyond}"
    OFFSET_REFUSED = "{accepted} is accepted, {refused} is refused ({error}); beyond the end: {beyond}"
    NOT_CUT = "the end of the list in one order is its beginning in the other"
    CUT = "the list ends before its last rows: at least {rows} rows are never shown in one order"
    PAGE_FULL = "{rows} rows come for Limit={asked}"
    PAGE_CAPPED = "only {rows} rows come for Limit={asked}"
    LIMIT_TAKEN = "{rows} rows come"
    LIMIT_LOWERED = "taken as a smaller one: {rows} rows come"
    TOTAL_CONSTANT = "an integer, the same in {answers} answers, and the list ends there"
    TOTAL_VARIES = "between {least} and {most} in {answers} answers"
    TOTAL_NOT_INTEGER = "written as {written}"
    TOTAL_TOO_SMALL = "{total}, but there are rows after so many"
    TOTAL_TOO_LARGE = "{total}, but the list ends before"
    EMPTY_ARRAY = "[]"
    EMPTY_NULL = "null"
    EMPTY_MISSING = "left out"

    # What rows and answers say.
    SEEN = "{seen}"
    NO_REPEATS = "no image is twice in an answer"
    REPEATS = "{images} images are twice in an answer; the two rows differ in: {fields}"
    TIES = "{largest} of {rows} images have one CreateTime; their order: {order}"
    ALL_KNOWN = "none; documented fields that no row has: {missing}"
    UNKNOWN = "{unknown}; documented fields that no row has: {missing}"
    UNIQUE = "each of {answers} answers has its own"
    REPEATED = "{repeats} of {answers} answers have one that came before"
    LEFT_OUT = "{missing} of {answers} answers have none"


class Names(tuple[str, ...]):
    """Names that `str` writes as a list."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(self) or "none"


class Counts(dict[str, int]):
    """Counts how often each word or shape was seen, the most frequent first."""

    def __init__(self, seen: dict[str, int]) -> None:
        super().__init__(sorted(seen.items(), key=lambda entry: (-entry[1], entry[0])))

    def __str__(self) -> str:
        return ", ".join(f"{name} ({count:,})" for name, count in self.items())


class NoAnswerError(Exception):
    """Ends a question with `cause` as its finding."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


def cannot_tell(why: str) -> NoAnswerError:
    return NoAnswerError(Found.CANNOT_BE_TOLD.given(why=why))


def not_answered(error: TcssError) -> NoAnswerError:
    """Make a finding of an error: its code, and never its message, which may contain secrets."""
    refused = isinstance(error, RequestRejectedError | AccountStateError)
    code = error.code or ""
    name = code if len(code) < 100 and _CODE.fullmatch(code) else type(error).__name__
    return NoAnswerError((Found.REFUSED if refused else Found.FAILED).given(error=name))
