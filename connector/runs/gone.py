"""Images that seem gone: which of them a run looks up, and what a look-up that does not find them means.

An image has two strikes. A back end that is partly down answers a sweep and its look-ups alike, so the first look-up
that does not find an image only marks it (`images.missing_since`). The next one calls it gone, in a later run.

The next one belongs to a run of any mode whose sweep is complete: a partial sweep, or one that lists too few images,
says that the server is in doubt. Filtered runs mark nothing and call nothing gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connector.listing.reasons import Cause
from connector.runs.known import ABSENT, Known
from connector.runs.policy import Policy, RunReason


@dataclass(frozen=True)
class Strikes:
    """What a complete sweep says of the images that it has not shown. `full`: it has read the whole list."""

    known: Known
    policy: Policy
    started_at: int
    full: bool

    def candidates(self) -> list[str]:
        """What is looked up: all that a full sweep does not list, else what has been missing for long enough."""
        return self.known.missing() if self.full else self.overdue()

    def overdue(self) -> list[str]:
        """The images that a look-up calls gone where it does not find them."""
        if not self.policy.confirm_gone_after:
            return self.known.missing() if self.full else self.known.marked()
        latest = self.started_at - self.policy.confirm_gone_after
        return [image_id for image_id in self.known.marked() if self._since(image_id) <= latest]

    def unmarked(self, image_ids: Iterable[str]) -> list[str]:
        """Those that no run has marked, or by a clock that was ahead."""
        return [image_id for image_id in image_ids if not ABSENT < self._since(image_id) <= self.started_at]

    def implausible(self, candidates: int, listed: int) -> Cause | None:
        """Why so many images cannot have gone, where the list has shown `listed`, before any is looked up."""
        live = self.known.live()
        if not listed:
            return RunReason.EMPTY_LIST.given(live=live)
        if candidates > self.policy.max_delete_share * live:
            return RunReason.TOO_MANY_GONE.given(gone=candidates, live=live)
        return None

    def _since(self, image_id: str) -> int:
        return self.known.missing_since[self.known.slots[image_id]]
