"""The tables of the details, without those of the findings themselves (`aspects`): what a vulnerability is, which sets
were read, where images run, and the runs.

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
_LAST_SEEN_AT = Column(
    "last_seen_at",
    "timestamp",
    "When a sync last wrote that it saw this: at a change, and once a day while nothing changes. Of what is gone: the "
    "last run that listed it.",
    nullable=False,
)


def _first_seen_at(what: str) -> Column:
    return Column("first_seen_at", "timestamp", f"When a sync first observed the {what}.", nullable=False)


def _text(name: str, source: str, description: str, example: str | None = None) -> Column:
    return Column(name, "text", description, source=source, example=example)


def _number(name: str, source: str, description: str, unit: str | None = None) -> Column:
    return Column(name, "bigint", description, source=source, unit=unit)


def _time(name: str, source: str, description: str) -> Column:
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
        _text(
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
        _text("name", "Name", "Title of the vulnerability, in the language of the setting `language`."),
        _text("category", "Category", "Kind of the vulnerability, such as `CODE_INJECTION`."),
        _text("category_type", "CategoryType", "Family of the vulnerability: SYSTEM or WEB.", "SYSTEM"),
        _text(
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
        _text("cvss_v3_vector", "CVSSV3Desc", "CVSS v3 vector."),
        _number("attack_level", "AttackLevel", "Attack heat; of registry images 0 to 3 is documented."),
        Column(
            "tags", "text", "All labels, as a sorted JSON array.", source="Tags", example='["CanBeFixed"]', is_json=True
        ),
        _flag("has_poc", "Tags", "Whether a label says that a proof of concept is public."),
        _flag("has_exploit", "Tags", "Whether a label says that an exploit exists."),
        _flag("is_known_exploited", "Tags", "Whether a label says that the vulnerability is exploited in the wild."),
        Column("is_emergency", "bool", "Whether the account's list of emergency vulnerabilities has it."),
        _flag("can_be_fixed", "Tags", "Whether a label says that a fix exists."),
        _time("submit_time", "SubmitTime", "When the vulnerability was published."),
        _time("found_time", "FoundTime", "When the account first had the vulnerability, by its lists."),
        _time("latest_found_time", "LatestFoundTime", "When the account last had it, by its lists."),
        _number("local_image_count", "LocalImageCount", "Images of the account's hosts that have it.", "images"),
        _number("container_count", "ContainerCount", "Containers that have it.", "containers"),
        _text("description", "Des", "Description, in the language of the setting `language`."),
        _text("official_solution", "OfficialSolution", "What its vendor says to do."),
        _text("defense_solution", "DefenseSolution", "What to do where there is no fix."),
        Column("reference_urls", "text", "Where to read more, as received: JSON.", source="Reference", is_json=True),
        EXTRA,
        _first_seen_at("vulnerability"),
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


def _of_containers() -> tuple[Column, ...]:
    return (
        _text("container_name", "ContainerName", "Name of the container."),
        _text("status", "Status", "State of the container, such as RUNNING.", "RUNNING"),
        _time("create_time", "CreateTime", "When the container was made."),
        _text("run_as", "RunAs", "User that the container runs as."),
        Column(
            "cmd",
            "text",
            "First word of the container's command. Its arguments are not stored, because they may hold passwords.",
            source="Cmd",
            derived=True,
        ),
        _number("cpu_usage", "CPUUsage", "CPU usage times 1,000, when the row was last written."),
        _number("ram_usage", "RamUsage", "Memory in use, when the row was last written.", "kB"),
        _text("image_name", "ImageName", "Name of the image."),
        replace(IMAGE_ID, nullable=True, description="The image that the container runs. Joins to images."),
        _text("pod", "POD", "Pod, as the API names it first; see pod_name."),
        Column("host_id", "text", "The host. Joins to hosts.", precision=128, source="HostID"),
        _text("host_ip", "HostIP", "Private address of the host."),
        _time("update_time", "UpdateTime", "When the API's row last changed."),
        _text("host_name", "HostName", "Name of the host."),
        _text("public_ip", "PublicIp", "Public address of the host."),
        _text("net_status", "NetStatus", "Whether the container's network is isolated.", "NORMAL"),
        _text("net_sub_status", "NetSubStatus", "Detail of net_status."),
        _text("isolate_source", "IsolateSource", "What isolated the container's network."),
        _time("isolate_time", "IsolateTime", "When the network was isolated. Null: never (the API writes 1970)."),
        _text("node_id", "NodeID", "Id of the super node."),
        _text("pod_ip", "PodIP", "Address of the pod."),
        _text("pod_name", "PodName", "Name of the pod."),
        _text("node_type", "NodeType", "NORMAL, or SUPER for a super node.", "NORMAL"),
        _text("node_unique_id", "NodeUniqueID", "Lasting id of the super node."),
        _number("pod_cpu", "PodCpu", "CPU of the pod; its unit is not documented."),
        _number("pod_mem", "PodMem", "Memory of the pod; bytes in the published sample."),
        _text("cluster_name", "ClusterName", "Name of the cluster."),
        _text("cluster_id", "ClusterID", "Id of the cluster."),
        _text("pod_uid", "PodUid", "Uid of the pod."),
    )


def _of_hosts() -> tuple[Column, ...]:
    return (
        _text("host_ip", "HostIP", "Private address."),
        _text("host_name", "HostName", "Name of the host."),
        _text("host_group", "Group", "Business group of the host. The API calls the field Group."),
        _text("docker_version", "DockerVersion", "Version of Docker."),
        _text("docker_file_system_driver", "DockerFileSystemDriver", "Storage driver of the container runtime."),
        _number("image_cnt", "ImageCnt", "Images on the host.", "images"),
        _number("container_cnt", "ContainerCnt", "Containers on the host.", "containers"),
        _text("status", "Status", "State of the agent: ONLINE, OFFLINE or UNINSTALL.", "ONLINE"),
        Column("is_containerd", "bool", "Whether the runtime is containerd.", source="IsContainerd"),
        _text("machine_type", "MachineType", "Where the host is from: CVM, ECM, LH, BM or Other.", "CVM"),
        _text("public_ip", "PublicIp", "Public address."),
        _text("uuid", "Uuid", "Uuid of the host."),
        _text("instance_id", "InstanceID", "Cloud instance of the host."),
        _number("region_id", "RegionID", "Number of the region."),
        _text("project_name", "Project.ProjectName", "Name of the project."),
        _number("project_id", "Project.ProjectID", "Id of the project."),
        Column("tags", "text", "Tags of the cloud resource, as received: a JSON array.", source="Tags", is_json=True),
        _text("cluster_id", "ClusterID", "Id of the cluster."),
        _text("cluster_name", "ClusterName", "Name of the cluster."),
        _text("cluster_accessed_status", "ClusterAccessedStatus", "Whether the cluster is connected."),
        _text("cluster_accessed_sub_status", "ClusterAccessedSubStatus", "Detail of cluster_accessed_status."),
        _text("cluster_accessed_error_reason", "ClusterAccessedErrorReason", "Why the cluster is not connected."),
        _number("charge_cores_cnt", "ChargeCoresCnt", "Cores that are billed.", "cores"),
        _text("defend_status", "DefendStatus", "Whether the host is protected."),
        _number("cores_cnt", "CoresCnt", "Cores of the host.", "cores"),
        _time("last_online_time", "LastOnlineTime", "When the agent was last online."),
    )


def _place(name: str, description: str, key: Column, columns: tuple[Column, ...]) -> Table:
    what = name.removesuffix("s")
    return Table(
        name,
        description,
        ("account_id", key.name),
        (
            ACCOUNT_ID,
            key,
            *columns,
            EXTRA,
            _first_seen_at(what),
            _LAST_SEEN_AT,
            Column("gone_at", "timestamp", f"When a whole list first lacked the {what}. Null: it is there."),
            ROW_HASH,
            SYNC_ID,
        ),
    )


CONTAINERS = _place(
    "containers",
    "Containers of the account that run. A container stays in the table when it is gone or runs no more: gone_at is "
    "then set.",
    Column("container_id", "text", "Id of the container.", nullable=False, precision=256, source="ContainerID"),
    _of_containers(),
)
HOSTS = _place(
    "hosts",
    "Hosts of the account. A host stays in the table when it is gone: gone_at is then set.",
    Column("host_id", "text", "Id of the host in TCSS.", nullable=False, precision=128, source="HostID"),
    _of_hosts(),
)

DETAIL_RUNS = Table(
    "detail_runs",
    "What each run did for each aspect that it was asked for. Written after the aspect's rows.",
    ("sync_id", "aspect"),
    (
        replace(SYNC_ID, description="The run; joins to sync_runs."),
        Column("aspect", "text", "The aspect.", nullable=False, precision=64, example="vulnerabilities"),
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
        Column("verdict_reason", "text", "Why."),
        Column("images_due", "bigint", "Images in the queue when the aspect began.", unit="images"),
        Column("images_read", "bigint", "Images whose sets were read whole in this run.", unit="images"),
        Column("images_behind", "bigint", "Images that are still in the queue.", unit="images"),
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
