"""The images' tables: the images themselves, their history and scans, values that were rejected, and the runs.

Facts about the fields come from the API's page, its published samples and the history of its specification.
"""

from dataclasses import replace

import pyarrow as pa

from connector.tables.model import Column, Table


def _error(name: str, source: str, what: str) -> Column:
    return Column(
        name,
        "text",
        f"{what} Null: no error; the API writes that as an empty text or as `No Error`. The values are not documented.",
        source=source,
        example="timeout",
    )


def _level(level: str, source: str) -> Column:
    return Column(
        f"{level}_level_vul_cnt",
        "bigint",
        f"Vulnerabilities of {level} severity. Null where the API does not send the field (it came in 2023-11, "
        "to the international site in 2026-06).",
        source=source,
        unit="vulnerabilities",
        example="0",
    )


# The same definition wherever an identifier occurs, so that joins compare like with like on every warehouse. The
# longest key is under MySQL's 3,072 bytes: (64 + 256) characters of 4 bytes and a number.
ACCOUNT_ID = Column(
    "account_id",
    "text",
    "The account that the row belongs to: its root UIN from STS GetCallerIdentity, or what `--account-id` says.",
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
        "Reference of the image as the host knows it, normally repository:tag. `<none>:<none>` for a dangling image. "
        "Of an image with several names the API gives one; which one is not documented.",
        source="ImageName",
        example="l10:latest",
    ),
    Column(
        "image_registry",
        "text",
        "Registry part of image_name, with its port. Null where the name has none: `docker.io` is not assumed.",
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
        "Tag part of image_name. Null where it has none or `<none>`: `latest` is not assumed.",
        source="ImageName",
        derived=True,
        example="latest",
    ),
    Column(
        "image_digest",
        "text",
        "Digest part of image_name, with its algorithm. Null where the name has none, which is the normal case.",
        source="ImageName",
        derived=True,
        example="sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
    Column(
        "create_time",
        "timestamp",
        "When the image was built. A time without an offset is read in the setting naive_time_zone (+08:00 unless set "
        "otherwise; the API never states it). 1970 is kept: reproducible builds use it. Null for zero times (years "
        "0000 and 0001) and for what is not a time.",
        source="CreateTime",
        example="2021-01-29 04:03:18+00",
    ),
    Column(
        "create_time_raw",
        "text",
        "CreateTime as received, where create_time does not say it all: the text is not RFC 3339 in UTC, or is a zero "
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
        "Operating system inside the image, as the scanner names it. Null where it is not known.",
        source="OsName",
        example="alpine:v3.12",
    ),
    Column(
        "os_family",
        "text",
        "First word of os_name in lower case, or that system's ID in /etc/os-release where the two differ (`rhel`, "
        "`amzn`, `ol`, `sles`). For grouping.",
        source="OsName",
        derived=True,
        example="alpine",
    ),
    Column(
        "os_version",
        "text",
        "Version in os_name, without a leading `v`. A text: `3.9` comes before `3.12`, but not in sorting order. Null "
        "where os_name states none.",
        source="OsName",
        derived=True,
        example="3.12",
    ),
    Column(
        "host_cnt",
        "bigint",
        "Hosts that hold the image. Since 2025-04 ordinary nodes and super nodes together, before that ordinary nodes "
        "only. Changes without a scan.",
        source="HostCnt",
        unit="hosts",
        example="12",
    ),
    Column(
        "super_node_cnt",
        "bigint",
        "Super (serverless) nodes that hold the image, a part of host_cnt. Null where the API does not send the field "
        "(it came in 2025-04, to the international site in 2026-06).",
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
        "Whether the image has a scan licence: 0 no, 1 yes. An integer, as the API sends it, whose own example shows "
        "12; so test for `<> 0`. Changes without a scan.",
        source="IsAuthorized",
        example="1",
    ),
    Column(
        "is_latest_image",
        "bool",
        "Whether this is the newest tag of its repository. Null where the API does not send the field (optional, since "
        "2023-11).",
        source="IsLatestImage",
        example="true",
    ),
    Column(
        "recommended_fix",
        "bool",
        "Whether the API recommends to fix the image. Null where it does not send the field (optional, since 2023-11).",
        source="RecommendedFix",
        example="false",
    ),
    Column(
        "solution",
        "text",
        "What to do about a failed scan, in the language of the setting `language`. Null where the API sends nothing "
        "(optional, since 2025-10). Its meaning is inferred from samples of registry images.",
        source="Solution",
    ),
    Column(
        "reason",
        "text",
        "Why a scan failed, in the language of the setting `language`. Null where the API sends nothing (optional, "
        "since 2025-10). Its meaning is inferred from samples of registry images.",
        source="Reason",
    ),
    Column(
        "scan_status",
        "text",
        "State of the image's scan. NOT_SCAN and SCANNED are seen here; SCANNING, WAIT_SCAN, CANCELED, SCAN_ERR, "
        "FAILED and FINISHED in related answers. The set is open: never list it in a constraint.",
        source="ScanStatus",
        example="SCANNED",
    ),
    Column(
        "scan_time",
        "timestamp",
        "When the image was last scanned. Null: never, or not readable. A time without an offset is read in the "
        "setting naive_time_zone (+08:00 unless set otherwise; the API never states it). Zero times (years 0000 and "
        "0001) and 1970-01-01 mean never.",
        source="ScanTime",
        example="2021-01-29 06:10:12.021+00",
    ),
    Column(
        "scan_time_raw",
        "text",
        "ScanTime as received, where scan_time does not say it all: the text is not RFC 3339 in UTC, or stands for "
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
    _level("critical", "CriticalLevelVulCnt"),
    _level("high", "HighLevelVulCnt"),
    _level("medium", "MediumLevelVulCnt"),
    _level("low", "LowLevelVulCnt"),
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
        "Sensitive data found in the image (keys, passwords) by its last scan. Not the RiskCnt of "
        "DescribeAssetImageDetail, which counts risky behaviours.",
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
        "Fields that this release does not know, as one JSON object keyed by the API's names. Null where there are "
        "none. A later release may give such a field a column.",
        example='{"NewField":1}',
    ),
)
API_COLUMNS = tuple(column.name for column in _API_COLUMNS)
"""Names of the columns that come from an item of the API, account_id and image_id left out, in table order."""

