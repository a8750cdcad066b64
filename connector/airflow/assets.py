"""Assets: the tables, and what an event says of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.sdk import Context

GROUP = "tcss"
WRITTEN = ("images_new", "images_changed", "images_gone", "images_returned")
COUNTS = ("images_listed", *WRITTEN, "values_rejected", "requests")


def table_asset(table: str = "images", *, dataset: str = "tcss", uri: str | None = None) -> Asset:
    """The asset of a table, for `outlets` and for the `schedule` of consumers.

    :param table: such as ``images`` or ``image_history``.
    :param dataset: schema of the table, which begins the asset's name.
    :param uri: where the table is, such as ``postgres://host:5432/database/tcss/images``.
    """
    name = f"{dataset}.{table}"
    return Asset(name=name, uri=uri or name, group=GROUP)


def extra(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What events say of the runs with these rows of `sync_runs`: `rows` that changed in `images`; `verdict` is
    `complete` if every account's is; and the counts, sum and by account."""
    accounts = {
        row["account_id"]: {
            "verdict": row["verdict"],
            "verdict_reason": row["verdict_reason"],
            "sync_id": row["sync_id"],
            **{name: row[name] for name in COUNTS},
        }
        for row in rows
    }
    sums = {name: sum(row[name] for row in rows) for name in COUNTS}
    complete = all(row["verdict"] == "complete" for row in rows)
    return {
        "verdict": "complete" if complete else "partial",
        "rows": sum(sums[name] for name in WRITTEN),
        **sums,
        "accounts": accounts,
    }


def announce(context: Context, outlets: Iterable[Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put `extra` into the event of each outlet."""
    about = extra(rows)
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = about
    return about
