"""`connector.warehouse.isolation`: settings of dlt that are meant for other pipelines do not reach ours."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.base_configuration import ContainerInjectableContext
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.exceptions import MissingDependencyException

from connector.errors import ConfigurationError
from connector.sandbox import Fleet, Sandbox, wall_clock
from connector.sandbox.identity import DEFAULT_ACCOUNT
from connector.tables import TABLES
from connector.warehouse.isolation import PINNED as VALUES
from connector.warehouse.isolation import _Isolated, isolated
from connector.warehouse.locations import locate
from tests.syncing import loaded, sync, truth
from tests.warehouse.dlt_settings import HARMLESS, NOT_REACHED, PINNED
from tests.warehouses import KINDS, Place, place
from tests.world import World, world

DESTINATIONS = ("duckdb", "postgres", "sqlalchemy")


class Listener(ConfigProvider):
    """Hears what dlt asks for, and has nothing."""

    name = "listener"
    supports_secrets = True
    supports_sections = True

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def get_value(self, key: str, hint: Any, pipeline_name: str | None, *sections: str) -> tuple[Any, str]:
        self.asked.add(".".join((*sections, key)))
        return None, key


@pytest.fixture
def listener() -> Iterator[Listener]:
    context = Container()[PluggableRunContext]
    context.reload_providers()
    heard = Listener()
    context.providers.providers.insert(0, heard)
    yield heard
    context.reload_providers()


@cache
def _import_all() -> None:
    """Every module of dlt's that a run of ours may import; some lack a package that ours do not need."""
    destinations = [f"destinations.impl.{name}" for name in DESTINATIONS]
    with warnings.catch_warnings():  # of modules that are to go
        warnings.simplefilter("ignore")
        for name in ("common", "extract", "normalize", "load", "pipeline", *destinations):
            package = importlib.import_module(f"dlt.{name}")
            for module in pkgutil.walk_packages(package.__path__, f"dlt.{name}.", onerror=lambda _: None):
                if not module.name.startswith("dlt.common.libs"):
                    with suppress(ImportError, MissingDependencyException):
                        importlib.import_module(module.name)


def classes() -> dict[str, type[BaseConfiguration]]:
    """dlt's configuration classes that a run can reach, by their full names."""
    _import_all()
    found: dict[str, type[BaseConfiguration]] = {}
    left: list[type[BaseConfiguration]] = [BaseConfiguration]
    while left:
        for spec in left.pop().__subclasses__():
            left.append(spec)
            name = f"{spec.__module__}.{spec.__qualname__}"
            ours = any(name.startswith(f"dlt.destinations.impl.{known}.") for known in DESTINATIONS)
            if not name.startswith("dlt.") or issubclass(spec, ContainerInjectableContext):
                continue
            if ours or not name.startswith(tuple(NOT_REACHED)):
                found[name] = spec
    return found


def test_every_setting_of_dlts_is_pinned_or_harmless() -> None:
    """A class or a field that a release of dlt brings is in neither table, and fails this test."""
    declared = {name: set(fields.split()) for table in (PINNED, HARMLESS) for name, (_, fields) in table.items()}
    assert {name: set(spec.get_resolvable_fields()) for name, spec in classes().items()} == declared
    assert not set(PINNED) & set(HARMLESS)


def test_every_value_of_ours_is_a_setting_of_dlts() -> None:
    """A setting that dlt has renamed would be pinned no more."""
    known = {field for _, fields in PINNED.values() for field in fields.split()}
    assert {path.rpartition(".")[2] for path in VALUES} <= known


@pytest.mark.parametrize("name", PINNED)
def test_nobody_else_is_asked_for_a_pinned_setting(listener: Listener, name: str) -> None:
    """It is what we say, or dlt's default, whatever provider the user has; in threads of dlt's too. Outside, everybody
    is asked as ever."""
    sections, spec = tuple(filter(None, PINNED[name][0].split("."))), classes()[name]
    with isolated():
        resolve_configuration(spec(), sections=sections, accept_partial=True)
        pool = threading.Thread(
            target=lambda: resolve_configuration(spec(), sections=sections, accept_partial=True),
            name=f"{Container.thread_pool_prefix()}1",
        )
        pool.start()
        pool.join()
    assert listener.asked == set()
    other = threading.Thread(target=lambda: resolve_configuration(spec(), sections=sections, accept_partial=True))
    with isolated():
        other.start()
        other.join()
    plain = {field for field in PINNED[name][1].split() if not field.startswith("_")}
    assert listener.asked or not plain - {"destination_capabilities", "default_normalizers"}


