"""Prints, as JSON, how far each destination can be followed without a server: the class of dlt's client, the SQL that
would create and merge `images`, and what makes the merge of each table whole. Run by `test_clouds.py` if the drivers
are installed."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client import SqlalchemyJobClient
from dlt.destinations.job_client_impl import SqlLoadJob
from sqlalchemy.schema import CreateTable

from connector.tables import ALL_TABLES
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline


def followed(url: str, directory: Path) -> dict[str, Any]:
    """Return the client's class, its SQL for the table, the SQL of a merge into it, and how each table is merged
    (`merged`); or the error."""
    try:
        pipeline = open_pipeline(locate(url), "1", directory, tables=ALL_TABLES)
        client: Any = pipeline._get_destination_clients(pipeline.default_schema)[0]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    table = client.prepare_load_table("images")
    if isinstance(client, SqlalchemyJobClient):
        create = [str(CreateTable(client._to_table_object(table)).compile(dialect=client.sql_client.dialect))]
    else:
        create = client._get_table_update_sql("images", list(table["columns"].values()), False)
    merges = {table.name: merge(client, table.name) for table in ALL_TABLES}
    how = {name: merged(client, file) for name, file in merges.items()}
    sql = merges["images"].read_text(encoding="utf-8")
    return {"client": type(client).__name__, "create": "\n".join(create), "merge": sql, "merged": how}


def merge(client: Any, name: str) -> Path:
    """Return the file of dlt's job that merges the staged rows of a table."""
    (job,) = client._create_merge_followup_jobs([client.prepare_load_table(name)])
    return Path(job.new_file_path())


def merged(client: Any, file: Path) -> str:
    """Say what dlt would do with the SQL: run `one statement`, several in a `transaction`, or several `one by one`."""
    sql = file.read_text(encoding="utf-8")
    began: list[str] = []

    @contextmanager
    def begin() -> Iterator[None]:
        began.append("transaction")
        yield

    job = SqlLoadJob(str(file))
    job._job_client, job._sql_client = client, client.sql_client
    statements = job._split_fragments(sql)
    with mock.patch.object(client.sql_client, "begin_transaction", begin), job.maybe_transaction(sql):
        pass
    return "one statement" if len(statements) == 1 else "".join(began) or "one by one"


def _google_key() -> str:
    """Return credentials of a service account that does not exist, in Google's form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"type": "service_account", "project_id": "project", "client_email": "nobody@example.invalid"}
    return json.dumps({**account, "private_key": key.decode(), "token_uri": "https://example.invalid/token"})


if __name__ == "__main__":
    os.environ["DESTINATION__BIGQUERY__CREDENTIALS"] = _google_key()
    with tempfile.TemporaryDirectory() as root:
        found = {url: followed(url, Path(root) / str(number)) for number, url in enumerate(sys.argv[1:])}
    print(json.dumps(found))  # noqa: T201
