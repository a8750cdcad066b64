"""Sets up an Airflow for these tests: a home, a metadata database in SQLite, and a folder of DAGs, all made before
Airflow is imported, because Airflow reads its settings at the import."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path(tempfile.mkdtemp(prefix="tcss_airflow_"))
DAGS = HOME / "dags"
DAGS.mkdir()
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "false",
    }
)


def pytest_configure(config: pytest.Config) -> None:
    """Ignore warnings of Airflow and its packages about code that is not ours."""
    config.addinivalue_line("filterwarnings", "default")
    config.addinivalue_line("filterwarnings", "error:::connector")


@pytest.fixture(scope="session", autouse=True)
def _metadata() -> Iterator[None]:
    """Create the metadata database and its tables."""
    from airflow.utils.db import initdb

    initdb()
    yield
    shutil.rmtree(HOME, ignore_errors=True)
