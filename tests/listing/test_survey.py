"""The survey: each quirk of the sandbox is an answer turned round, and small lists say what cannot be told."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from connector.errors import PermissionDeniedError, from_code
from connector.listing.query import Answer
from connector.listing.remote import RemoteList
from connector.listing.survey.asking import MOST_REQUESTS
from connector.listing.survey.findings import Found
from connector.listing.survey.questions import QUESTIONS, Survey
from connector.listing.survey.rows import shape
from connector.sandbox import ApiError, Churn, Fault, Fleet, LocalServer, Quirks
from connector.sandbox.images import FIELDS
from tests.listing.lists import ACTION, instants

IDS = Fleet.seeded(500).ids()
NO_SCAN_TIME = frozenset({"CreateTime"})


@dataclass
class Given:
    response: dict[str, Any]
    request_id: str | None


def remote(server: LocalServer) -> RemoteList:
    """A list whose answers may lack a RequestId, and whose errors come at once."""

    def fetch(payload: dict[str, Any]) -> Answer:
        try:
            content = dict(server.call(ACTION, payload))
        except ApiError as error:
            raise from_code(error.code, error.message, action=ACTION) from error
        return Given(content, content.get("RequestId"))

    return RemoteList(fetch, instants)


def surveyed(server: LocalServer, fields: Sequence[str] = FIELDS) -> dict[str, dict[str, Any]]:
    """The finding of each question, without its sentence."""
    survey = Survey(remote(server), fields)
    found = {finding.question.name: finding.as_json() for finding in survey.findings()}
    assert tuple(found) == tuple(question.name for question in QUESTIONS)
    assert survey.requests == server.requests <= MOST_REQUESTS
    for finding in found.values():
        assert finding.pop("says")
    return found


def findings(quirks: dict[str, Any], images: int = 500) -> dict[str, dict[str, Any]]:
    return surveyed(LocalServer(Fleet.seeded(images), Quirks(**quirks)))


def refused(code: str) -> dict[str, str]:
    return {"code": "refused", "error": code}


def in_order(nulls: str, as_without_by: bool = False) -> dict[str, Any]:
    return {"code": "sorted", "nulls": nulls, "as_without_by": as_without_by}


RANGE, VALUE = refused("InvalidParameterValue.DataRange"), refused("InvalidParameterValue")
FOUND_SOME = {"code": "part_found"}

# Quirks -> what the survey says to some of its questions.
TOLD: list[tuple[dict[str, Any], dict[str, dict[str, Any]]]] = [
    ({"max_limit": 200}, {"limit": {"code": "limit_taken", "asked": 200, "rows": 200, "usual": 100}}),
    (
        {"limit_over_max": "clamp"},
        {"limit": {"code": "limit_lowered", "asked": 200, "rows": 100, "usual": 100}},
    ),
    (
        {"page_cap": 30},
        {
            "rows_at_once": {"code": "page_capped", "asked": 100, "rows": 30},
            "filter_values": {"code": "all_read", "asked": 29, "read": 29},
            "total_count": {"code": "total_constant", "total": 500, "answers": 15},
            "window": {"code": "not_cut"},
        },
    ),
    (
        {"max_offset": 10_000},
        {
            "offset": {
                "code": "offset_refused",
                "accepted": 10_000,
                "refused": 100_000,
                "beyond": "no rows",
                "error": "InvalidParameterValue.DataRange",
            }
        },
    ),
    (
        {"max_offset": 300},
        {"offset": {"code": "offset_refused", "accepted": 0, "refused": 400}, "window": RANGE},
    ),
    ({"window": 200}, {"window": {"code": "cut", "rows": 100}}),
    ({"total_delta": 50}, {"total_count": {"code": "total_too_large", "total": 550}}),
    ({"total_delta": -50}, {"total_count": {"code": "total_too_small", "total": 450}}),
    ({"total_fixed": 7}, {"total_count": {"code": "total_too_small", "total": 7}}),
    ({"total_as": "text"}, {"total_count": {"code": "total_not_integer", "written": "a text"}}),
    ({"total_as": "float"}, {"total_count": {"code": "total_not_integer", "written": "a decimal"}}),
    ({"empty_list": "null"}, {"empty_list": {"code": "empty_null"}}),
    (
        {"sortable": NO_SCAN_TIME},
        {
            "by_scan_time_asc": {"code": "ignored"},
            "by_scan_time_desc": {"code": "ignored"},
            "by_create_time_desc": in_order("none seen"),
        },
    ),
    (
        {"sortable": NO_SCAN_TIME, "unknown_by": "reject"},
        {"by_scan_time_asc": VALUE, "by_scan_time_desc": VALUE, "unknown_by": VALUE},
    ),
    (
        {"sortable": NO_SCAN_TIME, "unknown_by": "create_time"},
        {
            "by_scan_time_asc": {"code": "replaced", "field": "CreateTime"},
            "by_scan_time_desc": {"code": "replaced", "field": "CreateTime"},
            "unknown_by": {"code": "replaced", "field": "CreateTime"},
        },
    ),
    (
        {"sortable": frozenset(), "unknown_by": "reject"},
        {"order_words": VALUE, "by_create_time_asc": VALUE, "offset": {"code": "no_largest_offset"}},
    ),
    (
        {"by_aliases": {"ScanTime": "CreateTime", "CreateTime": "ScanTime"}},
        {
            "by_scan_time_desc": {"code": "replaced", "field": "CreateTime"},
            "by_create_time_desc": {"code": "replaced", "field": "ScanTime"},
        },
    ),
    ({"by_aliases": {"ScanTime": "Size"}}, {"by_scan_time_asc": {"code": "replaced", "field": "Size"}}),
    ({"order_words": "lower"}, {"order_words": {"code": "lower_case"}, "by_scan_time_asc": in_order("first")}),
    ({"default_order": "insertion"}, {"default_order": {"code": "own_order", "order": "ignored"}}),
    (
        {"default_order": "create_time"},
        {
            "default_order": {
                "code": "by_field",
                "field": "CreateTime",
                "direction": "ascending",
                "order": "heeded",
            },
            "by_create_time_asc": in_order("none seen", as_without_by=True),
            "by_scan_time_desc": in_order("last"),
            "unknown_by": {"code": "ignored"},
        },
    ),
    (
        {"default_order": "create_time_desc", "sortable": frozenset()},
        {
            "default_order": {
                "code": "by_field",
                "field": "CreateTime",
                "direction": "descending",
                "order": "ignored",
            },
            "by_create_time_asc": {"code": "ignored"},
            "by_create_time_desc": in_order("none seen", as_without_by=True),
        },
    ),
    (
        {"default_order": "shuffled", "sortable": NO_SCAN_TIME},
        {"default_order": {"code": "changing"}, "by_scan_time_desc": {"code": "not_sorted"}},
    ),
    ({"ties": "permuted"}, {"ties": {"code": "ties", "order": "changes"}}),
    ({"nulls": "lowest"}, {"by_scan_time_asc": in_order("first"), "by_scan_time_desc": in_order("last")}),
    ({"nulls": "first"}, {"by_scan_time_asc": in_order("first"), "by_scan_time_desc": in_order("first")}),
    ({"nulls": "last"}, {"by_scan_time_asc": in_order("last"), "by_scan_time_desc": in_order("last")}),
    (
        {"nulls": "interleaved"},
        {"by_scan_time_asc": in_order("among the others"), "by_scan_time_desc": in_order("among the others")},
    ),
    (
        {"image_id_filter": "ignored"},
        {
            name: {"code": "filter_ignored"}
            for name in ("image_id_filter", "exact_match_true", "exact_match_false", "filter_values")
        },
    ),
    (
        {"image_id_filter": "empty"},
        {"image_id_filter": {"code": "finds_nothing"}, "filter_values": {"code": "finds_nothing"}},
    ),
    ({"status_filter": "ignored"}, {"status_filter": {"code": "filter_ignored"}}),
    ({"status_filter": "empty"}, {"status_filter": {"code": "finds_nothing"}}),
    ({"status_values": 1}, {"status_filter": {"code": "first_read", "asked": 2, "read": 1}}),
    ({"image_id_match": "exact"}, {"image_id_filter": {"code": "whole_id"}, "exact_match_false": FOUND_SOME}),
    ({"image_id_match": "substring"}, {"image_id_filter": {"code": "substring"}}),
    ({"image_id_match": "prefix"}, {"image_id_filter": {"code": "prefix"}, "exact_match_false": FOUND_SOME}),
    (
        {"exact_match": "fuzzy"},
        {"exact_match_true": FOUND_SOME, "exact_match_false": {"code": "part_not_found"}},
    ),
    ({"filter_values": 50}, {"filter_values": {"code": "first_read", "asked": 99, "read": 50}}),
    (
        {"filter_values_max": 26},
        {
            "filter_values": {
                "code": "fewer_accepted",
                "accepted": 26,
                "refused": 50,
                "error": "InvalidParameterValue.LengthLimit",
            },
            "image_id_filter": {"code": "whole_id"},
        },
    ),
    ({"filter_values_max": 99}, {"filter_values": {"code": "all_read", "asked": 99, "read": 99}}),
    (
        {"fields": 29, "extra_fields": {"NewField": 1, "new sha256:aa": 2}},
        {"fields": {"code": "unknown", "unknown": ("?", "NewField"), "missing": ("Reason",)}},
    ),
    (
        {"listed_twice": {IDS[0]: {"ImageName": "twin"}}},
        {"repeated_images": {"code": "repeats", "images": 1, "fields": ("ImageName",)}},
    ),
    ({"times": "naive"}, {"create_time_forms": {"code": "seen"}, "never_scanned": {"code": "seen"}}),
    ({"poison": frozenset(IDS[:1])}, {"default_order": {"code": "failed", "error": "InternalError"}}),
    (
        {"huge": {IDS[0]: 10}},
        {"rows_at_once": {"code": "failed", "error": "ResponseSizeLimitExceeded"}},
    ),
    (
        {"replicas": (frozenset(IDS[:3]), frozenset()), "replica_by": "request"},
        {"total_count": {"code": "total_varies", "least": 497, "most": 500}},
    ),
    ({"request_ids": "none"}, {"request_ids": {"code": "left_out"}}),
]
# What no question can tell from outside, or `replayed` below does.
NOT_TOLD = {"lags", "shards", "down_shards", "cache"}
# `check --detail` looks at these (tests/cli/test_check_details.py), or nothing does.
OF_DETAILS = {
    *("detail_ties", "detail_most_rows", "detail_extra_fields", "extra_tags", "vul_cnt", "levels", "late_requests"),
    *("late_seconds", "total_moves", "unknown_ids", "licensed", "refused"),
}


@pytest.mark.parametrize(("quirks", "expected"), TOLD, ids=["-".join(quirks) for quirks, _ in TOLD])
def test_a_quirk_is_found_out(quirks: dict[str, Any], expected: dict[str, dict[str, Any]]) -> None:
    """The facts that are given here are among those of the finding."""
    found = findings(quirks)
    shown = {name: {key: found[name].get(key) for key in facts} for name, facts in expected.items()}
    assert shown == expected


def test_every_quirk_is_told_or_known_not_to_be() -> None:
    """A new quirk needs a line above."""
    told = {name for quirks, _ in TOLD for name in quirks}
    assert told | NOT_TOLD | OF_DETAILS == {field.name for field in dataclasses.fields(Quirks)}
    assert not told & (NOT_TOLD | OF_DETAILS)


def test_every_kind_of_finding_has_a_sentence_of_its_own() -> None:
    """Two codes with one sentence would be one code to Python."""
    assert len(Found) == len(Found.__members__)


def test_times_are_shown_as_shapes() -> None:
    """Naive times too, and those of images that were never scanned."""
    found = findings({"times": "naive"})
    assert set(found["create_time_forms"]["seen"]) == {
        "YYYY-MM-DD HH:MM:SS.fff",
        "1970-01-01 YYYY-MM-DD HH:MM:SS.fff",
    }
    assert found["never_scanned"]["seen"] == {"empty text": 79}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2021-01-29T06:10:12.021Z", "YYYY-MM-DDTHH:MM:SS.fffZ"),
        ("2026-05-09T05:48:06+08:00", "YYYY-MM-DDTHH:MM:SS+08:00"),
        ("2021-01-30 03:31:56 +0000 UTC", "YYYY-MM-DD HH:MM:SS +0000 UTC"),
        ("2020-2-2 13:00:00", "YYYY-M-D HH:MM:SS"),
        ("Wed, 24 Nov 2021 11:31:16", "aaa, 99 aaa 9999 99:99:99"),
        ("0001-01-01T00:00:00Z", "zero time YYYY-MM-DDTHH:MM:SSZ"),
        ("0000-00-00 00:00:00", "zero time YYYY-MM-DD HH:MM:SS"),
        ("1970-01-01T00:00:00Z", "1970-01-01 YYYY-MM-DDTHH:MM:SSZ"),
        ("从未", "aa"),
        ("x" * 99, "a" * 40),
        ("", "empty text"),
        (" ", "blank text"),
        (None, "null"),
        (..., "missing"),
        (1_600_000_000, "int"),
    ],
    ids=repr,
)
def test_a_shape_holds_no_value(value: Any, expected: str) -> None:
    """Digits and letters become signs; what stands for never is named."""
    assert shape(value) == expected


@pytest.mark.parametrize(("images", "requests"), [(0, 13), (1, 19), (50, 20), (500, 23), (12_000, 24)], ids=str)
def test_the_number_of_requests(images: int, requests: int) -> None:
    """About twenty, whatever the size of the list."""
    server = LocalServer(Fleet.seeded(images))
    surveyed(server)
    assert server.requests == requests


def test_there_is_a_most_of_requests() -> None:
    """Where one more would be needed, the last question does without it."""
    server = LocalServer(Fleet.seeded(500), Quirks(nulls="last", filter_values_max=26))
    assert surveyed(server)["request_ids"] == {"code": "unique", "answers": 22}
    assert server.requests == MOST_REQUESTS


def test_a_search_engines_window_shows_by_the_offsets_that_it_refuses() -> None:
    """Offset and Limit together may not exceed 10,000."""
    server = LocalServer(Fleet.seeded(12_000), Quirks(max_offset=9_900))
    offset = surveyed(server)["offset"]
    assert (offset["accepted"], offset["refused"], offset["beyond"]) == (9_900, 10_000, "refused")


def test_an_api_that_knows_upper_case_only_is_asked_in_upper_case() -> None:
    """The specification's example says ASC."""
    server = LocalServer(Fleet.seeded(500))
    usual = remote(server).fetch

    def fetch(payload: dict[str, Any]) -> Answer:
        if str(payload.get("Order", "ASC")).islower():
            raise from_code("InvalidParameterValue", "Order", action=ACTION)
        return usual(payload)

    survey = Survey(RemoteList(fetch, instants), FIELDS)
    found = {finding.question.name: finding.as_json() for finding in survey.findings()}
    assert found["order_words"]["code"] == "upper_case"
    assert {found[f"by_{field}_time_{order}"]["code"] for field in ("scan", "create") for order in ("asc", "desc")} == {
        "sorted"
    }
    assert (found["window"]["code"], survey.requests) == ("not_cut", 24)


