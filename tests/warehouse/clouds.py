"""Prints, as JSON, how far each destination can be followed without a server: the class of dlt's client, and the SQL
that would create and merge `images`. Run by `test_clouds.py` if the drivers are installed."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client import SqlalchemyJobClient
from sqlalchemy.schema import CreateTable

from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline


def followed(url: str, directory: Path) -> dict[str, Any]:
    """Return the client's class, its SQL for the table, and the SQL of a merge into it; or the error."""
    try:
        pipeline = open_pipeline(locate(url), "1", directory)
        client: Any = pipeline._get_destination_clients(pipeline.default_schema)[0]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    table = client.prepare_load_table("images")
    if isinstance(client, SqlalchemyJobClient):
        create = [str(CreateTable(client._to_table_object(table)).compile(dialect=client.sql_client.dialect))]
    else:
        create = client._get_table_update_sql("images", list(table["columns"].values()), False)
    jobs = client._create_merge_followup_jobs([table])
    merge = [Path(job.new_file_path()).read_text(encoding="utf-8") for job in jobs]
    return {"client": type(client).__name__, "create": "\n".join(create), "merge": "\n".join(merge)}


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
