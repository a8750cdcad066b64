"""The API fails on the sets of some images, or on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from connector.detail.reading import MOST_FAILING
from connector.errors import AccessError, RequestRejectedError, TransientError
from connector.texts import LONGEST
from connector.wire import is_storable
from tests.detail.account import MINUTE, NOW, Image, Server, finding, new_tables, run, shown

SCANNED = NOW - 10_000 * MINUTE


class _Failing(Server):
    """The sets of images that a container uses end in InternalError."""

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        if "ImageID" in payload and self.fails(payload["ImageID"]):
            raise TransientError("an internal error", code="InternalError.MainDBFail")
        return super().call(action, payload)

    def fails(self, image_id: str) -> bool:
        return bool(self.images[image_id].containers)


class _FailingEachSecond(_Failing):
    def fails(self, image_id: str) -> bool:
        return int(image_id) % 2 == 1


def _images(failing: int) -> dict[str, Image]:
    images = {f"whole{number}": Image(SCANNED, [finding(number)]) for number in range(1, 4)}
    return images | {f"failing{number}": Image(SCANNED, [finding(9)], containers=1) for number in range(failing)}


def test_an_image_that_the_api_fails_on_does_not_stop_the_others() -> None:
    """Though it comes first in the queue of every run; it is not proven, with the API's code."""
    tables = new_tables()
    made = run(_Failing(_images(MOST_FAILING)), tables)
    assert made is not None
    assert (made.verdict, made.images_read, made.images_unproven) == ("partial", 3, MOST_FAILING)
    assert made.verdict_reason == f"{MOST_FAILING} x the API failed on the read"
    assert tables["image_reads"]["1", "failing0", "vulnerabilities"]["verdict_reason"] == (
        "the API failed on the read: InternalError.MainDBFail"
    )
    assert [len(shown(tables, f"whole{number}")) for number in range(1, 4)] == [1, 1, 1]


def test_images_that_the_api_fails_on_here_and_there_do_not_stop_the_others() -> None:
    """However many they are: only those in a row say that the API is down."""
    images = {f"{number:02}": Image(SCANNED, [finding(number)]) for number in range(4 * MOST_FAILING)}
    made = run(_FailingEachSecond(images), new_tables())
    assert made is not None
    assert (made.verdict, made.images_read, made.images_unproven) == ("partial", 2 * MOST_FAILING, 2 * MOST_FAILING)


def test_an_image_that_is_deleted_or_scanned_again_while_it_is_read_is_behind() -> None:
    """Its read proves nothing, and says nothing of the server."""

    class Changing(Server):
        def call(self, action: str, payload: Mapping[str, Any]) -> Any:
            if "ImageID" in payload:
                self.images.pop("deleted", None)
                self.images["again"].scan_time = SCANNED + MINUTE
                raise RequestRejectedError("refused", code="InvalidParameter")
            return super().call(action, payload)

    tables = new_tables()
    made = run(Changing({name: Image(SCANNED, [finding(1)]) for name in ("deleted", "again", "refused")}), tables)
    assert made is not None
    assert (made.verdict, made.images_unproven, made.images_behind) == ("partial", 1, 2)
    assert [key[1] for key in tables["image_reads"]] == ["refused"]


class _Lookups(Server):
    """Look-ups of at most `values` ids show at most `most` rows: of these images, or of all images."""

    most: int = 100
    values: int = 100
    filters: bool = True

    def _images(self, payload: Mapping[str, Any]) -> Any:
        if "Filters" not in payload:
            return super()._images(payload)
        if len(payload["Filters"][0]["Values"]) > self.values:
            raise RequestRejectedError("too many values", code="InvalidParameterValue.LengthLimit")
        ids = payload["Filters"][0]["Values"] if self.filters else list(self.images)
        return self._page([self.item(each) for each in ids[: self.most] if each in self.images], payload)


def test_a_look_up_whose_answers_are_capped_is_asked_until_it_shows_nothing_new() -> None:
    """Else the rest of each batch would be read in vain."""
    server = _Lookups({f"{number}": Image(SCANNED, [finding(number)]) for number in range(20)})
    server.most = 3
    made = run(server, new_tables())
    assert made is not None
    assert (made.verdict, made.images_read) == ("complete", 20)


def test_a_look_up_of_too_many_ids_is_made_of_smaller_ones() -> None:
    """A server may allow fewer values in a filter than 99. An image that is gone does not end the look-ups."""
    server = _Lookups({f"{number}": Image(SCANNED, [finding(number)]) for number in range(20)})
    server.values, deleted = 3, server.images["0"]

    def delete(action: str) -> None:
        if action == "DescribeAssetImageList":
            server.images.pop("0", None)

    server.before = delete
    made = run(server, new_tables())
    assert made is not None
    assert (made.verdict, made.images_read, made.images_behind) == ("behind", 19, 1)
    server.images["0"], server.values, server.before = deleted, 0, lambda _: None
    refused = run(server, new_tables())
    assert refused is not None
    assert (refused.verdict, refused.images_read) == ("failed", 0)


def test_images_that_look_ups_never_show_are_not_left_to_the_next_run_for_ever() -> None:
    """Where other images are shown instead, or not even images that were just listed, the aspect is partial: no read of
    them is ever believed."""
    server, tables = _Lookups({f"{number}": Image(SCANNED, [finding(number)]) for number in range(20)}), new_tables()
    server.most, server.filters = 5, False
    made = run(server, tables)
    assert made is not None
    assert (made.verdict, made.images_read, made.images_behind) == ("partial", 5, 15)
    assert str(made.verdict_reason).startswith("the server does not filter by ImageID as documented")
    server.most, server.filters = 0, True
    made = run(server, tables, now=NOW + 60 * MINUTE)
    assert made is not None
    assert (made.verdict, made.images_read, made.images_behind) == ("partial", 0, 15)
    assert str(made.verdict_reason).startswith("the server does not filter by ImageID as documented")


