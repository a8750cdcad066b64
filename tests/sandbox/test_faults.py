"""Faults by name and number, and changes between requests, without a socket."""

from typing import Any

import pytest

from connector.sandbox import CHANGES, FAULTS, ApiError, Churn, Fault, Fleet, LocalServer, Quirks

ROWS = [{"ImageID": letter, "HostCnt": place} for place, letter in enumerate("abcdef")]


def outcomes(*faults: Fault, payload: dict[str, Any] | None = None, calls: int = 4) -> list[Any]:
    """For each call the ids of the page and the total, or the error code."""
    server = LocalServer(Fleet(ROWS), faults=faults)
    found: list[Any] = []
    for place in range(calls):
        try:
            page = server.call("DescribeAssetImageList", payload or {"Limit": 2, "Offset": place})
        except ApiError as error:
            found.append(error.code)
        else:
            rows = page.get("List", "missing")
            found.append(
                ("".join(row["ImageID"] for row in rows) if rows not in (None, "missing") else rows, page["TotalCount"])
            )
    return found  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("throttle", "RequestLimitExceeded"),
        ("internal_error", "InternalError"),
        ("request_timeout", "InvalidParameter.RequestTimeout"),
        ("expired_signature", "AuthFailure.SignatureExpire"),
        ("token_failure", "AuthFailure.TokenFailure"),
        ("unauthorized", "UnauthorizedOperation"),
        ("response_too_large", "ResponseSizeLimitExceeded"),
        ("empty_page", ("", 6)),
        ("short_page", ("b", 6)),
        ("stale_page", ("ab", 6)),
        ("missing_list", ("missing", 6)),
        ("null_list", (None, 6)),
        ("wrong_total", ("bc", 5)),
        ("duplicate_rows", ("bb", 6)),
        ("extra_rows", ("bcd", 6)),
    ],
)
def test_a_fault_does_what_its_name_says(fault: str, expected: Any) -> None:
    """The second of four answers is wrong in that way, the others are right."""
    assert outcomes(Fault(fault, at=2)) == [("ab", 6), expected, ("cd", 6), ("de", 6)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(Fault("empty_page", at=range(2, 4)), [("ab", 6), ("", 6), ("", 6), ("de", 6)], id="range"),
        pytest.param(Fault("empty_page", at={1, 4}), [("", 6), ("bc", 6), ("cd", 6), ("", 6)], id="set"),
        pytest.param(Fault("empty_page", every=2), [("ab", 6), ("", 6), ("cd", 6), ("", 6)], id="every"),
        pytest.param(Fault("empty_page", every=1, times=1), [("", 6), ("bc", 6), ("cd", 6), ("de", 6)], id="times"),
        pytest.param(Fault("empty_page"), [("", 6)] * 4, id="always"),
        pytest.param(Fault("wrong_total", at=1, value=10), [("ab", 16), ("bc", 6), ("cd", 6), ("de", 6)], id="delta"),
        pytest.param(Fault("short_page", at=1, value=0), [("", 6), ("bc", 6), ("cd", 6), ("de", 6)], id="rows"),
        pytest.param(Fault("extra_rows", at=1, value=9), [("abcdef", 6), ("bc", 6), ("cd", 6), ("de", 6)], id="more"),
        pytest.param(Fault("response_too_large", value=2), [("ab", 6), ("bc", 6), ("cd", 6), ("de", 6)], id="fits"),
        pytest.param(Fault("throttle", action="AssumeRole"), [("ab", 6), ("bc", 6), ("cd", 6), ("de", 6)], id="other"),
    ],
)
def test_a_fault_comes_when_it_is_told_to(fault: Fault, expected: list[Any]) -> None:
    """at, every, times, action and value."""
    assert outcomes(fault) == expected


def test_a_too_large_answer_is_one_of_too_many_rows() -> None:
    """With a value only a larger Limit is refused: what a client must shrink."""
    assert outcomes(Fault("response_too_large", value=2), payload={"Limit": 3}, calls=1) == [
        "ResponseSizeLimitExceeded"
    ]