def test_of_no_image_little_can_be_told() -> None:
    """Offsets, Limit, TotalCount and the form of an empty list; nothing about rows."""
    found = findings({"empty_list": "null", "unknown_by": "reject"}, images=0)
    assert {name: finding for name, finding in found.items() if finding["code"] != "cannot_be_told"} == {
        "unknown_by": VALUE,
        "offset": {"code": "no_largest_offset", "largest": 100_000, "beyond": "no rows"},
        "limit": RANGE,
        "total_count": {"code": "total_constant", "total": 0, "answers": 10},
        "empty_list": {"code": "empty_null"},
        "request_ids": {"code": "unique", "answers": 11},
    }


def test_of_one_image_nothing_is_said_that_chance_could_have_brought() -> None:
    """One row is in every order and passes every filter that is ignored."""
    found = findings({}, images=1)
    assert Counter(finding["code"] for finding in found.values()) == {
        "cannot_be_told": 15,
        "part_not_found": 1,
        "no_largest_offset": 1,
        "refused": 1,
        "total_constant": 1,
        "empty_array": 1,
        "seen": 3,
        "no_repeats": 1,
        "all_known": 1,
        "unique": 1,
    }
    ignored = findings({"image_id_filter": "ignored"}, images=1)
    assert ignored["image_id_filter"]["code"] == ignored["filter_values"]["code"] == "cannot_be_told"


