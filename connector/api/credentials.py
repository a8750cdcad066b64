"""Finds keys: given, environment, profile file, TKE OIDC, CVM role, or a role assumed with any of these.

A source of keys returns keys, or None if the source is not set up here, or raises if it is set up wrongly. A source
opens no sockets: its requests go through a `Network`, which `client.py` implements. Facts: the vendor's
`tencentcloud.common.credential`, which ignores tokens in the environment and in the profile; we read such tokens.
"""

import configparser
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Protocol
from urllib.parse import quote

from connector.errors import CredentialsError, UnavailableError
from connector.redaction import Redactor
from connector.wire import decode

METADATA_URL = "http://metadata.tencentyun.com"
_ROLES_PATH = "/latest/meta-data/cam/security-credentials/"
PROFILE_PATHS = ("~/.tencentcloud/credentials", "/etc/tencentcloud/credentials")
_REGION = "ap-guangzhou"
_SESSION = "tcss-connector"
_DURATION = 7200
_LONGEST_ROLE = 128
_LONGEST_KEY = 10_000
_HINT = "Set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or write a profile file."


@dataclass(frozen=True, repr=False)
class Credentials:
    """Keys for signing. Only temporary keys have a `token`, and end at `expires_at` (microseconds since the epoch).

    `origin` says where the keys were found, without secrets. Raises CredentialsError for keys that no header can carry.
    """

    secret_id: str
    secret_key: str
    token: str | None = None
    expires_at: int | None = None
    origin: str = field(default="given", compare=False)

    def __post_init__(self) -> None:
        for name, value in (("secret id", self.secret_id), ("secret key", self.secret_key), ("token", self.token)):
            if value is not None and not re.fullmatch(rf"[!-~]{{1,{_LONGEST_KEY}}}", value):
                what = "is empty or has forbidden characters" if len(value) <= _LONGEST_KEY else "is too long"
                hint = "Copy it again, without blanks and line breaks."
                raise CredentialsError(f"the {name} from {self.origin} {what}", hint=hint)

    def __repr__(self) -> str:
        return f"Credentials(secret_id={self.secret_id[:4]}***, expires_at={self.expires_at}, origin={self.origin!r})"

    def redact(self, text: str) -> str:
        """Return `text` without these secrets, for messages that came from elsewhere."""
        return Redactor((self.token or "", self.secret_key, self.secret_id))(text)


class Network(Protocol):
    """The requests that a source of keys may send."""

    def sts(self, action: str, payload: Mapping[str, Any], *, region: str, keys: Credentials | None) -> dict[str, Any]:
        """Return `Response` of an STS call, signed with `keys`, or unsigned where there are none. Raises TcssError."""

    def metadata(self, url: str) -> str:
        """Return the body of `GET url` if HTTP 200 comes within a second; else raise UnavailableError."""


class Provider(Protocol):
    """One source of keys."""

    @property
    def origin(self) -> str:
        """Where this source looks, for messages."""

    def find(self, network: Network) -> Credentials | None:
        """The keys; None if this source is not set up here. Raises CredentialsError if it is set up wrongly."""


@dataclass(frozen=True)
class Static:
    """Keys that the caller has given."""

    credentials: Credentials

    @property
    def origin(self) -> str:
        return self.credentials.origin

    def find(self, network: Network) -> Credentials | None:  # noqa: ARG002
        return self.credentials


@dataclass(frozen=True)
class Searched:
    """A place that the caller has already searched, and that had no keys."""

    origin: str

    def find(self, network: Network) -> Credentials | None:  # noqa: ARG002
        return None


@dataclass(frozen=True)
class Environment:
    """TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, and TENCENTCLOUD_TOKEN or TENCENTCLOUD_SECURITY_TOKEN; quotes
    and blanks around the values are dropped, because a container's env file keeps them."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    origin: ClassVar[str] = "environment (TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY)"

    def find(self, network: Network) -> Credentials | None:  # noqa: ARG002
        names = ("SECRET_ID", "SECRET_KEY", "TOKEN", "SECURITY_TOKEN")
        found = {name: bare(self.environ.get(f"TENCENTCLOUD_{name}", "")) for name in names}
        token = found["TOKEN"] or found["SECURITY_TOKEN"]
        return _keys(found["SECRET_ID"], found["SECRET_KEY"], token, self.origin)


@dataclass(frozen=True)
class Profile:
    """A section of the first of `paths` that exists: secret_id, secret_key, token; quotes and blanks are dropped."""

    paths: Sequence[str | Path] = PROFILE_PATHS
    section: str = "default"

    @property
    def origin(self) -> str:
        return f"profile file ({' or '.join(map(str, self.paths))}, section [{self.section}])"

    def find(self, network: Network) -> Credentials | None:  # noqa: ARG002
        for path in self.paths:
            text = _read(path)
            if text is not None:
                return self._parse(text, path)
        return None

    def _parse(self, text: str, path: str | Path) -> Credentials:
        origin = f"profile file {path}, section [{self.section}]"
        # No section gives defaults to the others, and a % in a key stands for itself.
        parser = configparser.ConfigParser(interpolation=None, strict=False, default_section="")
        try:
            parser.read_string(text)
            section = parser[self.section]
        except (configparser.Error, KeyError):
            hint = f"Write [{self.section}] with secret_id = ... and secret_key = ... there, or remove the file."
            # The parser's own text quotes lines of the file, so that text is not passed on.
            raise CredentialsError(f"profile file {path} has no readable section [{self.section}]", hint=hint) from None
        values = {name: bare(value) for name, value in section.items()}
        keys = _keys(values.get("secret_id", ""), values.get("secret_key", ""), values.get("token", ""), origin)
        return keys or missing(origin, "secret_id and secret_key")


@dataclass(frozen=True)
class TkeOidc:
    """The role of a TKE pod's service account: TKE_ROLE_ARN, _PROVIDER_ID, _REGION and _WEB_IDENTITY_TOKEN_FILE.

    The token file is read anew each time, because the kubelet rotates it.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    origin: ClassVar[str] = "TKE OIDC (TKE_ROLE_ARN, TKE_PROVIDER_ID, TKE_REGION, TKE_WEB_IDENTITY_TOKEN_FILE)"

    def find(self, network: Network) -> Credentials | None:
        names = ("TKE_ROLE_ARN", "TKE_PROVIDER_ID", "TKE_REGION", "TKE_WEB_IDENTITY_TOKEN_FILE")
        found = {name: self.environ.get(name, "").strip() for name in names}
        if not found["TKE_ROLE_ARN"]:
            return None
        if empty := [name for name, value in found.items() if not value]:
            return missing(self.origin, ", ".join(empty))
        token = _read(found["TKE_WEB_IDENTITY_TOKEN_FILE"]) or missing(self.origin, "the token file")
        payload = {
            "ProviderId": found["TKE_PROVIDER_ID"],
            "WebIdentityToken": token.strip(),
            "RoleArn": found["TKE_ROLE_ARN"],
            "RoleSessionName": _SESSION,
            "DurationSeconds": _DURATION,
        }
        answer = network.sts("AssumeRoleWithWebIdentity", payload, region=found["TKE_REGION"], keys=None)
        return _temporary(answer, f"TKE OIDC, role {found['TKE_ROLE_ARN']}")


