"""The tables as assets: whose keys are used, what they look like, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from connector.dagster import DagsterTcssTranslator, TcssAccount, TcssResource, build_tcss_assets, tcss_assets
from connector.errors import ConfigurationError
from connector.runs.row import rfc3339
from connector.sandbox import Fault, Fleet, wall_clock
from connector.settings import Settings
from connector.tables import IMAGES, TABLES, Table
from connector.warehouse.inventory import Inventory
from connector.warehouse.locks import lock
from tests.dagster.accounts import NOW, Accounts, accounts_on, failure, metadata, retries
from tests.syncing import loaded, truth
from tests.warehouses import Place

# ---- whose assets they are ----


def test_one_account_needs_no_partitions(accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance) -> None:
    """The resource's own keys are used."""
    account = accounts.by_name["two"]
    resource = accounts.resource(
        duckdb_file, accounts={}, secret_id=account.secret_id, secret_key=dg.EnvVar("TWO_SECRET_KEY")
    )
    result = accounts.materialize(duckdb_file, None, instance, resource=resource, partitions_def=None)
    assert loaded(duckdb_file, account.account_id) == truth(account.fleet)
    assert metadata(result)["images"]["dagster/row_count"] == 130


def test_accounts_may_come_and_go(accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance) -> None:
    """With dynamic partitions, an account is added without a deployment."""
    known = dg.DynamicPartitionsDefinition(name="accounts")
    instance.add_dynamic_partitions("accounts", ["two"])
    assert accounts.materialize(duckdb_file, "two", instance, partitions_def=known).success
    with pytest.raises(dg.DagsterUnknownPartitionError):
        accounts.materialize(duckdb_file, "one", instance, partitions_def=known)


def test_a_run_without_a_partition_is_refused(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the assets have partitions. The keys at hand are those of another account, and its rows would be loaded."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", accounts.by_name["two"].secret_id)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "SECRETTWOEXAMPLE")
    result = accounts.materialize(duckdb_file, None, instance)
    assert (result.success, retries(result), duckdb_file.file.exists()) == (False, 0, False)
    assert "the run has no partition" in failure(result).user_failure_data.description


