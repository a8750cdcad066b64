"""Makes assets of the tables, and the `extra` of their events from runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from airflow.sdk import Context

GROUP = "tcss"
WRITTEN = ("images_new", "images_changed", "images_gone", "images_returned")
COUNTS = ("images_listed", *WRITTEN, "values_rejected", "requests")
OF_DETAILS = ("verdict", "verdict_reason", "images_read", "images_behind", "images_unproven", "opened", "closed")


def table_asset(table: str = "images", *, dataset: str = "tcss", uri: str | None = None) -> Asset:
    """Return the asset of a table, for `outlets` and for the `schedule` of consumers.

    :param table: the table's name, such as ``images`` or ``image_history``.
    :param dataset: schema of the table; the asset's name begins with the schema.
    :param uri: where the table is, such as ``postgres://host:5432/database/tcss/images``.
    """
    name = f"{dataset}.{table}"
    return Asset(name=name, uri=uri or name, group=GROUP)


def detail_assets(detail: Sequence[str] | str, *, dataset: str = "tcss", uri: str | None = None) -> list[Asset]:
    """Return the assets of the tables that a sync with these details writes, beside those of every sync, for `outlets`.

    :param detail: the operator's argument, such as ``["vulnerabilities", "running"]``.
    :param dataset: schema of the tables.
    :param uri: where the tables are, such as ``postgres://host:5432/database/tcss``.
    """
    from connector.settings.table import details
    from connector.tables import of_details

    tables = of_details(details(detail))
    return [table_asset(table.name, dataset=dataset, uri=uri and f"{uri}/{table.name}") for table in tables]


def extra(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the `extra` of events for the runs with these rows of `sync_runs`: `rows` that changed in `images`;
    `verdict`, which is `complete` if all accounts' verdicts are; and the counts, in sum and by account. Where details
    were read, `detail_verdict` is `complete` if all details of all accounts are, and each account has its `details` by
    name."""
    accounts = {
        row["account_id"]: {
            "verdict": row["verdict"],
            "verdict_reason": row["verdict_reason"],
            "sync_id": row["sync_id"],
            **{name: row[name] for name in COUNTS},
            **_details(row),
        }
        for row in rows
    }
    sums = {name: sum(row[name] for row in rows) for name in COUNTS}
    complete = all(row["verdict"] == "complete" for row in rows)
    verdicts = {detail["verdict"] for row in rows for detail in row.get("details", ())}
    return {
        "verdict": "complete" if complete else "partial",
        **({"detail_verdict": "complete" if verdicts == {"complete"} else "partial"} if verdicts else {}),
        "rows": sum(sums[name] for name in WRITTEN),
        **sums,
        "accounts": accounts,
    }


def _details(row: Mapping[str, Any]) -> dict[str, Any]:
    details = row.get("details")
    return {"details": {d["aspect"]: {name: d[name] for name in OF_DETAILS} for d in details}} if details else {}


def announce(context: Context, outlets: Iterable[Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put `extra` into the event of each outlet."""
    about = extra(rows)
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = about
    return about
