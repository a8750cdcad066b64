"""Defines the aspects of images, as data: an action of the API, a table of findings, the columns that identify a
finding, and a view. To add an aspect, add an entry to `ASPECTS`, and a view to `schemas/views`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from connector.tables.details import EXTRA, ROW_HASH, VUL_ID, VULNERABILITIES
from connector.tables.images import ACCOUNT_ID, IMAGE_ID, SYNC_ID
from connector.tables.model import Column, Table

FINDING_ID = Column(
    "finding_id",
    "text",
    "Hash of what identifies a finding in its image. The number before the colon is that of the hash's definition.",
    nullable=False,
    precision=64,
    example="1:0123456789abcdef0123456789abcdef",
)


_OF_EVERY_FINDING = (
    *("account_id", "image_id", "finding_id", "opened_read", "occurrences", "first_found_at", "absent_at"),
    *("closed_read", "closed_at", "extra", "row_hash", "sync_id"),
)


@dataclass(frozen=True)
class Aspect:
    """Describes what one action shows of each image.

    `identity` names the columns that identify a finding; the first of them is the finding's subject. `count` is the
    column of `images` with the API's own count of findings. `by` is the sort key of the action, and `split` the filter,
    with its values, that splits a set into parts. `facts` is a table for facts about the subject in all images.
    `volatile` names columns whose change alone does not write a row. `levels` are the columns of `images` that count
    findings by level; a change of these counts makes a set due again. `done` is a field beside the list, with its value
    after the end of the scan. `error` is the column of `images` that says why the aspect's scan failed.
    """

    name: str
    action: str
    table: Table
    identity: tuple[str, ...]
    count: str
    by: str
    split: tuple[str, tuple[str, ...]]
    view: str
    facts: Table | None = None
    volatile: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    done: tuple[str, int] | None = None
    error: str | None = None

    @cached_property
    def identity_fields(self) -> tuple[str, ...]:
        """The API's names of the columns that identify a row: those of a finding, the name of a vulnerability that has
        no CVE, and the level, by which a set is sorted and split."""
        of_finding = (str(self.table.column(name).source) for name in self.identity)
        return (*of_finding, *(["Name"] if self.facts else ()), self.split[0])

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The table's columns, without those of all tables of findings."""
        return tuple(column for column in self.table.columns if column.name not in _OF_EVERY_FINDING)


def _findings(name: str, description: str, columns: tuple[Column, ...]) -> Table:
    """Make a table of findings as intervals of reads (`image_reads.read_no`)."""
    return Table(
        name,
        f"{description} A row is an interval: the finding belongs to the image's set from the read opened_read to the "
        "read before closed_read. Only a join to image_reads shows whole sets; the views make that join.",
        ("account_id", "image_id", "finding_id", "opened_read"),
        (
            ACCOUNT_ID,
            IMAGE_ID,
            FINDING_ID,
            Column(
                "opened_read",
                "bigint",
                "Number of the image's first read that has the finding.",
                nullable=False,
                example="1",
            ),
            *columns,
            Column("occurrences", "bigint", "Rows of the API with this finding.", unit="rows", example="1"),
            Column("first_found_at", "timestamp", "ScanTime of the first read that has the finding.", nullable=False),
            Column(
                "absent_at",
                "timestamp",
                "ScanTime of the read before opened_read. Null: no earlier read is known.",
            ),
            Column(
                "closed_read", "bigint", "Number of the first read without the finding. Null: the last read has it."
            ),
            Column("closed_at", "timestamp", "ScanTime of the read closed_read."),
            EXTRA,
            ROW_HASH,
            SYNC_ID,
        ),
    )


IMAGE_VULNERABILITIES = _findings(
    "image_vulnerabilities",
    "Vulnerabilities of each image, by package. The table vulnerabilities describes each vulnerability.",
    (
        VUL_ID,
        Column("component", "text", "Package that has the vulnerability.", source="Component", example="openssl"),
        Column("version", "text", "Version of the package.", source="Version", example="1.1.1d-0+deb10u3"),
        Column(
            "fixed_versions",
            "text",
            "Versions that fix the vulnerability, as received. Null if there is no such version.",
            source="FixedVersions",
            example="1.1.1d-0+deb10u4",
        ),
        Column(
            "level",
            "bigint",
            "Severity as a number, as received. Which number is worst is not documented: use vulnerabilities.severity.",
            source="Level",
            example="3",
        ),
    ),
)
IMAGE_MALWARE = _findings(
    "image_malware",
    "Malicious files of each image.",
    (
        Column("virus_name", "text", "Name of the malware.", source="VirusName", example="Win32.Trojan.Demo"),
        Column("path", "text", "Path of the file in the image.", source="Path", example="/opt/a.sh"),
        Column("md5", "text", "MD5 of the file.", source="Md5"),
        Column("file_name", "text", "Name of the file.", source="FileName"),
        Column("size", "bigint", "Size of the file.", source="Size", unit="bytes"),
        Column("risk_level", "bigint", "Risk as a number from 1 to 4, as received.", source="RiskLevel"),
        Column("tags", "text", "Labels, as a JSON array.", source="Tags", is_json=True),
        Column(
            "check_platform",
            "text",
            "Engines that found the file, as a JSON array.",
            source="CheckPlatform",
            is_json=True,
        ),
        Column("first_scan_time", "timestamp", "When the file was first detected.", source="FirstScanTime"),
        Column(
            "latest_scan_time",
            "timestamp",
            "When the file was last scanned, at the last write.",
            source="LatestScanTime",
        ),
        Column("description", "text", "Description, in the language of the setting `language`.", source="Desc"),
        Column("solution", "text", "What to do, in the language of the setting `language`.", source="Solution"),
    ),
)

ASPECTS: Mapping[str, Aspect] = {
    aspect.name: aspect
    for aspect in (
        Aspect(
            name="vulnerabilities",
            action="DescribeAssetImageVulList",
            table=IMAGE_VULNERABILITIES,
            identity=("vul_id", "component", "version"),
            count="vul_cnt",
            by="Level",
            split=("Level", ("1", "2", "3", "4")),
            view="current_findings",
            facts=VULNERABILITIES,
            error="scan_vul_error",
            levels=tuple(f"{level}_level_vul_cnt" for level in ("critical", "high", "medium", "low")),
        ),
        Aspect(
            name="malware",
            action="DescribeAssetImageVirusList",
            table=IMAGE_MALWARE,
            identity=("virus_name", "path", "md5"),
            count="virus_cnt",
            by="LatestScanTime",
            split=("RiskLevel", ("1", "2", "3", "4")),
            view="current_malware",
            volatile=("first_scan_time", "latest_scan_time"),
            done=("VirusScanStatus", 2),
            error="scan_virus_error",
        ),
    )
}
