"""Filters whose values are not all read, or are matched in another way than the documentation lets one hope."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox import Fleet
from tests.sandbox.asking import local, told

STATUSES = ("NOT_SCAN", "SCANNING", "SCANNED", "SCAN_ERR")
WORDS = ("notScan", "scanning", "scanned", "scanErr")


def images() -> Fleet:
    """Four images, one in each status, whose ids contain each other."""
    rows = zip(("ab", "abc", "b", "cab"), STATUSES, strict=True)
    return Fleet({"ImageID": image_id, "ImageName": f"n{image_id}", "ScanStatus": status} for image_id, status in rows)


def kept(*values: str, name: str = "ImageID", exact: bool | None = None, **quirks: Any) -> Any:
    """The ids that pass one filter, or the code of the error."""
    flag = {} if exact is None else {"ExactMatch": exact}
    answer = told(local(images(), **quirks), Filters=[{"Name": name, "Values": list(values), **flag}])
    return answer if isinstance(answer, str) else answer[0]


@pytest.mark.parametrize(
    ("match", "exact", "expected"),
    [
        pytest.param("exact", None, "ab", id="exact"),
        pytest.param("substring", None, "ababccab", id="substring"),
        pytest.param("prefix", None, "ababc", id="prefix"),
        pytest.param("substring", True, "ab", id="substring-but-exact-match"),
        pytest.param("exact", False, "ababccab", id="exact-but-no-exact-match"),
        pytest.param("prefix", False, "ababc", id="prefix-and-no-exact-match"),
    ],
)
def test_the_id_filter_matches_as_the_quirk_says(match: str, exact: bool | None, expected: str) -> None:
    """image_id_match decides without ExactMatch; ExactMatch true is exact whatever the quirk says."""
    assert kept("ab", exact=exact, image_id_match=match) == expected


def test_several_parts_of_ids_are_ored() -> None:
    """An image passes when it matches any value; signs that mean something elsewhere are only letters here."""
    assert kept("abc", "b", image_id_match="prefix") == "abcb"
    assert kept("ca", "bc", image_id_match="substring") == "abccab"
    assert kept(".", "a*", "a|b", image_id_match="substring") == ""
    assert kept(image_id_match="substring") == ""
    assert kept("", image_id_match="prefix") == "ababcbcab"


def test_names_are_matched_as_ever() -> None:
    """image_id_match is about ids only: names contain the value."""
    assert kept("ab", name="ImageName", image_id_match="prefix") == "ababccab"


def test_only_the_first_values_of_a_filter_are_read() -> None:
    """filter_values cuts the values of every filter; a word that is not read may be wrong."""
    assert kept("cab", "b", "ab", filter_values=2) == "bcab"
    assert kept("scanned", "scanErr", name="ScanStatus", filter_values=1) == "b"
    assert kept("scanned", "nonsense", name="ScanStatus", filter_values=1) == "b"


def test_only_the_first_words_of_the_status_filter_are_read() -> None:
    """status_values cuts ScanStatus and no other filter."""
    assert kept(*WORDS, name="ScanStatus", status_values=1) == "ab"
    assert kept(*WORDS, name="ScanStatus", status_values=2) == "ababc"
    assert kept("cab", "b", "ab", status_values=1) == "abbcab"


def test_too_many_values_are_refused() -> None:
    """filter_values_max is the largest number of values of one filter that gets an answer."""
    assert kept("ab", "b", filter_values_max=2) == "abb"
    assert kept("ab", "b", "cab", filter_values_max=2) == "InvalidParameterValue.LengthLimit"