def test_assets_without_partitions_are_not_those_of_the_keys_at_hand(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the resource has accounts: somebody has forgotten `partitions_def`."""
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", accounts.by_name["two"].secret_id)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "SECRETTWOEXAMPLE")
    result = accounts.materialize(duckdb_file, None, instance, partitions_def=None)
    assert (result.success, retries(result), duckdb_file.file.exists()) == (False, 0, False)
    assert "no account is named" in failure(result).user_failure_data.description


def test_a_table_alone_cannot_be_materialised(accounts: Accounts, duckdb_file: Place) -> None:
    """One sync loads all of them."""
    with pytest.raises(dg.DagsterInvalidDefinitionError) as refused:
        dg.materialize(
            [build_tcss_assets()], selection=["tcss/images"], resources={"tcss": accounts.resource(duckdb_file)}
        )
    assert isinstance(refused.value.__cause__, dg.DagsterInvalidSubsetError)


def test_a_function_of_the_users_puts_code_around_a_sync(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """`@tcss_assets` gives the function the tables, and `materialize` knows their keys and the account."""

    @tcss_assets(partitions_def=accounts.partitions, translator=DagsterTcssTranslator(key_prefix=["raw"]))
    def ours(context, tcss: TcssResource) -> Iterator[Any]:  # type: ignore[no-untyped-def]
        assert tcss.settings(context.partition_key).mode == "auto"
        yield from tcss.materialize(context, mode="full")

    assert ours.op.name == "ours"
    result = dg.materialize(
        [ours], partition_key="two", resources={"tcss": accounts.resource(duckdb_file)}, instance=instance
    )
    events = [event.materialization for event in result.get_asset_materialization_events()]
    assert [event.asset_key.path for event in events] == [["raw", table.name] for table in TABLES]
    assert {event.metadata["mode"].value for event in events} == {"full"}
    assert loaded(duckdb_file, accounts.id("two")) == truth(accounts.by_name["two"].fleet)


def test_assets_of_another_kind_are_not_materialised(accounts: Accounts, duckdb_file: Place) -> None:
    """Their tables are not known, and nothing is synced."""

    @dg.asset
    def other(context, tcss: TcssResource) -> Any:  # type: ignore[no-untyped-def]
        return [*tcss.materialize(context)]

    with pytest.raises(ValueError, match="are not those of @tcss_assets"):
        dg.materialize([other], resources={"tcss": accounts.resource(duckdb_file)})
    assert not duckdb_file.file.exists()


def test_nothing_is_queried_for_the_materialisations(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All facts come from the run, so that a sync costs no more with a long history; the run itself counts `images`."""
    count, counted = Inventory.count, set[Table]()

    def counting(inventory: Inventory, table: Table, *given: Any) -> int:
        counted.add(table)
        return count(inventory, table, *given)

    monkeypatch.delattr(TcssResource, "inventory")
    monkeypatch.setattr(Inventory, "count", counting)
    assert accounts.materialize(duckdb_file, "one", instance).success
    assert counted == {IMAGES}


# ---- what the assets look like ----


def test_the_assets_are_the_tables() -> None:
    """Keys, descriptions, names, columns and their descriptions are those of `tables.py`."""
    specs = {spec.key.path[-1]: spec for spec in build_tcss_assets().specs}
    assert list(specs) == [table.name for table in TABLES]
    for table in TABLES:
        spec = specs[table.name]
        columns = spec.metadata["dagster/column_schema"].columns
        assert (spec.description, spec.group_name, spec.kinds) == (table.description, "tcss", {"dlt"})
        assert spec.metadata["dagster/table_name"] == f"tcss.{table.name}"
        assert [(c.name, c.type, c.description, c.constraints.nullable) for c in columns] == [
            (c.name, c.type, c.description, c.nullable) for c in table.columns
        ]
        assert spec.metadata["dagster/column_schema"].constraints.other == [f"primary key ({', '.join(table.key)})"]


def test_a_translator_names_them_otherwise() -> None:
    """By its arguments, or by its method in a subclass."""

    class Ours(DagsterTcssTranslator):
        def get_asset_spec(self, table: Table) -> dg.AssetSpec:
            return super().get_asset_spec(table).replace_attributes(owners=["team:security"])

    ours = Ours(key_prefix=["raw", "cloud"], group_name="security", dataset="bronze", kinds=["postgresql"])
    spec = build_tcss_assets(translator=ours).get_asset_spec(dg.AssetKey(["raw", "cloud", "images"]))
    assert (spec.group_name, spec.owners, spec.kinds) == ("security", ["team:security"], {"dlt", "postgresql"})
    assert spec.metadata["dagster/table_name"] == "bronze.images"


# ---- what goes wrong ----


def one_account(directory: Path, monkeypatch: pytest.MonkeyPatch, *faults: Fault) -> Any:
    fleet = Fleet.seeded(150, clock=wall_clock)
    return accounts_on({"one": fleet}, directory, monkeypatch, faults)


def test_throttling_is_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """Beyond the client's patience the step asks Dagster for a retry, and the next attempt loads everything."""
    with one_account(tmp_path, monkeypatch, Fault("throttle", at=(1, 2))) as accounts:
        impatient = accounts.resource(duckdb_file, options={"patience": 0.001, "metadata": False})
        result = accounts.materialize(duckdb_file, "one", instance, resource=impatient)
        assert (result.success, retries(result)) == (True, 2)
        assert loaded(duckdb_file, accounts.id("one")) == truth(accounts.by_name["one"].fleet)


def test_an_outage_ends_the_run_after_all_retries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duckdb_file: Place, instance: dg.DagsterInstance
) -> None:
    """As many as the policy says; the error names the request."""
    with one_account(tmp_path, monkeypatch, Fault("internal_error", at=range(1, 99))) as accounts:
        impatient = accounts.resource(duckdb_file, options={"patience": 0.001, "metadata": False})
        result = accounts.materialize(duckdb_file, "one", instance, resource=impatient)
    assert (result.success, retries(result)) == (False, 2)
    assert "InternalError, request id" in failure(result).error_display_string


