"""The API fails on the sets of some images, or on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.detail.reading import MOST_FAILING
from connector.errors import TransientError
from tests.detail.account import MINUTE, NOW, Image, Server, finding, new_tables, run, shown

SCANNED = NOW - 10_000 * MINUTE


class _Failing(Server):
    """The sets of images that a container uses end in InternalError."""

    def call(self, action: str, payload: Mapping[str, Any]) -> Any:
        if "ImageID" in payload and self.images[payload["ImageID"]].containers:
            raise TransientError("an internal error", code="InternalError.MainDBFail")
        return super().call(action, payload)


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


def test_an_api_that_fails_on_many_images_is_down() -> None:
    """The aspect has failed, and says of no image that it is not proven."""
    tables = new_tables()
    made = run(_Failing(_images(MOST_FAILING + 1)), tables)
    assert made is not None
    assert (made.verdict, made.images_read, tables["image_reads"]) == ("failed", 0, {})
