"""Finds a vulnerability by its CVE, PocID or name: which images have it, in what package, where they run. Asks the API.

The account's lists of vulnerabilities give the PocIDs, and each PocID has a list of images and a list of containers.
One answer with as many different rows as its TotalCount is whole, if the answer could have had more. Other lists are
read by `lists.read_list`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from connector.detail.actions import CONTAINERS_OF, IMAGES_OF
from connector.detail.found import (
    Container,
    Found,
    Image,
    Vulnerability,
    by_host,
    by_severity,
    by_use,
    components_of,
    container_of,
    image_of,
    vulnerability_of,
)
from connector.detail.lists import KeyOf, Listed, key_by, read_list
from connector.detail.run import LISTS
from connector.detail.sets import Fetch
from connector.errors import ConfigurationError, ResponseTooLargeError, TcssError, UnavailableError
from connector.listing.page import count_of
from connector.listing.query import MAX_LIMIT, Answer, Filters, Query

if TYPE_CHECKING:
    from connector.api.client import Client

UNKNOWN_POC = "ResourceNotFound"
LICENCE = "DescribePurchaseStateInfo"
UNLICENSED = {0: "was never bought", 1: "is not bought", 4: "has expired"}
"""States in which the lists may be empty whatever the images have."""
LONGEST = 300  # characters of what is looked for


@dataclass(frozen=True)
class Wanted:
    """Says what is looked for: a CVE in capitals, or a PocID, a name or a part of a name."""

    text: str
    is_cve: bool

    @classmethod
    def of(cls, text: str) -> Wanted:
        """Parse what a person wrote. Raises ConfigurationError for a text that no vulnerability can have."""
        text = text.strip()
        if not text or len(text) > LONGEST:
            raise ConfigurationError(
                f"a CVE or a name has between 1 and {LONGEST} characters", hint="For example CVE-2021-44228."
            )
        if not re.match(r"cve(?:[\W_]*\d|[\W_]*$)", text, re.IGNORECASE | re.ASCII):
            return cls(text, is_cve=False)
        match = re.fullmatch(r"cve[\W_]*(\d{4})[\W_]+(\d{4,19})", text, re.IGNORECASE | re.ASCII)
        if match is None:
            raise ConfigurationError(f"{text!r} is not a CVE", hint="A whole one is meant, as in CVE-2021-44228.")
        return cls(f"CVE-{match[1]}-{match[2]}", is_cve=True)

    @property
    def filters(self) -> Filters:
        """The filter of the account's lists. For all but a CVE, the lists are read whole: no filter knows a PocID, and
        the filter for names may tell capitals from small letters."""
        return (("CVEID", (self.text,)),) if self.is_cve else ()

    @property
    def other_names(self) -> Filters:
        """The filter for what the API may know by another name than it shows; none for a number, such as a PocID."""
        is_number = self.is_cve or re.fullmatch(r"[a-z]+(-\d+)+", self.text, re.IGNORECASE | re.ASCII)
        return () if is_number else (("Name", (self.text,)),)

    def matches(self, one: Vulnerability) -> bool:
        """Return whether the vulnerability is this CVE, another number or PocID, or has this text in its name. A filter
        may return more than was asked."""
        if self.is_cve:
            return self.text in re.findall(r"CVE-\d+-\d+", one.cve_id or "")
        return self.means(one) or self.text.casefold() in (one.name or "").casefold()

    def means(self, one: Vulnerability) -> bool:
        """Return whether the text is the PocID, the number or the whole name of the vulnerability."""
        numbers = re.split(r"[\s,;|/]+", one.cve_id or "")
        return self.text.casefold() in (known.casefold() for known in (one.poc_id, one.name, *numbers) if known)


class Finder:
    """Looks for vulnerabilities. Raises what the client raises: without one of the lists, no answer can be trusted."""

    def __init__(self, client: Client, in_flight: int | None = None) -> None:
        self._client, self._requests_in_flight = client, in_flight
        self._reasons: list[str] = []

    def find(self, wanted: Wanted) -> Found:
        """Return what the account has of the vulnerability."""
        before = self._client.stats.requests
        self._reasons = []
        matched = sorted(self._vulnerabilities(wanted), key=by_severity)
        found = Found(wanted.text, matched, reasons=self._reasons)
        if wanted.is_cve or len({one.subject for one in matched}) <= 1:
            images: dict[str, Image] = {}
            containers: dict[str, Container] = {}
            for one in matched:
                self._places(one, images, containers)
            found.images = sorted(images.values(), key=by_use)
            found.containers = sorted(containers.values(), key=by_host)
        elif not found.found and any(one.affects is None for one in matched):
            self._reasons.append("the lists do not say of each of these whether images have it")
        if not found.found:
            self._doubt_licence()
        found.requests = self._client.stats.requests - before
        return found

    def _vulnerabilities(self, wanted: Wanted) -> list[Vulnerability]:
        """Return the vulnerabilities that are meant, else those that match."""
        matched = [one for one in self._listed(wanted.filters) if wanted.matches(one)]
        if not matched and wanted.other_names:
            matched = self._listed(wanted.other_names)
            if matched:
                self._reasons.append("the API found these by another name than it shows")
        return [one for one in matched if wanted.means(one)] or matched

    def _listed(self, filters: Filters) -> list[Vulnerability]:
        """Return each PocID once, or once with each of its vulnerabilities: the list of emergencies repeats entries of
        the other lists, without counts."""
        listed: dict[str, Vulnerability] = {}
        others: dict[tuple[str | None, str], Vulnerability] = {}
        for action, emergency in LISTS.items():
            found = self._list(action, key_by("PocID", "CVEID", "Name"), {}, filters)
            for key, item in found.items.items():
                one = vulnerability_of(item, emergency=emergency)
                if key not in listed:
                    listed[key] = one
                elif emergency:
                    listed[key].is_emergency, listed[key].status = True, one.status
            for item in found.repeated:
                one = vulnerability_of(item, emergency=emergency)
                others[one.poc_id, one.subject] = one
        for one in listed.values():
            others.pop((one.poc_id, one.subject), None)
        return [*listed.values(), *others.values()]

    def _places(self, one: Vulnerability, images: dict[str, Image], containers: dict[str, Container]) -> None:
        """Add the images and containers of a PocID to those of other PocIDs."""
        if one.poc_id is None:
            self._reasons.append("a vulnerability without PocID is listed, whose images cannot be asked for")
            return
        with_it = self._of_poc(IMAGES_OF, key_by("ImageID"), one.poc_id)
        running = self._of_poc(CONTAINERS_OF, key_by("ContainerID"), one.poc_id)
        if (one.local_image_count and not with_it) or (one.affects and not (with_it or running)):
            self._reasons.append(f"{one.poc_id}: the account's lists say that images have it, and none is listed")
        elif one.container_count and not running:
            self._reasons.append(f"{one.poc_id}: the account's lists say that containers have it, and none is listed")
        for key, item in with_it.items():
            image = images.setdefault(key, image_of(key, item))
            image.components += [each for each in components_of(item) if each not in image.components]
            image.poc_ids += [one.poc_id] if one.poc_id not in image.poc_ids else []
        for key, item in running.items():
            container = containers.setdefault(key, container_of(key, item))
            container.poc_ids += [one.poc_id] if one.poc_id not in container.poc_ids else []

    def _of_poc(self, action: str, key_of: KeyOf, poc_id: str) -> dict[str, Any]:
        """Return the items of a PocID; none if the API does not know the PocID (an emergency that no image has)."""
        try:
            return self._list(action, key_of, {"PocID": poc_id}).items
        except TcssError as error:
            if error.code is None or error.code.partition(".")[0] != UNKNOWN_POC:
                raise
            return {}

    def _doubt_licence(self) -> None:
        """Ask for the licence, if the keys may: without a licence, an empty result proves nothing."""
        try:
            state = self._client.call(LICENCE, {}).response.get("State")
        except UnavailableError:
            raise
        except TcssError:
            return
        if isinstance(state, int) and state in UNLICENSED:
            self._reasons.append(f"the licence {UNLICENSED[state]}, and then the API lists nothing")

    def _list(self, action: str, key_of: KeyOf, about: dict[str, Any], filters: Filters = ()) -> Listed:
        def fetch(payload: dict[str, Any]) -> Answer:
            return self._client.call(action, {**about, **payload})

        in_flight = self._requests_in_flight or partial(self._client.in_flight, action)
        listed = _snapshot(fetch, key_of, filters) or read_list(fetch, key_of, in_flight=in_flight, filters=filters)
        if not listed.whole:
            self._reasons.append(f"{' of '.join([action, *about.values()])}: {listed.reason}")
        return listed


def _snapshot(fetch: Fetch, key_of: KeyOf, filters: Filters) -> Listed | None:
    """Return the list if one answer holds all of it. A full answer may not, whatever its TotalCount says."""
    try:
        response = fetch(Query(filters=filters).payload(0, MAX_LIMIT)).response
    except ResponseTooLargeError:
        return None
    rows = response.get("List")
    rows = rows if isinstance(rows, list) else []
    items = {key: item for item in rows if (key := key_of(item)) is not None}
    if len(rows) >= MAX_LIMIT or not count_of(response.get("TotalCount")) == len(rows) == len(items):
        return None
    return Listed(items)
