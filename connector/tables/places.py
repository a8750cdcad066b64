"""Defines the tables of the places where images run: containers and hosts.

Facts about the fields come from the API's specification and its published samples.
"""

from dataclasses import replace

from connector.tables.details import EXTRA, ROW_HASH, first_seen_at_column, number_column, text_column, time_column
from connector.tables.images import ACCOUNT_ID, IMAGE_ID, SYNC_ID
from connector.tables.model import Column, Table

_LAST_SEEN_AT = Column(
    "last_seen_at",
    "timestamp",
    "When a sync last listed the container or host. Written at a change, and once a day while nothing changes. If "
    "gone_at is set: the last run that listed the container or host.",
    nullable=False,
)


def _of_containers() -> tuple[Column, ...]:
    return (
        text_column("container_name", "ContainerName", "Name of the container."),
        text_column("status", "Status", "State of the container, such as RUNNING.", "RUNNING"),
        time_column("create_time", "CreateTime", "When the container was made."),
        text_column("run_as", "RunAs", "User that the container runs as."),
        Column(
            "cmd",
            "text",
            "First word of the container's command. The arguments are not stored, because they may hold passwords.",
            source="Cmd",
            derived=True,
        ),
        number_column("cpu_usage", "CPUUsage", "CPU usage times 1,000, when the row was last written."),
        number_column("ram_usage", "RamUsage", "Memory in use, when the row was last written.", "kB"),
        text_column("image_name", "ImageName", "Name of the image."),
        replace(IMAGE_ID, nullable=True, description="The image that the container runs. Joins to images."),
        text_column("pod", "POD", "Pod, as the API's field POD names the pod; see pod_name."),
        Column("host_id", "text", "The host. Joins to hosts.", precision=128, source="HostID"),
        text_column("host_ip", "HostIP", "Private address of the host."),
        time_column("update_time", "UpdateTime", "When the API's row last changed."),
        text_column("host_name", "HostName", "Name of the host."),
        text_column("public_ip", "PublicIp", "Public address of the host."),
        text_column("net_status", "NetStatus", "Whether the container's network is isolated.", "NORMAL"),
        text_column("net_sub_status", "NetSubStatus", "Detail of net_status."),
        text_column("isolate_source", "IsolateSource", "What isolated the container's network."),
        time_column("isolate_time", "IsolateTime", "When the network was isolated. Null: never (the API writes 1970)."),
        text_column("node_id", "NodeID", "Id of the super node."),
        text_column("pod_ip", "PodIP", "Address of the pod."),
        text_column("pod_name", "PodName", "Name of the pod."),
        text_column("node_type", "NodeType", "NORMAL, or SUPER for a super node.", "NORMAL"),
        text_column("node_unique_id", "NodeUniqueID", "Permanent id of the super node."),
        number_column("pod_cpu", "PodCpu", "CPU of the pod; the unit is not documented."),
        number_column("pod_mem", "PodMem", "Memory of the pod; in bytes in the published sample."),
        text_column("cluster_name", "ClusterName", "Name of the cluster."),
        text_column("cluster_id", "ClusterID", "Id of the cluster."),
        text_column("pod_uid", "PodUid", "Uid of the pod."),
    )


def _of_hosts() -> tuple[Column, ...]:
    return (
        text_column("host_ip", "HostIP", "Private address."),
        text_column("host_name", "HostName", "Name of the host."),
        text_column("host_group", "Group", "Business group of the host (the API's field Group)."),
        text_column("docker_version", "DockerVersion", "Version of Docker."),
        text_column("docker_file_system_driver", "DockerFileSystemDriver", "Storage driver of the container runtime."),
        number_column("image_cnt", "ImageCnt", "Images on the host.", "images"),
        number_column("container_cnt", "ContainerCnt", "Containers on the host.", "containers"),
        text_column("status", "Status", "State of the agent: ONLINE, OFFLINE or UNINSTALL.", "ONLINE"),
        Column("is_containerd", "bool", "Whether the runtime is containerd.", source="IsContainerd"),
        text_column("machine_type", "MachineType", "Kind of the host: CVM, ECM, LH, BM or Other.", "CVM"),
        text_column("public_ip", "PublicIp", "Public address."),
        text_column("uuid", "Uuid", "Uuid of the host."),
        text_column("instance_id", "InstanceID", "Cloud instance of the host."),
        number_column("region_id", "RegionID", "Number of the region."),
        text_column("project_name", "Project.ProjectName", "Name of the project."),
        number_column("project_id", "Project.ProjectID", "Id of the project."),
        Column("tags", "text", "Tags of the cloud resource, as received: a JSON array.", source="Tags", is_json=True),
        text_column("cluster_id", "ClusterID", "Id of the cluster."),
        text_column("cluster_name", "ClusterName", "Name of the cluster."),
        text_column("cluster_accessed_status", "ClusterAccessedStatus", "Whether the cluster is connected."),
        text_column("cluster_accessed_sub_status", "ClusterAccessedSubStatus", "Detail of cluster_accessed_status."),
        text_column("cluster_accessed_error_reason", "ClusterAccessedErrorReason", "Why the cluster is not connected."),
        number_column("charge_cores_cnt", "ChargeCoresCnt", "Cores that are billed.", "cores"),
        text_column("defend_status", "DefendStatus", "Whether the host is protected."),
        number_column("cores_cnt", "CoresCnt", "Cores of the host.", "cores"),
        time_column("last_online_time", "LastOnlineTime", "When the agent was last online."),
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
            first_seen_at_column(what),
            _LAST_SEEN_AT,
            Column("gone_at", "timestamp", f"When a whole list first lacked the {what}. Null: the {what} is not gone."),
            ROW_HASH,
            SYNC_ID,
        ),
    )


CONTAINERS = _place(
    "containers",
    "Running containers of the account. The row of a container that is gone, or that runs no more, stays: gone_at is "
    "then set.",
    Column("container_id", "text", "Id of the container.", nullable=False, precision=256, source="ContainerID"),
    _of_containers(),
)
HOSTS = _place(
    "hosts",
    "Hosts of the account. The row of a host that is gone stays: gone_at is then set.",
    Column("host_id", "text", "Id of the host in TCSS.", nullable=False, precision=128, source="HostID"),
    _of_hosts(),
)