def test_a_lock_that_another_sync_holds_is_waited_for(
    accounts: Accounts, warehouse: Place, instance: dg.DagsterInstance
) -> None:
    """Retried, and never loaded beside the other one."""
    with lock(warehouse.location, accounts.id("one")):
        result = accounts.materialize(warehouse, "one", instance)
    assert (result.success, retries(result)) == (False, 2)
    assert "LockedError" in failure(result).error_display_string


def test_refused_keys_are_not_tried_again(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure says the code and the RequestId, and the warehouse is untouched."""
    monkeypatch.setenv("ONE_SECRET_KEY", "SECRETWRONGEXAMPLE")
    result = accounts.materialize(duckdb_file, "one", instance)
    facts = failure(result).user_failure_data
    assert (result.success, retries(result), duckdb_file.file.exists()) == (False, 0, False)
    assert facts.metadata["class"].value == "CredentialsError"
    assert facts.metadata["code"].value == "AuthFailure.SignatureFailure"
    assert facts.metadata["request_id"].value in facts.description


def test_nor_by_the_retry_policy_of_a_job(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure forbids what a job of the user's own would do with any other error."""
    monkeypatch.setenv("ONE_SECRET_KEY", "SECRETWRONGEXAMPLE")
    assets = build_tcss_assets(partitions_def=accounts.partitions)
    job = dg.define_asset_job("job", dg.AssetSelection.assets(assets), op_retry_policy=NOW)
    definitions = dg.Definitions(assets=[assets], jobs=[job], resources={"tcss": accounts.resource(duckdb_file)})
    result = definitions.resolve_job_def("job").execute_in_process(
        partition_key="one", instance=instance, raise_on_error=False
    )
    assert (result.success, retries(result)) == (False, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"in_flight": 0}, "in_flight must be more than 0"), ({"mode": "ful"}, "mode 'ful' is none of")],
)
def test_a_wrong_setting_is_not_tried_again(
    accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance, options: dict[str, Any], message: str
) -> None:
    """A configuration does not pass."""
    result = accounts.materialize(
        duckdb_file, "one", instance, resource=accounts.resource(duckdb_file, options=options)
    )
    assert (result.success, retries(result)) == (False, 0)
    assert message in failure(result).user_failure_data.description


# ---- whose keys are used ----


