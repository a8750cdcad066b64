"""dlt's generic REST source into DuckDB, as parquet: one table, no check, no history."""

import os
import sys
import tempfile
import time
from urllib.parse import urlsplit

import dlt
from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client.auth import AuthConfigBase
from dlt.sources.rest_api import rest_api_source
from requests import PreparedRequest

from connector.api.signing import sign


@configspec
class Signed(AuthConfigBase):
    """Signature v3, over the bytes that requests has made."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        timestamp = int(time.time())
        request.headers["X-TC-Action"], request.headers["X-TC-Version"] = "DescribeAssetImageList", "2020-11-01"
        request.headers["X-TC-Timestamp"] = str(timestamp)
        request.headers["Authorization"] = sign(
            secret_id=os.environ["TENCENTCLOUD_SECRET_ID"],
            secret_key=os.environ["TENCENTCLOUD_SECRET_KEY"],
            service="tcss",
            host=urlsplit(str(request.url)).netloc,
            body=request.body if isinstance(request.body, bytes) else str(request.body).encode(),
            timestamp=timestamp,
            content_type="application/json",
        )
        return request


def main(url: str, file: str) -> None:
    paginator = {
        "type": "offset",
        "limit": 100,
        "offset_body_path": "Offset",
        "limit_body_path": "Limit",
        "total_path": "Response.TotalCount",
    }
    images = {
        "name": "images",
        "primary_key": "ImageID",
        "write_disposition": "merge",
        "endpoint": {
            "path": "",
            "method": "POST",
            "json": {},
            "data_selector": "Response.List",
            "paginator": paginator,
        },
    }
    source = rest_api_source({"client": {"base_url": url, "auth": Signed()}, "resources": [images]})
    with tempfile.TemporaryDirectory() as directory:
        pipeline = dlt.pipeline(
            "rival", pipelines_dir=directory, destination=dlt.destinations.duckdb(file), dataset_name="rival"
        )
        pipeline.run(source, loader_file_format="parquet")


if __name__ == "__main__":
    main(*sys.argv[1:])
