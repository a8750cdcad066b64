"""Gives each setting a value that is not its default: as text, as TOML, and as parsed."""

from __future__ import annotations

from typing import Any

SAMPLES: dict[str, tuple[str, str, Any]] = {
    "destination": ("duckdb:///x.duckdb", '"duckdb:///x.duckdb"', "duckdb:///x.duckdb"),
    "dataset": ("mine", '"mine"', "mine"),
    "strict": ("yes", "true", True),
    "role_arn": ("qcs::cam::uin/1:roleName/r", '"qcs::cam::uin/1:roleName/r"', "qcs::cam::uin/1:roleName/r"),
    "site": ("CN", '"cn"', "cn"),
    "endpoint": ("https://x.example.com", '"https://x.example.com"', "https://x.example.com"),
    "language": ("zh-CN", '"zh-CN"', "zh-CN"),
    "requests_per_second": ("7.5", "7.5", 7.5),
    "in_flight": ("3", "3", 3),
    "patience": ("1e2", "100.0", 100.0),
    "connect_timeout": ("4", "4", 4),
    "read_timeout": ("5", "5", 5),
    "max_answer_bytes": ("1000000", "1000000", 1000000),
    "metadata": ("False", "false", False),
    "naive_time_zone": ("UTC", '"UTC"', "UTC"),
    "mode": ("Full", '"FULL"', "full"),
    "filters": ("ImageName=a ImageName=b", '{ImageName = ["a", "b"]}', {"ImageName": ["a", "b"]}),
    "lookback": ("60", "60", 60),
    "full_every": ("120", "120", 120),
    "initial_scan_time": ("2026-01-31T00:00:00", "2026-01-31T00:00:00", "2026-01-31T00:00:00"),
    "max_delete_share": (".5", "0.5", 0.5),
    "confirm_gone_after": ("0", "0", 0),
    "account_id": ("100000000001", "100000000001", "100000000001"),
    "detail": ("vulnerabilities,running", ["vulnerabilities", "running"], ["vulnerabilities", "running"]),
    "detail_patience": ("30", 30, 30),
}
"""All settings but `credentials`."""

NAMES = list(SAMPLES)
KEYS = {"secret_id": "AKIDEXAMPLE", "secret_key": "KEYEXAMPLE"}
