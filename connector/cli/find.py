"""Runs `tcss find`: prints what a search found, as tables for people or as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain

from connector.cli.grids import grid
from connector.cli.report import Reporter
from connector.detail.find import Finder, Wanted
from connector.detail.found import Component, Container, Found, Image, Vulnerability
from connector.runs.assembly import client_of
from connector.settings import Settings
from connector.texts import visible

NOT_FOUND = "This is what scans have found: an image that was not scanned may have it all the same."
SHORT_ID = len("sha256:") + 12


def find(text: str, settings: Settings, reporter: Reporter) -> int:
    """Print what the API says of a vulnerability, and return the exit code."""
    wanted = Wanted.of(text)
    with client_of(settings) as client:
        found = Finder(client, settings.in_flight).find(wanted)
    reporter.line(json.dumps(found.as_json()), *_lines(found))
    return found.exit_code


def _lines(found: Found) -> Iterator[str]:
    if found.images is None:
        yield f"{len(found.vulnerabilities)} vulnerabilities match {found.query}. Name one to see its images."
        heads = ("VULNERABILITY", "NAME", "SEVERITY", "IMAGES")
        yield from ("", *grid(heads, map(_matched, found.vulnerabilities), numbers=1))
    else:
        yield from map(_about, found.vulnerabilities)
        yield from _places(found)
    yield from (f"NOT PROVEN WHOLE: {reason}" for reason in found.reasons)


def _places(found: Found) -> Iterator[str]:
    images, containers = found.images or [], found.containers or []
    if not found.found:
        yield f"No image is known to have {found.query}."
        yield NOT_FOUND
        return
    hosts = {container.host_id or container.node_unique_id for container in containers} - {None}
    yield f"{_count(images, 'image')}; {_count(containers, 'container')} on {_count(hosts, 'host')}"
    heads = ("IMAGE", "PACKAGE", "FIXED IN", "HOSTS", "CONTAINERS")
    yield from ("", *grid(heads, chain.from_iterable(map(_image, images)), numbers=2))
    if containers:
        yield from ("", *grid(("CONTAINER", "STATUS", "POD", "HOST"), map(_container, containers)))


def _about(one: Vulnerability) -> str:
    score = None if one.cvss_v3_score is None else f"CVSS {one.cvss_v3_score:g}"
    facts = (one.cve_id, one.name, one.severity, score, "emergency" if one.is_emergency else None, one.poc_id)
    return ", ".join(fact for fact in facts if fact)


def _matched(one: Vulnerability) -> Sequence[str]:
    return _cell(one.cve_id or one.poc_id), _cell(one.name), _cell(one.severity), _number(one.local_image_count)


def _image(image: Image) -> Iterator[Sequence[str]]:
    """Yield a row for each package; the first row names the image."""
    name = _cell(image.image_name, image.image_id[:SHORT_ID])
    counts = _number(image.host_count), _number(image.container_count)
    components: Sequence[Component | None] = image.components or [None]
    for component in components:
        yield name, *_package(component), *counts
        name, counts = "", ("", "")


def _package(component: Component | None) -> tuple[str, str]:
    if component is None:
        return "", ""
    title = " ".join(filter(None, [component.name, component.version]))
    return _cell(title, component.path), _cell(component.fixed_version)


def _container(one: Container) -> Sequence[str]:
    name = one.container_name or one.container_id[:SHORT_ID]
    return (
        _cell(name),
        _cell(one.container_status),
        _cell(one.pod_name),
        _cell(one.host_name or one.node_name, one.host_ip),
    )


def _cell(*texts: str | None) -> str:
    """Join the texts that are not missing, with one line per text."""
    return "\n".join(visible(text) for text in texts if text)


def _count(things: Sequence[object] | set[str | None], name: str) -> str:
    return f"{len(things):,} {name}{'' if len(things) == 1 else 's'}"


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
