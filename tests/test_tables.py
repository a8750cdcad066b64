"""The tables are a contract: names, order, types and keys are spelt out here once more, and a change is meant."""

import re

import pyarrow as pa
import pytest

from connector.tables import (
    ALL_TABLES,
    API_COLUMNS,
    IMAGE_HISTORY,
    IMAGE_SCANS,
    IMAGES,
    REJECTED_VALUES,
    Table,
)


def words(text: str) -> list[str]:
    return text.split()


FROM_THE_ITEM = words("""
    image_name image_registry image_repository image_tag image_digest create_time create_time_raw size os_name os_family
    os_version host_cnt super_node_cnt container_cnt is_trust_image is_suggest is_authorized is_latest_image
    recommended_fix solution reason scan_status scan_time scan_time_raw component_cnt vul_cnt critical_level_vul_cnt
    high_level_vul_cnt medium_level_vul_cnt low_level_vul_cnt virus_cnt risk_cnt agent_error scan_error scan_virus_error
    scan_vul_error scan_risk_error extra
""")
COLUMNS = {
    "images": [
        *("account_id", "image_id", *FROM_THE_ITEM),
        *("version", "first_seen_at", "changed_at", "deleted_at", "row_hash", "sync_id", "missing_since"),
    ],
    "image_history": [
        *("account_id", "image_id", *FROM_THE_ITEM),
        *("version", "observed_at", "deleted_at", "row_hash", "sync_id"),
    ],
    "image_scans": words("""
        account_id image_id scan_time scan_status component_cnt vul_cnt critical_level_vul_cnt high_level_vul_cnt
        medium_level_vul_cnt low_level_vul_cnt virus_cnt risk_cnt agent_error scan_error scan_virus_error scan_vul_error
        scan_risk_error observed_at sync_id
    """),
    "rejected_values": words("""
        account_id reject_id image_id column_name raw reason request_id first_seen_at sync_id
    """),
    "sync_runs": words("""
        sync_id account_id mode mode_reason verdict verdict_reason started_at finished_at total_count rows_listed
        images_listed images_new images_changed images_unchanged images_gone images_returned values_rejected
        unknown_fields pages requests throttled retries seam_repairs passes order_proven missed_by_incremental
        watermark_before watermark_after first_request_id last_request_id endpoint filters connector_version
        reason_code naive_time_zone listed_twice account_name
    """),
    "vulnerabilities": words("""
        account_id vul_id cve_id poc_ids name category category_type level severity cvss_v3_score cvss_v3_vector
        attack_level tags has_poc has_exploit is_known_exploited is_emergency can_be_fixed submit_time found_time
        latest_found_time local_image_count container_count description official_solution defense_solution
        reference_urls extra first_seen_at changed_at gone_at row_hash sync_id
    """),
    "image_vulnerabilities": words("""
        account_id image_id finding_id opened_read vul_id component version fixed_versions level occurrences
        first_found_at absent_at closed_read closed_at extra row_hash sync_id
    """),
    "image_malware": words("""
        account_id image_id finding_id opened_read virus_name path md5 file_name size risk_level tags check_platform
        first_scan_time latest_scan_time description solution occurrences first_found_at absent_at closed_read closed_at
        extra row_hash sync_id
    """),
    "image_reads": words("""
        account_id image_id aspect read_no scan_time read_at total_count rows_listed distinct_vulnerabilities vul_cnt
        verdict verdict_reason requests sync_id settled distinct_findings level_counts
    """),
    "containers": words("""
        account_id container_id container_name status create_time run_as cmd cpu_usage ram_usage image_name image_id pod
        host_id host_ip update_time host_name public_ip net_status net_sub_status isolate_source isolate_time node_id
        pod_ip pod_name node_type node_unique_id pod_cpu pod_mem cluster_name cluster_id pod_uid extra first_seen_at
        last_seen_at gone_at row_hash sync_id
    """),
    "hosts": words("""
        account_id host_id host_ip host_name host_group docker_version docker_file_system_driver image_cnt container_cnt
        status is_containerd machine_type public_ip uuid instance_id region_id project_name project_id tags cluster_id
        cluster_name cluster_accessed_status cluster_accessed_sub_status cluster_accessed_error_reason charge_cores_cnt
        defend_status cores_cnt last_online_time extra first_seen_at last_seen_at gone_at row_hash sync_id
    """),
    "detail_runs": words("""
        sync_id aspect account_id started_at finished_at verdict verdict_reason images_due images_read images_behind
        images_unproven opened closed requests throttled unknown_tags
    """),
    "posture_changes": words("""
        account_id changed_at images_change scanned_change rated_change affected_change vul_change critical_change
        high_change medium_change low_change virus_change risk_change
    """),
    "named_accounts": words("account_id account_name"),
}
KEYS = {
    "images": ("account_id", "image_id"),
    "image_history": ("account_id", "image_id", "version"),
    "image_scans": ("account_id", "image_id", "scan_time"),
    "rejected_values": ("account_id", "reject_id"),
    "sync_runs": ("sync_id",),
    "vulnerabilities": ("account_id", "vul_id"),
    "image_vulnerabilities": ("account_id", "image_id", "finding_id", "opened_read"),
    "image_malware": ("account_id", "image_id", "finding_id", "opened_read"),
    "image_reads": ("account_id", "image_id", "aspect"),
    "containers": ("account_id", "container_id"),
    "hosts": ("account_id", "host_id"),
    "detail_runs": ("sync_id", "aspect"),
    "posture_changes": ("account_id", "changed_at"),
    "named_accounts": ("account_id",),
}
BIGINTS = words("""
    size host_cnt super_node_cnt container_cnt is_suggest is_authorized component_cnt vul_cnt critical_level_vul_cnt
    high_level_vul_cnt medium_level_vul_cnt low_level_vul_cnt virus_cnt risk_cnt version total_count rows_listed
    images_listed images_new images_changed images_unchanged images_gone images_returned values_rejected pages requests
    throttled retries seam_repairs passes missed_by_incremental listed_twice attack_level local_image_count
    container_count opened_read level occurrences closed_read risk_level read_no distinct_vulnerabilities
    distinct_findings cpu_usage ram_usage pod_cpu pod_mem image_cnt region_id project_id charge_cores_cnt cores_cnt
    images_due images_read images_behind images_unproven opened closed images_change scanned_change rated_change
    affected_change vul_change critical_change high_change medium_change low_change virus_change risk_change
""")
BOOLS = words("""
    is_trust_image is_latest_image recommended_fix order_proven has_poc has_exploit is_known_exploited is_emergency
    can_be_fixed settled is_containerd
""")
TIMES = words("""
    create_time scan_time first_seen_at changed_at deleted_at observed_at started_at finished_at watermark_before
    watermark_after missing_since submit_time found_time latest_found_time gone_at first_found_at absent_at closed_at
    first_scan_time latest_scan_time read_at update_time isolate_time last_seen_at last_online_time
""")
DOUBLES = ["cvss_v3_score"]
TEXTS = {("vulnerabilities", "level"), ("image_vulnerabilities", "version")}  # elsewhere: a number
NEVER_NULL = {
    "images": {"account_id", "image_id", "version", "first_seen_at", "changed_at", "row_hash", "sync_id"},
    "image_history": {"account_id", "image_id", "version", "observed_at", "row_hash", "sync_id"},
    "image_scans": {"account_id", "image_id", "scan_time", "observed_at", "sync_id"},
    "rejected_values": {"account_id", "reject_id", "column_name", "raw", "reason", "first_seen_at", "sync_id"},
    "sync_runs": {"sync_id", "account_id", "mode", "verdict", "started_at"},
    "vulnerabilities": {"account_id", "vul_id", "first_seen_at", "changed_at", "row_hash", "sync_id"},
    "image_vulnerabilities": {
        *("account_id", "image_id", "finding_id", "opened_read", "vul_id", "first_found_at", "row_hash", "sync_id"),
    },
    "image_malware": {"account_id", "image_id", "finding_id", "opened_read", "first_found_at", "row_hash", "sync_id"},
    "image_reads": {"account_id", "image_id", "aspect", "read_no", "read_at", "verdict", "sync_id"},
    "containers": {"account_id", "container_id", "first_seen_at", "last_seen_at", "row_hash", "sync_id"},
    "hosts": {"account_id", "host_id", "first_seen_at", "last_seen_at", "row_hash", "sync_id"},
    "detail_runs": {"sync_id", "aspect", "account_id", "started_at", "verdict"},
    "posture_changes": {
        *("account_id", "changed_at", "images_change", "scanned_change", "rated_change", "affected_change"),
        *("vul_change", "critical_change", "high_change", "medium_change", "low_change", "virus_change", "risk_change"),
    },
    "named_accounts": {"account_id", "account_name"},
}
EACH_TABLE = pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)