def test_more_unscanned_images_than_a_page_holds() -> None:
    """The first page by ScanTime shows nulls only: the last one tells whether it sorts."""
    fleet = Fleet.seeded(500)
    fleet.replace({image_id: {"ScanTime": ""} for image_id in IDS[:300]})
    found = surveyed(LocalServer(fleet))
    assert (found["by_scan_time_asc"], found["by_scan_time_desc"]) == (in_order("first"), in_order("last"))


def test_times_that_are_all_equal_tell_nothing() -> None:
    """Nor does an order by ScanTime that is also that by CreateTime."""
    fleet = Fleet.seeded(500)
    fleet.replace({image_id: {"CreateTime": "1970-01-01T00:00:00Z"} for image_id in IDS})
    found = surveyed(LocalServer(fleet))
    assert found["by_create_time_asc"]["code"] == found["window"]["code"] == "cannot_be_told"
    assert (found["ties"]["largest"], found["by_scan_time_desc"]["code"]) == (found["ties"]["rows"], "sorted")
    fleet.replace({image_id: {"CreateTime": fleet[image_id]["ScanTime"]} for image_id in IDS})
    assert surveyed(LocalServer(fleet))["by_scan_time_desc"]["code"] == "cannot_be_told"


def test_a_list_that_moves_is_surveyed_all_the_same() -> None:
    """Rows come, go and take other places at every request; what is said of the server is the same."""
    quiet = findings({"image_id_match": "substring"})
    server = LocalServer(
        Fleet.seeded(500), Quirks(image_id_match="substring"), churn=Churn(rescan=2, insert=1, delete=1)
    )
    found = {name: finding["code"] for name, finding in surveyed(server).items()}
    assert found == {name: finding["code"] for name, finding in quiet.items()}


