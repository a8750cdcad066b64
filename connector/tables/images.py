"""Defines the tables of every sync: the images, their history and scans, values that were rejected, and the runs.

Facts about the fields come from the API's page, its published samples and the history of its specification.
"""

from dataclasses import replace

import pyarrow as pa

from connector.tables.model import Column, Table

LEVELS = ("critical", "high", "medium", "low")


def _error(name: str, source: str, what: str) -> Column:
    return Column(
        name,
        "text",
        f"{what} Null: no error, for which the API sends an empty text or `No Error`. The values are not documented.",
        source=source,
        example="timeout",
    )


def _level(level: str, source: str) -> Column:
    return Column(
        f"{level}_level_vul_cnt",
        "bigint",
        f"Vulnerabilities of {level} severity. Null where the API does not send the field (new in 2023-11, on the "
        "international site in 2026-06).",
        source=source,
        unit="vulnerabilities",
        example="0",
    )


# Each identifier has the same definition in all tables, so that joins compare like with like on every warehouse. The
# longest key is under MySQL's 3,072 bytes: (64 + 256) characters of 4 bytes and a number.
ACCOUNT_ID = Column(
    "account_id",
    "text",
    "The account of the row: its root UIN from STS GetCallerIdentity, or the value of the setting account_id.",
    nullable=False,
    precision=64,
    example="100012345678",
)
IMAGE_ID = Column(
    "image_id",
    "text",
    "Config digest of the image: `sha256:` and 64 hex digits. The same on every host of the account.",
    nullable=False,
    precision=256,
    source="ImageID",
    example="sha256:2061084bfcc0d9ff44f479efc582e3ac9feaf96b556f6901bb39dbddfb9676b2",
)
LONGEST_ACCOUNT_NAME = 255
SYNC_ID = Column(
    "sync_id",
    "text",
    "The run that wrote the row; joins to sync_runs.",
    nullable=False,
    precision=64,
)

