"""Asks a warehouse the questions by SELECTs, through one SQLAlchemy engine, or DuckDB itself, that refuses to write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlglot import exp

from connector.errors import ConfigurationError, DestinationError
from connector.posture.questions import FRESHNESS, NAMES, VIEWS, Filters, Question
from connector.posture.sharing import Shared
from connector.settings import Settings
from connector.settings.values import meant
from connector.tables import ALL_TABLES
from connector.texts import some_of
from connector.warehouse.dialects import DIALECTS, translate
from connector.warehouse.engines import engine_of
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location, locate
from connector.warehouse.opening import connect
from connector.warehouse.views import MARKER, views

Rows = list[dict[str, Any]]
Wanted = tuple[str | None, str | None]
"""The name of the account that is asked about, and its id if the id is configured; without a name, all are."""

_SQLGLOT = {"duckdb": "duckdb", "sqlite": "sqlite", "postgresql": "postgres", "mysql": "mysql"}
_VALUE = re.compile(r"\bfilter_(\w+)\b")
_MISSING = re.compile(
    r"UndefinedTable|UndefinedColumn|InvalidSchemaName|no such (table|column)|unknown database"
    r"|Catalog Error: .* does not exist|Binder Error: .*column",
    re.IGNORECASE,
)
# The statement that makes a session refuse to write.
_READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}


@dataclass(frozen=True)
class Queries:
    """Asks one warehouse the questions. Each answer is kept, so that all of a document shows the same moment.

    A DuckDB file is open only while questions are asked, because no sync can write to a file that is open.
    """

    location: Location
    wanted: Wanted = None, None
    _answers: dict[tuple[Any, ...], Rows] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, destination: str | None = None, dataset: str | None = None, account: str | None = None) -> Queries:
        """Find the warehouse as `Settings.of_warehouse` does; `account` is the name of an account. Connects to nothing.

        Raises ConfigurationError, also for a database that neither SQLAlchemy nor DuckDB reaches by a URL.
        """
        settings = Settings.of_warehouse(account, destination=destination, dataset=dataset)
        location = locate(settings.destination, settings.dataset)
        if location.url is None or _dialect(location) not in DIALECTS:
            raise ConfigurationError(
                f"the questions cannot be asked of {location.display}: they need a database that SQLAlchemy reads "
                "by its URL",
                hint="Query the views there; `tcss views` lists them.",
            )
        return cls(location, (settings.account_name(), settings.account_id))

    def __str__(self) -> str:
        return f"{self.location.dataset} in {self.location.display}"

    @property
    def title(self) -> str:
        """A name for a document that others may see: of a file only the name, not its place on this machine."""
        file = self.location.file
        return f"dataset {self.location.dataset} of {file.name if file else self.location.display}"

    @contextmanager
    def session(self) -> Iterator[None]:
        """Let the questions of the block share a connection (`sharing.Shared`)."""
        with self._shared.held():
            yield

    @cached_property
    def engine(self) -> Any:
        """An engine for a notebook's SQL cells: a SQLAlchemy engine, or a DuckDB connection, which blocks syncs while
        it is open. Raises DestinationError."""
        self._require_file()
        if self.location.kind == "duckdb":
            with destination_errors(self.location, "read"):
                return connect(self.location, read_only=True)
        return self._engine

    @cached_property
    def _shared(self) -> Shared[Any]:
        if self.location.kind == "duckdb":
            return Shared(lambda: connect(self.location, read_only=True))
        return Shared(lambda: self._engine.connect())

    @cached_property
    def _engine(self) -> sa.Engine:
        assert self.location.url is not None  # noqa: S101  (`open` has refused it)
        url = self.location.url
        if self.location.kind == "postgresql":  # SQLAlchemy 2.1 would take psycopg 3
            url = url.set(drivername="postgresql+psycopg2")
        engine = engine_of(url)
        if statement := _READ_ONLY.get(self.location.kind):

            @sa.event.listens_for(engine, "connect")
            def read_only(connection: Any, _: Any) -> None:
                with closing(connection.cursor()) as cursor:
                    cursor.execute(statement)
                connection.commit()

        return engine

    def ask(self, question: Question, filters: Filters | None = None) -> Rows:
        """Return the answer's rows; instants in UTC. A row of an account has what the account is called in `account`.

        Raises DestinationError if the warehouse cannot be read or has no tables yet, and ConfigurationError if its file
        does not exist.
        """
        filters = filters or {}
        key = (question.text, *sorted(filters.items()))
        if key not in self._answers:
            rows = self._select(self._translated(question, filters), filters)
            if question is not NAMES and any("account_id" in row for row in rows[:1]):
                rows = [{**row, "account": self._called.get(row["account_id"], row["account_id"])} for row in rows]
            self._answers[key] = rows
        return self._answers[key]

    def account(self, account_id: str) -> str:
        """Return the account's name and id, or its id alone. Raises what `ask` raises."""
        name = self._accounts.get(account_id)
        return f"{name} ({account_id})" if name else account_id

    def of_account(self) -> dict[str, str]:
        """Return the filter for the account that is asked about; none for all. Raises ConfigurationError for a name
        that no account of the warehouse has, or that several have, for a configured id that is not there, and what
        `ask` raises."""
        name, account_id = self.wanted
        if name is None:
            return {}
        found = [one for one, called in self._accounts.items() if called == name and account_id is None]
        if not found:  # a configured id, or an id in the place of a name
            found = [row["account_id"] for row in self.ask(FRESHNESS) if row["account_id"] == str(account_id or name)]
        if len(found) == 1:
            return {"account": found[0]}
        if found:
            hint = "Give them different names in the configuration, and sync."
            raise ConfigurationError(f"several accounts are called {name!r}: {', '.join(found)}", hint=hint)
        names = self._accounts.values()
        hint = meant(name, names, f"Names there: {', '.join(some_of(names)) or 'none'}.")
        whose = f"{name!r}" if account_id is None else f"{name!r} ({account_id})"
        raise ConfigurationError(f"no run in {self} is of an account {whose}", hint=hint)

    @cached_property
    def _accounts(self) -> Mapping[str, str]:
        """The name of each account that has one. An older release's warehouse has no names."""
        if "accounts" not in self.views():
            return {}
        return {row["account_id"]: row["account_name"] for row in self.ask(NAMES) if row["account_name"]}

    @cached_property
    def _called(self) -> Mapping[str, str]:
        """What each account with a name is called in a table: by the name, with the id if others have the name too."""
        names = list(self._accounts.values())
        return {one: name if names.count(name) == 1 else self.account(one) for one, name in self._accounts.items()}

    def sql(self, question: Question, filters: Filters | None = None) -> str:
        """Return the SQL that `ask` runs, with the filters' values, to be run by hand."""
        filters, dialect = filters or {}, _dialect(self.location)
        template = self._translated(question, filters)
        return _VALUE.sub(lambda found: exp.Literal.string(filters[found[1]]).sql(dialect=dialect), template)

    def views(self) -> set[str]:
        """Return those of our views that exist. Raises what `ask` raises."""
        return {row["name"] for row in self.ask(VIEWS)}

    @property
    def has_details(self) -> bool:
        """Whether the tables and views of details exist. Raises what `ask` raises."""
        return "current_findings" in self.views()

    def _translated(self, question: Question, filters: Filters) -> str:
        return _translate(question.template(filters), _dialect(self.location), tuple(self._names.items()))

    @cached_property
    def _names(self) -> dict[str, str]:
        dialect = _dialect(self.location)
        names = (MARKER, *(table.name for table in ALL_TABLES), *(view.name for view in views()))
        return {name: exp.table_(name, db=self.location.dataset, quoted=True).sql(dialect=dialect) for name in names}

    def _select(self, template: str, values: Mapping[str, str]) -> Rows:
        self._require_file()
        used = {name: values[name] for name in _VALUE.findall(template)}
        with destination_errors(self.location, "read"):
            try:
                return self._duckdb(template, used) if self.location.kind == "duckdb" else self._sql(template, used)
            except (
                duckdb.CatalogException,
                duckdb.BinderException,
                sa.exc.ProgrammingError,
                sa.exc.OperationalError,
            ) as error:
                if not _is_missing(error):
                    raise
        raise DestinationError(
            f"there are no tables yet in {self}, or they lack the views of this release",
            hint="Run `tcss sync` with this destination and dataset; `tcss views` makes the views alone.",
        )

    def _duckdb(self, template: str, values: Mapping[str, str]) -> Rows:
        with self._shared.connection() as connection:
            found = connection.sql(_VALUE.sub(r"$\1", template), params=dict(values)).to_arrow_table()
        return [{name: _value(name, value) for name, value in row.items()} for row in found.to_pylist()]

    def _sql(self, template: str, values: Mapping[str, str]) -> Rows:
        statement = sa.text(_VALUE.sub(r":\1", template.replace(":", "\\:")))
        with self._shared.connection() as connection, connection.begin():
            found = connection.execute(statement, dict(values)).mappings()
            return [{name: _value(name, value) for name, value in row.items()} for row in found]

    def _require_file(self) -> None:
        file = self.location.file
        if file is not None and not file.exists():
            raise ConfigurationError(
                f"{file} does not exist",
                hint=f"Run `tcss sync --destination {self.location.display}` first, or name another warehouse.",
            )


@cache  # each statement is run, and also shown
def _translate(sql: str, dialect: str, names: tuple[tuple[str, str], ...]) -> str:
    return translate(sql, dialect, dict(names))


def _dialect(location: Location) -> str:
    return _SQLGLOT.get(location.kind, location.backend.drivername.partition("+")[0])


def _is_missing(error: Exception) -> bool:
    """Whether a driver says that a table, a view or a column does not exist."""
    code = getattr(getattr(error, "orig", None), "args", ("",))[0]
    return code in (1146, 1049, 1054) or bool(_MISSING.search(str(error)))


def _value(name: str, value: Any) -> Any:
    """Convert a value: SQLite has texts for instants and days, MySQL instants without a zone; sums may be Decimal."""
    if isinstance(value, str) and name.endswith(("_at", "_time", "valid_from", "valid_to")):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str) and name == "day":
        return date.fromisoformat(value[:10])
    return int(value) if isinstance(value, Decimal) else value