_OBSERVED_AT = Column(
    "observed_at",
    "timestamp",
    "When a sync first observed this.",
    nullable=False,
)

IMAGES = Table(
    "images",
    "The images of the account's hosts, each in its latest version. A row stays when its image is gone: deleted_at is "
    "then set.",
    ("account_id", "image_id"),
    (
        ACCOUNT_ID,
        IMAGE_ID,
        *_API_COLUMNS,
        Column(
            "version",
            "bigint",
            "Versions of the image that were observed so far, from 1: its last version in image_history.",
            nullable=False,
            example="1",
        ),
        Column(
            "first_seen_at",
            "timestamp",
            "When the image was first observed by a sync, not when it was built.",
            nullable=False,
        ),
        Column(
            "changed_at",
            "timestamp",
            "When this version was first observed: its observed_at in image_history.",
            nullable=False,
        ),
        Column(
            "deleted_at",
            "timestamp",
            "When a sync found for the second time that the image is gone from all hosts. Null: it is there.",
        ),
        Column(
            "row_hash",
            "text",
            "Hash of the API's fields, by which a changed image is known. The number before the colon is that of the "
            "hash's definition.",
            nullable=False,
            example="1:0123456789abcdef0123456789abcdef",
        ),
        SYNC_ID,
        Column(
            "missing_since",
            "timestamp",
            "When a complete full sweep and a look-up by id first did not find the image. A later run looks it up "
            "again, and only then sets deleted_at. Null: it was listed when it was last looked for.",
        ),
    ),
)


def _pick(table: Table, *names: str) -> tuple[Column, ...]:
    return tuple(table.column(name) for name in names)


_NOT_OF_A_VERSION = ("first_seen_at", "missing_since")

IMAGE_HISTORY = Table(
    "image_history",
    "Every version of an image that a sync observed, deletions and returns included. A version is valid from its "
    "observed_at to that of the next one; the views add valid_to.",
    ("account_id", "image_id", "version"),
    tuple(
        _OBSERVED_AT if column.name == "changed_at" else column
        for column in IMAGES.columns
        if column.name not in _NOT_OF_A_VERSION
    ),
)


def versions(images: pa.Table) -> pa.Table:
    """Rows of `images` as the rows of `image_history` that they are."""
    kept = images.drop_columns(list(_NOT_OF_A_VERSION))
    return kept.rename_columns(list(IMAGE_HISTORY.column_names)).cast(IMAGE_HISTORY.arrow_schema)


IMAGE_SCANS = Table(
    "image_scans",
    "Every scan of an image that a sync observed, by its ScanTime. Scans that followed each other between two syncs "
    "leave only the last one.",
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
    "of each run. The image is loaded all the same, with null (or a cleaned text) in that column.",
    ("account_id", "reject_id"),
    (
        ACCOUNT_ID,
        Column(
            "reject_id",
            "text",
            "Hash of image_id, column_name and reason, and of what stays the same of a rejected item. In rows of "
            "an older release: hash of image_id, column_name and raw.",
            nullable=False,
            precision=64,
            example="0123456789abcdef0123456789abcdef",
        ),
        replace(
            IMAGE_ID,
            nullable=True,
            description="The image whose value it is; joins to images. Null for an item without a usable ImageID.",
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
            "What was received when the fault was first met, as JSON, up to 200,000 characters.",
            nullable=False,
            example='"n/a"',
        ),
        Column("reason", "text", "Why it was rejected.", nullable=False, example="not an integer"),
        Column("request_id", "text", "RequestId of the answer that held raw: what the vendor's support asks for."),
        Column("first_seen_at", "timestamp", "When the fault was first met.", nullable=False),
        SYNC_ID,
    ),
)

