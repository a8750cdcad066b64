"""Decides which images that seem gone a run looks up, and what it means if a look-up does not find them.

An image has two strikes. A back end that is partly down gives a sweep and its look-ups the same wrong answers. So the
first look-up that does not find an image only marks the image (`images.missing_since`). The second look-up, in a later
run, calls the image gone.

The second look-up needs a run with a complete sweep, of any mode. A partial sweep, or a sweep that lists too few
images, means that the server is in doubt. Filtered runs mark no image and call no image gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connector.listing.reasons import Cause
from connector.runs.known import ABSENT, Known
from connector.runs.policy import Policy, RunReason


@dataclass(frozen=True)
class Strikes:
    """Judges the images that a complete sweep has not shown. `full`: the sweep has read the whole list."""

    known: Known
    policy: Policy
    started_at: int
    full: bool

    def candidates(self) -> list[str]:
        """Return the images to look up: all that a full sweep does not list, else those missing for long enough."""
        return self.known.missing() if self.full else self.overdue()

    def overdue(self) -> list[str]:
        """Return the images that are gone if a look-up does not find them."""
        if not self.policy.confirm_gone_after:
            return self.known.missing() if self.full else self.known.marked()
        latest = self.started_at - self.policy.confirm_gone_after
        return [image_id for image_id in self.known.marked() if self._since(image_id) <= latest]

    def unmarked(self, image_ids: Iterable[str]) -> list[str]:
        """Return the images that no run has marked, or that were marked by a clock that was ahead."""
        return [image_id for image_id in image_ids if not ABSENT < self._since(image_id) <= self.started_at]

    def implausible(self, candidates: int, listed: int) -> Cause | None:
        """Return why so many `candidates` cannot be gone, given `listed` images; asked before any look-up."""
        live = self.known.live()
        if not listed:
            return RunReason.EMPTY_LIST.given(live=live)
        if candidates > self.policy.max_delete_share * live:
            return RunReason.TOO_MANY_GONE.given(gone=candidates, live=live)
        return None

    def _since(self, image_id: str) -> int:
        return self.known.missing_since[self.known.slots[image_id]]
