"""What Airflow knows of the package without importing it: its metadata, and the form of its connection type."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk.module_loading import import_string

import connector.airflow
from connector.airflow import TcssSyncOperator
from connector.airflow.hook import TcssHook
from connector.airflow.provider_info import get_provider_info
from connector.settings import Settings

(CONNECTION,) = get_provider_info()["connection-types"]


def test_the_metadata_are_valid() -> None:
    """By Airflow's own schema; every module and class that they name is there."""
    info = get_provider_info()
    jsonschema.validate(info, json.loads((files("airflow") / "provider_info.schema.json").read_text()))
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for module in info[kind][0]["python-modules"]:
            __import__(module)
    for path in info["extra-links"]:
        assert import_string(path) in {type(link) for link in TcssSyncOperator.operator_extra_links}
    assert CONNECTION["hook-class-name"] == f"{TcssHook.__module__}.{TcssHook.__qualname__}"
    assert (CONNECTION["connection-type"], CONNECTION["hook-name"]) == (TcssHook.conn_type, TcssHook.hook_name)


def test_airflow_finds_it_and_imports_nothing_for_that() -> None:
    """By the entry point; neither dlt nor the hook is imported, nor Airflow by the metadata alone."""
    code = """
import sys
from connector.airflow.provider_info import get_provider_info
heavy = {"airflow", "dlt", "sqlalchemy", "pyarrow", "duckdb"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
manager.initialize_providers_list()
print(manager.providers["tcss-connector"].version, manager._hook_provider_dict.get("tcss"))
assert not {"dlt", "duckdb", "connector.airflow.hook"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{connector.__version__} ")


def test_the_export_list_is_true() -> None:
    """Every name is there, with a docstring; no other one is."""
    for name in connector.airflow.__all__:
        assert getattr(connector.airflow, name).__doc__
    with pytest.raises(AttributeError):
        connector.airflow.TcssOperator  # noqa: B018


def test_the_form_shows_what_the_hook_reads() -> None:
    """Secret id and key in place of login and password; the other fields are settings, and the token is hidden."""
    manager = ProvidersManager()
    assert manager.hooks["tcss"].hook_name == "Tencent Container Security (TCSS)"
    widgets = {
        widget.field_name: widget for name, widget in manager.connection_form_widgets.items() if "__tcss__" in name
    }
    assert set(widgets) == {"token", "role_arn", "site", "endpoint", "account_id", "requests_per_second"}
    assert set(widgets) - {"token"} <= set(Settings().keys())
    assert [name for name, widget in widgets.items() if widget.is_sensitive] == ["token"]
    behaviour = manager.field_behaviours["tcss"]
    assert behaviour["hidden_fields"] == ["host", "port", "schema"]
    assert behaviour["relabeling"] == {"login": "Secret ID", "password": "Secret key"}
