"""The tables of the details that are of no single aspect: what a vulnerability is, which sets were read, and the runs.
The findings are in `aspects`, and where images run is in `places`.

Facts about the fields come from the API's specification and its published samples.
"""

from dataclasses import replace

from connector.tables.images import ACCOUNT_ID, IMAGE_ID, SYNC_ID
from connector.tables.model import Column, Table

VUL_ID = Column(
    "vul_id",
    "text",
    "The vulnerability: its CVE number in upper case, else `name:` and a hash of its name. Joins to vulnerabilities.",
    nullable=False,
    precision=64,
    source="CVEID",
    derived=True,
    example="CVE-2021-44228",
)
EXTRA = Column(
    "extra",
    "text",
    "Fields that this release does not know, as one JSON object keyed by the API's names. Null where there are none.",
    example='{"NewField":1}',
    is_json=True,
)
ROW_HASH = Column(
    "row_hash",
    "text",
    "Hash of the columns that may change, by which a changed row is known. The number before the colon is that of the "
    "hash's definition.",
    nullable=False,
    example="1:0123456789abcdef0123456789abcdef",
)


def first_seen_at_column(what: str) -> Column:
    return Column("first_seen_at", "timestamp", f"When a sync first observed the {what}.", nullable=False)


def text_column(name: str, source: str, description: str, example: str | None = None) -> Column:
    return Column(name, "text", description, source=source, example=example)


def number_column(name: str, source: str, description: str, unit: str | None = None) -> Column:
    return Column(name, "bigint", description, source=source, unit=unit)


def time_column(name: str, source: str, description: str) -> Column:
    zone = "A time without an offset is read in the setting naive_time_zone."
    return Column(name, "timestamp", f"{description} {zone}", source=source)


def _flag(name: str, source: str, description: str) -> Column:
    return Column(name, "bool", description, source=source, derived=True)


VULNERABILITIES = Table(
    "vulnerabilities",
    "What is known of each vulnerability of the account, in its latest state. Facts come from the account's three "
    "lists of vulnerabilities and from the images' rows, since the lists may lack a vulnerability.",
    ("account_id", "vul_id"),
    (
        ACCOUNT_ID,
        replace(VUL_ID, description=VUL_ID.description.removesuffix(" Joins to vulnerabilities.")),
        text_column(
            "cve_id", "CVEID", "The CVE number as received. Null where the vulnerability has none.", "CVE-2021-44228"
        ),
        Column(
            "poc_ids",
            "text",
            "Tencent's ids of the vulnerability, as a JSON array. Null where no list of the account has shown one.",
            source="PocID",
            example='["pcmgr-1"]',
            is_json=True,
        ),
        text_column("name", "Name", "Title of the vulnerability, in the language of the setting `language`."),
        text_column("category", "Category", "Kind of the vulnerability, such as `CODE_INJECTION`."),
        text_column("category_type", "CategoryType", "Family of the vulnerability: SYSTEM or WEB.", "SYSTEM"),
        text_column(
            "level", "Level", "Severity as received: a word in the account's lists, else the images' number.", "HIGH"
        ),
        Column(
            "severity",
            "text",
            "CRITICAL, HIGH, MEDIUM or LOW, from the word in the account's lists. Null where no list has shown the "
            "vulnerability: what the images' numbers mean is not documented.",
            source="Level",
            derived=True,
            example="HIGH",
        ),
        Column(
            "cvss_v3_score", "double", "CVSS v3 base score. Null for 0 as well.", source="CVSSV3Score", example="9.8"
        ),
        text_column("cvss_v3_vector", "CVSSV3Desc", "CVSS v3 vector."),
        number_column("attack_level", "AttackLevel", "Attack heat; of registry images 0 to 3 is documented."),
        Column(
            "tags", "text", "All labels, as a sorted JSON array.", source="Tags", example='["CanBeFixed"]', is_json=True
        ),
        _flag("has_poc", "Tags", "Whether a label says that a proof of concept is public."),
        _flag("has_exploit", "Tags", "Whether a label says that an exploit exists."),
        _flag("is_known_exploited", "Tags", "Whether a label says that the vulnerability is exploited in the wild."),
        Column("is_emergency", "bool", "Whether the account's list of emergency vulnerabilities has it."),
        _flag("can_be_fixed", "Tags", "Whether a label says that a fix exists."),
        time_column("submit_time", "SubmitTime", "When the vulnerability was published."),
        time_column("found_time", "FoundTime", "When the account first had the vulnerability, by its lists."),
        time_column("latest_found_time", "LatestFoundTime", "When the account last had it, by its lists."),
        number_column("local_image_count", "LocalImageCount", "Images of the account's hosts that have it.", "images"),
        number_column("container_count", "ContainerCount", "Containers that have it.", "containers"),
        text_column("description", "Des", "Description, in the language of the setting `language`."),
        text_column("official_solution", "OfficialSolution", "What its vendor says to do."),
        text_column("defense_solution", "DefenseSolution", "What to do where there is no fix."),
        Column("reference_urls", "text", "Where to read more, as received: JSON.", source="Reference", is_json=True),
        EXTRA,
        first_seen_at_column("vulnerability"),
        Column("changed_at", "timestamp", "When a sync last observed a change of row_hash.", nullable=False),
        Column(
            "gone_at",
            "timestamp",
            "When the account's lists, all read whole, first lacked a vulnerability that they had. Null: they have it, "
            "or never had it.",
        ),
        ROW_HASH,
        SYNC_ID,
    ),
)

