"""Errors: the table of codes, messages that say what to do, and crossing process boundaries."""

import copy
import inspect
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import errors
from connector.errors import (
    AccessError,
    AccountStateError,
    ClockError,
    ConfigurationError,
    CredentialsError,
    DestinationError,
    LockedError,
    PermissionDeniedError,
    RequestRejectedError,
    ResponseTooLargeError,
    TcssError,
    ThrottledError,
    TransientError,
    UnavailableError,
    classify,
    from_code,
)

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, TcssError)]

TABLE = {
    "RequestLimitExceeded": ThrottledError,
    "RequestLimitExceeded.UinLimitExceeded": ThrottledError,
    "RequestLimitExceeded.GlobalRegionUinLimitExceeded": ThrottledError,
    "RequestLimitExceeded.IPLimitExceeded": ThrottledError,
    "InternalError": TransientError,
    "InternalError.MainDBFail": TransientError,
    "ServiceUnavailable": TransientError,
    "ResourceUnavailable": TransientError,
    "InvalidParameter.RequestTimeout": TransientError,
    "ResponseSizeLimitExceeded": ResponseTooLargeError,
    "AuthFailure.SignatureExpire": ClockError,
    "AuthFailure.TokenFailure": CredentialsError,
    "AuthFailure.SecretIdNotFound": CredentialsError,
    "AuthFailure": CredentialsError,
    "AuthFailure.InvalidAuthorization": CredentialsError,
    "AuthFailure.InvalidSecretId": CredentialsError,
    "AuthFailure.MFAFailure": CredentialsError,
    "AuthFailure.SignatureFailure": CredentialsError,
    "AuthFailure.UnauthorizedOperation": PermissionDeniedError,
    "UnauthorizedOperation": PermissionDeniedError,
    "OperationDenied": PermissionDeniedError,
    "IpInBlacklist": PermissionDeniedError,
    "IpNotInWhitelist": PermissionDeniedError,
    "InvalidParameter": RequestRejectedError,
    "InvalidParameter.ParsingError": RequestRejectedError,
    "InvalidParameter.InvalidFormat": RequestRejectedError,
    "InvalidParameter.MissingParameter": RequestRejectedError,
    "InvalidParameterValue": RequestRejectedError,
    "InvalidParameterValue.LengthLimit": RequestRejectedError,
    "InvalidParameterValue.DataRange": RequestRejectedError,
    "InvalidParameterValue.DataNotFound": RequestRejectedError,
    "MissingParameter": RequestRejectedError,
    "UnknownParameter": RequestRejectedError,
    "InvalidAction": RequestRejectedError,
    "InvalidRequest": RequestRejectedError,
    "NoSuchProduct": RequestRejectedError,
    "NoSuchVersion": RequestRejectedError,
    "UnsupportedProtocol": RequestRejectedError,
    "UnsupportedRegion": RequestRejectedError,
    "RequestSizeLimitExceeded": RequestRejectedError,
    "ActionOffline": RequestRejectedError,
    "FailedOperation": AccountStateError,
    "FailedOperation.AuthorizedNotEnough": AccountStateError,
    "FailedOperation.AgentOffline": AccountStateError,
    "FailedOperation.ErrAlreadyScanning": AccountStateError,
    "InternalError.ErrRoleNotExist": AccountStateError,
    "ResourceNotFound": AccountStateError,
    "ResourceInsufficient": AccountStateError,
    "LimitExceeded": AccountStateError,
    "UnsupportedOperation": AccountStateError,
}


def test_the_table_is_the_reference() -> None:
    """Every documented code has its class, and no other code is in the table."""
    assert errors.CODES == TABLE


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestLimitExceeded.Novel", ThrottledError),
        ("InternalError.Novel.Deep", TransientError),
        ("UnauthorizedOperation.CamNoAuth", PermissionDeniedError),
        ("AuthFailure.Novel", CredentialsError),
        ("InvalidParameter.Novel", RequestRejectedError),
        ("ResourceUnavailable.Novel", TransientError),
        ("Novel", RequestRejectedError),
        ("Novel.RequestLimitExceeded", RequestRejectedError),
        ("InternalErrors", RequestRejectedError),
        ("internalerror", RequestRejectedError),
        ("", RequestRejectedError),
    ],
)
def test_a_code_falls_back_to_its_prefix(code: str, kind: type[TcssError]) -> None:
    """A code that is not in the table has the class of the part before its first dot, and is fatal without one."""
    assert classify(code) is kind