@pytest.mark.parametrize("path", VALUES)
def test_our_values_are_found(path: str) -> None:
    """By dlt, where it looks for them."""
    spec = next(s for n, s in classes().items() if n in PINNED and path.rpartition(".")[2] in s.get_resolvable_fields())
    with isolated():
        found = resolve_configuration(spec(), sections=tuple(path.split(".")[:-1]), accept_partial=True)
    assert getattr(found, path.rpartition(".")[2]) == VALUES[path]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_sync_asks_nobody_else(
    kind: str, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for our own settings."""
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    with place(kind, tmp_path) as made, Sandbox(Fleet.seeded(120, clock=wall_clock), rate=None) as sandbox:
        for _ in range(2):
            assert sync(made, sandbox.url)["verdict"] == "complete"
    assert {path for path in listener.asked if not path.startswith("sources.tcss.")} == set()
    assert _Isolated not in Container()


# ---- as a user would see it ----

HOSTILE = {
    "REFRESH": "drop_data",
    "DEV_MODE": "true",
    "FULL_REFRESH": "true",
    "DATASET_NAME": "elsewhere",
    "DATASET_NAME_LAYOUT": "prefix_%s",
    "USE_SINGLE_DATASET": "false",
    "PIPELINES_DIR": "elsewhere",
    "STAGING_TYPE": "filesystem",
    "IMPORT_SCHEMA_PATH": "elsewhere",
    "EXPORT_SCHEMA_PATH": "elsewhere",
    "PROGRESS": "log",
    "RESTORE_FROM_DESTINATION": "true",
    "ENABLE_RUNTIME_TRACE": "true",
    "PIPELINES__REFRESH": "drop_sources",
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID": "true",
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
    "NORMALIZE__WORKERS": "3",
    "NORMALIZE__LOADER_FILE_FORMAT": "csv",
    "DATA_WRITER__FILE_MAX_ITEMS": "7",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "7",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DATA_WRITER__FLAVOR": "spark",
    "DATA_WRITER__VERSION": "1.0",
    "DATA_WRITER__COERCE_TIMESTAMPS": "s",
    "DATA_WRITER__ALLOW_TRUNCATED_TIMESTAMPS": "true",
    "DATA_WRITER__ENCODING": "latin-1",
    "DATA_WRITER__ENCODING_ERRORS": "replace",
    "SCHEMA__NAMING": "sql_ci_v1",
    "SOURCES__TCSS__SCHEMA__NAMING": "direct",
    "SCHEMA__JSON_NORMALIZER": '{"module": "dlt.common.normalizers.json.relational", "config": {"max_nesting": 0}}',
    "SCHEMA__ALLOW_IDENTIFIER_CHANGE_ON_TABLE_WITH_DATA": "true",
    "EXTRACT__WORKERS": "1",
    "EXTRACT__NEXT_ITEM_MODE": "fifo",
    "LOAD__RAISE_ON_FAILED_JOBS": "false",
    "LOAD__DELETE_COMPLETED_JOBS": "false",
    "LOAD__TRUNCATE_STAGING_DATASET": "false",
    "LOAD__PARALLELISM_STRATEGY": "parallel",
    "LOAD__AUTO_ABORT_ON_TERMINAL_ERROR": "true",
    "DISABLE_ADBC_DETECTION": "true",
    "LOCAL_DIR": "elsewhere",
    "DESTINATION_TYPE": "filesystem",
    "DESTINATION_NAME": "elsewhere",
    "CREATE_INDEXES": "false",
    "CREDENTIALS": "duckdb:///elsewhere.duckdb",
    "DESTINATION__CREDENTIALS": "duckdb:///elsewhere.duckdb",
    "DESTINATION__REPLACE_STRATEGY": "staging-optimized",
    "DESTINATION__STAGING_DATASET_NAME_LAYOUT": "elsewhere",
    "DESTINATION__ENABLE_DATASET_NAME_NORMALIZATION": "true",
    "DESTINATION__DUCKDB__CREDENTIALS": "duckdb:///elsewhere.duckdb",
    "DESTINATION__DUCKDB__CREDENTIALS__READ_ONLY": "true",
    "DESTINATION__DUCKDB__CREDENTIALS__SESSION_TIMEZONE": "Asia/Shanghai",
    "DESTINATION__DUCKDB__CREDENTIALS__STATEMENTS": '["drop schema if exists tcss cascade"]',
    "DESTINATION__POSTGRES__CREDENTIALS__CLIENT_ENCODING": "latin1",
    "DESTINATION__SQLALCHEMY__CREATE_PRIMARY_KEYS": "true",
    "DESTINATION__SQLALCHEMY__CREATE_UNIQUE_INDEXES": "true",
    "DESTINATION__SQLALCHEMY__ENGINE_KWARGS": '{"isolation_level": "AUTOCOMMIT"}',
    "RUNTIME__INTERCEPT_SIGNALS": "true",
}
AT_IMPORT = {
    "DLT_DEFAULT_NAMING_MODULE": "direct",
    "DLT_INTERVAL_TIMEZONE": "Asia/Shanghai",
    "DLT_INTERVAL_START": "2020-01-01T00:00:00Z",
    "DLT_INTERVAL_END": "2020-01-02T00:00:00Z",
    "DLT_ALLOW_EXTERNAL_SCHEDULERS": "True",
    "DLT_USE_JSON": "simplejson",
    "DLT_LOCAL_DIR": "elsewhere",
    "DLT_DATA_DIR": "elsewhere",
    "DLT_DLT_ID_LENGTH_BYTES": "3",
    "DLT_JSON_TYPED_PUA_START": "0xf100",
}
"""Variables that dlt reads when it is imported, beside its configuration."""


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_a_sync_is_the_same_with_them(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables, columns and rows, of two syncs between which images change and go, on every kind of warehouse."""
    monkeypatch.setenv("SOURCES__TCSS__METADATA", "false")
    for name in ("plain", "hostile"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    with place(kind, tmp_path / "plain") as plain, place(kind, tmp_path / "hostile") as hostile:
        with Sandbox(Fleet.seeded(120, clock=wall_clock), rate=None) as sandbox:
            _twice(plain, sandbox)
        for name, value in HOSTILE.items():
            monkeypatch.setenv(name, value)
        fleet = Fleet.seeded(120, clock=wall_clock)
        with Sandbox(fleet, rate=None) as sandbox:
            _twice(hostile, sandbox)
        assert loaded(hostile, DEFAULT_ACCOUNT) == truth(fleet)
        assert hostile.catalogue() == plain.catalogue()
        assert [len(hostile.table(table)) for table in TABLES] == [len(plain.table(table)) for table in TABLES]
        assert {name.replace(hostile.dataset, "x") for name in hostile.datasets()} == {
            name.replace(plain.dataset, "x") for name in plain.datasets()
        }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostile", "plain"]


def _twice(place: Place, sandbox: Sandbox) -> None:
    sync(place, sandbox.url)
    sandbox.change({"rescan": 7, "insert": 5, "delete": 3})
    assert sync(place, sandbox.url, mode="full")["verdict"] == "complete"


FILE = """
refresh = "drop_sources"
dev_mode = true
dataset_name_layout = "prefix_%s"

[normalize.parquet_normalizer]
add_dlt_id = true

[tcss_100000000001]
refresh = "drop_data"

[tcss_100000000001.load]
truncate_staging_dataset = false
raise_on_failed_jobs = false

[tcss_100000000001.destination.duckdb]
dataset_name_layout = "prefix_%s"
"""


@pytest.mark.thorough
def test_the_command_is_the_same_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file too, under our pipeline's name too, and with what dlt reads when it is imported."""
    with world(tmp_path, monkeypatch, images=150) as account:
        first, second = tmp_path / "plain.duckdb", tmp_path / "hostile.duckdb"
        _command(account, first)
        (tmp_path / ".dlt").mkdir()
        (tmp_path / ".dlt" / "config.toml").write_text(FILE, encoding="utf-8")
        for name, value in {**HOSTILE, **AT_IMPORT}.items():
            monkeypatch.setenv(name, value)
        for _ in range(2):
            _command(account, second)
        with duckdb.connect() as connection:
            connection.execute(f"attach '{first}' as plain; attach '{second}' as hostile")
            rows = "select * exclude (first_seen_at, changed_at, sync_id) from {}.tcss.images"
            both = f"({rows.format('plain')}) except ({rows.format('hostile')})"
            assert connection.execute(both).fetchall() == []
            assert connection.execute("select count(*) from hostile.tcss.images").fetchall() == [(150,)]
            assert connection.execute("select count(*) from hostile.tcss.sync_runs").fetchall() == [(2,)]
            columns = (
                "select schema_name, table_name, column_name, data_type from duckdb_columns() where database_name = "
            )
            found = [connection.execute(f"{columns} '{name}' order by all").fetchall() for name in ("plain", "hostile")]
            assert found[0] == found[1]


def _command(account: World, file: Path) -> None:
    command = [sys.executable, "-m", "connector", "sync", "--destination", f"duckdb:///{file}"]
    done = subprocess.run([*command, "--endpoint", account.sandbox.url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_pipeline_of_the_users_own_is_as_the_user_configured_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same process, after ours."""
    with place("duckdb", tmp_path) as made:
        made.prepared()
    monkeypatch.setenv("DATASET_NAME_LAYOUT", "prefix_%s")
    monkeypatch.setenv("LOAD__WORKERS", "3")
    mine = dlt.pipeline("mine", pipelines_dir=str(tmp_path / "mine"), destination="duckdb", dataset_name="x")
    assert (mine.dataset_name, mine.config.restore_from_destination) == ("prefix_x", True)


@pytest.mark.parametrize("name", ["DESTINATION__POSTGRES__CREDENTIALS", "DESTINATION__MINE__CREDENTIALS"])
def test_a_destination_may_be_configured_the_dlt_way(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """In its own section, where the user names it; a section above that is for any destination is not read."""
    monkeypatch.setenv("DESTINATION__MINE__DESTINATION_TYPE", "postgres")
    monkeypatch.setenv("DESTINATION__CREDENTIALS", "postgresql://u:p@elsewhere/d")
    destination = name.split("__")[1].lower()
    with pytest.raises(ConfigurationError, match=name):
        locate(destination)
    monkeypatch.setenv(name, "postgresql://u:p@h/d")
    assert locate(destination).display.startswith("postgresql://u:***@h")
