"""Tells OpenLineage what a sync read, and which tables it wrote. Used only where Airflow's provider for it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.airflow.assets import WRITTEN
from connector.tables import IMAGES, TABLES, of_details

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from connector.runs.row import SyncRun
    from connector.warehouse.locations import Location

_PORTS = {"postgresql": 5432, "mysql": 3306}
_SCHEMES = {"postgresql": "postgres"}  # OpenLineage's name


def lineage(location: Location, row: SyncRun) -> OperatorLineage[Any, Any]:
    """Return the account's images as input, the tables with their columns as outputs, and the rows written to `images`.

    Names follow OpenLineage's conventions, such as `postgres://host:5432` and `database.tcss.images`. `row` is the
    run's row of `sync_runs`.
    """
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    namespace, prefix = _place(location)
    written = sum(row[name] for name in WRITTEN)
    return OperatorLineage(
        inputs=[Dataset(namespace=f"tcss://{row['endpoint']}", name=f"{row['account_id']}.images")],
        outputs=[
            OutputDataset(
                namespace=namespace,
                name=f"{prefix}.{table.name}",
                facets={
                    "schema": SchemaDatasetFacet(
                        fields=[
                            SchemaDatasetFacetFields(name=c.name, type=c.type, description=c.description)
                            for c in table.columns
                        ]
                    )
                },
                outputFacets=(
                    {"outputStatistics": OutputStatisticsOutputDatasetFacet(rowCount=written)}
                    if table is IMAGES
                    else {}
                ),
            )
            for table in (*TABLES, *of_details(detail.aspect for detail in row.details))
        ],
    )


def _place(location: Location) -> tuple[str, str]:
    """Return the namespace of the warehouse, and the prefix of the names of its tables."""
    if location.file is not None:
        return "file", f"{location.file}/{location.dataset}"
    url = location.url
    if url is None:
        return location.display, location.dataset
    kind = url.get_backend_name()
    port = url.port or _PORTS.get(kind)
    namespace = f"{_SCHEMES.get(kind, kind)}://{url.host or 'localhost'}{f':{port}' if port else ''}"
    return namespace, ".".join(part for part in (url.database, location.dataset) if part)
