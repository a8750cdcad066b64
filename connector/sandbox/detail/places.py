"""Says where images run: each image has as many containers and hosts as its item counts.

Hosts are numbered. An image runs on consecutive hosts, from a number of its own on; its super nodes are no hosts.
"""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from connector.sandbox.detail.scans import count
from connector.sandbox.detail.state import Details
from connector.sandbox.images import Item

CLUSTERS = ("prod-gz", "prod-sh", "staging", "")


class Container(NamedTuple):
    """Identifies a container: its image, its number within the image, and how often that image's were replaced."""

    item: Item
    number: int
    turn: int

    @property
    def mark(self) -> int:
        """The number from which all other facts about the container follow."""
        return crc32(f"{self.item['ImageID']} {self.number} {self.turn}".encode()) * 2_654_435_761 % 2**48


@dataclass(frozen=True)
class Host:
    """Describes a host, with its images and containers."""

    number: int
    images: int
    containers: int


class Places:
    """Lists the containers and hosts of one fleet. After a change of the fleet they are made anew when asked for."""

    def __init__(self, details: Details) -> None:
        self._details = details
        self._revision = -1
        self._containers: list[Container] = []
        self._hosts: list[Host] = []
        self._size = 16

    def containers(self) -> list[Container]:
        """Return all containers, image by image."""
        self._refresh()
        return self._containers

    def hosts(self) -> list[Host]:
        """Return all hosts that have an image."""
        self._refresh()
        return self._hosts

    def of_image(self, item: Item) -> list[Container]:
        """Return the containers of one image."""
        turn = self._details.moved[item["ImageID"]]
        return [Container(item, number, turn) for number in range(count(item, "ContainerCnt"))]

    def node(self, container: Container) -> tuple[str, int] | None:
        """Return the kind (NORMAL, SUPER) and the number of the node that a container runs on."""
        self._refresh()
        item = container.item
        nodes, supers = count(item, "HostCnt"), count(item, "SuperNodeCnt")
        if not nodes:
            return None
        place = container.number % nodes
        normal = max(nodes - supers, 0)
        return ("NORMAL", self._host(item, place)) if place < normal else ("SUPER", self._host(item, place))

    def _host(self, item: Item, place: int) -> int:
        return (crc32(item["ImageID"].encode()) + place) % self._size

    def _refresh(self) -> None:
        if self._revision == self._details.fleet.revision:
            return
        self._revision = self._details.fleet.revision
        items = list(self._details.fleet.truth().values())
        most = max((count(item, "HostCnt") for item in items), default=0)
        self._size = max(self._size, 1 << most.bit_length())
        self._containers = [one for item in items for one in self.of_image(item)]
        images, containers = Counter[int](), Counter[int]()
        for item in items:
            normal = max(count(item, "HostCnt") - count(item, "SuperNodeCnt"), 0)
            images.update(self._host(item, place) for place in range(normal))
        for container in self._containers:
            kind, number = self.node(container) or ("", 0)
            if kind == "NORMAL":
                containers[number] += 1
        self._hosts = [Host(number, images[number], containers[number]) for number in sorted(images)]
