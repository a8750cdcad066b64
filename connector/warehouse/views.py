"""Makes views that answer analysts' questions: written once, in `schemas/views`, and made beside the tables of any
database that `dialects` knows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import dlt
import sqlalchemy as sa
from dlt.destinations.exceptions import DatabaseException
from sqlglot import exp

from connector import texts
from connector.errors import DestinationError
from connector.tables import ALL_TABLES, DETAIL_TABLES, TABLES, Table
from connector.warehouse import descriptions, waits
from connector.warehouse.ddl import execute
from connector.warehouse.dialects import DIALECTS, edition, translate
from connector.warehouse.errors import destination_errors
from connector.warehouse.fragments import fragments
from connector.warehouse.locations import Location
from connector.warehouse.renamed import misled

log = texts.logger(__name__)

MARKER = "tcss_views"
"""The marker: a view of constants with a row for each view of ours: `name`, `meaning` and `definition`. The definition
is the hash of a view's sources, descriptions of the tables included, and the hash of its select. We replace only views
that the marker names. `descriptions`, in the first row, is the hashes of the descriptions that we wrote."""

Tables = tuple[Table, ...]
_DIGITS = 16  # of a hash
_HERE = Path(__file__).parents[1]
_FILES = (_HERE / "_schemas" / "views", _HERE.parent / "schemas" / "views")  # in the wheel, in a checkout

# Where CREATE OR REPLACE does not exist, or refuses other columns; DDL can be rolled back there.
_DROPPED_FIRST = ("sqlite", "redshift")
# PostgreSQL refuses other columns too. A view is dropped only if it has to be, because its grants are lost with it. A
# view that views of the user's depend on stays as it is, and is noted in a setting of the transaction, with
# PostgreSQL's detail. Each BEGIN with an EXCEPTION is a savepoint.
_BLOCKED = "tcss.blocked"
_POSTGRES = f"""DO $tcss$ DECLARE detail text; BEGIN {{replace}};
EXCEPTION WHEN invalid_table_definition THEN
  BEGIN {{drop}}; {{create}};
  EXCEPTION WHEN dependent_objects_still_exist THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    PERFORM set_config('{_BLOCKED}', concat(current_setting('{_BLOCKED}', true), '{{name}} ',
      replace(detail, chr(10), ', '), chr(10)), true);
  END;
END $tcss$"""
# SQLite's driver begins no transaction for DDL. In PostgreSQL, all readers would queue up behind our wait for a lock.
_BEGIN = {"sqlite": "BEGIN IMMEDIATE", "postgres": "SET LOCAL lock_timeout = '10s'"}


@dataclass(frozen=True)
class View:
    """A view: the question that it answers, and its file with a header of comments and one select in DuckDB's SQL."""

    name: str
    question: str
    sql: str

    @cached_property
    def details(self) -> frozenset[str]:
        """The tables of details that the view queries. The view exists only where these tables exist."""
        return frozenset(_read(self.sql) & {table.name for table in DETAIL_TABLES})

    def select(self, dialect: str, names: Mapping[str, str]) -> str:
        """Return the select in the SQL of `dialect`, one of `DIALECTS`. `names` says what tables are called there."""
        return _translated(self.sql, dialect, tuple(names.items()))


def _read(sql: str) -> set[str]:
    """Return the names that a select and its fragments read from."""
    # Not by sqlglot, which would take a tenth of a run that has little to write.
    code = " ".join(line.partition("--")[0] for line in sql.splitlines())
    words = "".join(character if character.isidentifier() else " " for character in code).split()
    read = {word for before, word in pairwise(words) if before.lower() in ("from", "join")}
    return read.union(*(_read(fragments()[name]) for name in read & fragments().keys()))


@cache  # of several accounts
def _translated(sql: str, dialect: str, names: tuple[tuple[str, str], ...]) -> str:
    return translate(sql, dialect, dict(names))


@cache
def views() -> tuple[View, ...]:
    """Return all views, by name; views of details exist only where a sync was asked for details (`View.details`)."""
    directory = next(path for path in _FILES if path.is_dir())
    return tuple(_view(file.stem, file.read_text(encoding="utf-8")) for file in sorted(directory.glob("*.sql")))


def views_of(tables: Sequence[Table]) -> tuple[View, ...]:
    """Return the views that can be made from these tables."""
    return tuple(view for view in views() if view.details <= {table.name for table in tables})


def _view(name: str, sql: str) -> View:
    question = sql.partition("\n--\n")[0].splitlines()
    return View(name, " ".join(line.removeprefix("-- ") for line in question), sql)


def current(client: Any) -> bool:
    """Whether the dataset of dlt's SQL client has all views and descriptions as this release defines them. Also true
    for a database that can have no views."""
    if _dialect(client) not in DIALECTS:
        return True
    present, tables = _present(client), _tables(client)
    names = [view.name for view in views_of(tables)]
    complete = all(present.get(name) for name in (MARKER, *names)) and not misled(client, names)
    # Compare only sources: to translate the selects too would take a tenth of a run that has little to write.
    wanted = {name: _digest(source) for name, source in _sources(client, tables).items()}
    return complete and sorted((*row, made[:_DIGITS]) for *row, made in _made(client)) == _rows(wanted, tables)


