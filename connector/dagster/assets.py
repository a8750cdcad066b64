"""Makes the tables one multi-asset: a sync of an account loads all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from connector.dagster.errors import RETRIES
from connector.dagster.resource import TcssResource
from connector.dagster.results import DETAIL, TABLE
from connector.dagster.translator import DagsterTcssTranslator
from connector.settings.table import details
from connector.tables import TABLES, of_details


class SyncConfig(dg.Config):
    """Lets a user choose options of one run, in the launchpad or by `run_config`.

    Args:
        mode: `auto`, `incremental` or `full`; by default that of the resource.
    """

    mode: str | None = Field(default=None, description="auto, incremental or full; by default that of the resource")


def tcss_assets(
    *,
    name: str | None = None,
    detail: Sequence[str] = (),
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    translator: DagsterTcssTranslator | None = None,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make the five tables, and those of `detail`, a multi-asset of the decorated function, which syncs an account by
    `TcssResource.materialize`, with code of the user's around that.

    Args:
        name: the op's name; by default that of the function.
        detail: the details to read, such as `["vulnerabilities", "running"]`; each table of details is then an asset.
            Without `detail`, the resource's options decide whether details are read, and their tables are no assets.
        partitions_def: static or dynamic partitions whose keys are names of accounts; None: there is one account.
        translator: makes the assets' keys, groups and metadata.
        op_tags: tags of the op.
        pool: a concurrency pool of Dagster's, which all accounts share.

    Example:
        @tcss_assets(partitions_def=accounts)
        def images(context: dg.AssetExecutionContext, tcss: TcssResource):
            yield from tcss.materialize(context)
            context.log.info("synced %s", context.partition_key)
    """
    translator = translator or DagsterTcssTranslator()
    asked = details(detail)
    specs = [translator.get_asset_spec(table) for table in TABLES]
    # A table of details does not materialise if all that the table holds was refused.
    specs += [translator.get_asset_spec(table).replace_attributes(skippable=True) for table in of_details(asked)]
    tables = (*TABLES, *of_details(asked))
    return dg.multi_asset(
        name=name,
        specs=[
            spec.merge_attributes(metadata={TABLE: table.name, DETAIL: list(asked)})
            for spec, table in zip(specs, tables, strict=True)
        ],
        partitions_def=partitions_def,
        backfill_policy=None if partitions_def is None else dg.BackfillPolicy.multi_run(1),
        op_tags=op_tags,
        pool=pool,
    )


def build_tcss_assets(
    *, name: str = "tcss_sync", retry_policy: dg.RetryPolicy = RETRIES, **options: Any
) -> dg.AssetsDefinition:
    """Make the assets of `tcss_assets` with a function that only syncs. The assets need the resource `tcss`, which is
    a `TcssResource`.

    Args:
        name: the op's name.
        retry_policy: how often and after how many seconds throttling, outages and held locks are retried.
        options: further arguments of `tcss_assets`: `detail`, `partitions_def`, `translator`, `op_tags`, `pool`.

    Example:
        accounts = dg.StaticPartitionsDefinition(["production", "staging"])
        assets = build_tcss_assets(partitions_def=accounts)
    """

    @tcss_assets(name=name, **options)
    def sync(
        context: dg.AssetExecutionContext, config: SyncConfig, tcss: TcssResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        yield from tcss.materialize(context, retry_policy=retry_policy, mode=config.mode)

    return sync
