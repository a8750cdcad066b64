"""The vendor's SDK in a loop over the images, into DuckDB: their vulnerabilities page by page, without any check."""

import os
import sys

import duckdb
import pandas as pd
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tcss.v20201101 import models, tcss_client

COLUMNS = ["image_id", "cve", "name", "component", "version"]


def main(url: str, file: str) -> None:
    keys = credential.Credential(os.environ["TENCENTCLOUD_SECRET_ID"], os.environ["TENCENTCLOUD_SECRET_KEY"])
    http = HttpProfile(protocol="http", endpoint=url.removeprefix("http://"))
    client = tcss_client.TcssClient(keys, "", ClientProfile(httpProfile=http))
    with duckdb.connect(file) as connection:
        connection.execute("CREATE TABLE findings (image_id text, cve text, name text, component text, version text)")
        for image_id in images(client):
            frame = pd.DataFrame(findings(client, image_id), columns=COLUMNS)
            connection.register("frame", frame)
            connection.execute("INSERT INTO findings SELECT * FROM frame")


def images(client: tcss_client.TcssClient) -> list[str]:
    found: list[str] = []
    offset = 0
    while True:
        request = models.DescribeAssetImageListRequest()
        request.Limit, request.Offset = 100, offset
        answer = client.DescribeAssetImageList(request)
        found += [item.ImageID for item in answer.List if item.ScanStatus == "SCANNED"]
        offset += len(answer.List)
        if not answer.List or offset >= answer.TotalCount:
            return found


def findings(client: tcss_client.TcssClient, image_id: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    while True:
        request = models.DescribeAssetImageVulListRequest()
        request.ImageID, request.Limit, request.Offset, request.By = image_id, 100, len(rows), "Level"
        answer = client.DescribeAssetImageVulList(request)
        rows += [(image_id, item.CVEID, item.Name, item.Component, item.Version) for item in answer.List]
        if not answer.List or len(rows) >= answer.TotalCount:
            return rows


if __name__ == "__main__":
    main(*sys.argv[1:])
