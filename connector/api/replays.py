"""Answers that were given before: each has a RequestId of its own, so that one that comes again is an old answer."""

import threading
from collections.abc import Iterable


class Replays:
    """The RequestIds that were had. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._had: set[str] = set()

    def remember(self, request_ids: Iterable[str]) -> None:
        """Answers with these ids were had, by this client or an earlier one."""
        with self._lock:
            self._had.update(request_ids)

    def is_replayed(self, request_id: str | None) -> bool:
        """Whether an answer with this id was had before; from now on it was. Without an id nothing can be told."""
        if request_id is None:
            return False
        with self._lock:
            had = request_id in self._had
            self._had.add(request_id)
        return had
