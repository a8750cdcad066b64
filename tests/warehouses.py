"""Gives tests their warehouses: a DuckDB and an SQLite file, and PostgreSQL and MariaDB (or MySQL) servers.

Every test gets its own file, schema or database, which is removed afterwards. The servers are named by
TCSS_TEST_POSTGRES_URL and TCSS_TEST_MYSQL_URL; their user may create users and databases.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from connector.tables import TABLES, Table
from connector.warehouse.engines import engine_of
from connector.warehouse.inventory import Inventory
from connector.warehouse.loading import Loader
from connector.warehouse.locations import Location, locate
from connector.warehouse.pipeline import open_pipeline
from tests.missing import leave_out

if TYPE_CHECKING:
    import dlt
    import pytest

FILES = ("duckdb", "sqlite")
SERVERS = {
    "postgresql": ("TCSS_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test", "postgresql+psycopg2"),
    "mysql": ("TCSS_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/test", "mysql+pymysql"),
}
_NAMES = {"postgresql": "PostgreSQL", "mysql": "MariaDB or MySQL"}
_ENCODINGS = {"postgresql": "utf8", "mysql": "utf8mb4"}
KINDS = (*FILES, *SERVERS)
_SHARED = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""What the connector gives when it opens a DuckDB file: connections of one process to a file have to agree in it."""
_TYPES = {
    "text": sa.Text(),
    "bigint": sa.BigInteger(),
    "double": sa.Double(),
    "bool": sa.Boolean(),
    "timestamp": sa.DateTime(timezone=True),
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """An empty place for a warehouse: the values of `--destination` and `--dataset`."""

    kind: str
    url: str
    dataset: str
    directory: Path
    engine: sa.Engine

    @property
    def location(self) -> Location:
        return locate(self.url, self.dataset)

    @property
    def datasets_made(self) -> tuple[str, ...]:
        """The dataset, and the staging dataset if there is one: DuckDB merges from files."""
        return ("{data}",) if self.kind == "duckdb" else ("{data}", "{staging}")

    @property
    def file(self) -> Path:
        """The database's file, if the place is a file."""
        return self.directory / f"w.{self.kind}"

    def pipeline(self, account_id: str = "1", *, tables: Sequence[Table] = TABLES) -> dlt.Pipeline:
        """Return a pipeline of the account, not prepared, in a new directory."""
        return open_pipeline(self.location, account_id, Path(mkdtemp(dir=self.directory)), tables=tables)

    def loader(self, pipeline: dlt.Pipeline) -> Loader:
        return Loader(self.location, pipeline)

    def prepared(self, account_id: str = "1", *, tables: Sequence[Table] = TABLES) -> dlt.Pipeline:
        pipeline = self.pipeline(account_id, tables=tables)
        self.loader(pipeline).prepare()
        return pipeline

    def ready(self, *, tables: Sequence[Table] = TABLES) -> dlt.Pipeline:
        """Do as `prepared`, for tests of what comes after it: a DuckDB file is the copy of one that was prepared."""
        if self.kind != "duckdb":
            return self.prepared(tables=tables)
        shutil.copyfile(_prepared_file(self.dataset, tuple(tables)), self.file)
        return self.pipeline(tables=tables)

    def parquet(self, table: Table, *rows: dict[str, Any]) -> Path:
        """Write the rows into a file; columns that a row does not name are null, or empty where null is not allowed."""
        path = self.directory / f"{uuid4().hex}.parquet"
        pq.write_table(table.arrow(_cells(table, rows)), path)
        return path

    def insert(self, rows: Mapping[Table, Sequence[dict[str, Any]]]) -> None:
        """Write rows with new keys as `load` would, by plain INSERTs: a load costs a hundred times as much."""
        if self.kind == "duckdb":
            with closing(duckdb.connect(str(self.file), config=_SHARED)) as duck:
                for table, those in rows.items():
                    duck.register("those", table.arrow(_cells(table, those)))
                    duck.execute(f"INSERT INTO {self.quoted(self.dataset)}.{table.name} BY NAME SELECT * FROM those")
                    duck.unregister("those")
            return
        with self.engine.begin() as connection:
            for table, those in rows.items():
                columns = [sa.column(c.name, _TYPES[c.type]) for c in table.columns]
                target = sa.table(table.name, *columns, schema=self.dataset)
                named = [dict(zip(table.column_names, cells, strict=True)) for cells in _cells(table, those)]
                for row in named:
                    row |= {c.name: _moment(row[c.name]) for c in table.columns if c.type == "timestamp"}
                if named:
                    connection.execute(sa.insert(target), named)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep a DuckDB file open in this process, for a test of many queries: each would else open the file, which
        takes 40 ms. Only one pipeline can load meanwhile."""
        if self.kind != "duckdb":
            yield
            return
        with closing(duckdb.connect(str(self.file), config=_SHARED)):
            yield

    def load(self, pipeline: dlt.Pipeline, table: Table, *rows: dict[str, Any]) -> None:
        """Load the rows as a sync does, which keeps a DuckDB file open meanwhile."""
        loader = self.loader(pipeline)
        with loader.session():
            loader.load({table.name: self.parquet(table, *rows)})

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run SQL past the code under test. `{data}` and `{staging}` stand for the dataset, and account 1's staging."""
        if self.kind == "duckdb":
            with closing(duckdb.connect(str(self.file), config=_SHARED)) as connection:
                return connection.execute(self._named(statement)).fetchall()
        text = self._named(statement)
        with self.engine.connect() as connection:
            if self.kind == "sqlite" and "{staging}" in statement:
                name = self.file.with_name("w__main_staging_1.sqlite")
                connection.exec_driver_sql(f"ATTACH DATABASE '{name}' AS main_staging_1")
            # PyMySQL formats even a statement without parameters.
            result = connection.exec_driver_sql(text.replace("%", "%%") if self.kind == "mysql" else text)
            rows = [tuple(row) for row in result] if result.returns_rows else []
            connection.commit()
            return rows

    def sql_in_one(self, statements: Iterable[str]) -> None:
        """Run statements without parameters, in one connection: to open a DuckDB file takes 40 ms."""
        if self.kind == "duckdb":
            with closing(duckdb.connect(str(self.file), config=_SHARED)) as duck:
                for statement in statements:
                    duck.execute(self._named(statement))
            return
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(self._named(statement))

    def _named(self, statement: str) -> str:
        return statement.format(data=self.quoted(self.dataset), staging=self.quoted(f"{self.dataset}_staging_1"))

    def table(self, table: Table) -> list[dict[str, Any]]:
        """Return all rows by their keys, read by plain SQL past the code under test; instants as by `instant`."""
        names = ", ".join(
            f"epoch_us({c.name})" if c.type == "timestamp" and self.kind == "duckdb" else c.name for c in table.columns
        )
        rows = self.sql(f"SELECT {names} FROM {{data}}.{table.name}")
        found = [
            {c.name: _READ.get(c.type, _as_it_is)(v) for c, v in zip(table.columns, row, strict=True)} for row in rows
        ]
        return sorted(found, key=lambda row: [row[name] for name in table.key])

    def catalogue(self) -> set[tuple[str, str]]:
        """Return every column in the dataset: (table or view, column)."""
        if self.kind == "sqlite":
            return set(self.sql("SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"))
        where = f"WHERE table_schema = '{self.dataset}'"
        return set(self.sql(f"SELECT table_name, column_name FROM information_schema.columns {where}"))

    def quoted(self, name: str) -> str:
        return f"`{name}`" if self.kind == "mysql" else f'"{name}"'

    def datasets(self) -> set[str]:
        """Return this place's existing datasets: the files in its directory, or schemas or databases."""
        if self.kind in FILES:
            return {path.name for path in self.directory.iterdir() if path.is_file()}
        rows = self.sql("SELECT schema_name FROM information_schema.schemata")
        return {name for (name,) in rows if name.startswith(self.dataset)}


def _cells(table: Table, rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    empty = {"text": "", "bigint": 0, "double": 0.0, "bool": False, "timestamp": 0}
    return [[row.get(c.name, None if c.nullable else empty[c.type]) for c in table.columns] for row in rows]


def _moment(at: int | None) -> datetime | None:
    return None if at is None else EPOCH + timedelta(microseconds=at)


@cache
def _files() -> TemporaryDirectory[str]:
    """The directory of files that are copied, which this process removes at its end."""
    return TemporaryDirectory(prefix="tcss_files_")


@cache
def _prepared_file(dataset: str, tables: tuple[Table, ...]) -> Path:
    with place("duckdb", Path(mkdtemp(dir=_files().name))) as made:
        made = replace(made, dataset=dataset)
        made.prepared(tables=tables)
        return made.file


def instant(value: Any) -> str | None:
    """Write an instant as a text in UTC. A number counts microseconds; a time without a zone is in UTC."""
    if value is None:
        return None
    if isinstance(value, int):
        return str(EPOCH + timedelta(microseconds=value))
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return str(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))


def _truth(value: Any) -> bool | None:
    """Return the truth value; SQLite and MySQL have 0 and 1."""
    return {None: None, 0: False, 1: True}[value]


def _as_it_is(value: Any) -> Any:
    return value


_READ = {"timestamp": instant, "bool": _truth}


@contextmanager
def place(kind: str, directory: Path) -> Iterator[Place]:
    """Yield a place of that kind, removed at the end. Skips, or under CI fails, if no server answers."""
    if kind in FILES:
        dataset = "main" if kind == "sqlite" else "tcss"
        url = f"{kind}:///{directory}/w.{kind}"
        yield Place(
            kind,
            url,
            dataset,
            directory,
            sa.create_engine("sqlite://" if kind == "duckdb" else url, poolclass=NullPool),
        )
        return
    variable, default, driver = SERVERS[kind]
    url = sa.make_url(os.environ.get(variable, default))
    options = {"connect_timeout": 5, "client_encoding" if kind == "postgresql" else "charset": _ENCODINGS[kind]}
    engine = engine_of(url.set(drivername=driver), connect_args=options)
    if problem := _unreachable(kind, engine):
        remedy = f"Start one, or give the URL of one in {variable}"
        leave_out(f"{_NAMES[kind]} does not answer: {problem}", remedy)
    dataset = f"tcss_test_{uuid4().hex[:8]}"
    made = Place(kind, url.render_as_string(hide_password=False), dataset, directory, engine)
    try:
        yield made
    finally:
        for name in made.datasets():
            made.sql(f"DROP SCHEMA {made.quoted(name)}{' CASCADE' if kind == 'postgresql' else ''}")


def connections(monkeypatch: pytest.MonkeyPatch) -> list[Inventory]:
    """Return a list that grows with each connection that an inventory opens from now on."""
    opened: list[Inventory] = []
    connect = Inventory._new_client

    def counted(self: Inventory) -> Any:
        opened.append(self)
        return connect(self)

    monkeypatch.setattr(Inventory, "_new_client", counted)
    return opened


_PROBLEMS: dict[str, str] = {}


def _unreachable(kind: str, engine: sa.Engine) -> str:
    """Return why the server does not answer, asked for once; empty if the server answers."""
    if kind not in _PROBLEMS:
        try:
            engine.connect().close()
            _PROBLEMS[kind] = ""
        except sa.exc.OperationalError as error:
            _PROBLEMS[kind] = " ".join(str(error.orig).split())
    return _PROBLEMS[kind]


@contextmanager
def user(place: Place, grants: Sequence[str]) -> Iterator[str]:
    """Create a user with only these rights, and yield the user's URL. `{user}` stands for the user's name."""
    name, password = f"tcss_{uuid4().hex[:8]}", "p@ss/w:rd"
    url = sa.make_url(place.url).set(username=name, password=password)
    quoted = place.quoted(name) if place.kind == "postgresql" else f"'{name}'@'%'"
    word = "PASSWORD" if place.kind == "postgresql" else "IDENTIFIED BY"
    login = "LOGIN " if place.kind == "postgresql" else ""
    place.sql(f"CREATE USER {quoted} {login}{word} '{password}'")
    try:
        for grant in grants:
            place.sql(grant.replace("{user}", quoted))
        yield url.render_as_string(hide_password=False)
    finally:
        if place.kind == "postgresql":
            place.sql(f"DROP OWNED BY {quoted} CASCADE")
        place.sql(f"DROP USER {quoted}")