def test_tables() -> None:
    """The tables have these keys and these columns, in this order."""
    assert {table.name: table.key for table in ALL_TABLES} == KEYS
    assert {table.name: list(table.column_names) for table in ALL_TABLES} == COLUMNS
    assert list(API_COLUMNS) == FROM_THE_ITEM


@EACH_TABLE
def test_types(table: Table) -> None:
    """A column is a text unless it is named here, and a name has one type, but for TEXTS."""
    special = dict.fromkeys(BIGINTS, "bigint") | dict.fromkeys(BOOLS, "bool") | dict.fromkeys(TIMES, "timestamp")
    special |= dict.fromkeys(DOUBLES, "double")
    special |= {name: "text" for name in table.column_names if (table.name, name) in TEXTS}
    assert {c.name: c.type for c in table.columns} == {name: special.get(name, "text") for name in table.column_names}


@EACH_TABLE
def test_nulls(table: Table) -> None:
    """Keys are never null, nor is what every run writes; all else may be."""
    assert {c.name for c in table.columns if not c.nullable} == NEVER_NULL[table.name]
    assert set(table.key) <= NEVER_NULL[table.name]


@EACH_TABLE
def test_key_can_be_indexed_by_mysql(table: Table) -> None:
    """Every text of a key has a length, and the index stays within 3,072 bytes of utf8mb4."""
    key = [table.column(name) for name in table.key]
    assert all(c.precision for c in key if c.type == "text")
    assert sum(4 * c.precision if c.precision else 8 for c in key) <= 3072


