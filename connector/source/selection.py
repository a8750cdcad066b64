"""Checks what a user of dlt chooses of a source: refuses a choice that loses rows, and notes what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dlt.common.schema.typing import TTableSchema
from dlt.extract import DltResource
from dlt.extract.exceptions import DataItemRequiredForDynamicTableHints
from dlt.extract.source import DltSource

from connector.errors import ConfigurationError
from connector.listing.reasons import Cause
from connector.runs.policy import RunReason
from connector.runs.spool import BATCH
from connector.source.steps import check_steps
from connector.tables import (
    DETAIL_TABLES,
    IMAGE_HISTORY,
    IMAGES,
    LOADED_TABLES,
    NAMED_ACCOUNTS,
    SYNC_RUNS,
    TABLES,
    Table,
)

TOGETHER = (IMAGES.name, IMAGE_HISTORY.name)
"""An image whose row is loaded without its history would never get its history: both are loaded, or none."""
DETAILS = tuple(table.name for table in DETAIL_TABLES)
"""A marker without its findings would wrongly call a set whole: all tables of details are loaded, or none."""
STRATEGIES = (None, "delete-insert", "upsert")  # strategies that merge by key, and keep one row per key


def with_companions(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the chosen resources with their companions: images and their history, all details, the run."""
    along = [name for group in (TOGETHER, DETAILS) if set(group) & set(names) for name in group]
    return tuple(dict.fromkeys((*names, *along, SYNC_RUNS.name)))


@dataclass(frozen=True)
class Selection:
    """Says what a pipeline takes of a run. `images` is the most rows of images, None without a limit. `details`:
    whether the tables of details are taken."""

    left_out: tuple[str, ...] = ()
    limited: bool = False
    images: int | None = None
    details: bool = False

    @classmethod
    def of(cls, source: DltSource) -> Selection:
        """Return the selection. Raises ConfigurationError if the choice would lose rows for good."""
        tables = (*LOADED_TABLES, NAMED_ACCOUNTS)
        chosen = {table.name: source.selected_resources.get(table.name) for table in tables}
        taken = {name: resource for name, resource in chosen.items() if resource is not None}
        _check_companions(taken)
        for table in tables:
            if table.name in taken:
                check_steps(taken[table.name])
                _check_table(table, taken[table.name])
        limits = {name: limit for name, resource in taken.items() if (limit := resource.limit) is not None}
        return cls(
            tuple(table.name for table in TABLES if table.name not in taken),
            limited=bool(limits),
            images=limits[IMAGES.name].limit(BATCH) if IMAGES.name in limits else None,
            details=bool(taken.keys() & set(DETAILS)),
        )

    def causes(self) -> Iterator[Cause]:
        """Yield why the run is partial, whatever its sweep has proven."""
        if self.left_out:
            yield RunReason.LEFT_OUT.given(tables=", ".join(self.left_out))
        if self.limited:
            yield RunReason.LIMITED.given()


def _check_companions(taken: Mapping[str, DltResource]) -> None:
    missing = set(with_companions(tuple(taken))) - set(taken)
    if missing:
        raise ConfigurationError(
            f"{', '.join(sorted(taken))} cannot be loaded without {', '.join(sorted(missing))}",
            hint="Choose with source.with_resources(...), which adds the missing tables.",
        )
    limits = [_limit(taken[name]) for name in TOGETHER if name in taken]
    if len(set(limits)) > 1 or any(max_time for _, max_time, _ in limits):
        raise ConfigurationError(
            "images and image_history have different limits, or a limit of time: images without a history could remain",
            hint="Give both the same limit with source.add_limit(max_items).",
        )
    if limited := [name for name in DETAILS if name in taken and taken[name].limit is not None]:
        raise ConfigurationError(
            f"{limited[0]} has a limit, which could cut a set that is then called whole",
            hint="Take details without a limit, or limit their time with detail_patience.",
        )


def _limit(resource: DltResource) -> tuple[Any, ...]:
    limit = resource.limit
    return (limit.max_items, limit.max_time, limit.count_rows) if limit is not None else (None, None, None)


def _check_table(table: Table, resource: DltResource) -> None:
    try:
        made = resource.compute_table_schema()
    except DataItemRequiredForDynamicTableHints:
        raise _other(table, "hints that depend on rows") from None
    if made.get("write_disposition") != "merge" or _strategy(made) not in STRATEGIES:
        raise ConfigurationError(
            f"{table.name} has another write_disposition: tcss() merges, since it yields only what is new",
            hint='Leave write_disposition out. To load everything again, run the pipeline with refresh="drop_sources".',
        )
    if made["name"] != table.name:
        raise _other(table, f"the table name {made['name']}")
    if (key := {name for name, c in made["columns"].items() if c.get("primary_key")}) != set(table.key):
        raise _other(table, f"the primary key {', '.join(sorted(key))}")
    if any(c.get("merge_key") for c in made["columns"].values()):
        raise _other(table, "a merge key")
    if marks := sorted(name for name, c in made["columns"].items() if c.get("hard_delete")):
        raise ConfigurationError(
            f"{table.name} has the hint hard_delete for {', '.join(marks)}: dlt would delete the rows of gone images",
            hint="Leave the hint out, and query the view current_images.",
        )
    if discarding := _discarding(made):
        raise ConfigurationError(
            f"{table.name} has a schema contract with {discarding}, which would drop rows silently",
            hint="Leave schema_contract out, or choose evolve or freeze.",
        )


def _strategy(made: TTableSchema) -> Any:
    return made.get("x-merge-strategy")


def _discarding(made: TTableSchema) -> str | None:
    """Return the mode of the schema contract that drops rows or values, None if there is no such mode."""
    contract = made.get("schema_contract") or {}
    modes = [contract] if isinstance(contract, str) else contract.values()
    return next((str(mode) for mode in modes if str(mode).startswith("discard")), None)


def _other(table: Table, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{table.name} has {what}: a later run would not find its rows again",
        hint="Leave the table's name and keys as they are; a view can show other names.",
    )