@dataclass(frozen=True)
class CvmRole:
    """The role bound to the CVM instance that this process runs on, from the instance's metadata service."""

    url: str = METADATA_URL
    role: str | None = None

    @property
    def origin(self) -> str:
        return f"CVM role ({self.url})"

    def find(self, network: Network) -> Credentials | None:
        base = self.url + _ROLES_PATH
        try:
            role = self.role or network.metadata(base).strip().partition("\n")[0]
            if not role.isprintable() or len(role) > _LONGEST_ROLE:
                return None
            answer = decode(network.metadata(base + quote(role, safe="")))
        except (UnavailableError, ValueError):
            return None
        if not isinstance(answer, dict) or answer.get("Code") != "Success":
            return None
        return _temporary({"Credentials": answer, "ExpiredTime": answer.get("ExpiredTime")}, f"CVM role {role}")


@dataclass(frozen=True)
class AssumeRole:
    """Another role, assumed with the keys of `base`. `duration` in seconds, at most 43,200."""

    base: Provider
    role_arn: str
    session_name: str = _SESSION
    duration: int = _DURATION

    @property
    def origin(self) -> str:
        return f"role {self.role_arn}, assumed with keys from {self.base.origin}"

    def find(self, network: Network) -> Credentials | None:
        keys = self.base.find(network) or missing(self.base.origin, f"keys to assume {self.role_arn} with")
        payload = {
            "RoleArn": self.role_arn,
            "RoleSessionName": self.session_name,
            "DurationSeconds": self.duration,
        }
        answer = network.sts("AssumeRole", payload, region=_REGION, keys=keys)
        return _temporary(answer, f"role {self.role_arn}, assumed with keys from {keys.origin}")


class Chain:
    """Takes keys from the first of several sources that has any. Later look-ups stay with that source, because another
    source may belong to another account.

    `hint` says what to do where no source has keys.
    """

    def __init__(self, providers: Sequence[Provider], hint: str = _HINT) -> None:
        self._providers = providers
        self._hint = hint

    @property
    def origin(self) -> str:
        return "; ".join(provider.origin for provider in self._providers)

    def find(self, network: Network) -> Credentials:
        for provider in self._providers:
            if keys := provider.find(network):
                self._providers = [provider]
                return keys
        raise CredentialsError(f"no keys found; tried: {self.origin}", hint=self._hint)


def default_chain(*first: Provider, metadata: bool = True, hint: str = _HINT) -> Chain:
    """Return the usual chain: `first` (from the caller's configuration), environment, profile file, TKE OIDC, and the
    CVM role if `metadata`."""
    found: list[Provider] = [*first, Environment(), Profile(), TkeOidc()]
    return Chain([*found, CvmRole()] if metadata else found, hint)


def _keys(secret_id: str, secret_key: str, token: str, origin: str) -> Credentials | None:
    if not secret_id and not secret_key:
        return None
    if not secret_id or not secret_key:
        return missing(origin, "the secret key" if secret_id else "the secret id")
    return Credentials(secret_id, secret_key, token or None, origin=origin)


def bare(text: str) -> str:
    """Return the text without quotes and blanks around it: no key has them."""
    return text.strip().strip("\"'").strip()


def missing(origin: str, what: str) -> NoReturn:
    """Raise CredentialsError: the source `origin` lacks `what`."""
    raise CredentialsError(f"{origin}: {what} missing", hint="Set it, or take the rest of this source away.")


def _read(path: str | Path) -> str | None:
    """Return the text of a file, None if the file does not exist. Raises CredentialsError if it cannot be read."""
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # RuntimeError: this user has no home directory
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(f"{path} cannot be read: {type(error).__name__}") from None


def _temporary(answer: Mapping[str, Any], origin: str) -> Credentials:
    try:
        secret_id, secret_key, token = (
            str(answer["Credentials"][name] or "") for name in ("TmpSecretId", "TmpSecretKey", "Token")
        )
        return Credentials(secret_id, secret_key, token, int(answer["ExpiredTime"]) * 1_000_000, origin)
    except (KeyError, TypeError, ValueError):
        raise CredentialsError(f"{origin}: the answer holds no temporary keys") from None