@pytest.mark.parametrize("others", [0, 1])
def test_images_that_are_all_deleted_while_they_are_read_say_nothing_of_the_server(others: int) -> None:
    """Look-ups show nothing, and an image that was just listed, if there is one, is shown."""

    class Deleting(_Lookups):
        def call(self, action: str, payload: Mapping[str, Any]) -> Any:
            found = super().call(action, payload)
            if "ImageID" in payload:
                del self.images[payload["ImageID"]]
                self.images |= {"other": Image(SCANNED, [])} if others else {}
            return found

    made = run(Deleting({"1": Image(SCANNED, [finding(1)])}), new_tables())
    assert made is not None
    left = "1 images are left to the next run, 1 of which were not listed after they were read"
    assert (made.verdict, made.verdict_reason) == ("behind", left)


def test_a_scan_time_without_the_status_scanned_is_not_passed_over() -> None:
    """The API's words for statuses are not documented: they are named, and a word that we do not know leaves its images
    behind."""
    images = {
        "whole": Image(SCANNED, [finding(1)]),
        "under way": Image(SCANNED, [finding(1)], "SCANNING"),
        "odd": Image(SCANNED, [finding(1)], "FINISHED"),
    }
    tables = new_tables()
    made = run(Server(images), tables)
    assert made is not None
    assert (made.verdict, made.images_due, made.images_read, made.images_behind) == ("behind", 1, 1, 1)
    assert made.verdict_reason == "not read, since the ScanStatus is not SCANNED: 1 SCANNING, 1 FINISHED"
    del images["odd"]
    made = run(Server(images), tables)
    assert made is not None
    assert (made.verdict, made.verdict_reason) == (
        "complete",
        "not read, since the ScanStatus is not SCANNED: 1 SCANNING",
    )
    images["whole"].status = "SCANNING"  # its set was read, and no newer one is there
    del images["under way"]
    again = run(Server(images), tables)
    assert again is not None
    assert (again.verdict, again.images_due, again.verdict_reason) == ("complete", 0, None)


def test_a_scanned_image_without_a_scan_time_is_not_passed_over() -> None:
    """Its set cannot be told from that of another scan, and is not read. So the aspect is not complete."""
    images = {"whole": Image(SCANNED, [finding(1)]), "timeless": Image(SCANNED, [finding(2)])}
    images["timeless"].scan_time = cast(Any, None)
    made = run(Server(images), new_tables())
    assert made is not None
    assert (made.verdict, made.images_read, made.images_behind) == ("behind", 1, 1)
    assert made.verdict_reason == "not read: 1 SCANNED without a ScanTime"
    images["timeless"].status = "NOT_SCAN"
    made = run(Server(images), new_tables())
    assert made is not None
    assert (made.verdict, made.verdict_reason) == ("complete", None)


def test_an_answer_without_list_and_count_is_no_empty_set() -> None:
    """Unless the images list counts 0: then null is 0. Without any count, the set before stays."""

    class Mute(Server):
        known: int | None = None

        def counted(self, image: Image) -> int:
            return cast(int, self.known)

        def call(self, action: str, payload: Mapping[str, Any]) -> Any:
            answer = super().call(action, payload)
            if "ImageID" in payload:
                answer.response.clear()
            return answer

    images, tables = {"a": Image(SCANNED, [finding(1)])}, new_tables()
    run(Server(images), tables)
    before = shown(tables, "a")
    images["a"].scan_time += MINUTE
    server = Mute(images)
    made = run(server, tables, now=NOW + 60 * MINUTE)
    assert made is not None
    assert (made.verdict, made.verdict_reason) == ("partial", "1 x neither the images list nor the answer has a count")
    assert shown(tables, "a") == before
    server.known, images["a"].rows = 0, []
    made = run(server, tables, now=NOW + 120 * MINUTE)
    assert made is not None
    assert (made.verdict, shown(tables, "a")) == ("complete", ())


@pytest.mark.parametrize("error", ["\ud800", "a\0b", "x" * 300_000], ids=["surrogate", "NUL", "long"])
def test_a_reason_that_no_database_can_hold_does_not_end_the_run(error: str) -> None:
    """The API's text is in the reason, in a form that can be stored."""
    tables = new_tables()
    run(Server({"a": Image(SCANNED, [finding(1)], error=error), "b": Image(SCANNED, [finding(2)])}), tables)
    reason = tables["image_reads"]["1", "a", "vulnerabilities"]["verdict_reason"]
    assert reason.startswith("the scan failed: ")
    assert is_storable(reason)
    assert len(reason) <= LONGEST
    assert len(shown(tables, "b")) == 1


def test_an_api_that_fails_on_many_images_is_down() -> None:
    """The aspect has failed, and says of no image that it is not proven."""
    tables = new_tables()
    made = run(_Failing(_images(MOST_FAILING + 1)), tables)
    assert made is not None
    assert (made.verdict, made.images_read, tables["image_reads"]) == ("failed", 0, {})


class _HostsAlone(Server):
    """Lists one host, and refuses to list containers."""

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        if action == "DescribeAssetHostList":
            return self._page([{"HostID": "host"}], payload)
        raise AccessError("not permitted")


def test_hosts_stay_where_containers_are_refused() -> None:
    """Both lists are committed together, and also what was read before an error."""
    tables = new_tables()
    made = run(_HostsAlone({}), tables, detail=["running"])
    assert made is not None
    assert made.verdict == "refused"
    assert [row["host_id"] for row in tables["hosts"].values()] == ["host"]
