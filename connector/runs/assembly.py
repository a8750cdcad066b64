"""Makes the parts of a run from settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any

from connector import texts
from connector.api.credentials import AssumeRole, Credentials, Provider, Searched, Static, default_chain
from connector.api.endpoints import Endpoints
from connector.errors import ConfigurationError, ResponseTooLargeError
from connector.images.records import ItemParser
from connector.images.times import parse_instant, parse_plain, time_zone
from connector.listing.remote import RemoteList
from connector.runs.policy import HOUR, Mode, Policy
from connector.runs.row import Sent
from connector.settings import Settings, filters_of, initial_instant
from connector.settings.members import ACCOUNT
from connector.settings.trust import require_own_endpoint

if TYPE_CHECKING:
    from datetime import tzinfo

    from connector.api.answers import CallStats
    from connector.api.client import Client

log = texts.logger(__name__)
ACTION = "DescribeAssetImageList"


def client_of(settings: Settings) -> Client:
    """Make a client with the keys of the settings, else with keys from the usual places. Raises ConfigurationError."""
    # Imported late, because the module imports requests, which commands that only query the warehouse do not need.
    from connector.api.client import Client, Limits

    require_own_endpoint(settings)
    for note in settings.notes():
        log.warning(note)
    provider = _provider(settings)
    if settings.role_arn:
        if ACCOUNT in settings.role_arn:
            raise ConfigurationError(
                f"role_arn is a pattern, {settings.role_arn}, and the account has no account_id",
                hint="Name an account with --account, take --all-accounts, or set account_id.",
            )
        provider = AssumeRole(provider, settings.role_arn)
    return Client(
        provider,
        endpoints=Endpoints(settings.site, settings.endpoint),
        language=settings.language,
        limits=Limits(
            settings.requests_per_second,
            settings.patience,
            (settings.connect_timeout, settings.read_timeout),
            int(settings.max_answer_bytes),
        ),
    )


def _provider(settings: Settings) -> Provider:
    """Return the keys of the settings, else the usual places; if none has keys, the error lists dlt's secrets too."""
    searched = settings.searched_for_keys()
    first: Provider | None = _static(settings) or (Searched(searched.place) if searched else None)
    hint = {"hint": searched.hint} if searched and searched.hint else {}
    return default_chain(*([first] if first else []), metadata=settings.metadata, **hint)


def _static(settings: Settings) -> Static | None:
    given = settings.credentials
    if given is None or not (given.secret_id and given.secret_key):
        return None
    origin = settings.places().get("credentials", "settings")
    return Static(Credentials(given.secret_id, given.secret_key, given.token, origin=origin))


def account_of(settings: Settings, client: Client) -> str:
    """Return the account's id from the settings, else from STS. In both cases the server's answer also gives the time.

    Without STS, one row of the list is asked for, because a run needs the server's clock for its start, and for
    judging earlier runs.
    """
    if not settings.account_id:
        return client.account_id()
    if client.skew is None:
        with suppress(ResponseTooLargeError):  # the sweep handles rows that are too large
            client.call(ACTION, {"Limit": 1, "Offset": 0})
    return settings.account_id


def image_list(settings: Settings, client: Client, tally: CallStats | None = None) -> RemoteList:
    """The account's images, as the sweeps ask for them; `tally` counts the requests."""
    return RemoteList(
        partial(client.call, ACTION, tally=tally),
        partial(instants, time_zone(settings.naive_time_zone)),
        in_flight=settings.in_flight or partial(client.in_flight, ACTION),
        clock=client.now,
    )


def instants(zone: tzinfo, items: Sequence[Mapping[str, Any]], field_name: str) -> Sequence[int | None]:
    """Return the times that items have in a field, in microseconds; times without an offset are of `zone`."""
    texts = [item.get(field_name) for item in items]
    if not {*map(type, texts)} <= {str, NoneType}:
        raise ValueError("a time is not a text")
    plain = parse_plain(texts)
    return plain or [None if text is None else parse_instant(text, zone) for text in texts]


def parser_of(settings: Settings) -> ItemParser:
    return ItemParser(naive_time_zone=settings.naive_time_zone)


def policy_of(settings: Settings) -> Policy:
    return Policy(
        mode=Mode(settings.mode),
        filters=filters_of(settings.filters),
        lookback=int(settings.lookback * HOUR / 3600),
        full_every=int(settings.full_every * HOUR / 3600),
        initial_scan_time=initial_instant(settings.initial_scan_time),
        max_delete_share=settings.max_delete_share,
        naive_time_zone=settings.naive_time_zone,
        confirm_gone_after=int(settings.confirm_gone_after * HOUR / 3600),
    )


def sent(client: Client) -> Sent:
    """Return what the client has sent so far, for the run's row."""
    stats = client.stats
    return Sent(
        requests=stats.requests,
        throttled=stats.throttled,
        retries=stats.retries,
        first_request_id=stats.first_request_id,
        last_request_id=stats.last_request_id,
        endpoint=client.host,
    )
