"""Defines the tables of details that all aspects share: vulnerabilities, the sets that were read, and the runs. The
tables of findings are in `aspects`, those of containers and hosts in `places`.

Facts about the fields come from the API's specification and its published samples.
"""

from dataclasses import replace

from connector.tables.images import ACCOUNT_ID, IMAGE_ID, SYNC_ID
from connector.tables.model import Column, Table

VUL_ID = Column(
    "vul_id",
    "text",
    "The vulnerability: its CVE number in upper case, else `name:` and a hash of the name. Joins to vulnerabilities.",
    nullable=False,
    precision=64,
    source="CVEID",
    derived=True,
    example="CVE-2021-44228",
)
EXTRA = Column(
    "extra",
    "text",
    "Fields that this release does not know, as one JSON object keyed by the API's names. Null if there are none.",
    example='{"NewField":1}',
    is_json=True,
)
ROW_HASH = Column(
    "row_hash",
    "text",
    "Hash of the columns that may change, to find changed rows. The number before the colon is the number of the "
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
    zone = "A time without an offset is taken to be in the zone of the setting naive_time_zone."
    return Column(name, "timestamp", f"{description} {zone}", source=source)


def _flag(name: str, source: str, description: str) -> Column:
    return Column(name, "bool", description, source=source, derived=True)


VULNERABILITIES = Table(
    "vulnerabilities",
    "Facts about each vulnerability of the account, in the latest state. The facts come from the account's three "
    "lists of vulnerabilities, and from the images' rows, because the lists may lack a vulnerability.",
    ("account_id", "vul_id"),
    (
        ACCOUNT_ID,
        replace(VUL_ID, description=VUL_ID.description.removesuffix(" Joins to vulnerabilities.")),
        text_column(
            "cve_id", "CVEID", "CVE number as received. Null if the vulnerability has no CVE number.", "CVE-2021-44228"
        ),
        Column(
            "poc_ids",
            "text",
            "Tencent's ids of the vulnerability, as a JSON array. Null if no list of the account has shown an id.",
            source="PocID",
            example='["pcmgr-1"]',
            is_json=True,
        ),
        text_column("name", "Name", "Title of the vulnerability, in the language of the setting `language`."),
        text_column("category", "Category", "Kind of the vulnerability, such as `CODE_INJECTION`."),
        text_column("category_type", "CategoryType", "Family of the vulnerability: SYSTEM or WEB.", "SYSTEM"),
        text_column(
            "level", "Level", "Severity as received: the word in the account's lists, else the images' number.", "HIGH"
        ),
        Column(
            "severity",
            "text",
            "CRITICAL, HIGH, MEDIUM or LOW, from the word in the account's lists. Null if no list has shown the "
            "vulnerability, because the meaning of the images' numbers is not documented.",
            source="Level",
            derived=True,
            example="HIGH",
        ),
        Column("cvss_v3_score", "double", "CVSS v3 base score. Null for 0 too.", source="CVSSV3Score", example="9.8"),
        text_column("cvss_v3_vector", "CVSSV3Desc", "CVSS v3 vector."),
        number_column("attack_level", "AttackLevel", "Attack heat; 0 to 3 is documented for registry images."),
        Column(
            "tags", "text", "All labels, as a sorted JSON array.", source="Tags", example='["CanBeFixed"]', is_json=True
        ),
        _flag("has_poc", "Tags", "Whether a label says that a proof of concept is public."),
        _flag("has_exploit", "Tags", "Whether a label says that an exploit exists."),
        _flag("is_known_exploited", "Tags", "Whether a label says that the vulnerability is exploited in the wild."),
        Column("is_emergency", "bool", "Whether the vulnerability is on the account's list of emergencies."),
        _flag("can_be_fixed", "Tags", "Whether a label says that a fix exists."),
        time_column("submit_time", "SubmitTime", "When the vulnerability was published."),
        time_column("found_time", "FoundTime", "When the account first had the vulnerability, by its lists."),
        time_column(
            "latest_found_time", "LatestFoundTime", "When the account last had the vulnerability, by its lists."
        ),
        number_column("local_image_count", "LocalImageCount", "Vulnerable images on the account's hosts.", "images"),
        number_column("container_count", "ContainerCount", "Containers with the vulnerability.", "containers"),
        text_column("description", "Des", "Description, in the language of the setting `language`."),
        text_column("official_solution", "OfficialSolution", "What the software's vendor says to do."),
        text_column("defense_solution", "DefenseSolution", "What to do if there is no fix."),
        Column("reference_urls", "text", "Links to more facts, as received: JSON.", source="Reference", is_json=True),
        EXTRA,
        first_seen_at_column("vulnerability"),
        Column("changed_at", "timestamp", "When a sync last observed a change of row_hash.", nullable=False),
        Column(
            "gone_at",
            "timestamp",
            "When the account's lists, all read whole, first lacked the vulnerability. Null: the lists have the "
            "vulnerability, or never had it.",
        ),
        ROW_HASH,
        SYNC_ID,
    ),
)

IMAGE_READS = Table(
    "image_reads",
    "The last read of each image's set of findings, one row per image and aspect: the marker that makes a set visible. "
    "A finding belongs to the set if opened_read is at most read_no and closed_read is null or greater than read_no.",
    ("account_id", "image_id", "aspect"),
    (
        ACCOUNT_ID,
        IMAGE_ID,
        Column(
            "aspect",
            "text",
            "The aspect that was read: `vulnerabilities` or `malware`.",
            nullable=False,
            precision=64,
            example="vulnerabilities",
        ),
        Column(
            "read_no", "bigint", "Number of the last whole read, from 1; 0: no whole read.", nullable=False, example="1"
        ),
        Column("scan_time", "timestamp", "ScanTime of the last set that was read whole. Null: no whole read."),
        Column("read_at", "timestamp", "When the last read began, whole or not.", nullable=False),
        Column("total_count", "bigint", "TotalCount of the set.", source="TotalCount", unit="rows"),
        Column("rows_listed", "bigint", "Rows of the set; equal rows count each.", unit="rows"),
        Column(
            "distinct_vulnerabilities", "bigint", "Distinct subjects in the set: vulnerabilities, or malware names."
        ),
        Column("vul_cnt", "bigint", "Count of the aspect in the list of images, such as VulCnt, at the read."),
        Column(
            "verdict",
            "text",
            "`complete`: the last read was whole. `partial`: the last read proved nothing; the previous set stays "
            "visible, and detail_coverage says that the image is not proven.",
            nullable=False,
            example="complete",
        ),
        Column("verdict_reason", "text", "What proves the read whole, or what is missing."),
        Column("requests", "bigint", "Requests of the last read.", unit="requests"),
        SYNC_ID,
        Column(
            "settled",
            "bool",
            "Whether the read began at least 10 minutes after its ScanTime. Results may become visible later than the "
            "ScanTime, so a set that is not settled is read again.",
        ),
        Column(
            "distinct_findings",
            "bigint",
            "Distinct findings in the set; for vulnerabilities, distinct by vulnerability, package and version.",
        ),
        Column(
            "level_counts",
            "text",
            "Counts by severity in the list of images at the read, from critical to low. A change of these counts, or "
            "of vul_cnt, makes the image due again. Null for other aspects, and if a count is missing.",
            example="0/2/14/3",
        ),
    ),
)


DETAIL_RUNS = Table(
    "detail_runs",
    "Results of each run for each aspect, one row per run and aspect, written after the aspect's rows.",
    ("sync_id", "aspect"),
    (
        replace(SYNC_ID, description="The run; joins to sync_runs."),
        Column(
            "aspect",
            "text",
            "The detail that was read: `vulnerabilities`, `malware` or `running`.",
            nullable=False,
            precision=64,
            example="vulnerabilities",
        ),
        ACCOUNT_ID,
        Column("started_at", "timestamp", "When the aspect began.", nullable=False),
        Column("finished_at", "timestamp", "When the aspect ended."),
        Column(
            "verdict",
            "text",
            "`complete`: every scanned image that is not gone has a proven set of its ScanTime, and the aspect's lists "
            "were read whole. `behind`: the time (detail_patience) was over; the next run goes on. `partial`: sets or "
            "lists could not be proven. `refused`: the API refused an action. `failed`: an error ended the aspect.",
            nullable=False,
            example="complete",
        ),
        Column("verdict_reason", "text", "Why the run has this verdict, in words."),
        Column("images_due", "bigint", "Images in the queue when the aspect began.", unit="images"),
        Column("images_read", "bigint", "Images whose sets were read whole in this run.", unit="images"),
        Column(
            "images_behind",
            "bigint",
            "Images left in the queue, images with a ScanTime and a ScanStatus that this release does not know, and "
            "images that are SCANNED and have no usable ScanTime.",
            unit="images",
        ),
        Column("images_unproven", "bigint", "Images whose last read proved nothing.", unit="images"),
        Column("opened", "bigint", "Findings that this run opened.", unit="findings"),
        Column("closed", "bigint", "Findings that this run closed.", unit="findings"),
        Column("requests", "bigint", "Requests for the aspect.", unit="requests"),
        Column("throttled", "bigint", "Requests that the API refused because of the rate limit.", unit="requests"),
        Column(
            "unknown_tags",
            "text",
            "Labels that this release does not know, as a JSON array. Null: no such labels.",
            example='["NewTag"]',
            is_json=True,
        ),
    ),
)