_API_COLUMNS = (
    Column(
        "image_name",
        "text",
        "Reference of the image on the host, normally repository:tag. `<none>:<none>` for a dangling image. If an "
        "image has several names, the API sends one of them; which name is not documented.",
        source="ImageName",
        example="l10:latest",
    ),
    Column(
        "image_registry",
        "text",
        "Registry part of image_name, with its port. Null if the name has no registry: `docker.io` is not assumed.",
        source="ImageName",
        derived=True,
        example="ccr.ccs.tencentyun.com",
    ),
    Column(
        "image_repository",
        "text",
        "Repository part of image_name: the path without registry, tag and digest. Null where image_name is `<none>` "
        "or not an image reference.",
        source="ImageName",
        derived=True,
        example="l10",
    ),
    Column(
        "image_tag",
        "text",
        "Tag part of image_name. Null if the name has no tag, or `<none>`: `latest` is not assumed.",
        source="ImageName",
        derived=True,
        example="latest",
    ),
    Column(
        "image_digest",
        "text",
        "Digest part of image_name, with its algorithm. Null if the name has no digest, the normal case.",
        source="ImageName",
        derived=True,
        example="sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
    Column(
        "create_time",
        "timestamp",
        "When the image was built. A time without an offset is taken to be in the zone of the setting "
        "naive_time_zone (+08:00 by default; the API never states a zone). 1970 is kept: reproducible builds have this "
        "time. Null for zero times (years 0000 and 0001) and for texts that are not a time.",
        source="CreateTime",
        example="2021-01-29 04:03:18+00",
    ),
    Column(
        "create_time_raw",
        "text",
        "CreateTime as received, if create_time does not hold all of it: the text is not RFC 3339 in UTC, or is a zero "
        "time, or could not be read. Otherwise null.",
        source="CreateTime",
        derived=True,
        example="2021-01-29 12:03:18",
    ),
    Column(
        "size",
        "bigint",
        "Size of the image. The API states no unit; the magnitudes are those of bytes.",
        source="Size",
        unit="bytes",
        example="16159906",
    ),
    Column(
        "os_name",
        "text",
        "Operating system inside the image, as the scanner names the system. Null where the system is not known.",
        source="OsName",
        example="alpine:v3.12",
    ),
    Column(
        "os_family",
        "text",
        "First word of os_name in lower case, or the system's ID in /etc/os-release if that is another word (`rhel`, "
        "`amzn`, `ol`, `sles`). For grouping.",
        source="OsName",
        derived=True,
        example="alpine",
    ),
    Column(
        "os_version",
        "text",
        "Version in os_name, without a leading `v`. The version is a text: sorting puts `3.12` before `3.9`. Null if "
        "os_name has no version.",
        source="OsName",
        derived=True,
        example="3.12",
    ),
    Column(
        "host_cnt",
        "bigint",
        "Hosts that hold the image: ordinary nodes and super nodes since 2025-04, only ordinary nodes before. Changes "
        "without a scan.",
        source="HostCnt",
        unit="hosts",
        example="12",
    ),
    Column(
        "super_node_cnt",
        "bigint",
        "Super (serverless) nodes that hold the image, a part of host_cnt. Null where the API does not send the field "
        "(new in 2025-04, on the international site in 2026-06).",
        source="SuperNodeCnt",
        unit="hosts",
        example="1",
    ),
    Column(
        "container_cnt",
        "bigint",
        "Containers that use the image. Changes without a scan.",
        source="ContainerCnt",
        unit="containers",
        example="0",
    ),
    Column(
        "is_trust_image",
        "bool",
        "Whether the image is on the account's list of trusted images.",
        source="IsTrustImage",
        example="true",
    ),
    Column(
        "is_suggest",
        "bigint",
        "Whether the image needs attention first: 0 no, any other value yes. An integer, as the API sends it.",
        source="IsSuggest",
        example="0",
    ),
    Column(
        "is_authorized",
        "bigint",
        "Whether the image has a scan licence: 0 no, 1 yes. An integer, as the API sends it. An example in the API's "
        "documentation has 12, so test for `<> 0`. Changes without a scan.",
        source="IsAuthorized",
        example="1",
    ),
    Column(
        "is_latest_image",
        "bool",
        "Whether the image is the newest tag of its repository. Null where the API does not send the field (optional, "
        "since 2023-11).",
        source="IsLatestImage",
        example="true",
    ),
    Column(
        "recommended_fix",
        "bool",
        "Whether the API recommends to fix the image. Null where the field is not sent (optional, since 2023-11).",
        source="RecommendedFix",
        example="false",
    ),
    Column(
        "solution",
        "text",
        "What to do about a failed scan, in the language of the setting `language`. Null where the API sends nothing "
        "(optional, since 2025-10). The meaning is inferred from samples of registry images.",
        source="Solution",
    ),
    Column(
        "reason",
        "text",
        "Why a scan failed, in the language of the setting `language`. Null where the API sends nothing (optional, "
        "since 2025-10). The meaning is inferred from samples of registry images.",
        source="Reason",
    ),
    Column(
        "scan_status",
        "text",
        "State of the image's scan. The API's list of images has shown NOT_SCAN and SCANNED, and related lists "
        "SCANNING, WAIT_SCAN, CANCELED, SCAN_ERR, FAILED and FINISHED. Do not write a constraint: others may come.",
        source="ScanStatus",
        example="SCANNED",
    ),
    Column(
        "scan_time",
        "timestamp",
        "When the image was last scanned. Null: never, or the text is not a time. A time without an offset is taken to "
        "be in the zone of the setting naive_time_zone (+08:00 by default; the API never states a zone). Zero times "
        "(years 0000 and 0001) and 1970-01-01 mean never.",
        source="ScanTime",
        example="2021-01-29 06:10:12.021+00",
    ),
    Column(
        "scan_time_raw",
        "text",
        "ScanTime as received, if scan_time does not hold all of it: the text is not RFC 3339 in UTC, or stands for "
        "never, or could not be read. Otherwise null, as for an empty ScanTime.",
        source="ScanTime",
        derived=True,
        example="2020-11-21 15:16:00",
    ),
    Column(
        "component_cnt",
        "bigint",
        "Software components found in the image.",
        source="ComponentCnt",
        unit="components",
        example="31",
    ),
    Column(
        "vul_cnt",
        "bigint",
        "Vulnerabilities found in the image by its last scan.",
        source="VulCnt",
        unit="vulnerabilities",
        example="5",
    ),
    *(_level(level, f"{level.capitalize()}LevelVulCnt") for level in LEVELS),
    Column(
        "virus_cnt",
        "bigint",
        "Malicious files found in the image by its last scan.",
        source="VirusCnt",
        unit="files",
        example="141",
    ),
    Column(
        "risk_cnt",
        "bigint",
        "Sensitive data (keys, passwords) found in the image by its last scan. RiskCnt of DescribeAssetImageDetail is "
        "another number: it counts risky behaviours.",
        source="RiskCnt",
        unit="findings",
        example="7",
    ),
    _error("agent_error", "AgentError", "Error that the agent on the host reported during the scan."),
    _error("scan_error", "ScanError", "Error of the scan on the service's side."),
    _error("scan_virus_error", "ScanVirusError", "Error of the malware part of the scan."),
    _error("scan_vul_error", "ScanVulError", "Error of the vulnerability part of the scan."),
    _error("scan_risk_error", "ScanRiskError", "Error of the sensitive-data part of the scan."),
    Column(
        "extra",
        "text",
        "Fields that this release does not know, as one JSON object keyed by the API's names. Null if there are no "
        "such fields. A later release may give such a field a column.",
        example='{"NewField":1}',
    ),
)
API_COLUMNS = tuple(column.name for column in _API_COLUMNS)
"""Names of the columns that come from an item of the API, account_id and image_id left out, in table order."""

_OBSERVED_AT = Column(
    "observed_at",
    "timestamp",
    "When a sync first observed the version or the scan.",
    nullable=False,
)

IMAGES = Table(
    "images",
    "The images of the account's hosts, one row per image, in its latest version. The row of an image that is gone "
    "stays: deleted_at is then set.",
    ("account_id", "image_id"),
    (
        ACCOUNT_ID,
        IMAGE_ID,
        *_API_COLUMNS,
        Column(
            "version",
            "bigint",
            "Number of the image's latest version, from 1: the last one in image_history.",
            nullable=False,
            example="1",
        ),
        Column(
            "first_seen_at",
            "timestamp",
            "When a sync first observed the image, not when the image was built.",
            nullable=False,
        ),
        Column(
            "changed_at",
            "timestamp",
            "When a sync first observed this version: observed_at of the version in image_history.",
            nullable=False,
        ),
        Column(
            "deleted_at",
            "timestamp",
            "When a sync found for the second time that the image is gone from all hosts. Null: the image is not gone.",
        ),
        Column(
            "row_hash",
            "text",
            "Hash of the API's fields, to find changed images. The number before the colon is the number of the "
            "hash's definition.",
            nullable=False,
            example="1:0123456789abcdef0123456789abcdef",
        ),
        SYNC_ID,
        Column(
            "missing_since",
            "timestamp",
            "When a complete full sweep and a look-up by id first did not find the image. A later run looks the image "
            "up again, and only then sets deleted_at. Null: the last search found the image.",
        ),
    ),
)


def _pick(table: Table, *names: str) -> tuple[Column, ...]:
    return tuple(table.column(name) for name in names)


_NOT_OF_A_VERSION = ("first_seen_at", "missing_since")

IMAGE_HISTORY = Table(
    "image_history",
    "Every version of an image that a sync observed, deletions and returns included. A version is valid from its "
    "observed_at to the observed_at of the next version; the views add valid_to.",
    ("account_id", "image_id", "version"),
    tuple(
        _OBSERVED_AT if column.name == "changed_at" else column
        for column in IMAGES.columns
        if column.name not in _NOT_OF_A_VERSION
    ),
)


def versions(images: pa.Table) -> pa.Table:
    """Return rows of `images` as rows of `image_history`."""
    kept = images.drop_columns(list(_NOT_OF_A_VERSION))
    return kept.rename_columns(list(IMAGE_HISTORY.column_names)).cast(IMAGE_HISTORY.arrow_schema)


IMAGE_SCANS = Table(
    "image_scans",
    "Every scan of an image that a sync observed, by its ScanTime. Of several scans between two syncs, only the last "
    "scan is here.",
    ("account_id", "image_id", "scan_time"),
    (
        *_pick(IMAGES, "account_id", "image_id"),
        replace(IMAGES.column("scan_time"), nullable=False),
        *_pick(IMAGES, "scan_status", "component_cnt", "vul_cnt"),
        *_pick(IMAGES, "critical_level_vul_cnt", "high_level_vul_cnt", "medium_level_vul_cnt", "low_level_vul_cnt"),
        *_pick(IMAGES, "virus_cnt", "risk_cnt", "agent_error", "scan_error"),
        *_pick(IMAGES, "scan_virus_error", "scan_vul_error", "scan_risk_error"),
        _OBSERVED_AT,
        SYNC_ID,
    ),
)

REJECTED_VALUES = Table(
    "rejected_values",
    "Faults: values of the API that could not be read as their column's type, and items without a usable ImageID. A "
    "fault that lasts is one row, whatever the value is in later runs; values_rejected of sync_runs counts the faults "
    "of each run. The image is still loaded, with null (or a cleaned text) in that column.",
    ("account_id", "reject_id"),
    (
        ACCOUNT_ID,
        Column(
            "reject_id",
            "text",
            "Hash of image_id, column_name and reason, and of the lasting parts of a rejected item. In rows of an "
            "older release: hash of image_id, column_name and raw.",
            nullable=False,
            precision=64,
            example="0123456789abcdef0123456789abcdef",
        ),
        replace(
            IMAGE_ID,
            nullable=True,
            description="The image with the value; joins to images. Null for an item without a usable ImageID.",
        ),
        Column(
            "column_name",
            "text",
            "The column of images that could not be filled. For `image_id`, raw is the whole item.",
            nullable=False,
            example="vul_cnt",
        ),
        Column(
            "raw",
            "text",
            "The value as first received, as JSON, up to 200,000 characters.",
            nullable=False,
            example='"n/a"',
        ),
        Column("reason", "text", "Why the value was rejected.", nullable=False, example="not an integer"),
        Column("request_id", "text", "RequestId of the answer with raw: the vendor's support asks for this id."),
        Column("first_seen_at", "timestamp", "When a sync first observed the fault.", nullable=False),
        SYNC_ID,
    ),
)

SYNC_RUNS = Table(
    "sync_runs",
    "Runs of the connector, one row per account and run. The row is written last, when all its data is in the tables. "
    "A run that failed before its account was known has no row.",
    ("sync_id",),
    (
        replace(SYNC_ID, description="Identifies the run."),
        ACCOUNT_ID,
        Column("mode", "text", "Kind of the run's sweep: `full` or `incremental`.", nullable=False, example="full"),
        Column("mode_reason", "text", "Why the run had this mode.", example="no watermark"),
        Column(
            "verdict",
            "text",
            "`complete`: every image that was listed throughout the sweep is in the warehouse, if the server sorts as "
            "its own values show. `partial`: rows were loaded, some may be missing. `failed`: the run ended early.",
            nullable=False,
            example="complete",
        ),
        Column(
            "verdict_reason",
            "text",
            "What proves the run complete, or what is missing. At most the first 2,000 characters of a long text.",
        ),
        Column(
            "started_at",
            "timestamp",
            "When the run started. All instants of a run are by the API's clock if this machine's clock differs by "
            "more than 5 s.",
            nullable=False,
        ),
        Column("finished_at", "timestamp", "When the run ended."),
        Column(
            "total_count",
            "bigint",
            "TotalCount of the sweep's last answer: how many images the API claims to list. Compared, never a proof.",
            source="TotalCount",
            unit="images",
        ),
        Column("rows_listed", "bigint", "Rows in all answers; rows that pages share count each time.", unit="rows"),
        Column("images_listed", "bigint", "Distinct images in all answers.", unit="images"),
        Column("images_new", "bigint", "Images that the warehouse did not have.", unit="images"),
        Column("images_changed", "bigint", "Images with a new version.", unit="images"),
        Column(
            "images_unchanged", "bigint", "Images that were listed without a change, and not written.", unit="images"
        ),
        Column("images_gone", "bigint", "Images whose deleted_at was set.", unit="images"),
        Column("images_returned", "bigint", "Images that were gone and are listed again.", unit="images"),
        Column(
            "values_rejected",
            "bigint",
            "Faults in the sweep, known faults included: values and items that could not be read.",
            unit="faults",
        ),
        Column(
            "unknown_fields",
            "text",
            "Names of fields that this release does not know, as a JSON array: at most 20 names, then how many more "
            "there are. Long names are cut. Null: no such fields.",
            example='["NewField"]',
        ),
        Column("pages", "bigint", "Pages that were read and used.", unit="pages"),
        Column("requests", "bigint", "Requests that were sent, retries and look-ups included.", unit="requests"),
        Column("throttled", "bigint", "Requests that the API refused because of the rate limit.", unit="requests"),
        Column("retries", "bigint", "Requests that were sent again.", unit="requests"),
        Column(
            "seam_repairs",
            "bigint",
            "How often the sweep stepped back because the overlap of two pages was broken: the list had moved.",
            unit="repairs",
        ),
        Column("passes", "bigint", "How often the list was read from its start.", unit="passes"),
        Column(
            "order_proven", "bool", "Whether the sort key never decreased and every seam closed. Null: not decided."
        ),
        Column(
            "missed_by_incremental",
            "bigint",
            "Images that incremental sweeps should have found and did not. A full sweep audits the images that were "
            "scanned after the start of the last complete full sweep, and before the start of the newest incremental "
            "run since then, less the lookback. After a miss, each run of mode auto makes both sweeps, and audits the "
            "images that the incremental sweep promised to show. Null: no audit, because there was no such run or no "
            "such image.",
            unit="images",
        ),
        Column(
            "watermark_before",
            "timestamp",
            "The newest ScanTime that was known before the run. Null: there was no complete run.",
        ),
        Column(
            "watermark_after",
            "timestamp",
            "The newest ScanTime that is known after the run, no later than started_at. Only a complete run without "
            "filters moves the watermark. Only a full run moves it back, if the images with the newest ScanTimes are "
            "gone.",
        ),
        Column("first_request_id", "text", "RequestId of the first page of the run's last sweep."),
        Column("last_request_id", "text", "RequestId of the run's last answer."),
        Column("endpoint", "text", "Host name of the API.", example="tcss.intl.tencentcloudapi.com"),
        Column(
            "filters",
            "text",
            "Filters that restricted the run, as JSON. Null: no filters. A filtered run never moves the watermark and "
            "never calls an image gone.",
        ),
        Column("connector_version", "text", "Version of the connector that ran.", example="0.1.0"),
        Column(
            "reason_code",
            "text",
            "What decided the verdict, as a stable word for grouping: the kind of proof of a complete run, else the "
            "first cause in verdict_reason. Null in rows of older releases.",
            example="order",
        ),
        Column(
            "naive_time_zone",
            "text",
            "Setting naive_time_zone of the run: the zone of times without an offset.",
            example="+08:00",
        ),
        Column(
            "listed_twice",
            "bigint",
            "Rows in the last pass of a full sweep that showed an image again within the same answer. TotalCount may "
            "exceed the number of images by this number. Null for other sweeps.",
            unit="rows",
        ),
        Column(
            "account_name",
            "text",
            "Name of the account in the configuration of the run: its section `[sources.tcss.accounts.<name>]`, its "
            "line in accounts_from, Airflow's connection or Dagster's partition. Null: the account has no name. The "
            "view accounts has the newest name of each account.",
            precision=LONGEST_ACCOUNT_NAME,
            example="production",
        ),
    ),
)


def _change(name: str, what: str, unit: str) -> Column:
    return Column(name, "bigint", f"How many more {what} than before.", nullable=False, unit=unit, example="1")


POSTURE_CHANGES = Table(
    "posture_changes",
    "How the posture of an account changed on a day, one row per account and UTC day with a change. A sync counts each "
    "version in image_history once, so that posture_by_day need not read the whole history. A version that a sync has "
    "not counted yet is added by posture_by_day: ask that view. To count again, run `tcss views --recount`.",
    ("account_id", "changed_at"),
    (
        ACCOUNT_ID,
        Column(
            "changed_at",
            "timestamp",
            "The newest observed_at among the versions that the row counts, all of the same day.",
            nullable=False,
        ),
        _change("images_change", "images", "images"),
        _change("scanned_change", "images with a ScanTime", "images"),
        _change("rated_change", "images with counts by severity", "images"),
        _change("affected_change", "images with a critical vulnerability", "images"),
        _change("vul_change", "vulnerabilities", "vulnerabilities"),
        *(_change(f"{level}_change", f"{level} vulnerabilities", "vulnerabilities") for level in LEVELS),
        _change("virus_change", "malicious files", "files"),
        _change("risk_change", "findings of sensitive data", "findings"),
    ),
)

TABLES = (IMAGES, IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES, SYNC_RUNS)
