"""Says how each account of a warehouse stands: its name, its newest runs, and how old its data is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from connector.errors import ConfigurationError
from connector.runs.freshness import Freshness
from connector.runs.identity import now, rfc3339
from connector.runs.policy import AHEAD
from connector.runs.row import SyncRun
from connector.settings import Settings
from connector.settings.values import close_to
from connector.tables import IMAGE_HISTORY, IMAGES, SYNC_RUNS, plain_rows
from connector.texts import some_of
from connector.warehouse.inventory import RUNS, Inventory
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.workdirs import workdir


@dataclass(frozen=True)
class Standing:
    """An account at a glance. Instants are microseconds since the epoch, UTC; null: there was no such run.

    `images` is the TotalCount of the newest complete run. `behind` has, for each detail that was asked for, how many
    images its newest run left for later.
    """

    account_id: str
    freshness: Freshness
    account_name: str | None = None
    last_run_at: int | None = None
    verdict: str | None = None
    images: int | None = None
    behind: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The account as people call it: its name and its id, or its id alone."""
        return f"{self.account_name} ({self.account_id})" if self.account_name else self.account_id

    def as_json(self) -> dict[str, Any]:
        """Return the account's line of `tcss status --accounts --json`; the age is in seconds."""
        age = self.freshness.seconds
        return {
            "account_id": self.account_id,
            "account_name": self.account_name,
            "complete_at": rfc3339(self.freshness.started_at),
            "age_seconds": None if age is None else round(age),
            "last_run_at": rfc3339(self.last_run_at),
            "verdict": self.verdict,
            "images": self.images,
            "behind": dict(self.behind),
        }


class Stored(NamedTuple):
    """What a warehouse has: the newest rows of `sync_runs`, newest first, and how each account stands, by name.

    `unknown` says so if the settings name the id of an account that has nothing there.
    """

    newest: list[SyncRun]
    accounts: list[Standing]
    unknown: ConfigurationError | None = None


def stored(settings: Settings, newest: int = 0) -> Stored:
    """Return what is stored of the account that the settings name, by its id or its name, or else of each account.

    `newest` is the number of rows. A warehouse that does not exist yet has no account. All is asked over one
    connection. Raises ConfigurationError, also for a name that no account has there, and DestinationError.
    """
    location = locate(settings.destination, settings.dataset)
    with workdir() as directory:
        pipeline = open_pipeline(location, settings.account_id or "status", directory, read_only=True)
        inventory = Inventory(location, pipeline)
        with inventory.session():
            inventory.verify()
            found = _named(_standings(inventory, settings.account_id), settings, str(location))
            last = {one.account_id: one.last_run_at for one in found if one.last_run_at is not None}
            unknown = None if last or not settings.account_id else _unknown(inventory, settings.account_id, location)
            return Stored(_newest(inventory, last, newest), found, unknown)


def meant(inventory: Inventory, settings: Settings, warehouse: object) -> list[str]:
    """Return the ids of the accounts with images or runs that the settings name, by an id or a name, or else of all.

    Raises ConfigurationError for an id or a name that no account has there, unless no account is there at all, and
    DestinationError.
    """
    there = sorted(inventory.account_ids())
    if not there:
        return []
    if settings.account_id:
        if unknown := _unknown(inventory, settings.account_id, warehouse):
            raise unknown
        return [settings.account_id]
    if settings.account_name() is not None:
        return [one.account_id for one in _named(_standings(inventory, None), settings, str(warehouse))]
    return there


def _unknown(inventory: Inventory, account_id: str, warehouse: object) -> ConfigurationError | None:
    """Return an error that names the accounts there, if the account has neither images, versions nor runs."""
    there: set[str] = set()
    for table in (IMAGES, SYNC_RUNS, IMAGE_HISTORY):
        there |= inventory.accounts_in(table)
        if account_id in there:
            return None
    ids = sorted(there)
    hint = close_to(account_id, ids)
    return ConfigurationError(
        f"no account {account_id!r} is in {warehouse}",
        hint=f"Did you mean {hint}?" if hint else f"Ids there: {', '.join(some_of(ids)) or 'none'}.",
    )


def freshness_by_account(settings: Settings) -> dict[str, Freshness]:
    """Return how old the data of each account in the warehouse is. Raises what `stored` raises."""
    return {one.account_id: one.freshness for one in stored(settings).accounts}


def _standings(inventory: Inventory, account_id: str | None) -> list[Standing]:
    """Return all accounts that have images or runs, by name and id; or the account with the id, whatever it has."""
    behind: dict[str, dict[str, int | None]] = {}
    for row in plain_rows(inventory.behind(account_id)):
        behind.setdefault(row["account_id"], {})[row["aspect"]] = row["images_behind"]
    ids = {account_id} if account_id else inventory.accounts_in(IMAGES)
    found = {one: Standing(one, Freshness(None)) for one in ids}
    for row in plain_rows(inventory.standings(account_id)):
        one = row["account_id"]
        freshness = _freshness(inventory, one, row["last_whole"])
        facts = row["account_name"], row["last_run"], row["verdict"], row["total_count"]
        found[one] = Standing(one, freshness, *facts, behind.get(one, {}))
    return sorted(found.values(), key=lambda one: (one.account_name is None, one.account_name, one.account_id))


def _freshness(inventory: Inventory, account_id: str, started_at: int | None) -> Freshness:
    """Compute the age from the newest complete run; if that run is in the future, from the runs before it too."""
    present = now()
    if started_at is None or started_at <= present + AHEAD:
        return Freshness.since(started_at, present)
    return Freshness.of(plain_rows(inventory.runs(account_id, ("started_at", "verdict", "filters"), RUNS)))


def _named(found: list[Standing], settings: Settings, warehouse: str) -> list[Standing]:
    """Return the accounts that the settings mean. A name is that of the account's newest run."""
    name = settings.account_name()
    if name is None or settings.account_id:
        return found
    if named := [one for one in found if one.account_name == name]:
        return named
    if with_id := [one for one in found if one.account_id == name]:  # as an account is called that has no name
        return with_id
    names = [one.account_name for one in found if one.account_name]
    hint = close_to(name, names)
    raise ConfigurationError(
        f"no run in {warehouse} is of an account {name!r}",
        hint=f"Did you mean {hint}?" if hint else f"Names there: {', '.join(some_of(names)) or 'none'}.",
    )


def _newest(inventory: Inventory, started: Mapping[str, int], limit: int) -> list[SyncRun]:
    """Return the newest rows of all accounts, which are rows of the accounts that have run last."""
    lately = sorted(started, key=lambda account: started[account], reverse=True)[:limit]
    runs = [SyncRun(**row) for account in lately for row in plain_rows(inventory.runs(account, limit=limit))]
    return sorted(runs, key=lambda run: run.started_at, reverse=True)[:limit]
