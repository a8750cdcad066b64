"""Recognises replayed answers: each answer has its own RequestId, so a known RequestId means an old answer."""

import threading
from collections.abc import Iterable


class Replays:
    """Remembers the RequestIds of received answers. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._had: set[str] = set()

    def remember(self, request_ids: Iterable[str]) -> None:
        """Remember RequestIds of answers that this client or an earlier client received."""
        with self._lock:
            self._had.update(request_ids)

    def is_replayed(self, request_id: str | None) -> bool:
        """Whether an answer with this id was received before; remembers the id. Always False without an id."""
        if request_id is None:
            return False
        with self._lock:
            had = request_id in self._had
            self._had.add(request_id)
        return had
