"""`connector.warehouse.waits`: nobody waits long behind a sync, and a sync not behind somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from connector.errors import DestinationError
from connector.tables import IMAGES
from connector.warehouse import waits
from tests.warehouses import SERVERS, Place

NEW = {"account_id": "1", "image_id": "a", "version": 1, "first_seen_at": 1, "row_hash": "1:a", "sync_id": "s1"}
SERVER = pytest.mark.parametrize("place", SERVERS, indirect=True)


@contextmanager
def reading(place: Place, table: str) -> Iterator[None]:
    """Another session reads a table in a transaction that stays open."""
    with place.engine.connect() as connection:
        connection.execute(sa.text(f"SELECT * FROM {table}")).fetchall()
        yield


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


@SERVER
def test_a_load_does_not_wait_for_readers_of_staging(place: Place) -> None:
    """A dump reads staging too, and may take hours."""
    pipeline = place.prepared()
    place.load(pipeline, IMAGES, NEW)
    with reading(place, f"{place.quoted(place.location.staging('1'))}.images"):
        place.load(pipeline, IMAGES, {**NEW, "row_hash": "1:b"})
    assert place.sql("SELECT row_hash FROM {data}.images") == [("1:b",)]