SYNC_RUNS = Table(
    "sync_runs",
    "Runs of the connector, a row for each account and run, written last: what the row promises is in the tables. A "
    "run that failed before its account was known has none.",
    ("sync_id",),
    (
        replace(SYNC_ID, description="Identifies the run."),
        ACCOUNT_ID,
        Column("mode", "text", "What the run did: `full` or `incremental`.", nullable=False, example="full"),
        Column("mode_reason", "text", "Why it was that mode.", example="no watermark"),
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
            "What the verdict rests on, or what is missing. Of a long text the first 2,000 characters at most.",
        ),
        Column(
            "started_at",
            "timestamp",
            "When the run started, by the API's clock where this machine's was more than 5 s off; so are all instants "
            "of the run.",
            nullable=False,
        ),
        Column("finished_at", "timestamp", "When the run ended."),
        Column(
            "total_count",
            "bigint",
            "TotalCount of the sweep's last answer: how many images the API says it lists. Compared, never a proof.",
            source="TotalCount",
            unit="images",
        ),
        Column("rows_listed", "bigint", "Rows in all answers, those that pages share included.", unit="rows"),
        Column("images_listed", "bigint", "Distinct images among them.", unit="images"),
        Column("images_new", "bigint", "Images that the warehouse did not have.", unit="images"),
        Column("images_changed", "bigint", "Images of which a new version was written.", unit="images"),
        Column(
            "images_unchanged", "bigint", "Images that were listed as they were known, and not written.", unit="images"
        ),
        Column("images_gone", "bigint", "Images that got a deleted_at.", unit="images"),
        Column("images_returned", "bigint", "Images that were gone and are listed again.", unit="images"),
        Column(
            "values_rejected",
            "bigint",
            "Faults that the sweep met, known ones included: values and items that could not be read.",
            unit="faults",
        ),
        Column(
            "unknown_fields",
            "text",
            "Names of fields that this release does not know, as a JSON array. Of many the first 20, and how many more "
            "there are; of a long name the beginning. Null: none.",
            example='["NewField"]',
        ),
        Column("pages", "bigint", "Pages that were read and used.", unit="pages"),
        Column("requests", "bigint", "Requests that were sent, retries and look-ups included.", unit="requests"),
        Column("throttled", "bigint", "Requests that the API refused for their rate.", unit="requests"),
        Column("retries", "bigint", "Requests that were sent again.", unit="requests"),
        Column(
            "seam_repairs",
            "bigint",
            "Times that the sweep stepped back because two pages did not overlap as they must: the list moved.",
            unit="repairs",
        ),
        Column("passes", "bigint", "Times that the list was read from its start.", unit="passes"),
        Column(
            "order_proven", "bool", "Whether the sort key never decreased and every seam closed. Null: not decided."
        ),
        Column(
            "missed_by_incremental",
            "bigint",
            "Of a full sweep: images that incremental sweeps should have found and did not. Audited are images that "
            "were scanned between the start of the last complete full sweep and that of the newest incremental run "
            "since, less the lookback. After a miss, each run of mode auto makes both sweeps: audited are then the "
            "images that the incremental one promised to show. Null: nothing was audited, since there was no such run "
            "or no such image.",
            unit="images",
        ),
        Column(
            "watermark_before",
            "timestamp",
            "The newest ScanTime that was known before the run. Null: no complete run yet.",
        ),
        Column(
            "watermark_after",
            "timestamp",
            "The newest ScanTime that is known now, no later than started_at. Only a complete run without filters "
            "moves it, and only a full one back: where the images with the newest ScanTimes are gone.",
        ),
        Column("first_request_id", "text", "RequestId of the first page of the run's last sweep."),
        Column("last_request_id", "text", "RequestId of the run's last answer."),
        Column("endpoint", "text", "Host that was asked.", example="tcss.intl.tencentcloudapi.com"),
        Column(
            "filters",
            "text",
            "Filters that restricted the run, as JSON. Null: none. A filtered run never moves the watermark and never "
            "calls an image gone.",
        ),
        Column("connector_version", "text", "Version of the connector that ran.", example="0.1.0"),
        Column(
            "reason_code",
            "text",
            "What decided the verdict, as a stable word to group by: the kind of proof of a complete run, else the "
            "cause that verdict_reason begins with. Null in rows of older releases.",
            example="order",
        ),
        Column(
            "naive_time_zone",
            "text",
            "Setting naive_time_zone of the run: the zone of times that state none.",
            example="+08:00",
        ),
        Column(
            "listed_twice",
            "bigint",
            "Of a full sweep: rows that showed an image again within one answer, in its last pass. By as many "
            "TotalCount may exceed the images. Null for others.",
            unit="rows",
        ),
    ),
)

TABLES = (IMAGES, IMAGE_HISTORY, IMAGE_SCANS, REJECTED_VALUES, SYNC_RUNS)
