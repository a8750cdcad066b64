"""Simulates a network and a source of keys, with answers that a test chooses."""

from collections.abc import Mapping
from typing import Any

from connector.api.credentials import Credentials
from connector.errors import UnavailableError

NOW = 1_700_000_000
GIVEN = Credentials("AKIDEXAMPLE", "SECRETEXAMPLE", origin="the test")


class Network:
    """Answers by action or URL; an exception is raised. `asked` keeps the requests."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[tuple[Any, ...]] = []

    def sts(self, action: str, payload: Mapping[str, Any], *, region: str, keys: Credentials | None) -> dict[str, Any]:
        self.asked.append((action, dict(payload), region, keys))
        return dict(self._answer(action))

    def metadata(self, url: str) -> str:
        self.asked.append((url,))
        return str(self._answer(url))

    def _answer(self, name: str) -> Any:
        answer = self.answers.get(name, UnavailableError(f"no {name}"))
        if isinstance(answer, Exception):
            raise answer
        return answer


class Source:
    """Gives the chosen keys, and counts the calls."""

    def __init__(self, *found: Credentials | Exception | None, origin: str = "a source") -> None:
        self.found = list(found)
        self.origin = origin
        self.asked = 0

    def find(self, transport: object) -> Credentials | None:
        self.asked += 1
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return found
