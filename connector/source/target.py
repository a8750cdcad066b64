"""Finds where the running pipeline loads, and refuses a place or a setting that would lose or double rows."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import FrameType

import dlt
from dlt.common.configuration import configspec
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.destination.utils import resolve_merge_strategy
from dlt.common.schema.typing import TTableSchema
from dlt.extract.source import DltSource

from connector.errors import ConfigurationError
from connector.tables import ALL_TABLES

_RUN = inspect.unwrap(dlt.Pipeline.run).__code__


@configspec
class _Loads(BaseConfiguration):
    """The setting of dlt's loader (`LoaderConfiguration`) that is of interest here."""

    raise_on_failed_jobs: bool = True


def check_target(pipeline: dlt.Pipeline, source: DltSource) -> None:
    """Raise ConfigurationError where dlt would load rows twice, or end a load without them."""
    if pipeline.destination is None:
        raise ConfigurationError(
            f"the pipeline {pipeline.pipeline_name} has no destination: tcss() compares with what the destination has",
            hint="Name the destination in dlt.pipeline(...).",
        )
    capabilities = pipeline.destination.capabilities()
    in_sql = "delete-insert" in (capabilities.supported_merge_strategies or ())
    for name in {table.name for table in ALL_TABLES} & source.selected_resources.keys():
        made = source.selected_resources[name].compute_table_schema()
        # Files merge only as Delta or Iceberg, by `upsert`, and have no SQL by which the next run finds its rows.
        if not in_sql or resolve_merge_strategy({name: made}, made, capabilities) is None:
            raise ConfigurationError(
                f"{pipeline.destination.destination_name} does not merge as SQL does: a changed row of {name} would be "
                "there twice",
                hint="Load into a SQL destination.",
            )
        _check_schema(pipeline, source.schema.name, made)
    if not resolve_configuration(_Loads(), sections=("load",)).raise_on_failed_jobs:
        raise ConfigurationError(
            "raise_on_failed_jobs is off, so that a load would end without the rows of a failed job",
            hint=f"Set raise_on_failed_jobs = true in [{pipeline.pipeline_name}.load] of dlt's config.",
        )


def _check_schema(pipeline: dlt.Pipeline, schema: str, made: TTableSchema) -> None:
    """Refuse the hint hard_delete, which dlt keeps in the pipeline's schema, unless the resource takes it back."""
    name = str(made["name"])
    kept = pipeline.schemas[schema].tables.get(name, {}).get("columns", {}) if schema in pipeline.schemas else {}
    for column, hints in kept.items():
        if {**hints, **made["columns"].get(column, {})}.get("hard_delete"):
            raise ConfigurationError(
                f"the schema of the pipeline has the hint hard_delete for {name}.{column}: rows would be deleted",
                hint=f'Run once with source.{name}.apply_hints(columns={{"{column}": {{"hard_delete": False}}}}).',
            )


def follow_run(pipeline: dlt.Pipeline) -> None:
    """Make `dataset_name` of `pipeline.run` the pipeline's dataset.

    dlt loads into that dataset, but puts the former name back while it extracts (`with_state_sync`). The rows of the
    run would be compared with the former dataset: a new dataset would get none of its images.
    """
    for frame in _frames():
        if frame.f_code is _RUN and frame.f_locals.get("self") is pipeline:
            pipeline._set_dataset_name(frame.f_locals.get("dataset_name"))
            return


def _frames() -> Iterator[FrameType]:
    """Yield the frames of all threads, because a resource may be extracted in a thread of its own."""
    for newest in sys._current_frames().values():
        frame: FrameType | None = newest
        while frame is not None:
            yield frame
            frame = frame.f_back
