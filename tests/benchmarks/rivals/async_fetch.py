"""An asynchronous fetcher, as somebody in a hurry writes it: httpx, orjson and Arrow, into one untyped DuckDB table.

Pages by Offset beside each other, up to the TotalCount of the first page. No check, no history, no retry.
"""

import asyncio
import hashlib
import hmac
import os
import sys
import time
from datetime import UTC, datetime

import duckdb
import httpx
import orjson
import pyarrow as pa

AT_ONCE = 16
FIXED = {"X-TC-Action": "DescribeAssetImageList", "X-TC-Version": "2020-11-01", "X-TC-Region": "ap-guangzhou"}


def headers(url: str, body: bytes) -> dict[str, str]:
    now = int(time.time())
    date, host = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d"), url.removeprefix("http://")
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n{_sha256(body)}"
    text = f"TC3-HMAC-SHA256\n{now}\n{date}/tcss/tc3_request\n{_sha256(canonical.encode())}"
    key = f"TC3{os.environ['TENCENTCLOUD_SECRET_KEY']}".encode()
    for part in (date, "tcss", "tc3_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    scope = f"{os.environ['TENCENTCLOUD_SECRET_ID']}/{date}/tcss/tc3_request"
    signed = f"TC3-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host, Signature={key.hex()}"
    return {**FIXED, "Content-Type": "application/json", "X-TC-Timestamp": str(now), "Authorization": signed}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def fetch(url: str) -> list[pa.Table]:
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=AT_ONCE), timeout=60) as client:

        async def page(offset: int) -> tuple[int, pa.Table]:
            body = orjson.dumps({"Limit": 100, "Offset": offset})
            async with gate:
                got = await client.post(url, content=body, headers=headers(url, body))
            answer = orjson.loads(got.content)["Response"]
            return answer["TotalCount"], pa.Table.from_pylist(answer["List"])

        total, first = await page(0)
        others = await asyncio.gather(*(page(offset) for offset in range(100, total, 100)))
        return [first, *(table for _, table in others)]


def main(url: str, file: str) -> None:
    images = pa.concat_tables(asyncio.run(fetch(url)), promote_options="permissive")
    with duckdb.connect(file) as connection:
        connection.register("fetched", images)
        connection.execute("CREATE TABLE images AS SELECT * FROM fetched")


if __name__ == "__main__":
    main(*sys.argv[1:])