def test_an_account_of_dlts_configuration(
    accounts: Accounts, duckdb_file: Place, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    """As `tcss sync --account` finds it, where the resource does not name it."""
    account = accounts.by_name["two"]
    prefix = "SOURCES__TCSS__ACCOUNTS__TWO__CREDENTIALS__"
    monkeypatch.setenv(f"{prefix}SECRET_ID", account.secret_id)
    monkeypatch.setenv(f"{prefix}SECRET_KEY", account.secret_key)
    resource = accounts.resource(duckdb_file, accounts={})
    assert accounts.materialize(duckdb_file, "two", instance, resource=resource).success
    assert loaded(duckdb_file, account.account_id) == truth(account.fleet)


def test_an_account_that_nobody_configured_is_refused() -> None:
    """And not taken for that of the keys at hand."""
    with pytest.raises(ConfigurationError, match="no account 'frist' is configured"):
        TcssResource(secret_id="AKIDEXAMPLE", secret_key="SECRETEXAMPLE").settings("frist")
    with pytest.raises(ConfigurationError, match="'one' of the resource has neither keys nor a role"):
        TcssResource(accounts={"one": TcssAccount(site="cn")}).settings("one")


def test_a_role_is_assumed_with_the_resources_keys() -> None:
    """An account's own keys go before them, as its site does."""
    resource = TcssResource(
        secret_id="AKIDEXAMPLE",
        secret_key="SECRETEXAMPLE",
        site="cn",
        accounts={
            "role": TcssAccount(role_arn="qcs::cam::uin/1:roleName/reader"),
            "own": TcssAccount(secret_id="AKIDOWNEXAMPLE", secret_key="SECRETOWNEXAMPLE", site="intl"),
        },
    )

    def facts(settings: Settings) -> tuple[str | None, str | None, str]:
        assert settings.credentials is not None
        return settings.credentials.secret_id, settings.role_arn, settings.site

    assert facts(resource.settings("role")) == ("AKIDEXAMPLE", "qcs::cam::uin/1:roleName/reader", "cn")
    assert facts(resource.settings("own")) == ("AKIDOWNEXAMPLE", None, "intl")
    assert facts(resource.settings()) == ("AKIDEXAMPLE", None, "cn")


def test_half_of_an_accounts_keys_is_refused() -> None:
    """And not filled up with the resource's; nor does it matter that there is a role."""
    account = TcssAccount(secret_id="AKIDOWNEXAMPLE", role_arn="qcs::cam::uin/1:roleName/reader")
    resource = TcssResource(secret_id="AKIDEXAMPLE", secret_key="SECRETEXAMPLE", accounts={"one": account})
    with pytest.raises(ConfigurationError, match="secret_key is missing"):
        resource.settings("one")
    with pytest.raises(ConfigurationError, match="secret_id is missing"):
        TcssResource(secret_key="SECRETEXAMPLE").settings()


@pytest.mark.parametrize("name", ["secret_key", "role_arn", "account_id", "site"])
def test_an_empty_field_of_an_account_is_refused(name: str) -> None:
    """Such as of a variable that is set to nothing; the resource's site would be that of other accounts."""
    keys = {"secret_id": "AKIDEXAMPLE", "secret_key": "SECRETEXAMPLE"}
    resource = TcssResource(site="cn", accounts={"one": TcssAccount(**{**keys, name: ""})})
    with pytest.raises(ConfigurationError, match=f"{name} is empty"):
        resource.settings("one")


def test_settings_are_looked_up_as_for_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the resource does not say: in variables, the destination among them. A misspelt option is refused."""
    monkeypatch.setenv("TCSS_DESTINATION", "duckdb:///x.duckdb")
    monkeypatch.setenv("TCSS_LOOKBACK", "60")
    monkeypatch.setenv("TCSS_ROLE_ARN", "qcs::cam::uin/9:roleName/reader")
    account = TcssAccount(secret_id="AKIDEXAMPLE", secret_key="SECRETEXAMPLE")
    found = TcssResource(accounts={"one": account}).settings("one")
    assert (found.destination, found.lookback, found.role_arn) == ("duckdb:///x.duckdb", 60, None)
    assert TcssResource(options={"mode": "full"}).settings(mode=None).mode == "full"
    with pytest.raises(ConfigurationError, match=r"no setting 'lookbak'. Did you mean lookback\?"):
        TcssResource(options={"lookbak": 5}).settings()
    with pytest.raises(ConfigurationError, match="options of the resource may not have dataset"):
        TcssResource(options={"dataset": "x"}).settings()


def test_the_id_of_one_account_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fleets under one id would call each other's images gone."""
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNT_ID", "42")
    keys = {"secret_id": "AKIDEXAMPLE", "secret_key": "SECRETEXAMPLE"}
    resource = TcssResource(accounts={"one": TcssAccount(**keys), "two": TcssAccount(**keys, account_id="43")})
    assert [resource.settings(name).account_id for name in (None, "one", "two")] == ["42", None, "43"]


def test_an_account_has_the_name_of_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the resource has configured the account, or dlt's configuration."""
    monkeypatch.setenv("SOURCES__TCSS__ACCOUNTS__THREE__ACCOUNT_ID", "3")
    resource = TcssResource(accounts={"one": TcssAccount(secret_id="AKIDEXAMPLE", secret_key="KEYEXAMPLE")})
    assert [resource.settings(name).account_name() for name in (None, "one", "three")] == [None, "one", "three"]


def test_times_are_texts_in_utc(accounts: Accounts, duckdb_file: Place, instance: dg.DagsterInstance) -> None:
    """Of the start and the end of the run."""
    found = metadata(accounts.materialize(duckdb_file, "one", instance))["sync_runs"]
    ((started,),) = duckdb_file.sql("SELECT epoch_us(started_at) FROM {data}.sync_runs")
    assert found["started_at"] == rfc3339(started)
