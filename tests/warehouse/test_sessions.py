"""`connector.warehouse.engines`: what a server, a user or a URL sets for sessions of MySQL loses no row and no text.
And no session waits for hours for a server that is gone."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool

from connector.tables import IMAGES
from connector.warehouse import views
from connector.warehouse.engines import connecting, engine_of
from connector.warehouse.inventory import Inventory
from connector.warehouse.postgresql import uri
from tests.warehouses import place

HASTY = "init_command=SET%20SESSION%20sql_select_limit%3D1,%20sql_safe_updates%3D1"


def test_results_are_whole_and_tables_are_described(tmp_path: Path) -> None:
    """Where a session would cut its results, delete no whole table, and write names in the quotes of ANSI."""
    with place("mysql", tmp_path) as made:
        mark = "&" if "?" in made.url else "?"
        odd = replace(made, url=f"{made.url}{mark}sql_mode=ANSI_QUOTES&{HASTY}")
        pipeline = odd.prepared()
        rows = [
            {"account_id": "1", "image_id": name, "version": 1, "row_hash": "1:a", "sync_id": "s"} for name in "abc"
        ]
        for _ in range(2):
            odd.load(pipeline, IMAGES, *rows)
        assert sorted(Inventory(odd.location, pipeline).known("1").column("image_id").to_pylist()) == ["a", "b", "c"]
        assert views.publish(odd.location, pipeline) == {}
        described = "SELECT column_name FROM information_schema.columns WHERE column_comment <> '' AND table_schema = "
        found = made.sql(f"{described} '{made.dataset}' AND table_name = 'images'")
        assert {name for (name,) in found} == set(IMAGES.column_names)


@pytest.mark.parametrize("pool", [NullPool, QueuePool])
def test_a_connection_that_is_lost_before_it_is_given_back_gives_no_traceback(
    pool: type[sa.Pool], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy rolls back, and would log the driver's error as one of ours. Of a pool of ours, and of dlt's."""

    def lost(_: object) -> None:
        raise sqlite3.OperationalError("Lost connection")

    url = sa.make_url("sqlite://")
    for options in (connecting(url, {}), connecting(sa.make_url("mysql+pymysql://h/d"), {})):
        options.pop("creator", None)
        engine = sa.create_engine(url, poolclass=pool, **options)
        connection = engine.connect()
        monkeypatch.setattr(engine.dialect, "do_rollback", lost)
        connection.close()
    assert caplog.records == []


KEPT = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")


def kept_alive(file: int) -> list[int]:
    """The seconds of silence before the first probe, those between two probes, and the number of probes."""
    with socket.socket(fileno=socket.dup(file)) as copy:
        assert copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        return [copy.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in KEPT]


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this system names its options otherwise")
@pytest.mark.parametrize(("options", "seconds"), [("", 60), ("keepalives_idle=7", 7)])
def test_postgresql_notices_within_minutes_that_the_path_to_the_server_is_gone(
    options: str, seconds: int, tmp_path: Path
) -> None:
    """The system's own setting is two hours. The user's own option is obeyed."""
    with place("postgresql", tmp_path) as made:
        location = replace(made, url=f"{made.url}{'&' if '?' in made.url else '?'}{options}").location
        assert location.url is not None
        with closing(psycopg2.connect(uri(location.url))) as connection:
            assert kept_alive(connection.fileno()) == [seconds, 10, 6]


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="this system names its options otherwise")
def test_mysql_notices_within_minutes_that_the_path_to_the_server_is_gone(tmp_path: Path) -> None:
    """In each connection of a sync."""
    with place("mysql", tmp_path) as made:
        url = made.location.url
        assert url is not None
        with engine_of(sa.make_url(url).set(drivername="mysql+pymysql")).connect() as connection:
            assert kept_alive(connection.connection.driver_connection._sock.fileno()) == [60, 10, 6]  # type: ignore[union-attr]
