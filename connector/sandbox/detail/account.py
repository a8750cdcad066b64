"""Finds the images of each vulnerability of the account. Only changed images are counted anew."""

from collections.abc import Iterable

from connector.sandbox.detail.catalogue import Finding, Vulnerability
from connector.sandbox.detail.scans import count
from connector.sandbox.detail.state import Details
from connector.sandbox.images import Item

Key = tuple[str, int, int]


class Account:
    """Indexes the images that are scanned without an error, by vulnerability."""

    def __init__(self, details: Details) -> None:
        self._details = details
        self._revision = -1
        self._seen: dict[str, tuple[Item, frozenset[Key]]] = {}
        self._images: dict[Key, dict[str, None]] = {}
        self._components: dict[Key, set[tuple[str, str]]] = {}
        self._latest: dict[Key, str] = {}

    def vulnerabilities(self, kind: str) -> list[Vulnerability]:
        """Return the vulnerabilities that some image has and that the account's lists know, by level and number."""
        self._refresh()
        keys = sorted(key for key, images in self._images.items() if images and key[0] == kind)
        found = [self._details.catalogue.vulnerability(*key) for key in keys]
        return [one for one in found if one.is_listed]

    def by_poc(self, poc_id: str) -> Vulnerability | None:
        """Return the vulnerability with this PocID, if an image has or had the vulnerability."""
        self._refresh()
        found = (self._details.catalogue.vulnerability(*key) for key in self._images)
        return next((one for one in found if one.is_listed and one.poc_id == poc_id), None)

    def images(self, vulnerability: Vulnerability) -> list[Item]:
        """Return the images with the vulnerability, in the order in which they were first counted."""
        self._refresh()
        return [self._seen[image_id][0] for image_id in self._images.get(vulnerability.key, ())]

    def image_count(self, vulnerability: Vulnerability) -> int:
        """Return how many images have the vulnerability."""
        self._refresh()
        return len(self._images.get(vulnerability.key, ()))

    def container_count(self, vulnerability: Vulnerability) -> int:
        """Return how many containers run (or did run) an image with the vulnerability."""
        return sum(count(item, "ContainerCnt") for item in self.images(vulnerability))

    def components(self, vulnerability: Vulnerability) -> Iterable[tuple[str, str]]:
        """Return names and versions of the vulnerability's packages."""
        return self._components.get(vulnerability.key, ())

    def latest(self, vulnerability: Vulnerability) -> str:
        """Return the last ScanTime that found the vulnerability."""
        return self._latest.get(vulnerability.key, "")

    def _refresh(self) -> None:
        details = self._details
        if self._revision == details.fleet.revision:
            return
        truth = details.fleet.truth()
        for image_id, (item, _) in list(self._seen.items()):
            if truth.get(image_id) is not item:
                self._forget(image_id)
        for image_id, item in truth.items():
            if image_id not in self._seen and item.get("ScanStatus") == "SCANNED":
                self._count(item, details.findings(item))
        self._revision = details.fleet.revision

    def _forget(self, image_id: str) -> None:
        for key in self._seen.pop(image_id)[1]:
            del self._images[key][image_id]

    def _count(self, item: Item, findings: list[Finding]) -> None:
        image_id, time = item["ImageID"], str(item.get("ScanTime") or "")
        for finding in findings:
            key = finding.vulnerability.key
            self._images.setdefault(key, {})[image_id] = None
            self._components.setdefault(key, set()).add((finding.component, finding.version))
            self._latest[key] = max(self._latest.get(key, ""), time)
        self._seen[image_id] = (item, frozenset(finding.vulnerability.key for finding in findings))
