"""Invents images: items with the field names of the API's `ImagesInfo`, drawn from one seeded random.

The names, counts and times are invented. The shapes are those of the API's documentation and samples: 30 fields, the
last eight optional; `""` as the ScanTime of an image that was never scanned; times like Go's RFC3339Nano.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Item = dict[str, Any]

SECOND = 1_000_000
DAY = 86_400 * SECOND

# All fields in the order of the documentation; the last eight are optional.
FIELDS = (
    *("ImageID", "ImageName", "CreateTime", "Size", "HostCnt", "SuperNodeCnt", "ContainerCnt", "ScanTime"),
    *("VulCnt", "VirusCnt", "RiskCnt", "IsTrustImage", "OsName", "AgentError", "ScanError", "ScanStatus"),
    *("ScanVirusError", "ScanVulError", "ScanRiskError", "IsSuggest", "IsAuthorized", "ComponentCnt"),
    *("CriticalLevelVulCnt", "HighLevelVulCnt", "MediumLevelVulCnt", "LowLevelVulCnt"),
    *("IsLatestImage", "RecommendedFix", "Solution", "Reason"),
)
OPTIONAL_FIELDS = FIELDS[22:]
ERROR_FIELDS = ("AgentError", "ScanError", "ScanVirusError", "ScanVulError", "ScanRiskError")
ERROR_TEXTS = (
    "timeout",
    "ConnFailed",
    "MessageRegistryScan",
    "OperateFailed",
    "image not found on host: “/var/lib/docker” is full",
)

# name of the system, number of such images, components, vulnerabilities when built, and how many more each year
SYSTEMS = (
    ("alpine:v3.20", 18, 28, 1, 9),
    ("alpine:v3.12", 6, 26, 12, 22),
    ("debian:12", 20, 130, 40, 75),
    ("debian:10", 6, 140, 140, 110),
    ("ubuntu:22.04", 14, 120, 22, 48),
    ("ubuntu:18.04", 4, 110, 90, 70),
    ("centos:7.9.2009", 9, 190, 160, 120),
    ("tencentos:3.1", 7, 170, 14, 40),
    ("windows", 1, 60, 30, 90),
    ("", 15, 9, 0, 4),
)
SYSTEM_WEIGHTS = [row[1] for row in SYSTEMS]

TEAMS = ("checkout", "search", "ledger", "media", "risk", "growth", "data", "edge", "identity", "ml")
PARTS = ("api", "worker", "web", "gateway", "cron", "sync", "proxy", "batch", "admin", "notebook")
PUBLIC = ("nginx", "redis", "postgres", "python", "node", "golang", "busybox", "grafana/grafana", "l10")
REGISTRIES = (
    "ccr.ccs.tencentyun.com",
    "registry.example.com:5000",
    "demo-12345.tencentcloudcr.com",
    "10.0.3.7:5000",
    "localhost:5000",
    "ghcr.io",
)
ODD_NAMES = (
    "<none>:<none>",
    "镜像/支付网关:最新",
    "team-🚀/rocket:1.0",
    'o\'reilly/"quoted":1',
    "<script>alert(1)</script>:latest",
    "name with spaces :tag ",
    "a/" * 100 + "deep:1",
    'robert\'); DROP TABLE "images";--:v1',
    "back\\slash\ttab:1",
    "café/e\u0301clair:1",
    "no-tag-at-all",
    "",
)


@dataclass(frozen=True)
class Mix:
    """Sets the shares (0 to 1) of kinds of images in a seeded fleet; all other images are scanned without an error.

    ties: weights of the sizes 1, 2, 3, 4 of groups of images with the same CreateTime.
    epoch: reproducible builds, with CreateTime 1970-01-01T00:00:00Z: a number (3) or a share (0.1).
    bare: images without any of the eight optional fields. sparse: images with some of these fields.
    cancelled: images whose ScanStatus no documented filter word names.
    """

    never: float = 0.14
    scanning: float = 0.02
    failed: float = 0.06
    cancelled: float = 0.0
    odd_names: float = 0.02
    bare: float = 0.05
    sparse: float = 0.02
    ties: tuple[float, float, float, float] = (0.9, 0.06, 0.025, 0.015)
    epoch: float = 3

    def of_epoch(self, size: int) -> int:
        """Return how many images of a fleet of `size` have the CreateTime of the epoch."""
        return round(size * self.epoch) if isinstance(self.epoch, float) else self.epoch


def instant_text(instant: int) -> str:
    """Write microseconds since the epoch (UTC) like the API's samples: milliseconds, trailing zeros trimmed."""
    text = (datetime(1970, 1, 1) + timedelta(microseconds=instant)).isoformat(timespec="milliseconds")
    return text.rstrip("0").rstrip(".") + "Z" if text.endswith("0") else text + "Z"