def test_identifiers_have_one_length_everywhere() -> None:
    """Only identifiers and an account's name have a length, the same in every table: joins compare like with like."""
    lengths = {(c.name, c.precision) for table in ALL_TABLES for c in table.columns if c.precision is not None}
    assert lengths == {
        *(("account_id", 64), ("image_id", 256), ("reject_id", 64), ("sync_id", 64), ("aspect", 64), ("vul_id", 64)),
        *(("finding_id", 64), ("container_id", 256), ("host_id", 128), ("account_name", 255)),
    }


def test_thirty_fields() -> None:
    """Each of the API's 30 fields fills the column of its own name in snake_case."""
    fields = {c.source: c.name for c in IMAGES.columns if c.source is not None and not c.derived}
    assert len(fields) == 30
    assert {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field).lower(): name for field, name in fields.items()} == {
        name: name for name in fields.values()
    }


def test_derived_columns_follow_their_field() -> None:
    """What is computed from a field stands right after it."""
    sources = [c.source for c in IMAGES.columns if c.source is not None]
    assert sources == sorted(sources, key=sources.index)


@pytest.mark.parametrize("table", [IMAGE_HISTORY, IMAGE_SCANS], ids=lambda table: table.name)
def test_columns_are_those_of_images(table: Table) -> None:
    """History and scans repeat the columns of images, meaning and all; a scan's time alone is never null."""
    differing = {c.name for c in table.columns if c.name in IMAGES.column_names and c != IMAGES.column(c.name)}
    assert differing == ({"scan_time"} if table is IMAGE_SCANS else set())