@pytest.mark.parametrize(
    ("code", "known"),
    [("InternalError", True), ("InternalError.Novel", True), ("Novel", False), ("", False)],
)
def test_known_codes(code: str, known: bool) -> None:
    """A code is known if it or its prefix is in the table."""
    assert errors.is_known(code) is known


@given(st.text(max_size=30))
def test_any_text_has_a_class(code: str) -> None:
    """No code that a server may send breaks the classification."""
    assert issubclass(classify(code), TcssError)


def test_exit_codes_are_the_contract() -> None:
    """Scripts rely on these numbers."""
    assert {kind: kind.exit_code for kind in CLASSES} == {
        TcssError: 1,
        ConfigurationError: 2,
        AccessError: 3,
        CredentialsError: 3,
        ClockError: 3,
        PermissionDeniedError: 3,
        AccountStateError: 3,
        UnavailableError: 4,
        ThrottledError: 4,
        TransientError: 4,
        ResponseTooLargeError: 4,
        RequestRejectedError: 1,
        DestinationError: 6,
        LockedError: 7,
    }


def test_access_and_availability_are_families() -> None:
    """A caller can catch a family by its base."""
    assert {kind for kind in CLASSES if issubclass(kind, AccessError)} == {
        AccessError,
        CredentialsError,
        ClockError,
        PermissionDeniedError,
        AccountStateError,
    }
    assert {kind for kind in CLASSES if issubclass(kind, UnavailableError)} == {
        UnavailableError,
        ThrottledError,
        TransientError,
    }


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("through", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_errors_cross_process_boundaries(kind: type[TcssError], through: object) -> None:
    """Class, message and every attribute survive pickling and copying, notes included."""
    error = kind("it broke", code="Some.Code", action="Act", request_id="rid", attempt=3, hint="Mend it.")
    error.add_note("seen twice")
    again = through(error)  # type: ignore[operator]
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)
    assert again.args == ("it broke",)


def test_pickling_without_any_facts() -> None:
    """An error of ours, without an API call behind it, pickles as well."""
    again = pickle.loads(pickle.dumps(LockedError("locked")))
    assert (str(again), again.code, again.hint) == ("locked", None, None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TcssError("it broke"), "it broke"),
        (TcssError("it broke.", hint="Mend it."), "it broke. Mend it."),
        (TcssError("it broke", hint="Mend it."), "it broke. Mend it."),
        (TcssError("a\n  b\tc", action="Act"), "Act: a b c"),
        (
            TcssError("it broke.", code="C.D", action="Act", request_id="rid", attempt=2, hint="Mend it."),
            "Act: it broke (code C.D, request id rid, attempt 2). Mend it.",
        ),
        (TcssError("it broke", attempt=1), "it broke (attempt 1)"),
    ],
    ids=["bare", "hint", "no-stop", "one-line", "all", "attempt"],
)
def test_the_text_is_one_readable_line(error: TcssError, text: str) -> None:
    """str() says what was asked, what happened, and what to do, in a line."""
    assert str(error) == text


def test_a_permission_error_names_the_permission() -> None:
    """Who reads it can pass the name on to whoever grants it."""
    error = from_code("UnauthorizedOperation.X", "No.", action="DescribeAssetImageList", request_id="rid", attempt=1)
    assert str(error) == (
        "DescribeAssetImageList: No (code UnauthorizedOperation.X, request id rid, attempt 1). "
        "Grant these keys the permission tcss:DescribeAssetImageList."
    )
    assert from_code("UnauthorizedOperation", "No.", action="AssumeRole", service="sts").hint == (
        "Grant these keys the permission sts:AssumeRole."
    )


def test_a_role_that_does_not_exist_is_no_matter_of_licences() -> None:
    """The role's name was mistyped, or the role was not made yet."""
    error = from_code("ResourceNotFound.RoleNotFound", "No.", action="AssumeRole", service="sts")
    assert error.hint == "Check the account's id and the role's name in role_arn, or create the role."


@pytest.mark.parametrize("code", [*TABLE, "Novel"])
def test_every_code_says_what_to_do(code: str) -> None:
    """An error of the API has code, action, request id, attempt and a hint, and no placeholder is left in it."""
    error = from_code(code, "text", action="Act", request_id="rid", attempt=2)
    assert (error.code, error.action, error.request_id, error.attempt) == (code, "Act", "rid", 2)
    assert error.hint
    assert not {"{", "}"} & set(str(error))


def test_an_address_list_is_not_a_permission() -> None:
    """A refused address is mended elsewhere than in a policy."""
    assert "permission" not in str(from_code("IpNotInWhitelist", "No", action="Act"))
