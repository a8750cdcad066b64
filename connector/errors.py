"""Defines the errors, classed by what the reader should do; the class decides the exit code.

`classify` maps the API's error codes to classes. Source: the error pages and `errorcodes.py` of the vendor's SDK, as
collected in `tencent-api.md` section 4.5; the class of each code is our choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from connector.redaction import Redactor
from connector.texts import LONGEST_NAME, shortened, visible

if TYPE_CHECKING:
    from connector.runs.row import SyncRun

_without_passwords = Redactor(())  # a person may have written a URL in any place


class TcssError(Exception):
    """Base of every error that this package raises on purpose. An error pickles with all its attributes. Long messages
    are cut at the end.

    `code`, `action`, `request_id` and `attempt` are those of the API call, if there was a call; `hint` says what to do.
    `account_id` and `account_name` are those of the sync that this error ended, as far as they were known.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        action: str | None = None,
        request_id: str | None = None,
        attempt: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(shortened(message))
        self.code = None if code is None else shortened(code, LONGEST_NAME)
        self.action = action
        self.request_id = request_id
        self.attempt = attempt
        self.hint = hint
        self.run: SyncRun | None = None  # the row in `sync_runs` of the run that this error ended
        self.account_id: str | None = None
        self.account_name: str | None = None

    @property
    def message(self) -> str:
        """The message alone, in one line, without facts and hint. A URL in it has neither user nor password."""
        return _without_passwords(" ".join(str(self.args[0]).split()))

    def __str__(self) -> str:
        """Return the sentence, without characters that control a terminal."""
        return visible(self.sentence)

    @property
    def sentence(self) -> str:
        """Message, facts and hint."""
        facts = {"code": self.code, "request id": self.request_id, "attempt": self.attempt}
        known = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
        text = f"{self.action}: {self.message}" if self.action else self.message
        text = f"{text.removesuffix('.')} ({known})" if known else text
        return f"{text.removesuffix('.')}. {_without_passwords(self.hint)}" if self.hint else text


class ConfigurationError(TcssError):
    """Bad usage or configuration. The API was not asked, or refused the given filter."""

    exit_code = 2


class AccessError(TcssError):
    """The API refuses this caller: somebody has to grant, buy or correct something."""

    exit_code = 3


class CredentialsError(AccessError):
    """Keys are missing, unreadable, wrong or expired."""


class ClockError(AccessError):
    """The local clock is too far from the server's for a signature to be valid."""


class PermissionDeniedError(AccessError):
    """The keys are valid, but lack the permission for this action."""


class AccountStateError(AccessError):
    """The account or the service in it is in a state that forbids the call, such as a missing licence."""


class UnavailableError(TcssError):
    """The API cannot be reached, or gives no usable answer."""

    exit_code = 4


class ThrottledError(UnavailableError):
    """Too many requests: wait, and send fewer requests."""


class TransientError(UnavailableError):
    """A fault that usually passes: send the request again."""


class ResponseTooLargeError(TcssError):
    """The answer would be too large: ask for fewer rows."""

    exit_code = 4


class RequestRejectedError(TcssError):
    """The API does not accept this request, or answers with an unknown code. Sending it again does not help."""


class DestinationError(TcssError):
    """The warehouse failed."""

    exit_code = 6


class LockedError(TcssError):
    """Another sync holds the lock of this account."""

    exit_code = 7