NULL_PLACES = [
    ("lowest", "first", "last"),
    ("first", "first", "first"),
    ("last", "last", "last"),
    ("interleaved", "among the others", "among the others"),
]


@pytest.mark.parametrize(("nulls", "ascending", "descending"), NULL_PLACES, ids=[nulls for nulls, *_ in NULL_PLACES])
@pytest.mark.parametrize("field", ["CreateTime", "ScanTime"])
def test_where_rows_without_a_time_stand(field: str, nulls: Any, ascending: str, descending: str) -> None:
    """Of both times and in both directions; a list that begins and ends with them is not one that is cut."""
    fleet = Fleet.seeded(500)
    fleet.replace({image_id: {field: ""} for image_id in IDS[5:40]})
    found = surveyed(LocalServer(fleet, Quirks(nulls=nulls)))
    by = {order: found[f"by_{'create' if field == 'CreateTime' else 'scan'}_time_{order}"] for order in ("asc", "desc")}
    assert by == {"asc": in_order(ascending), "desc": in_order(descending)}
    assert found["window"] == {"code": "not_cut"}


@pytest.mark.parametrize("nulls", ["first", "last"])
def test_pages_of_rows_without_a_time_do_not_tell_where_the_list_ends(nulls: Any) -> None:
    """They fill the first page of both directions, or the last one: the newest images are not seen there."""
    fleet = Fleet.seeded(500)
    fleet.replace({image_id: {"CreateTime": ""} for image_id in IDS[:150]})
    assert surveyed(LocalServer(fleet, Quirks(nulls=nulls)))["window"]["code"] == "cannot_be_told"


