"""Lists containers and hosts."""

from typing import Any
from uuid import UUID

from connector.sandbox.detail.lists import Action, Ask, Filter
from connector.sandbox.detail.places import CLUSTERS, Container, Host
from connector.sandbox.images import Item, instant_text
from connector.sandbox.rows import naive

# Words of the Status filter -> Status of the rows.
STATES = {"0": "CREATED", "1": "RUNNING", "2": "PAUSED", "3": "RESTARTING", "4": "REMOVING", "5": "EXITED", "6": "DEAD"}
NET_STATES = {
    word: word.upper() for word in ("normal", "isolated", "isolating", "isolate_failed", "restoring", "restore_failed")
}
NODE_TYPES = {"NORMAL": "NORMAL", "SUPER": "SUPER"}
AGENTS = ("ONLINE", "ONLINE", "ONLINE", "OFFLINE")
MACHINES = ("CVM", "CVM", "BM", "Other")
DOCKERS = ("20.10.7", "24.0.5", "1.6.9", "19.3.9")


def container_words(found: Container) -> tuple[str, str, str, str]:
    """Return id, name, pod and status of a container."""
    mark = found.mark
    container_id = f"{mark:012x}" * 5 + f"{found.number % 16**4:04x}"
    name = f"app-{mark % 97}-{found.number}"
    status = "RUNNING" if mark % 8 else STATES[str(mark // 8 % 7)]
    return container_id, name, f"{name}-{mark % 16**5:05x}", status


def host_id(number: int) -> str:
    """Return the id of a host."""
    return str(UUID(int=number * 0x9E3779B97F4A7C15 % 2**128))


def node_fields(node: tuple[str, int] | None) -> dict[str, Any]:
    """Return where a container runs: the fields of its host, or of its super node."""
    kind, number = node or ("", 0)
    host, cluster = kind == "NORMAL", CLUSTERS[number % 4] if kind else ""
    return {
        "HostID": host_id(number) if host else "",
        "HostIP": f"10.0.{number // 250}.{number % 250}" if host else "",
        "HostName": f"node-{number}" if host else "",
        "PublicIP": f"198.51.100.{number % 250}" if host and number % 9 == 0 else "",
        "ClusterID": f"cls-{cluster}" if cluster else "",
        "ClusterName": cluster,
        "NodeType": kind or "NORMAL",
        "NodeUniqueID": f"eklet-uid-{number}" if kind == "SUPER" else "",
        "NodeID": f"eklet-{number}" if kind == "SUPER" else "",
        "NodeName": f"eklet-subnet-{number}" if kind == "SUPER" else "",
    }


def container_row(ask: Ask, found: Container) -> Item:
    """Return a row of DescribeAssetContainerList."""
    container_id, name, pod, status = container_words(found)
    node = node_fields(ask.desk.places.node(found))
    public, _ = node.pop("PublicIP"), node.pop("NodeName")
    mark = found.mark
    began = naive(instant_text(ask.desk.details.fleet.started - mark % 10**13))[:19]
    return {
        "ContainerID": container_id,
        "ContainerName": name,
        "Status": status,
        "CreateTime": began,
        "RunAs": "root" if mark % 3 else "app",
        "Cmd": "/bin/sh -c 'exec server --port=8080'",
        "CPUUsage": _usage(ask, mark) % 4000,
        "RamUsage": _usage(ask, mark) % 2_000_000,
        "ImageName": found.item.get("ImageName", ""),
        "ImageID": found.item["ImageID"],
        "POD": pod,
        "UpdateTime": began,
        "PublicIp": public,
        "NetStatus": "NORMAL",
        "NetSubStatus": "NONE",
        "IsolateSource": "none",
        "IsolateTime": "1970-01-01 00:00:01",
        "PodIP": f"172.16.{mark % 250}.{mark // 250 % 250}",
        "PodName": pod,
        "PodCpu": mark % 4,
        "PodMem": mark % 8 * 2**30,
        "PodUid": str(UUID(int=mark)),
        **node,
    }


def _usage(ask: Ask, mark: int) -> int:
    """Return a usage, which differs from answer to answer."""
    return mark // 3 + ask.number * (mark % 7)


def _node(ask: Ask, found: Container, name: str) -> str:
    return str(node_fields(ask.desk.places.node(found))[name])


CONTAINERS = Action(
    entries=lambda ask: ask.desk.places.containers(),
    row=container_row,
    filters={
        "ContainerName": Filter(lambda _, found: container_words(found)[1]),
        "Status": Filter(lambda _, found: container_words(found)[3], STATES),
        "Runas": Filter(lambda _, found: "root" if found.mark % 3 else "app"),
        "ImageName": Filter(lambda _, found: str(found.item.get("ImageName", ""))),
        "HostIP": Filter(lambda ask, found: _node(ask, found, "HostIP")),
        "NetStatus": Filter(lambda _ask, _found: "NORMAL", NET_STATES),
        "PodID": Filter(lambda _, found: str(UUID(int=found.mark)), whole=True),
        "NodeUniqueID": Filter(lambda ask, found: _node(ask, found, "NodeUniqueID"), whole=True),
        "PodUid": Filter(lambda _, found: str(UUID(int=found.mark)), whole=True),
        "PodIP": Filter(lambda _, found: f"172.16.{found.mark % 250}.{found.mark // 250 % 250}"),
        "NodeType": Filter(lambda ask, found: _node(ask, found, "NodeType"), NODE_TYPES),
    },
    sorts={
        "CPUUsage": lambda ask, found: _usage(ask, found.mark) % 4000,
        "RamUsage": lambda ask, found: _usage(ask, found.mark) % 2_000_000,
    },
    needs_licence=False,
)


def host_row(_: Ask, host: Host) -> Item:
    """Return a row of DescribeAssetHostList."""
    number = host.number
    node = node_fields(("NORMAL", number))
    return {
        **{name: node[name] for name in ("HostID", "HostIP", "HostName", "ClusterID", "ClusterName")},
        "Group": "default",
        "DockerVersion": DOCKERS[number % 4],
        "DockerFileSystemDriver": "overlay2",
        "ImageCnt": host.images,
        "ContainerCnt": host.containers,
        "Status": AGENTS[number % 4],
        "IsContainerd": number % 4 == 2,
        "MachineType": MACHINES[number // 3 % 4],
        "PublicIp": node["PublicIP"],
        "Uuid": host_id(number + 2**40),
        "InstanceID": f"ins-{number:08x}",
        "RegionID": 1 + number % 3,
        "Project": {"ProjectName": "default", "ProjectID": number % 2},
        "Tags": [{"TagKey": "env", "TagValue": "prod"}] if number % 3 else [],
        "ClusterAccessedStatus": "AccessedInstalled" if node["ClusterID"] else "AccessedNone",
        "ClusterAccessedSubStatus": "AccessedSubNone",
        "ClusterAccessedErrorReason": "",
        "ChargeCoresCnt": 4,
        "DefendStatus": "DEFENDED" if number % 5 else "UnDefended",
        "CoresCnt": 4,
        "LastOnlineTime": "2025-06-01 16:00:00",
    }


def _either(*words: str) -> dict[str, str]:
    return {word: word for word in ("ALL", *words)}


HOSTS = Action(
    entries=lambda ask: ask.desk.places.hosts(),
    row=host_row,
    filters={
        "Status": Filter(lambda _, h: ("ALL", AGENTS[h.number % 4]), _either("ONLINE", "OFFLINE", "UNINSTALL")),
        "HostName": Filter(lambda _, h: f"node-{h.number}"),
        "Group": Filter(lambda _ask, _host: "default"),
        "HostIP": Filter(lambda _, h: node_fields(("NORMAL", h.number))["HostIP"]),
        "HostID": Filter(lambda _, h: host_id(h.number), whole=True),
        "DockerVersion": Filter(lambda _, h: DOCKERS[h.number % 4]),
        "MachineType": Filter(
            lambda _, h: ("ALL", MACHINES[h.number // 3 % 4]), _either("CVM", "ECM", "LH", "BM", "Other")
        ),
        "DockerStatus": Filter(lambda _ask, _host: ("ALL", "INSTALL"), _either("INSTALL", "UNINSTALL")),
        "ProjectID": Filter(lambda _, h: str(h.number % 2), whole=True),
        "Tag:env": Filter(lambda _, h: ["prod"] if h.number % 3 else [], whole=True),
        "NonClusterNode": Filter(
            lambda _, h: str(not CLUSTERS[h.number % 4]).lower(), {word: word for word in ("true", "false")}
        ),
    },
    sorts={"DockerVersion": lambda _, h: DOCKERS[h.number % 4]},
    needs_licence=False,
)
