"""The vendor's SDK in a loop, into pandas and from there into DuckDB: one table, no check, no history."""

import json
import os
import sys

import duckdb
import pandas as pd
from tencentcloud.common import credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tcss.v20201101 import models, tcss_client


def main(url: str, file: str) -> None:
    keys = credential.Credential(os.environ["TENCENTCLOUD_SECRET_ID"], os.environ["TENCENTCLOUD_SECRET_KEY"])
    http = HttpProfile(protocol="http", endpoint=url.removeprefix("http://"))
    client = tcss_client.TcssClient(keys, "", ClientProfile(httpProfile=http))
    rows: list[dict[str, object]] = []
    while True:
        request = models.DescribeAssetImageListRequest()
        request.Limit, request.Offset = 100, len(rows)
        answer = client.DescribeAssetImageList(request)
        rows += [json.loads(item.to_json_string()) for item in answer.List]
        if not answer.List or len(rows) >= answer.TotalCount:
            break
    frame = pd.DataFrame(rows)
    with duckdb.connect(file) as connection:
        connection.register("frame", frame)
        connection.execute("CREATE TABLE images AS SELECT * FROM frame")


if __name__ == "__main__":
    main(*sys.argv[1:])
