"""Details in Dagster: their tables as assets, what materialisations say, and the checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest

from connector.dagster import build_tcss_asset_checks, build_tcss_assets
from connector.dagster.component import TcssComponent
from connector.errors import ConfigurationError
from connector.sandbox import Fault, Fleet, wall_clock
from connector.tables import LOADED_TABLES, TABLES
from tests.dagster.accounts import NOW, Accounts, accounts_on, metadata
from tests.warehouses import Place

DETAIL = ["malware", "running"]
OF_MALWARE = ["image_malware", "image_reads", "detail_runs"]
REFUSED = Fault("unauthorized", action="DescribeAssetImageVirusList")


def checked(
    accounts: Accounts, place: Place, instance: dg.DagsterInstance, detail: Sequence[str] = DETAIL
) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """The checks of the account `one` by themselves, by asset and name."""
    partitions = accounts.partitions
    checks = build_tcss_asset_checks(partitions_def=partitions, retry_policy=NOW, detail=detail)
    job = dg.define_asset_job(
        "job",
        dg.AssetSelection.checks(checks),
        config=dg.PartitionedConfig(partitions, run_config_for_partition_key_fn=lambda _: {}),
    )
    assets = build_tcss_assets(partitions_def=partitions, retry_policy=NOW, detail=DETAIL)
    definitions = dg.Definitions(
        assets=[assets], asset_checks=[checks], jobs=[job], resources={"tcss": accounts.resource(place)}
    )
    result = definitions.resolve_job_def("job").execute_in_process(partition_key="one", instance=instance)
    return {(e.asset_key.path[-1], e.check_name): e for e in result.get_asset_check_evaluations()}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    with accounts_on({"one": Fleet.seeded(30, clock=wall_clock)}, tmp_path, monkeypatch) as made:
        yield made


def test_the_assets_are_the_tables_of_the_details() -> None:
    """Only of those that are asked for; without details there are five."""
    names = [table.name for table in TABLES]
    assert [spec.key.path[-1] for spec in build_tcss_assets().specs] == names
    assert [spec.key.path[-1] for spec in build_tcss_assets(detail=["malware"]).specs] == names + OF_MALWARE
    everything = build_tcss_assets(detail=["vulnerabilities", *DETAIL])
    assert [spec.key.path[-1] for spec in everything.specs] == [table.name for table in LOADED_TABLES]
    with pytest.raises(ConfigurationError, match="detail 'secrets' is none of"):
        build_tcss_assets(detail=["secrets"])


def test_a_component_may_ask_for_details() -> None:
    """Its assets and its checks are then those of the details too."""
    definitions = TcssComponent(detail=["malware"]).build_defs(None)  # type: ignore[arg-type]
    keys = {key.path[-1] for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {*(table.name for table in TABLES), *OF_MALWARE}
    assert ("image_malware", "covered") in {
        (key.asset_key.path[-1], key.name) for key in definitions.resolve_asset_graph().asset_check_keys
    }


def test_nothing_is_covered_before_the_first_sync(
    account: Accounts, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """No image lacks its set, because no image is known."""
    assert not any(evaluation.passed for evaluation in checked(account, duckdb_file, instance).values())


def test_a_materialisation_says_what_was_read(
    account: Accounts, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """Each table has the figures of the details that write it, and no others; the checks pass."""
    result = account.materialize(duckdb_file, "one", instance, detail=DETAIL)
    said = metadata(result)
    assert list(said) == [*(table.name for table in TABLES), *OF_MALWARE[:2], "containers", "hosts", "detail_runs"]
    malware = said["image_malware"]
    assert malware["malware/verdict"] == "complete"
    assert (malware["malware/images_behind"], malware["malware/images_unproven"]) == (0, 0)
    assert malware["malware/opened"] == malware["rows"] > 0
    assert said["image_reads"]["malware/images_read"] == said["image_reads"]["rows"]
    assert not any(name.startswith("malware/") for name in (*said["images"], *said["hosts"]))
    assert said["detail_runs"]["running/verdict"] == "complete"
    found = checked(account, duckdb_file, instance, ["Malware,running"])  # as every setting `detail` may be written
    assert {key for key, e in found.items() if not e.passed} == set()
    covered = {name: value.value for name, value in found["image_malware", "covered"].metadata.items()}
    assert (covered["current"], covered["behind"], covered["unproven"], covered["unread"]) == (
        said["image_reads"]["rows"],
        0,
        0,
        0,
    )


def test_what_is_scanned_again_is_not_covered(
    account: Accounts, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """A sync of the images alone leaves the sets behind: a warning, since the next run reads them."""
    account.materialize(duckdb_file, "one", instance, detail=DETAIL)
    account.sandbox.change({"rescan": 3})
    account.materialize(duckdb_file, "one", instance)
    covered = checked(account, duckdb_file, instance)["image_malware", "covered"]
    assert (covered.passed, covered.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert covered.metadata["behind"].value == 3


def test_a_detail_that_is_refused_does_not_materialise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """The images do, and what else was read; `detail_runs` and its check say what was refused. A run
    of the future, by a clock that was ahead, hides nothing."""
    fleet = Fleet.seeded(30, clock=wall_clock)
    with accounts_on({"one": fleet}, tmp_path, monkeypatch, (REFUSED,)) as account:
        result = account.materialize(duckdb_file, "one", instance, detail=DETAIL)
        said = metadata(result)
        assert result.success
        assert list(said) == [*(table.name for table in TABLES), "containers", "hosts", "detail_runs"]
        assert said["detail_runs"]["malware/verdict"] == "refused"
        later = "sync_id || 'x' AS sync_id, 'complete' AS verdict, started_at + INTERVAL 400 DAY AS started_at"
        duckdb_file.sql(f"INSERT INTO {{data}}.detail_runs SELECT * REPLACE ({later}) FROM {{data}}.detail_runs")
        found = checked(account, duckdb_file, instance)
    assert {key for key, e in found.items() if not e.passed} == {
        ("detail_runs", "complete"),
        ("image_malware", "covered"),
    }
    assert (found["detail_runs", "complete"].description or "").startswith("malware: refused (")
