"""`connector.warehouse.waits`: nobody waits long behind a sync, and a sync not behind somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from connector.errors import DestinationError
from connector.tables import IMAGES, POSTURE_CHANGES, TABLES
from connector.warehouse import engines, waits
from connector.warehouse.counting import Posture
from connector.warehouse.inventory import Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import locate
from connector.warehouse.pipeline import open_pipeline
from connector.warehouse.probes import probe
from connector.warehouse.pruning import Pruner
from tests.warehouses import SERVERS, Place

NEW = {"account_id": "1", "image_id": "a", "version": 1, "first_seen_at": 1, "row_hash": "1:a", "sync_id": "s1"}
SERVER = pytest.mark.parametrize("place", SERVERS, indirect=True)


@contextmanager
def reading(place: Place, table: str) -> Iterator[None]:
    """Another session reads a table in a transaction that stays open."""
    with place.engine.connect() as connection:
        connection.execute(sa.text(f"SELECT * FROM {table}")).fetchall()
        yield


@pytest.mark.thorough("mysql")
@SERVER
def test_a_change_of_tables_waits_no_longer_than_its_limit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names who is in the way; once that session is gone, the next sync makes the change."""
    monkeypatch.setattr(waits, "SECONDS", 1)
    pipeline = place.prepared()
    place.sql("ALTER TABLE {data}.images DROP COLUMN solution")
    with reading(place, f"{place.quoted(place.dataset)}.images"):
        with pytest.raises(DestinationError, match="another session has a lock on them") as caught:
            place.loader(pipeline).prepare()
        assert "user root" in str(caught.value)
        assert place.sql("SELECT count(*) FROM {data}.images") == [(0,)]  # nobody waits behind us
    place.loader(pipeline).prepare()
    place.sql("SELECT solution FROM {data}.images")


@pytest.mark.thorough("postgresql")
@SERVER
def test_a_load_does_not_wait_for_readers_of_staging(place: Place) -> None:
    """A dump reads staging too, and may take hours."""
    pipeline = place.prepared()
    place.load(pipeline, IMAGES, NEW)
    with reading(place, f"{place.quoted(place.location.staging('1'))}.images"):
        place.load(pipeline, IMAGES, {**NEW, "row_hash": "1:b"})
    assert place.sql("SELECT row_hash FROM {data}.images") == [("1:b",)]


@contextmanager
def locked(place: Place, table: str) -> Iterator[None]:
    """Another session has locked a table against everybody, and the lock stays."""
    name = f"{place.quoted(place.dataset)}.{table}"
    how = f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE" if place.kind == "postgresql" else f"LOCK TABLES {name} WRITE"
    with place.engine.connect() as connection:
        connection.execute(sa.text(f"SELECT 1 FROM {name}"))  # MySQL lists who is in a transaction
        connection.execute(sa.text(how))
        yield


@pytest.mark.thorough("mysql")
@SERVER
def test_no_statement_waits_for_ever(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read, a count and a prune end with who is in the way, also after an error, for which dlt resets the session."""
    for kind, statement in engines.SESSION.items():
        monkeypatch.setitem(engines.SESSION, kind, statement.replace("60", "1"))
    pipeline = place.prepared(tables=(*TABLES, POSTURE_CHANGES))
    place.load(pipeline, IMAGES, NEW)
    asked = {
        "read": lambda: Inventory(place.location, pipeline).known("1"),
        "count the history of": Posture(place.location, pipeline, "1").count,
        "prune": lambda: Pruner(place.location, pipeline, 1).account("1", dry_run=True),
    }
    with locked(place, "images"):
        for doing, ask in asked.items():
            with pytest.raises(DestinationError, match=f"cannot {doing} .* has a lock: .*user root") as caught:
                ask()
            assert "End that transaction" in str(caught.value)
        assert probe(place.location) is None
    for ask in asked.values():
        ask()


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_load_gives_up_too(place: Place) -> None:
    """After its attempts. A limit of the user's own stays."""
    pipeline = place.prepared()
    file = place.parquet(IMAGES, NEW)
    mark = "&" if "?" in place.url else "?"
    location = locate(f"{place.url}{mark}options=-clock_timeout%3D50ms", place.dataset)
    hasty = Loader(location, open_pipeline(location, "1", place.directory / "hasty"))
    with locked(place, "images"), pytest.raises(DestinationError, match=r"cannot load into .* has a lock: .*user root"):
        hasty.load({IMAGES.name: file})
    assert place.sql("SELECT count(*) FROM {data}.images") == [(0,)]
    place.loader(pipeline).load({IMAGES.name: file})
    assert place.sql("SELECT image_id FROM {data}.images") == [("a",)]
