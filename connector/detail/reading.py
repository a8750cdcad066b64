"""Reads batches of sets, with several requests under way, and confirms each batch by one look-up of its images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from connector.detail.findings import FindingParser, Found
from connector.detail.queue import Due
from connector.detail.sets import ReadSet, SetReader
from connector.errors import AccountStateError, RequestRejectedError, ResponseTooLargeError, TcssError, TransientError
from connector.listing.page import image_id_of
from connector.listing.prefetch import MOST_THREADS, InFlight
from connector.listing.query import Query
from connector.listing.remote import RemoteList

BATCH = 99  # images that one look-up confirms
UNKNOWN_IMAGE = "ResourceNotFound"
INTERNAL_ERROR = "InternalError"
MOST_FAILING = 10  # images in a row that the API fails on, before it is down; else one image would stop all others


@dataclass
class Batch:
    """Holds sets by image: `sets` without their rows, which are `found`; `new` are rows of vulnerabilities that no set
    before had; `items` are the images as listed afterwards. `is_filtered` is false if other images were listed in the
    place of some, or if look-ups show nothing, not even images that are listed."""

    read_at: int
    sets: dict[str, ReadSet] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)
    new: list[Any] = field(default_factory=list)
    items: dict[str, Any] = field(default_factory=dict)
    is_filtered: bool = True


class BatchReader:
    """Reads batches of one aspect. Raises what the API raises."""

    def __init__(
        self,
        reader: SetReader,
        parser: FindingParser,
        images: RemoteList,
        *,
        in_flight: InFlight,
        now: Callable[[], int],
    ) -> None:
        self._reader, self._parser, self._images = reader, parser, images
        self._in_flight, self._now = in_flight, now
        threads = in_flight if isinstance(in_flight, int) else MOST_THREADS
        self._failing = 0  # images in a row
        self._at_once = BATCH  # images that a look-up asks for
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tcss-set")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, due: Sequence[Due]) -> Batch:
        """Read the sets of these images, and then the images as listed afterwards."""
        batch = Batch(self._now())
        for image_id, (read, found) in self._sets([each.image_id for each in due]).items():
            batch.sets[image_id] = read
            if found is not None:
                batch.found[image_id] = found
        batch.new, self._parser.new = self._parser.new, []
        self._listed([*batch.sets], batch)
        return batch

    def _sets(self, image_ids: Sequence[str]) -> dict[str, tuple[ReadSet, Found | None]]:
        """Return the sets, without their rows, and their findings if they are whole. As many requests are under way as
        the latency calls for."""
        waiting = deque(image_ids)
        sets: dict[str, tuple[ReadSet, Found | None]] = {}
        workers: list[Future[None]] = []

        def work() -> None:
            while True:
                try:
                    image_id = waiting.popleft()
                except IndexError:  # no more
                    return
                if waiting and len(workers) < self._most():
                    workers.append(self._pool.submit(work))
                try:
                    sets[image_id] = self._parsed(image_id)
                except BaseException:
                    waiting.clear()
                    raise

        workers.append(self._pool.submit(work))
        for worker in workers:  # which grow in number meanwhile
            wait([worker])
        for worker in workers:
            worker.result()
        return sets

    def _most(self) -> int:
        return self._in_flight if isinstance(self._in_flight, int) else self._in_flight()

    def _parsed(self, image_id: str) -> tuple[ReadSet, Found | None]:
        """Parse a set where it was read: rows of long texts take much memory, and are near the processor now."""
        read = self._read(image_id)
        found = self._parser.parse(read.rows) if read.whole else None
        read.rows = []
        return read, found

    def _read(self, image_id: str) -> ReadSet:
        try:
            read = self._reader.read(image_id)
            self._failing = 0
            return read
        except (RequestRejectedError, ResponseTooLargeError, AccountStateError) as error:
            if isinstance(error, AccountStateError) and not (error.code or "").startswith(UNKNOWN_IMAGE):
                raise
            return ReadSet(reason=f"the API refused the read: {_said(error)}", requests=1)
        except TransientError as error:
            self._failing += 1
            if not (error.code or "").startswith(INTERNAL_ERROR) or self._failing > MOST_FAILING:
                raise
            return ReadSet(reason=f"the API failed on the read: {_said(error)}", requests=1)

    def _listed(self, image_ids: Sequence[str], batch: Batch) -> None:
        """Add these images as listed, asked for as many at once as the server allows in a filter."""
        start = 0
        while start < len(image_ids):
            asked = image_ids[start : start + self._at_once]
            try:
                self._look_up(asked, batch)
            except RequestRejectedError:
                if len(asked) == 1:
                    raise
                self._at_once = len(asked) // 2
            else:
                start += len(asked)

    def _look_up(self, image_ids: Sequence[str], batch: Batch) -> None:
        """Ask for images by their ids. Images that answers lack are asked for again, at least once, and as long as
        answers show more of them."""
        shows_others, progress = False, True
        for number in count():
            missing = [image_id for image_id in image_ids if image_id not in batch.items]
            if not missing or (number > 1 and not progress):
                break
            listed = self._first(missing)
            progress = not listed.keys().isdisjoint(missing)
            shows_others = shows_others or not listed.keys() <= {*missing}
            batch.items |= listed
        if len(missing) == len(image_ids):
            shows_others = shows_others or not self._shows_listed()
        batch.is_filtered = batch.is_filtered and not (missing and shows_others)

    def _shows_listed(self) -> bool:
        """Return whether a look-up shows any of the images that are listed now; true if none are."""
        listed = [*self._first()][: self._at_once]
        return not listed or not self._first(listed).keys().isdisjoint(listed)

    def _first(self, image_ids: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the first images as listed: of these ids, or else of all."""
        filters = () if image_ids is None else (("ImageID", tuple(image_ids)),)
        page = self._images.first(Query(filters=filters), self._images.limit)
        return {i: item for item in page.items if (i := image_id_of(item)) is not None}


def _said(error: TcssError) -> str:
    return error.code or error.message
