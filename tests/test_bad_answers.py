"""Bad values at any place of an answer cost themselves, and never an answer or an account."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from connector.errors import AccountStateError
from connector.sandbox.messages import Reply, Request
from connector.sandbox.server import Sandbox
from tests import syncing
from tests.test_wire import BAD_VALUES
from tests.warehouses import Place, place
from tests.world import ACCOUNT_ID, World, world

IMAGES = 250
VALUES = [received for received, _, _ in BAD_VALUES.values()]

Found = re.Match[bytes]
Alter = Callable[[bytes, Callable[[Found], bytes]], None]


@pytest.fixture
def unsynced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch, images=IMAGES) as made:
        yield made


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Its warehouse has tables without rows."""
    monkeypatch.setenv("SOURCES__TCSS__PATIENCE", "5")
    with world(tmp_path, monkeypatch, images=IMAGES, begun="prepared") as made:
        yield made


@pytest.fixture
def alter(monkeypatch: pytest.MonkeyPatch) -> Alter:
    """From now on, the sandbox's answers have what the function gives for each match of the pattern."""
    answer = Sandbox._api_reply

    def altering(old: bytes, new: Callable[[Found], bytes]) -> None:
        def altered(sandbox: Sandbox, request: Request) -> Reply:
            reply = answer(sandbox, request)
            return replace(reply, body=re.sub(old, new, reply.body))

        monkeypatch.setattr(Sandbox, "_api_reply", altered)

    return altering


def sync(account: World, *arguments: str) -> dict[str, Any]:
    """The row of a run that ended as complete or as partial."""
    result = account.tcss("sync", "--json", *(arguments or ("--mode", "full")))
    assert result.exit_code in (0, 5), result.output
    row: dict[str, Any] = json.loads(result.stdout)
    return row


def test_bad_image_ids(account: World, alter: Alter) -> None:
    """Half of the images have an ImageID of every bad kind: the other half is loaded, and nobody is called gone."""

    def bad(found: Found) -> bytes:
        return b'"ImageID":' + VALUES[int(found[1], 16) % len(VALUES)]

    good = {image_id for image_id in account.fleet.truth() if image_id[-1] not in "01234567"}
    alter(rb'"ImageID":"sha256:([0-9a-f]*[0-7])"', bad)
    sync(account)
    assert good <= {image_id for (image_id,) in account.query("select image_id from tcss.images")}
    kinds = account.query("select count(distinct raw) > 30 from tcss.rejected_values where column_name = 'image_id'")
    assert kinds == [(True,)]
    again = sync(account)
    assert (again["images_new"], again["images_changed"], again["images_gone"]) == (0, 0, 0)


@pytest.mark.thorough(but=("1e400", "nines"))
@pytest.mark.parametrize(
    "total",
    [*VALUES[::9], b"1e400", pytest.param(b"9" * 5000, id="nines"), b"9223372036854775808", b'"9223372036854775808"'],
)
def test_a_bad_total_count(account: World, alter: Alter, total: bytes) -> None:
    """The list is read whole without it."""
    alter(rb'"TotalCount":[0-9]+', lambda _: b'"TotalCount":' + total)
    assert sync(account)["images_new"] == IMAGES


@pytest.mark.thorough("incremental")
@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_values_of_other_types(account: World, alter: Alter, mode: str) -> None:
    """An array, an object, a number or a deep nest where a text is due, and a row that is no object."""
    assert sync(account)["images_new"] == IMAGES
    others = [
        b"[]",
        b"{}",
        b"[[1]]",
        b'{"a":null}',
        b"5",
        b"1e300",
        b"true",
        b"1e400",
        b"[" * 1000 + b"]" * 1000,
        b"NaN",
    ]

    def other(found: Found) -> bytes:
        return found[1] + others[int(found[2], 16) % len(others)]

    for name in (rb"(?:ScanStatus|OsName|New)", rb"(?:CreateTime|ScanTime)"):
        alter(rb'("ImageID":"sha256:[0-9a-f]{8}([0-9a-f]{4})[0-9a-f]*[0-3]"[^{}]*?"' + name + rb'":)"[^"]*"', other)
        sync(account, "--mode", mode)
    alter(rb'\{"ImageID":"sha256:[0-9a-f]*00"[^{}]*\}', lambda _: b'[null,["x"]]')
    sync(account, "--mode", mode)
    assert account.query("select count(*) from tcss.images where deleted_at is null") == [(IMAGES,)]


@pytest.mark.parametrize(
    "account_id", [rb'"\ud83d"', b"1e400", b"9" * 400, b"true", b"[]", b'" "', b'"a\\u0000"', b"null"]
)
def test_an_account_id_that_is_none(unsynced: World, alter: Alter, account_id: bytes) -> None:
    """No warehouse gets rows of an account of that name."""
    alter(rb'"AccountId":"[^"]*"', lambda _: b'"AccountId":' + account_id)
    result = unsynced.tcss("sync", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["message"].count("AccountId")) == (4, 1)
    assert not unsynced.file.exists()