def publish(location: Location, pipeline: dlt.Pipeline, *, anew: bool = False) -> Mapping[str, str]:
    """Describe the tables in the database's catalogue and make the views, unless the dataset has those of this release
    already; with `anew`, in any case. The tables exist. Comments of the user's own stay.

    Return the views that views of the user's block, as `create` does. Raises DestinationError.
    """
    with destination_errors(location, "make the views in"), pipeline.sql_client() as client:
        if not anew and current(client):
            return {}
        refuse_others(client)
        waits.limit(client, location.kind)
        descriptions.describe(client, _tables(client), _described(client))
        return create(client, anew=anew)


def published(location: Location, pipeline: dlt.Pipeline) -> tuple[View, ...]:
    """Return the views that `publish` makes in the location: views of tables that exist. Raises DestinationError."""
    with destination_errors(location, "look at"), pipeline.sql_client() as client:
        return views_of(_tables(client))


def create(client: Any, *, anew: bool = True) -> Mapping[str, str]:
    """Create or replace the views in the client's dataset, whose tables exist, in one transaction where DDL allows it.
    Unless `anew`, views stay that have this release's select.

    Where PostgreSQL cannot replace a view, because a view of the user's depends on it, the former view stays. Warn of
    such views, and return them with what depends on them. They count as made, so that not every run tries again; the
    next release and `tcss views` try again.

    Raises DestinationError where something else has a view's name, or where the database is none of `DIALECTS`. Raises
    dlt's exceptions too.
    """
    try:
        blocked = _create(client, anew=anew)
    except DatabaseException:  # the first syncs of several accounts race
        if current(client):
            return {}
        blocked = _create(client, anew=anew)
    for name, detail in blocked.items():
        log.warning(
            "the view %s stays as an older release made it, because %s; change or drop that, then run `tcss views`",
            *(name, detail),
        )
    return blocked


def _create(client: Any, *, anew: bool) -> Mapping[str, str]:
    if (dialect := _dialect(client)) not in DIALECTS:
        raise DestinationError(f"there are no views for {dialect}", hint="Query the tables.")
    tables = _tables(client)
    selects, sources = _selects(client, tables), _sources(client, tables)
    definitions = {name: _digest(source) + _digest(selects[name]) for name, source in sources.items()}
    refuse_others(client)
    kept = set() if anew else _kept(client, definitions)
    before = {name: made for name, _, made in _made(client)} if _present(client).get(MARKER) else {}
    # Write the marker first too, as a claim: if this run dies halfway, the views that it leaves are known as ours.
    made = [
        (MARKER, _marker(client, {}, tables)),
        *((name, select) for name, select in selects.items() if name not in kept),
    ]
    with _transaction(client):
        for name, select in made:
            _make(client, name, select)
        blocked = _blocked(client)
        stayed = {name: _digest(sources[name]) + before.get(name, "")[-_DIGITS:] for name in blocked}
        _make(client, MARKER, _marker(client, definitions | stayed, tables))
    return blocked


def _make(client: Any, name: str, select: str) -> None:
    for statement in _statements(client, name, select):
        execute(client, statement)


def _blocked(client: Any) -> dict[str, str]:
    """Return the views that this transaction could not replace, with what depends on them."""
    if _dialect(client) != "postgres":
        return {}
    noted = client.execute_sql(f"SELECT current_setting('{_BLOCKED}', true)")[0][0] or ""
    lines = (line.partition(" ") for line in noted.splitlines())
    return {name: detail for name, _, detail in lines}


@contextmanager
def _transaction(client: Any) -> Iterator[None]:
    if not client.capabilities.supports_ddl_transactions:
        yield
        return
    with client.begin_transaction():
        if first := _BEGIN.get(_dialect(client)):
            execute(client, first)
        yield


def _statements(client: Any, name: str, select: str) -> list[str]:
    view, dialect = client.make_qualified_table_name(name), _dialect(client)
    drop, create = f"DROP VIEW IF EXISTS {view}", f"CREATE VIEW {view} AS {select}"
    replace = f"CREATE {'OR ALTER' if dialect == 'tsql' else 'OR REPLACE'} VIEW {view} AS {select}"
    if dialect == "postgres":
        return [_POSTGRES.format(drop=drop, create=create, replace=replace, name=name)]
    return [drop, create] if dialect in _DROPPED_FIRST else [replace]


def _kept(client: Any, definitions: Mapping[str, str]) -> set[str]:
    """Return the existing views whose select is the same as the new select, even if their sources differ, and that read
    our tables."""
    present = _present(client)
    made = {name: made for name, _, made in _made(client)} if present.get(MARKER) else {}
    same = {name for name in made.keys() & definitions if made[name][-_DIGITS:] == definitions[name][-_DIGITS:]}
    return {name for name in same if present.get(name)} - misled(client, same)


