"""The keys in use: found once, and renewed before they expire or when the server refuses them."""

import threading
import time
from collections.abc import Callable

from connector.api.credentials import Credentials, Network, Provider, missing
from connector.errors import TcssError

REFRESH_BEFORE = 300_000_000  # microseconds
_LOOK_AGAIN = 30_000_000


class Keyring:
    """The current keys of one source: found when first needed, renewed before they expire. Thread safe.

    `now` gives Unix seconds.
    """

    def __init__(self, provider: Provider, network: Network, now: Callable[[], float] = time.time) -> None:
        self._provider = provider
        self._network = network
        self._now = now
        self._lock = threading.Lock()
        self._keys: Credentials | None = None
        self._next_look = 0

    def current(self) -> Credentials:
        """Return keys that do not expire soon. Raises CredentialsError, or the error of the source's request."""
        with self._lock:
            if self._keys is None or self._remaining(self._keys) <= 0:
                return self._find()
            if self._remaining(self._keys) <= REFRESH_BEFORE and self._micros() >= self._next_look:
                self._next_look = self._micros() + _LOOK_AGAIN
                try:
                    return self._find()
                except TcssError:
                    # The old keys are still valid; once they are not, the error is raised.
                    if self._remaining(self._keys) <= 0:
                        raise
                    return self._keys
            return self._keys

    def renew(self, refused: Credentials) -> bool:
        """Look for keys again after the server refused temporary keys; return whether there are other keys now."""
        with self._lock:
            if refused.token is not None and self._keys == refused:
                self._find()
            return self._keys != refused

    def _find(self) -> Credentials:
        self._keys = self._provider.find(self._network) or missing(self._provider.origin, "keys")
        return self._keys

    def _remaining(self, keys: Credentials) -> float:
        return float("inf") if keys.expires_at is None else keys.expires_at - self._micros()

    def _micros(self) -> int:
        return int(self._now() * 1_000_000)
