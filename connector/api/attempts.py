"""Defines what is sent (a call and its attempts) and what comes back over HTTP, all as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from connector.api.credentials import Credentials
from connector.api.keyring import Keyring
from connector.api.signing import sign
from connector.errors import TcssError
from connector.redaction import Redactor
from connector.wire import storable

if TYPE_CHECKING:
    from connector.api.answers import CallStats

_CONTENT_TYPE = "application/json"
_UNSIGNED = "SKIP"  # STS wants this word in a request that carries its own proof


@dataclass(frozen=True, eq=False)
class Call:
    """One call. Without a `keyring` its attempts are not signed. `hidden` is a secret in `body` (redacted). `tally`
    counts the call's attempts beside the client's own counters."""

    action: str
    service: str
    version: str
    body: bytes = field(repr=False)
    url: str
    keyring: Keyring | None
    region: str | None = None
    hidden: str = field(default="", repr=False)
    tally: CallStats | None = None

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


@dataclass(frozen=True, eq=False)
class Attempt:
    """One attempt at a call: its number, from 1, and the keys that sign it."""

    call: Call
    number: int
    keys: Credentials | None

    @property
    def has_temporary_keys(self) -> bool:
        return self.keys is not None and self.keys.token is not None

    def headers(self, *, timestamp: int, language: str) -> dict[str, str]:
        """Return all headers of the request, its signature included. `timestamp` is in Unix seconds."""
        call = self.call
        headers = {
            "Host": call.host,
            "Content-Type": _CONTENT_TYPE,
            "X-TC-Action": call.action,
            "X-TC-Version": call.version,
            "X-TC-Timestamp": str(timestamp),
            "X-TC-Language": language,
            "Authorization": self._signature(self.keys, timestamp) if self.keys else _UNSIGNED,
        }
        if call.region:
            headers["X-TC-Region"] = call.region
        if self.keys and self.keys.token:
            headers["X-TC-Token"] = self.keys.token
        return headers

    def failed(self, kind: type[TcssError], text: str, hint: str | None = None) -> TcssError:
        """An error of this attempt, without secrets."""
        return kind(storable(self.redact(text)), action=self.call.action, attempt=self.number, hint=hint)

    def redact(self, text: str) -> str:
        text = Redactor((self.call.hidden,))(text)
        return self.keys.redact(text) if self.keys else text

    def _signature(self, keys: Credentials, timestamp: int) -> str:
        return sign(
            secret_id=keys.secret_id,
            secret_key=keys.secret_key,
            service=self.call.service,
            host=self.call.host,
            body=self.call.body,
            timestamp=timestamp,
            content_type=_CONTENT_TYPE,
        )


@dataclass(frozen=True)
class HttpResponse:
    """What a host sent back. The names in `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # keys are in answers of STS


@dataclass(frozen=True)
class NoResponse:
    """Why no whole response came back.

    `passes`: whether a retry may help. `connected`: whether there was a connection at all. `too_large`: whether the
    response exceeded the bound on bytes.
    """

    reason: str
    passes: bool
    connected: bool
    too_large: bool = False
