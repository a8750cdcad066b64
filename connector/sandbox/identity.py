"""Keeps accounts and their keys, and answers the actions about them: STS, the CVM's metadata, the purchase's state.

STS: tencentcloud.com/document/product/1150 (GetCallerIdentity 49453). Metadata: the vendor's SDK, CVMRoleCredential.
"""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.sandbox.parameters import ApiError, check_types, require
from connector.sandbox.state import Fleet

DEFAULT_ID = "AKIDEXAMPLE"
DEFAULT_KEY = "SECRETEXAMPLE"
DEFAULT_ACCOUNT = "100000000001"

ROLE = "tcss-sandbox"
METADATA_PATH = "/latest/meta-data/cam/security-credentials/"
MOST_SECONDS = 43_200

_ROLE_ARN = re.compile(r"qcs::cam::uin/(\d+):(?:roleName|role)/.+")
_ASSUME = {
    "RoleArn": str,
    "RoleSessionName": str,
    "DurationSeconds": int,
    "Policy": str,
    "ExternalId": str,
    "Tags": list,
    "SourceIdentity": str,
    "SerialNumber": str,
    "TokenCode": str,
}
_WEB_IDENTITY = {
    "ProviderId": str,
    "WebIdentityToken": str,
    "RoleArn": str,
    "RoleSessionName": str,
    "DurationSeconds": int,
}


@dataclass(frozen=True)
class Account:
    """Holds a root account (its UIN), its images and one long-lived key. `state`: for DescribePurchaseStateInfo."""

    fleet: Fleet
    secret_id: str = DEFAULT_ID
    secret_key: str = DEFAULT_KEY
    account_id: str = DEFAULT_ACCOUNT
    state: int = 3


@dataclass(frozen=True)
class Key:
    """Holds a key of an account; with `token` the key is temporary and ends at `expires` (Unix seconds)."""

    account: Account
    secret_id: str
    secret_key: str
    token: str | None = None
    expires: float | None = None


class Accounts:
    """Holds the accounts of one server, and every key that was issued for them.

    Two accounts with the same UIN and fleet are one account with two keys.
    """

    def __init__(self, accounts: Iterable[Account]) -> None:
        given = list(accounts)
        self._accounts = {account.account_id: account for account in given}
        self._keys = {a.secret_id: Key(a, a.secret_id, a.secret_key) for a in given}

    @property
    def first(self) -> Account:
        """The only account of a server with one account; the CVM's role belongs to this account."""
        return next(iter(self._accounts.values()))

    def account(self, account_id: str) -> Account | None:
        """Return the account with this UIN."""
        return self._accounts.get(account_id)

    def key(self, secret_id: str) -> Key | None:
        """Return the key with this id, even if the key has expired."""
        return self._keys.get(secret_id)

    def issue(self, account: Account, seconds: int, now: float) -> Key:
        """Issue a temporary key of an account."""
        mark = uuid.uuid4().hex
        key = Key(account, f"AKIDsandbox{mark[:16]}", uuid.uuid4().hex, f"token-{mark}", now + seconds)
        self._keys[key.secret_id] = key
        return key


@dataclass(frozen=True)
class Caller:
    """Says who calls: the key of the request (None for an unsigned action), all accounts, the time (Unix seconds)."""

    key: Key | None
    accounts: Accounts
    now: float

    @property
    def account(self) -> Account:
        """The account that the request is about."""
        return self.key.account if self.key else self.accounts.first


def get_caller_identity(caller: Caller, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Answer STS GetCallerIdentity: AccountId is the root account's UIN."""
    check_types(payload, {})
    uin = caller.account.account_id
    role = caller.key is not None and caller.key.token is not None
    arn = f"qcs::sts::{uin}:assumed-role/4611686018427733635" if role else f"qcs::cam::uin/{uin}:uin/{uin}"
    kind = "AssumedRoleUser" if role else "CAMUser"
    return {"Arn": arn, "AccountId": uin, "UserId": uin, "PrincipalId": uin, "Type": kind}


def assume_role(caller: Caller, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Answer STS AssumeRole: a temporary key of the account that the role's ARN names."""
    check_types(payload, _ASSUME)
    require(payload, ("RoleArn", "RoleSessionName"))
    return _assumed(caller, payload)


def assume_role_with_web_identity(caller: Caller, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Answer STS AssumeRoleWithWebIdentity, which is not signed. Any token that is not empty is accepted."""
    check_types(payload, _WEB_IDENTITY)
    require(payload, ("ProviderId", "WebIdentityToken", "RoleArn", "RoleSessionName"))
    if not payload["WebIdentityToken"]:
        raise ApiError("InvalidParameter.WebIdentityTokenError", "The web identity token is not valid.")
    return _assumed(caller, payload)


def describe_purchase_state_info(caller: Caller, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Answer TCSS DescribePurchaseStateInfo, with the fields that a check reads. State 3: the Pro edition is active."""
    check_types(payload, {})
    account = caller.account
    return {
        "State": account.state,
        "AllCoresCnt": 640,
        "CoresCnt": 512,
        "ImageCnt": len(account.fleet),
        "AuthorizedImageCnt": sum(item.get("IsAuthorized") == 1 for item in account.fleet.truth().values()),
        "ExpirationTime": "2030-01-01 00:00:00",
    }


def metadata(path: str, accounts: Accounts, now: float) -> str | dict[str, Any] | None:
    """Return what the CVM's metadata service has at `path`: the role's name, a temporary key, or None: no such path."""
    role = path.removeprefix(METADATA_PATH.rstrip("/")).strip("/")
    if not role:
        return ROLE
    if role != ROLE:
        return None
    key = accounts.issue(accounts.first, 7200, now)
    return {"TmpSecretId": key.secret_id, "TmpSecretKey": key.secret_key, "Token": key.token} | {
        "ExpiredTime": int(key.expires or 0),
        "Expiration": _utc(key.expires or 0),
        "Code": "Success",
    }


def _assumed(caller: Caller, payload: Mapping[str, Any]) -> dict[str, Any]:
    found = _ROLE_ARN.fullmatch(payload["RoleArn"])
    account = caller.accounts.account(found[1]) if found else None
    if account is None:
        raise ApiError("ResourceNotFound.RoleNotFound", f"The role {payload['RoleArn']} does not exist.")
    seconds = payload.get("DurationSeconds", 7200)
    if not 0 < seconds <= MOST_SECONDS:
        raise ApiError("InvalidParameter.OverTimeError", f"DurationSeconds must be in the range [1, {MOST_SECONDS}].")
    key = caller.accounts.issue(account, seconds, caller.now)
    credentials = {"Token": key.token, "TmpSecretId": key.secret_id, "TmpSecretKey": key.secret_key}
    expires = key.expires or 0
    return {"Credentials": credentials, "ExpiredTime": int(expires), "Expiration": _utc(expires)}


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
