"""Asks the sandbox short questions, for tests of what is behind a list."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from connector.api.signing import sign
from connector.sandbox import ApiError, Fault, Fleet, LocalServer, Quirks, Sandbox
from connector.sandbox.messages import Request

LIST = "DescribeAssetImageList"


def lettered(letters: str = "abcdef") -> Fleet:
    """Make images `a`, `b`, ...: each was built a day after the image before."""
    return Fleet(
        {"ImageID": letter, "CreateTime": f"2024-01-{day:02}T00:00:00Z"} for day, letter in enumerate(letters, 1)
    )


def local(fleet: Fleet | None = None, faults: Iterable[Fault] = (), **quirks: Any) -> LocalServer:
    """Return a server with these quirks, of six lettered images by default."""
    return LocalServer(lettered() if fleet is None else fleet, Quirks(**quirks), faults)


def told(server: LocalServer, offset: int = 0, limit: int = 100, **more: Any) -> Any:
    """Return the letters of a page and TotalCount, such as ("abc", 6), or the code of the error."""
    try:
        content = server.call(LIST, {"Limit": limit, "Offset": offset, **more})
    except ApiError as error:
        return error.code
    return "".join(row["ImageID"] for row in content["List"]), content["TotalCount"]


def over_http(sandbox: Sandbox, payload: Mapping[str, Any], action: str = LIST) -> dict[str, Any]:
    """Return the content of `Response` for a signed request for a list."""
    body, timestamp = json.dumps(payload).encode(), int(time.time())
    headers = {"host": sandbox.host, "content-type": "application/json", "x-tc-action": action}
    signature = sign(
        secret_id="AKIDEXAMPLE",
        secret_key="SECRETEXAMPLE",
        service="tcss",
        host=sandbox.host,
        body=body,
        timestamp=timestamp,
        content_type="application/json",
    )
    signed = {"authorization": signature, "x-tc-timestamp": str(timestamp), "x-tc-version": "2020-11-01"}
    response = json.loads(sandbox.reply(Request("POST", "/", headers | signed, body)).body)["Response"]
    assert isinstance(response, dict)
    return response