def test_bad_values_beside_the_account_id(account: World, alter: Alter) -> None:
    """An answer of STS is decoded as any other."""
    alter(rb'"AccountId":', lambda _: b'"Arn":"\\ud83d\t","Score":1e400,"AccountId":')
    assert sync(account)["account_id"] == ACCOUNT_ID


def test_a_bad_value_in_a_refusal(account: World, alter: Alter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code decides as ever, and the message can be printed and stored."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "WRONGEXAMPLE")
    alter(rb'"Message":"', lambda _: b'"Details":1e400,"Message":"\\ud83d\t\\u0000\xff ')
    result = account.tcss("sync", "--json")
    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["code"]) == (3, "AuthFailure.SignatureFailure")
    assert "\ufffd \ufffd\ufffd" in error["message"]


def test_the_survey_of_an_api_with_bad_values(account: World, alter: Alter) -> None:
    """`tcss check --api` ends as ever."""
    alter(rb'"(TotalCount|VulCnt)":[0-9]+', lambda found: b'"' + found[1] + b'":' + b"9" * 5000)
    result = account.tcss("check", "--api", "--json")
    assert result.exit_code == 0, result.output


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[Place]:
    with place("postgresql", tmp_path) as made:
        yield made


def test_a_bad_envelope_costs_no_row_of_a_run(account: World, alter: Alter, postgresql: Place) -> None:
    """PostgreSQL, which holds no NUL, has the images and the run, with an id that can be stored."""
    alter(rb'"RequestId":"', lambda _: b'"Error":null,"RequestId":"\\u0000\\ud800')
    row = syncing.sync(postgresql, account.sandbox.url, mode="full")
    stored = postgresql.sql("select first_request_id, last_request_id, images_new from {data}.sync_runs")
    assert stored == [(row["first_request_id"], row["last_request_id"], IMAGES)]
    assert row["first_request_id"].startswith("\ufffd\ufffd")
    assert postgresql.sql("select count(*) from {data}.images") == [(IMAGES,)]


def test_a_bad_refusal_after_the_first_page_is_a_failed_run(
    account: World, postgresql: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row says what was said, as far as that can be stored."""
    answer, listed = Sandbox._api_reply, count()

    def refusing(sandbox: Sandbox, request: Request) -> Reply:
        reply = answer(sandbox, request)
        if b"TotalCount" not in reply.body or next(listed) < 1:
            return reply
        error = b'{"Response":{"Error":{"Code":"FailedOperation.\\u0000","Message":"\\u0000\\ud800\\u001b[2J"}}}'
        return replace(reply, body=error)

    monkeypatch.setattr(Sandbox, "_api_reply", refusing)
    with pytest.raises(AccountStateError) as caught:
        syncing.sync(postgresql, account.sandbox.url, mode="full", in_flight=1)
    assert caught.value.code == "FailedOperation.\ufffd"
    assert postgresql.sql("select verdict, reason_code from {data}.sync_runs") == [("failed", "account_state_error")]


def test_what_is_too_large_to_store_is_a_rejected_value(account: World, alter: Alter) -> None:
    """The rest of the image is there, and so is the beginning of what was sent; no message is as long."""
    long = b"x" * 300_000

    def longer(found: Found) -> bytes:
        return found[0] + b'"Reason":"%b","New%b":1,"Other":"%b",' % (long, long, long)

    alter(rb'"ImageID":"sha256:[0-9a-f]*0",', longer)
    row = sync(account)
    assert account.query("select count(*) from tcss.images where reason is null and extra is null")[0][0] > 0
    kept = account.query("select column_name, max(len(raw)) from tcss.rejected_values group by all order by all")
    assert kept == [("extra", 200_000), ("reason", 200_000)]
    assert len(row["unknown_fields"]) < 1000
    assert (row["verdict"], row["images_new"]) == ("complete", IMAGES)


def test_a_row_that_is_too_large_alone_leaves_the_others(
    account: World, alter: Alter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is partial, and says which row is missing."""
    image_id = sorted(account.fleet.truth())[7]

    def larger(found: Found) -> bytes:
        return found[0] + b'"Reason":"%b",' % (b"x" * 600_000)

    alter(b'"ImageID":"%b",' % image_id.encode(), larger)
    monkeypatch.setenv("TCSS_MAX_ANSWER_BYTES", "500000")
    result = account.tcss("sync", "--json", "--mode", "full")
    row = json.loads(result.stdout)
    assert (result.exit_code, row["reason_code"], row["images_new"]) == (5, "unreadable", IMAGES - 1)
    assert "(too large)" in row["verdict_reason"]
    monkeypatch.delenv("TCSS_MAX_ANSWER_BYTES")
    assert sync(account)["verdict"] == "complete"


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_pages_that_are_too_large_are_read_in_smaller_ones(
    account: World, alter: Alter, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Nothing is missing."""
    alter(rb'"ImageID":"', lambda found: b'"Reason":"%b",' % (b"x" * 10_000) + found[0])
    monkeypatch.setenv("TCSS_MAX_ANSWER_BYTES", "300000")
    row = sync(account, "--mode", mode)
    assert (row["verdict"], row["images_new"]) == ("complete", IMAGES)