def test_faults_add_up() -> None:
    """Two wrong pages at once are wrong in both ways, and every fault that happened is counted."""
    server = LocalServer(Fleet(ROWS), faults=[Fault("empty_page", at=1), Fault("wrong_total", at=1, value=3)])
    assert server.call("DescribeAssetImageList", {}) == {"List": [], "TotalCount": 9, "RequestId": "local-1"}
    server.call("DescribeAssetImageList", {"Limit": 1})
    assert server.backend.fired == {"empty_page": 1, "wrong_total": 1}
    assert (server.requests, server.payloads) == (2, [{}, {"Limit": 1}])


def test_the_fault_matrix_is_whole() -> None:
    """FAULTS lists every fault that is defined, and in which layer."""
    assert dict(FAULTS) == {
        **dict.fromkeys(("throttle", "internal_error", "request_timeout", "expired_signature"), "error"),
        **dict.fromkeys(("token_failure", "unauthorized", "response_too_large"), "error"),
        **dict.fromkeys(("empty_page", "short_page", "stale_page", "missing_list", "null_list"), "page"),
        **dict.fromkeys(("wrong_total", "duplicate_rows", "extra_rows", "silent_shard", "replayed"), "page"),
        **dict.fromkeys(("http_500", "http_429", "html", "not_json", "cut_body", "redirect"), "wire"),
        **dict.fromkeys(("disconnect", "slow", "charset"), "wire"),
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda: Fault("gremlins"), "no fault is called 'gremlins'", id="unknown"),
        pytest.param(lambda: Fault("empty_page", action="AssumeRole"), "is a fault of DescribeAsset", id="not-a-list"),
        pytest.param(lambda: LocalServer(Fleet(), faults=[Fault("html")]), "need a socket: html", id="needs-a-socket"),
    ],
)
def test_impossible_faults_are_refused(make: Any, message: str) -> None:
    """A misspelt or misplaced fault would silently test nothing."""
    with pytest.raises(ValueError, match=message):
        make()


def test_churn_changes_the_fleet_after_answers() -> None:
    """The first answer is of the fleet as it was; then every second request changes it, three times at most."""
    fleet = Fleet.seeded(40)
    server = LocalServer(fleet, churn=Churn(every=2, insert=3, delete=1, times=3))
    totals = [server.call("DescribeAssetImageList", {"Limit": 1})["TotalCount"] for _ in range(10)]
    assert totals == [40, 40, 42, 42, 44, 44, 46, 46, 46, 46]
    server.call("GetCallerIdentity", {})
    assert len(fleet) == 46


def test_churn_takes_every_change_of_a_fleet() -> None:
    """A Churn has a number for each of CHANGES, and any callable will do instead."""
    assert [name for name in CHANGES if not hasattr(Churn(), name)] == []
    seen: list[int] = []
    server = LocalServer(Fleet(ROWS), churn=lambda fleet, number: seen.append(number * len(fleet)))
    server.call("DescribeAssetImageList", {})
    server.call("DescribeAssetImageList", {})
    assert seen == [6, 12]


def test_churn_permutes_ties() -> None:
    """permute_ties makes equal rows swap places from request to request."""
    fleet = Fleet([{"ImageID": str(n), "HostCnt": 1} for n in range(30)])
    server = LocalServer(fleet, churn=Churn(permute_ties=True), quirks=Quirks(max_limit=30))
    pages = [server.call("DescribeAssetImageList", {"Limit": 30, "By": "HostCnt"})["List"] for _ in range(3)]
    assert len({str(page) for page in pages}) == 3


def test_a_run_is_repeatable() -> None:
    """Fleet, churn and permuted ties of one seed give the same answers to the same calls."""

    def run() -> list[dict[str, Any]]:
        server = LocalServer(Fleet.seeded(60), churn=Churn(rescan=2, insert=1, delete=1, permute_ties=True))
        payloads = [{"Limit": 20, "Offset": start, "By": "HostCnt"} for start in (0, 20, 40)]
        return [server.call("DescribeAssetImageList", payload) for payload in payloads]

    assert run() == run()
