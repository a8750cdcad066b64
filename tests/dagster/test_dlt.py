"""dagster-dlt's decorator over `connector.tcss()`: it keeps one source object for all materialisations of a process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
import pytest
import sqlalchemy as sa
from dagster_dlt import DagsterDltResource, dlt_assets

import connector
from tests.dagster.accounts import Accounts
from tests.syncing import keys, loaded, truth
from tests.warehouses import Place


def _destination(place: Place) -> Any:
    if place.kind == "duckdb":
        return dlt.destinations.duckdb(str(place.file))
    url = sa.make_url(place.url)
    return dlt.destinations.postgres(url.set(password=url.password or "none").render_as_string(hide_password=False))


@pytest.mark.filterwarnings("ignore:The `__fields__` attribute")  # dagster-dlt on pydantic 2
def test_two_materialisations_are_two_runs(
    accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one process; and a subset of the assets brings along what has to come."""
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    account = accounts.by_name["one"]
    source = connector.tcss(endpoint=accounts.sandbox.url, credentials=keys(account), requests_per_second=1e6)
    pipeline = dlt.pipeline("mine", destination=_destination(warehouse), dataset_name=warehouse.dataset)

    @dlt_assets(dlt_source=source, dlt_pipeline=pipeline)
    def tables(context: dg.AssetExecutionContext, loader: DagsterDltResource) -> Iterator[Any]:
        yield from loader.run(context=context)

    def materialise(**given: Any) -> None:
        resources = {"loader": DagsterDltResource()}
        assert dg.materialize([tables], instance=instance, resources=resources, **given).success

    materialise()
    accounts.sandbox.change({"insert": 5}, accounts.id("one"))
    materialise()
    materialise(selection=[key for key in tables.keys if key.path[-1].endswith("tcss_images")])
    assert loaded(warehouse, account.account_id) == truth(account.fleet)
    runs = "SELECT verdict, images_new FROM {data}.sync_runs ORDER BY started_at"
    assert warehouse.sql(runs) == [("complete", 210), ("complete", 5), ("partial", 0)]