IMAGE_READS = Table(
    "image_reads",
    "The last read of each image's set of findings, a row per aspect: the marker that makes a set visible. A finding "
    "belongs to the set if opened_read is at most read_no and closed_read is null or greater than read_no.",
    ("account_id", "image_id", "aspect"),
    (
        ACCOUNT_ID,
        IMAGE_ID,
        Column(
            "aspect",
            "text",
            "What was read: `vulnerabilities` or `malware`.",
            nullable=False,
            precision=64,
            example="vulnerabilities",
        ),
        Column("read_no", "bigint", "Number of the last whole read, from 1; 0: none yet.", nullable=False, example="1"),
        Column("scan_time", "timestamp", "ScanTime of the set that was read whole last. Null: none yet."),
        Column("read_at", "timestamp", "When the last read began, whole or not.", nullable=False),
        Column("total_count", "bigint", "TotalCount of the set.", source="TotalCount", unit="rows"),
        Column("rows_listed", "bigint", "Rows of the set, equal ones counted each.", unit="rows"),
        Column(
            "distinct_vulnerabilities", "bigint", "Distinct subjects in the set: vulnerabilities, or malware names."
        ),
        Column("vul_cnt", "bigint", "The images list's own count for the aspect, such as VulCnt, at the read."),
        Column(
            "verdict",
            "text",
            "`complete`: the last read was whole. `partial`: the last read proved nothing; the set before it stays "
            "visible, and detail_coverage says that the image is not proven.",
            nullable=False,
            example="complete",
        ),
        Column("verdict_reason", "text", "What the verdict rests on, or what is missing."),
        Column("requests", "bigint", "Requests of the last read.", unit="requests"),
        SYNC_ID,
        Column(
            "settled",
            "bool",
            "Whether the read began at least 10 minutes after its ScanTime. Results may become visible later than the "
            "ScanTime, so a set that is not settled is read once more.",
        ),
        Column(
            "distinct_findings",
            "bigint",
            "Distinct findings in the set: of vulnerabilities, those of a vulnerability and a package in a version.",
        ),
        Column(
            "level_counts",
            "text",
            "The images list's own counts by severity at the read, from critical to low. A change of these counts, or "
            "of vul_cnt, makes the image due again. Null for other aspects, and where a count is missing.",
            example="0/2/14/3",
        ),
    ),
)


DETAIL_RUNS = Table(
    "detail_runs",
    "What each run did for each aspect that it was asked for. Written after the aspect's rows.",
    ("sync_id", "aspect"),
    (
        replace(SYNC_ID, description="The run; joins to sync_runs."),
        Column(
            "aspect",
            "text",
            "What was read: `vulnerabilities`, `malware` or `running`.",
            nullable=False,
            precision=64,
            example="vulnerabilities",
        ),
        ACCOUNT_ID,
        Column("started_at", "timestamp", "When the run began with the aspect.", nullable=False),
        Column("finished_at", "timestamp", "When the aspect ended."),
        Column(
            "verdict",
            "text",
            "`complete`: every live, scanned image has a proven set of its ScanTime, and the aspect's lists were read "
            "whole. `behind`: the time was over (detail_patience); the next run goes on. `partial`: sets or lists "
            "could not be proven. `refused`: the API refused an action. `failed`: an error ended the aspect.",
            nullable=False,
            example="complete",
        ),
        Column("verdict_reason", "text", "Why the run has this verdict, in words."),
        Column("images_due", "bigint", "Images in the queue when the aspect began.", unit="images"),
        Column("images_read", "bigint", "Images whose sets were read whole in this run.", unit="images"),
        Column(
            "images_behind",
            "bigint",
            "Images left in the queue, and those with a ScanTime and a ScanStatus that we do not know.",
            unit="images",
        ),
        Column("images_unproven", "bigint", "Images whose last read proved nothing.", unit="images"),
        Column("opened", "bigint", "Findings that this run opened.", unit="findings"),
        Column("closed", "bigint", "Findings that this run closed.", unit="findings"),
        Column("requests", "bigint", "Requests for the aspect.", unit="requests"),
        Column("throttled", "bigint", "Requests among them that the API refused for their rate.", unit="requests"),
        Column(
            "unknown_tags",
            "text",
            "Labels that this release does not know, as a JSON array. Null: none.",
            example='["NewTag"]',
            is_json=True,
        ),
    ),
)
