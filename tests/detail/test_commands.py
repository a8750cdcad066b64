"""Of a container's command, the program alone is stored: its arguments may hold passwords."""

from __future__ import annotations

import json

import pytest

from connector.detail.places import PLACES, PlaceDiff
from connector.images.times import time_zone
from connector.runs.identity import Identity
from connector.tables import CONTAINERS


@pytest.mark.parametrize(
    ("command", "stored"),
    [
        ("/usr/bin/redis-server --requirepass hunter2", "/usr/bin/redis-server"),
        ("nginx: master process nginx -g daemon off;", "nginx:"),
        ('["redis-server","--requirepass","hunter2"]', "redis-server"),
        ("['mysqld', '--password', 'hunter2']", "mysqld"),
        ("[redis-server,--requirepass,hunter2]", "redis-server"),
        ("redis-server;--requirepass;hunter2", None),
        ("PASSWORD=hunter2 /bin/sh", None),
        ("mysql://me:hunter2@host/shop", None),
        ("-phunter2", None),
        ("", None),
        (["mysqld", "--password=hunter2"], None),
    ],
)
def test_of_a_command_the_program_alone_is_stored(command: object, stored: str | None) -> None:
    """Also where the command is a JSON array, or one word with its arguments stuck to it."""
    place = next(place for place in PLACES if place.table is CONTAINERS)
    diff = PlaceDiff(place, Identity("1", "run", 0), time_zone("Z"), ())
    (row,) = diff.rows({"a": {"ContainerID": "a", "Cmd": command}}, whole=True, seen_before=None)
    assert dict(zip(CONTAINERS.column_names, row, strict=True))["cmd"] == stored
    assert "hunter2" not in repr((row, diff.rejected))


def test_a_new_field_of_a_container_does_not_bring_its_secrets() -> None:
    """A field that we do not know is kept in `extra`, but for what may be environment, arguments or passwords."""
    place = next(place for place in PLACES if place.table is CONTAINERS)
    diff = PlaceDiff(place, Identity("1", "run", 0), time_zone("Z"), ())
    new = {
        "Envs": ["A=hunter2"],
        "Spec": {"Args": "hunter2", "Zone": "z"},
        "Probes": [{"Command": "hunter2"}],
        "Rank": 1,
    }
    (row,) = diff.rows({"a": {"ContainerID": "a", "Cmd": "sh hunter2", **new}}, whole=True, seen_before=None)
    extra = json.loads(dict(zip(CONTAINERS.column_names, row, strict=True))["extra"])
    hidden = "(not stored)"
    assert extra == {"Envs": hidden, "Spec": {"Args": hidden, "Zone": "z"}, "Probes": [{"Command": hidden}], "Rank": 1}