def instant_of(text: Any) -> int | None:
    """Return the instant of a time's text in microseconds; None for `""`, null and texts that are no ISO 8601 time."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def encoded(item: Mapping[str, Any]) -> str:
    """Return an item as one line of JSON with the fields in their order, to compare the items of two fleets."""
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


class Painter:
    """Makes items. Every draw comes from `rng`, so that a seed gives the same items every time."""

    def __init__(self, rng: Random, mix: Mix) -> None:
        self._rng = rng
        self._mix = mix

    def create_times(self, count: int, now: int, *, epoch: int) -> list[int]:
        """Draw `count` instants before `now` in random order: exponential ages, small tie groups, `epoch` zeros."""
        rng = self._rng
        times = [0] * min(epoch, count)
        while len(times) < count:
            age = int(min(rng.expovariate(1 / 200), 1800) * DAY) + rng.randrange(60 * SECOND, DAY)
            grid = rng.choices((SECOND, 1000), (0.25, 0.75))[0]
            size = rng.choices((1, 2, 3, 4), self._mix.ties)[0]
            times += [(now - age) // grid * grid] * size
        del times[count:]
        rng.shuffle(times)
        return times

    def image(self, create_time: int, now: int) -> Item:
        """Make an image built at `create_time`, in its state at `now` (both in microseconds)."""
        return self._in_some_state(self.never_scanned(create_time), create_time, now)

    def never_scanned(self, create_time: int) -> Item:
        """Make an image built at `create_time` that was never scanned."""
        rng = self._rng
        system = rng.choices(SYSTEMS, SYSTEM_WEIGHTS)[0]
        item: Item = {
            "ImageID": f"sha256:{rng.getrandbits(256):064x}",
            "ImageName": self._name(),
            "CreateTime": instant_text(create_time),
            "Size": self._size(),
            **self._use(),
            "ScanTime": "",
            **dict.fromkeys(("VulCnt", "VirusCnt", "RiskCnt"), 0),
            "IsTrustImage": rng.random() < 0.06,
            "OsName": system[0],
            **dict.fromkeys(ERROR_FIELDS[:2], ""),
            "ScanStatus": "NOT_SCAN",
            **dict.fromkeys(ERROR_FIELDS[2:], ""),
            "IsSuggest": 0,
            "IsAuthorized": int(rng.random() < 0.3),
            "ComponentCnt": 0,
            **dict.fromkeys(OPTIONAL_FIELDS[:4], 0),
            "IsLatestImage": rng.random() < 0.3,
            "RecommendedFix": False,
            "Solution": "",
            "Reason": "",
        }
        self._without_optional(item)
        return item

    def scanned(self, item: Item, at: int) -> Item:
        """Return the item after a successful scan at `at`: new ScanTime, and the counts of that day."""
        rng = self._rng
        created = instant_of(item["CreateTime"]) or 0
        years = min(max(at - created, 0) / (365 * DAY), 6.0)
        _, _, components, base, growth = next((row for row in SYSTEMS if row[0] == item["OsName"]), SYSTEMS[-1])
        total = int((base + growth * years) * rng.lognormvariate(0, 0.45))
        counts = self._levels(total)
        fine = "No Error" if rng.random() < 0.7 else ""
        changes: Item = {
            "ScanTime": instant_text(at),
            "VulCnt": total,
            "VirusCnt": rng.randint(1, 3) if rng.random() < 0.015 else 0,
            "RiskCnt": rng.randint(1, 12) if rng.random() < 0.2 else 0,
            "ScanStatus": "SCANNED",
            **dict.fromkeys(ERROR_FIELDS, fine),
            "IsSuggest": int(counts["CriticalLevelVulCnt"] > 0),
            "ComponentCnt": item["ComponentCnt"] or int(components * rng.lognormvariate(0, 0.3)) + 1,
            **counts,
            **self._advice(counts["CriticalLevelVulCnt"]),
        }
        return {**item, **{name: value for name, value in changes.items() if name in item}}

    def failed(self, item: Item, at: int) -> Item:
        """Return the item after a failed scan at `at`: error texts; half of the items lose their ScanTime."""
        rng = self._rng
        errors = {name: rng.choice(ERROR_TEXTS) for name in rng.sample(ERROR_FIELDS, rng.randint(1, 3))}
        quiet = dict.fromkeys(ERROR_FIELDS, "")
        when = instant_text(at) if rng.random() < 0.5 else ""
        return {**item, "ScanTime": when, "ScanStatus": "SCAN_ERR", **quiet, **errors}

    def reused(self, item: Item) -> Item:
        """Return the item with other hosts, containers or licence, without a scan. The result always differs."""
        use = self._use()
        if use["ContainerCnt"] == item.get("ContainerCnt"):
            use["ContainerCnt"] += 1
        licence = int(not item.get("IsAuthorized")) if self._rng.random() < 0.1 else item.get("IsAuthorized")
        return {**item, **use, "IsAuthorized": licence}

    def _in_some_state(self, item: Item, created: int, now: int) -> Item:
        rng, mix = self._rng, self._mix
        scan = now - int(min(rng.expovariate(1 / 12), 300) * DAY) - rng.randrange(1000, DAY)
        scan = max(scan, min(created + 60 * SECOND, now - SECOND))
        draw = rng.random()
        if (draw := draw - mix.never) < 0:
            return item
        item["IsAuthorized"] = 12 if rng.random() < 0.005 else 1
        if (draw := draw - mix.scanning) < 0:
            before = self.scanned(item, scan) if rng.random() < 0.5 else item
            return {**before, "ScanStatus": "SCANNING"}
        if (draw := draw - mix.failed) < 0:
            return self.failed(item, scan)
        if draw < mix.cancelled:
            return {**item, "ScanStatus": "CANCELED"}
        return self.scanned(item, scan)

    def _name(self) -> str:
        rng = self._rng
        if rng.random() < self._mix.odd_names:
            return rng.choice(ODD_NAMES)
        version = f"{rng.randint(0, 4)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}"
        tag = rng.choices((version, "latest", f"git-{rng.getrandbits(28):07x}", f"v{version}-rc.1"), (5, 2, 3, 1))[0]
        if rng.random() < 0.15:
            return f"{rng.choice(PUBLIC)}:{tag}"
        repository = f"{rng.choice(REGISTRIES)}/{rng.choice(TEAMS)}/{rng.choice(PARTS)}"
        if rng.random() < 0.06:
            return f"{repository}@sha256:{rng.getrandbits(256):064x}"
        return f"{repository}:{tag}"

    def _size(self) -> int:
        if self._rng.random() < 0.01:
            return self._rng.randint(2**32 + 1, 2**35)
        return int(120e6 * self._rng.lognormvariate(0, 1.1)) % 2**32

    def _use(self) -> dict[str, int]:
        """Draw HostCnt (super nodes included), SuperNodeCnt and ContainerCnt: a few images run everywhere."""
        rng = self._rng
        hosts = min(int(rng.paretovariate(1.1)), 3000)
        super_nodes = rng.randint(0, hosts) if rng.random() < 0.15 else 0
        containers = int(hosts * rng.expovariate(0.7)) if rng.random() < 0.6 else 0
        return {"HostCnt": hosts, "SuperNodeCnt": super_nodes, "ContainerCnt": containers}

    def _levels(self, total: int) -> dict[str, int]:
        """Split a total of vulnerabilities into its four levels, worst first."""
        rng = self._rng
        critical = int(total * rng.uniform(0.0, 0.06))
        high = int((total - critical) * rng.uniform(0.1, 0.3))
        low = int((total - critical - high) * rng.uniform(0.1, 0.4))
        counts = (critical, high, total - critical - high - low, low)
        return dict(zip(OPTIONAL_FIELDS[:4], counts, strict=True))

    def _advice(self, critical: int) -> Item:
        if not critical:
            return {"RecommendedFix": False, "Solution": "", "Reason": ""}
        return {
            "RecommendedFix": True,
            "Solution": "Upgrade the base image, rebuild, and roll the workload out again.",
            "Reason": f"{critical} critical vulnerabilities have a public exploit.",
        }

    def _without_optional(self, item: Item) -> None:
        draw = self._rng.random()
        if draw < self._mix.bare:
            for name in OPTIONAL_FIELDS:
                del item[name]
        elif draw < self._mix.bare + self._mix.sparse:
            for name in self._rng.sample(OPTIONAL_FIELDS, 3):
                del item[name]