@pytest.mark.parametrize(
    ("never", "told"),
    [
        ("", "empty text"),
        (None, "null"),
        ("0001-01-01T00:00:00Z", "zero time YYYY-MM-DDTHH:MM:SSZ"),
        ("0000-00-00 00:00:00", "zero time YYYY-MM-DD HH:MM:SS"),
        ("1970-01-01T00:00:00Z", "1970-01-01 YYYY-MM-DDTHH:MM:SSZ"),
        (0, "int"),
    ],
    ids=repr,
)
def test_how_images_that_were_never_scanned_are_written(never: Any, told: str) -> None:
    """Those of status NOT_SCAN, and no others."""
    fleet = Fleet.seeded(500)
    unscanned = [image_id for image_id, item in fleet.truth().items() if item["ScanStatus"] == "NOT_SCAN"]
    fleet.replace({image_id: {"ScanTime": never} for image_id in unscanned})
    found = surveyed(LocalServer(fleet))["never_scanned"]
    assert (found["code"], list(found["seen"])) == ("seen", [told])


def test_the_largest_group_of_images_of_one_create_time() -> None:
    """Reproducible builds: as many as the answers have shown."""
    fleet = Fleet.seeded(500)
    fleet.replace({image_id: {"CreateTime": "1980-01-01T00:00:01Z"} for image_id in IDS[100:137]})
    assert surveyed(LocalServer(fleet))["ties"]["largest"] == 37