def _sources(client: Any, tables: Tables) -> dict[str, str]:
    """Return the sources of every view's select, by name, and the descriptions of the tables, which are written
    together with the views."""
    dialect, names = _dialect(client), _names(client, tables)
    described = "\n".join(descriptions.definition(table, dialect) for table in tables)
    made_from = (edition(), dialect, repr(names), described)
    return {view.name: "\n".join((*made_from, view.sql)) for view in views_of(tables)}


def _selects(client: Any, tables: Tables) -> dict[str, str]:
    dialect = _dialect(client)
    names = _names(client, tables)
    return {view.name: view.select(dialect, names) for view in views_of(tables)}


def _names(client: Any, tables: Tables) -> dict[str, str]:
    """Return what the tables are called in a view. A view in SQLite sees the tables beside it, and cannot name their
    database."""
    plain = _dialect(client) == "sqlite"
    return {t.name: t.name if plain else client.make_qualified_table_name(t.name) for t in tables}


def _marker(client: Any, definitions: Mapping[str, str], tables: Tables) -> str:
    """Return the marker's select."""
    names = ("name", "meaning", "definition", "descriptions")
    written = descriptions.digests(tables, _dialect(client))
    rows = [(*row, "" if place else written) for place, row in enumerate(_rows(definitions, tables))]
    selects = [exp.select(*(exp.Literal.string(v).as_(n) for v, n in zip(row, names, strict=True))) for row in rows]
    return exp.union(*selects, distinct=False).sql(dialect=_dialect(client))


def _rows(definitions: Mapping[str, str], tables: Tables) -> list[tuple[str, str, str]]:
    """Return the marker's rows, by name; a view without a definition gets an empty definition."""
    return sorted((view.name, view.question, definitions.get(view.name, "")) for view in views_of(tables))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_DIGITS]


def _dialect(client: Any) -> str:
    return str(client.capabilities.sqlglot_dialect)


def refuse_others(client: Any) -> None:
    """Raise DestinationError if something else in the dataset has the name of a view that we would make. (A user who
    never asked for details may have a table `findings`.)"""
    present = _named(client, (MARKER, *(view.name for view in views_of(_tables(client)))))
    ours = {MARKER, *(row[0] for row in _made(client))} if present.get(MARKER) else {MARKER}
    for name, is_view in present.items():
        if not is_view or name not in ours:
            raise DestinationError(
                f"{client.dataset_name} has a {'view' if is_view else 'table'} {name} that this connector has not made",
                hint="Rename it, or name another dataset with --dataset.",
            )


def _made(client: Any) -> list[tuple[str, ...]]:
    """Return the marker's rows in the dataset."""
    marker = client.make_qualified_table_name(MARKER)
    found = client.execute_sql(f"SELECT name, meaning, definition FROM {marker}")  # noqa: S608
    return [tuple(row) for row in found]


def _described(client: Any) -> str | None:
    """Return the hashes of the descriptions that we wrote last; None if nothing is known of them."""
    if not _present(client).get(MARKER):
        return None
    marker = client.make_qualified_table_name(MARKER)
    with client.execute_query(f"SELECT * FROM {marker}") as cursor:  # noqa: S608
        place = [name.lower() for name in cursor.columns_schema]
        rows = cursor.fetchall()
    return "".join(row[place.index("descriptions")] for row in rows) if "descriptions" in place else None


def _tables(client: Any) -> Tables:
    """Return our tables in the dataset: those of every sync, and those of the others that exist."""
    others = ALL_TABLES[len(TABLES) :]
    present = _named(client, [table.name for table in others])
    return (*TABLES, *(table for table in others if table.name in present))


def _present(client: Any) -> dict[str, bool]:
    """Return what in the dataset has the name of a view of ours, and whether it is a view."""
    return _named(client, (MARKER, *(view.name for view in views())))


def _named(client: Any, names: Sequence[str]) -> dict[str, bool]:
    """Return what in the dataset has one of these names, and whether it is a view."""
    if isinstance(client.native_connection, sa.Connection):
        with client.begin_transaction():
            inspector = sa.inspect(client.native_connection)
            found = dict.fromkeys(inspector.get_table_names(client.dataset_name), False)
            found |= dict.fromkeys(inspector.get_view_names(client.dataset_name), True)
        return {name: found[name] for name in names if name in found}
    catalog, schema, stored = client._get_information_schema_components(*names)
    tables = client._qualify_info_schema_table_name("TABLES")
    if _dialect(client) == "bigquery":  # BigQuery has an information_schema in every dataset
        tables = f"{client.fully_qualified_dataset_name()}.{tables}"
    query = f"SELECT table_name, table_type FROM {tables} WHERE table_schema = %s"  # noqa: S608
    query, values = (f"{query} AND table_catalog = %s", (schema, catalog)) if catalog else (query, (schema,))
    types = dict(client.execute_sql(query, *values))
    return {name: types[key] == "VIEW" for name, key in zip(names, stored, strict=True) if key in types}