def test_column_that_is_not_there() -> None:
    """A wrong name is an error that names table and column."""
    with pytest.raises(KeyError, match="images has no column vul_count"):
        IMAGES.column("vul_count")


def test_arrow_schema() -> None:
    """Types and nullability of the Arrow schema are those of the columns."""
    assert REJECTED_VALUES.arrow_schema == pa.schema(
        [
            pa.field("account_id", pa.string(), nullable=False),
            pa.field("reject_id", pa.string(), nullable=False),
            pa.field("image_id", pa.string()),
            pa.field("column_name", pa.string(), nullable=False),
            pa.field("raw", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("request_id", pa.string()),
            pa.field("first_seen_at", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("sync_id", pa.string(), nullable=False),
        ]
    )
    assert IMAGES.arrow_schema.field("size") == pa.field("size", pa.int64())
    assert IMAGES.arrow_schema.field("is_trust_image") == pa.field("is_trust_image", pa.bool_())


REJECT = ("1", "r1", None, "vul_cnt", '"n/a"', "not an integer", None, 1_611_893_098_000_001, "s1")


def test_arrow_rows() -> None:
    """Rows become Arrow with exactly the schema; an instant is the microsecond that it was."""
    built = REJECTED_VALUES.arrow([REJECT, REJECT])
    assert built.schema == REJECTED_VALUES.arrow_schema
    instants = built.column("first_seen_at").cast(pa.int64())
    rows = built.set_column(7, "first_seen_at", instants).to_pylist()
    assert rows == [dict(zip(REJECTED_VALUES.column_names, REJECT, strict=True))] * 2


@EACH_TABLE
def test_arrow_without_rows(table: Table) -> None:
    """No rows make an empty table of the same schema."""
    built = table.arrow([])
    assert (built.num_rows, built.schema) == (0, table.arrow_schema)


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        pytest.param([REJECT[:-1]], ValueError, id="a-row-too-short"),
        pytest.param([REJECT, (*REJECT, "x")], ValueError, id="a-row-too-long-among-others"),
        pytest.param([REJECT, REJECT[:-1]], ValueError, id="rows-of-two-lengths"),
        pytest.param([("1", "r1", None, None, *REJECT[4:])], ValueError, id="null-where-never-null"),
        pytest.param([(*REJECT[:7], "yesterday", "s1")], (ValueError, TypeError), id="text-for-an-instant"),
        pytest.param([(1, *REJECT[1:])], (ValueError, TypeError), id="number-for-a-text"),
    ],
)
def test_arrow_refuses(rows: list[tuple[object, ...]], error: type[Exception]) -> None:
    """A row that does not fit is an error here, and not a stuck package in the loader."""
    with pytest.raises(error):
        REJECTED_VALUES.arrow(rows)


def test_dlt_columns() -> None:
    """The hint for dlt says type, nullability, key, length and meaning, in the order of the table."""
    hints = REJECTED_VALUES.dlt_columns()
    assert list(hints) == COLUMNS["rejected_values"]
    assert hints["reject_id"] == {
        "name": "reject_id",
        "data_type": "text",
        "nullable": False,
        "description": "Hash of image_id, column_name and reason, and of the lasting parts of a rejected item. In rows "
        "of an older release: hash of image_id, column_name and raw.",
        "primary_key": True,
        "precision": 64,
    }
    assert hints["first_seen_at"] == {
        "name": "first_seen_at",
        "data_type": "timestamp",
        "nullable": False,
        "description": "When a sync first observed the fault.",
    }


@EACH_TABLE
def test_descriptions(table: Table) -> None:
    """Every table and column says in sentences what it means."""
    texts = [table.description, *(c.description for c in table.columns)]
    assert [text for text in texts if not re.fullmatch(r"\S.{12,}\.", text) or "  " in text] == []