def asked_otherwise(change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The findings about a server that reads other requests than those that are sent."""
    usual = remote(LocalServer(Fleet.seeded(500))).fetch
    survey = Survey(RemoteList(lambda payload: usual(change(payload)), instants), FIELDS)
    return {finding.question.name: finding.as_json() for finding in survey.findings()}


def test_a_server_that_does_not_read_order_sorts_backwards_in_one_direction() -> None:
    """By is read, and the direction is always the same."""
    found = asked_otherwise(lambda payload: {name: value for name, value in payload.items() if name != "Order"})
    codes = {order: found[f"by_scan_time_{order}"]["code"] for order in ("asc", "desc")}
    assert codes == {"asc": "sorted", "desc": "sorted_backwards"}


def test_a_filter_of_which_other_values_than_the_first_are_read() -> None:
    """Every second one: the code is another one than that of the first values."""

    def every_second(payload: dict[str, Any]) -> dict[str, Any]:
        filters = [{**given, "Values": given["Values"][::2]} for given in payload.get("Filters", [])]
        return {**payload, "Filters": filters} if filters else payload

    found = asked_otherwise(every_second)["filter_values"]
    assert (found["code"], found["asked"], found["read"]) == ("some_read", 99, 50)


def test_a_list_that_is_left_out_where_it_is_empty() -> None:
    """As a gateway does that drops what is empty."""
    server = LocalServer(Fleet.seeded(500))
    usual = remote(server).fetch

    def fetch(payload: dict[str, Any]) -> Answer:
        answer = usual(payload)
        kept = {name: value for name, value in answer.response.items() if value != []}
        return Given(kept, answer.request_id)

    found = {f.question.name: f.code for f in Survey(RemoteList(fetch, instants), FIELDS).findings()}
    assert found["empty_list"] == "empty_missing"


CANARIES = {
    "a word": "Canaryword",
    "a key": "AKID0EXAMPLE1CANARY2EXAMPLE3CANARY",
    "digits": "3f9c1de07b52a4886cd0",
    "a path": "registry.canary.example/team/app:1.2@sha256",
    "other letters": "金丝雀",
    "a quote": 'canary"},{"x":"\n',
}


def with_canary(item: Mapping[str, Any], canary: str, place: int) -> dict[str, Any]:
    """The image with the canary in all its texts but the status; every third time is one that cannot be read."""
    times = ("CreateTime", "ScanTime")
    texts = {name for name, value in item.items() if isinstance(value, str) and name != "ScanStatus"}
    spoilt = texts - set(times) | (texts & set(times) if place % 3 == 0 else set())
    more = {"Labels": {canary: canary}, "Owner": canary, "Digests": [canary]}
    return {**item, **more, **dict.fromkeys(spoilt, f"{canary}{place}"), "ImageID": f"{canary}{place:064x}"}


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES)
@pytest.mark.parametrize(
    "quirks", [Quirks(), Quirks(image_id_match="substring", unknown_by="reject", max_offset=300)], ids=["plain", "odd"]
)
def test_findings_hold_nothing_that_the_rows_hold(canary: str, quirks: Quirks) -> None:
    """Whatever is in their ids, names, times, digests, texts of fields that we do not know, and messages of errors."""
    usual_rows = Fleet.seeded(300).truth().values()
    server = LocalServer(Fleet([with_canary(item, canary, place) for place, item in enumerate(usual_rows)]), quirks)
    usual = server.call

    def call(action: str, payload: dict[str, Any]) -> Any:
        try:
            return usual(action, payload)
        except ApiError as error:
            raise ApiError(error.code, f"{canary} {error}") from error

    server.call = call  # type: ignore[method-assign,assignment]
    found = list(Survey(remote(server), FIELDS).findings())
    told = json.dumps([finding.as_json() for finding in found], ensure_ascii=False) + "".join(map(str, found))
    assert [part for part in (canary, canary[:9], canary.lower(), json.dumps(canary)[1:-1]) if part in told] == []


@pytest.mark.parametrize("canary", [*CANARIES.values(), f"b{'3f9c1de0' * 7}"], ids=[*CANARIES, "a digest"])
def test_names_of_fields_and_words_of_statuses_that_may_be_values(canary: str) -> None:
    """A name that is a plain word is shown, since that is what is asked for; another one is a `?`, or a shape."""
    fleet = Fleet.seeded(300)
    fleet.replace({image_id: {canary: 1, "ScanStatus": canary} for image_id in fleet.ids()[:9]})
    found = surveyed(LocalServer(fleet))
    plain = canary.isalpha() and canary.isascii()
    assert found["fields"]["unknown"] == ((canary,) if plain else ("?",))
    assert (canary in found["statuses"]["seen"]) is plain


def test_a_cache_shows_by_a_request_id_that_came_before() -> None:
    """The first request is sent twice."""
    server = LocalServer(Fleet.seeded(500), Quirks(cache=True))
    server.backend.replaying = True
    assert surveyed(server)["request_ids"] == {"code": "repeated", "answers": 22, "repeats": 1}


def test_a_failure_ends_one_question_and_not_the_survey() -> None:
    """The twelfth request fails, the first one by ScanTime."""
    server = LocalServer(Fleet.seeded(500), faults=[Fault("internal_error", at=12)])
    found = surveyed(server)
    assert [name for name, finding in found.items() if finding["code"] == "failed"] == ["by_scan_time_asc"]


def test_a_permission_that_is_refused_ends_the_survey() -> None:
    """Keys are no matter of the list."""
    server = LocalServer(Fleet.seeded(500), faults=[Fault("unauthorized", at=range(7, 999))])
    found = Survey(remote(server), FIELDS).findings()
    names = []
    with pytest.raises(PermissionDeniedError):
        names += [finding.question.name for finding in found]
    assert server.requests == 7