# A code without a dot is also the class of every code that begins with it and a dot.
_CODES: dict[type[TcssError], str] = {
    ThrottledError: """
        RequestLimitExceeded RequestLimitExceeded.UinLimitExceeded RequestLimitExceeded.GlobalRegionUinLimitExceeded
        RequestLimitExceeded.IPLimitExceeded
    """,
    TransientError: """
        InternalError InternalError.MainDBFail ServiceUnavailable ResourceUnavailable InvalidParameter.RequestTimeout
    """,
    ResponseTooLargeError: "ResponseSizeLimitExceeded",
    ClockError: "AuthFailure.SignatureExpire",
    CredentialsError: """
        AuthFailure AuthFailure.TokenFailure AuthFailure.SecretIdNotFound AuthFailure.InvalidAuthorization
        AuthFailure.InvalidSecretId AuthFailure.MFAFailure AuthFailure.SignatureFailure
    """,
    PermissionDeniedError: """
        AuthFailure.UnauthorizedOperation UnauthorizedOperation OperationDenied IpInBlacklist IpNotInWhitelist
    """,
    AccountStateError: """
        FailedOperation FailedOperation.AuthorizedNotEnough FailedOperation.AgentOffline
        FailedOperation.ErrAlreadyScanning InternalError.ErrRoleNotExist ResourceNotFound ResourceInsufficient
        LimitExceeded UnsupportedOperation
    """,
    RequestRejectedError: """
        InvalidParameter InvalidParameter.ParsingError InvalidParameter.InvalidFormat InvalidParameter.MissingParameter
        InvalidParameterValue InvalidParameterValue.LengthLimit InvalidParameterValue.DataRange
        InvalidParameterValue.DataNotFound MissingParameter UnknownParameter InvalidAction InvalidRequest NoSuchProduct
        NoSuchVersion UnsupportedProtocol UnsupportedRegion RequestSizeLimitExceeded ActionOffline
    """,
}
CODES: dict[str, type[TcssError]] = {code: kind for kind, codes in _CODES.items() for code in codes.split()}

_CLASS_HINTS: dict[type[TcssError], str] = {
    ThrottledError: "Other jobs and the console share this quota: lower requests_per_second, or try later.",
    TransientError: "Try later; if it stays, give Tencent Cloud support the request id.",
    ResponseTooLargeError: "Ask for fewer rows in one request.",
    ClockError: "Set this machine's clock (NTP): the server allows 5 minutes.",
    CredentialsError: "Check the secret id, the key and the token, and that they belong to this site (intl or cn).",
    PermissionDeniedError: "Grant these keys the permission {service}:{action}.",
    AccountStateError: "Check in the console that Container Security is bought and active in this account.",
    RequestRejectedError: "This is probably a fault of the connector: report it with the code and the request id.",
}
_CODE_HINTS: dict[str, str] = {
    "AuthFailure.TokenFailure": "The token has expired or does not belong to these keys: obtain new ones.",
    "AuthFailure.MFAFailure": "These keys demand multi-factor authentication: use keys of a sub-user without it.",
    "AuthFailure.SignatureFailure": "The secret key does not belong to this secret id, or a proxy alters requests.",
    "IpInBlacklist": "This machine's address is on the account's deny list: take it off, or run elsewhere.",
    "IpNotInWhitelist": "This machine's address is not on the account's allow list: add it, or run elsewhere.",
    "InternalError.ErrRoleNotExist": "Authorise Container Security's service role in the console.",
    "ResourceNotFound.RoleNotFound": "Check the account's id and the role's name in role_arn, or create the role.",
    "FailedOperation.AuthorizedNotEnough": "The account has too few licences: buy more, or release some.",
    "ActionOffline": "The API has withdrawn this action: look for a newer release of the connector.",
}


def is_known(code: str) -> bool:
    """Whether the table has `code`, or the part before its first dot."""
    return code in CODES or _prefix(code) in CODES


def classify(code: str) -> type[TcssError]:
    """Return the class of an API error code: by the exact code, else by its prefix; an unknown code is fatal."""
    return CODES.get(code) or CODES.get(_prefix(code), RequestRejectedError)


def from_code(
    code: str,
    message: str,
    *,
    action: str,
    service: str = "tcss",
    request_id: str | None = None,
    attempt: int | None = None,
) -> TcssError:
    """Return the error for an API answer with `Error.Code` and `Error.Message`, with a hint what to do next."""
    kind = classify(code)
    hint = _CODE_HINTS.get(code, _CLASS_HINTS[kind]).format(service=service, action=action)
    return kind(message, code=code, action=action, request_id=request_id, attempt=attempt, hint=hint)


def _prefix(code: str) -> str:
    return code.partition(".")[0]
