"""Checks whether incremental sweeps have found every scan: a full sweep judges them by the ScanTimes that it shows.

An image is audited if its ScanTime lies in a span of time for which incremental sweeps have promised every scan. Where
no image has such a ScanTime, nothing was audited, and the sweeps have been proven neither right nor wrong.
"""

from __future__ import annotations

from typing import NamedTuple

from connector import texts

log = texts.logger(__name__)


class Span(NamedTuple):
    """ScanTimes after one instant, and up to another, in microseconds."""

    after: int
    up_to: int


class Audit:
    """Counts the images that incremental sweeps should have shown and did not.

    Earlier runs are judged in `span`: the scans that they found are in the warehouse. If this run makes an incremental
    sweep first, that sweep is watched, and compared with the full sweep that follows. Images are numbers as in `Known`.
    """

    def __init__(self, span: Span | None = None) -> None:
        self._span = span
        self._trial: Span | None = None
        self._shown: dict[int, int] = {}  # by the incremental sweep of this run: the newest ScanTime of each image
        self._watching = False
        self._judged = False
        self._lacking: set[int] = set()  # images whose scans the warehouse did not have
        self._missed: set[int] = set()  # by the incremental sweep of this run

    @property
    def missed(self) -> int | None:
        """Images that were missed; None where nothing was audited."""
        return len(self._lacking | self._missed) if self._judged else None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to audit, so that scans need not be noted."""
        return self._span is None and self._trial is None

    def watch(self, span: Span) -> None:
        """Begin to watch an incremental sweep, which promises all scans in `span`."""
        self._trial, self._watching = span, True

    def compare(self, *, trusted: bool) -> None:
        """Begin to compare with a full sweep. An incremental sweep that is not `trusted` has promised nothing."""
        self._watching = False
        if not trusted:
            self._trial = None
            self._shown.clear()

    def note(self, image: int, scan_time: int, *, stored: int, first: bool) -> None:
        """Note an image with its ScanTime. The warehouse has `stored`; `first`: this run had not shown it before."""
        if first and _within(self._span, scan_time):
            self._judge(image, self._lacking, missed=scan_time != stored)
        if not _within(self._trial, scan_time):
            return
        if self._watching:
            self._shown[image] = max(scan_time, self._shown.get(image, scan_time))
        else:
            missed = image not in self._shown or self._shown[image] < scan_time
            self._judge(image, self._missed, missed=missed)

    def acquit(self, image: int) -> None:
        """Take back that earlier runs have missed the image: they found this scan, and the row was lost later."""
        self._lacking.discard(image)

    def _judge(self, image: int, images: set[int], *, missed: bool) -> None:
        self._judged = True
        if missed:
            images.add(image)


def _within(span: Span | None, scan_time: int) -> bool:
    return span is not None and span.after < scan_time <= span.up_to


def warn_of_misses(account_id: str, missed: int | None) -> None:
    """Warn a person of images that incremental runs have missed, and say what follows."""
    if missed:
        log.warning(
            "account %s: incremental runs had missed %d images, which are loaded now; runs of mode auto read all "
            "images until an incremental and a full sweep agree",
            account_id,
            missed,
        )
