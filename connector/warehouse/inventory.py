"""Queries what the warehouse holds already, as Arrow in the types of `tables.py`.

A dataset, table or file that does not exist yet counts as empty, and is not created. A warehouse that cannot be reached
raises DestinationError. Columns that an older release did not have are null.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from connector.errors import DestinationError
from connector.tables import (
    DETAIL_RUNS,
    IMAGE_HISTORY,
    IMAGES,
    NAMED_ACCOUNTS,
    POSTURE_CHANGES,
    REJECTED_VALUES,
    SYNC_RUNS,
    TABLES,
    Row,
    Table,
    plain_rows,
)
from connector.warehouse.backends import Backend
from connector.warehouse.ddl import refuse_warehouse
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location
from connector.warehouse.pipeline import SCHEMA
from connector.warehouse.results import collect, execute
from connector.warehouse.selects import BEHIND, STANDINGS, accounts, behind, select, standings

KNOWN = (
    *("image_id", "row_hash", "version", "first_seen_at", "deleted_at", "scan_time", "missing_since", "scan_status"),
    "sync_id",
)
VERSIONS = ("image_id", "version", "row_hash", "observed_at", "deleted_at", "scan_time", "sync_id")
VERIFIED = (*TABLES, NAMED_ACCOUNTS, POSTURE_CHANGES)  # as a sync without details does
BATCH_ROWS = 10_000
RUNS = 2_000  # earlier runs of an account that a run looks at
# Parameters in one statement; SQL Server allows 2,100, older SQLite 999.
IDS_IN_ONE_QUERY = 900


class Inventory:
    """Queries one dataset, through the SQL client of a pipeline. `wait` is called before a connection is opened: it
    returns once nothing else uses the pipeline. `schema` is the name of dlt's schema that has our tables."""

    def __init__(
        self,
        location: Location,
        pipeline: dlt.Pipeline,
        wait: Callable[[], object] = lambda: None,
        *,
        schema: str = SCHEMA,
    ) -> None:
        self._schema = schema
        self._location = location
        self._pipeline = pipeline
        self._wait = wait
        self._opened: Any = None

    @contextmanager
    def session(self) -> Iterator[None]:
        """Ask all queries of the block over one connection. Each would else open its own, which costs more than most
        queries. Raises DestinationError."""
        with ExitStack() as stack:
            if self._opened is None and not self._absent:
                with destination_errors(self._location, "read"):
                    self._opened = stack.enter_context(self._new_client())
                stack.callback(setattr, self, "_opened", None)
            yield

    def verify(self, tables: Sequence[Table] = VERIFIED) -> bool:
        """Whether any of these tables of ours exists.

        Raises DestinationError, before anything is altered, where a table with our name belongs to another program, or
        was made by a newer release: this release would write rows without the columns that it does not know.
        """
        there = False
        for table in tables:
            if present := self._columns(table):
                there = True
                self._refuse(table, present)
        return there

    def verify_staging(self) -> None:
        """Raise DestinationError if loads would go through a dataset that is a warehouse of its own."""
        with destination_errors(self._location, "read"), self._client() as client:
            refuse_warehouse(client, SCHEMA)

    def missing(self, tables: Sequence[Table] = TABLES) -> list[str]:
        """Those of the tables that do not exist, and columns that the tables of an older release do not have, in
        words."""
        there = {table: self._columns(table) for table in tables}
        return [
            *(f"table {table.name}" for table, present in there.items() if not present),
            *(
                f"column {name} in {table.name}"
                for table, present in there.items()
                for name in (table.column_names if present else ())
                if name not in present
            ),
        ]

    def _columns(self, table: Table) -> set[str]:
        """The columns that the table has in the warehouse; none if the table does not exist."""
        if self._absent:
            return set()
        with destination_errors(self._location, "read"), self._client() as client:
            try:
                return _columns(client, table)
            except DatabaseUndefinedRelation:
                return set()

    def _refuse(self, table: Table, present: set[str]) -> None:
        name = f"the table {table.name} of {self._location}"
        if missing := [c.name for c in table.columns if not c.nullable and c.name not in present]:
            raise DestinationError(
                f"{name} is not a table of this connector: it has no column {missing[0]}",
                hint="Name another dataset with --dataset, or rename that table.",
            )
        if unknown := sorted(c for c in present - set(table.column_names) if not c.startswith("_dlt_")):
            raise DestinationError(
                f"{name} has columns that this release does not know: {', '.join(unknown)}",
                hint="A newer release made them: upgrade tcss-connector. If somebody added them, drop them.",
            )

    @property
    def _absent(self) -> bool:
        file = self._location.file
        return file is not None and not file.exists()

    def known(self, account_id: str) -> pa.Table:
        """The account's images as they were last loaded, gone ones included: the columns of `KNOWN`, in no order."""
        return self._read(IMAGES, KNOWN, "account_id = %s", [account_id])

    def rows(self, account_id: str, image_ids: Sequence[str]) -> pa.Table:
        """Whole rows of `images`, for those ids that the table has, in no order."""
        return self._those(IMAGES, IMAGES.column_names, account_id, "image_id", image_ids)

    def history(self, account_id: str, image_ids: Sequence[str]) -> pa.Table:
        """All versions of these images that `image_history` has: the columns of `VERSIONS`, in no order."""
        return self._those(IMAGE_HISTORY, VERSIONS, account_id, "image_id", image_ids)

    def runs(self, account_id: str, names: Sequence[str] = SYNC_RUNS.column_names, limit: int = 10) -> pa.Table:
        """Columns of the account's rows of `sync_runs`, newest first by started_at, at most `limit` rows.

        A text that an older release may have stored longer is cut (`selects.LONGEST_TEXT`).
        """
        return self._read(SYNC_RUNS, names, "account_id = %s", [account_id], newest_by="started_at", limit=limit)

    def standings(self, account_id: str | None = None) -> pa.Table:
        """What the newest runs say, as `STANDINGS` says: a row for each account that has runs, or for one account."""
        one = () if account_id is None else (account_id,)

        def write(client: Any, present: set[str]) -> tuple[str, list[str]]:
            return standings(client, one=bool(one), present=present), STANDINGS.names

        return self._collect(SYNC_RUNS, STANDINGS, write, one)

    def behind(self, account_id: str | None = None) -> pa.Table:
        """The images that the newest run for each account and aspect has left for later; empty without details."""
        one = () if account_id is None else (account_id,)
        return self._ask(DETAIL_RUNS, BEHIND, lambda client: behind(client, one=bool(one)), *one)

    def rejected_ids(self, account_id: str, reject_ids: Sequence[str]) -> set[str]:
        """Those of `reject_ids` that `rejected_values` has for the account."""
        return _texts(self._those(REJECTED_VALUES, ("reject_id",), account_id, "reject_id", reject_ids))

    def loaded(self, load_ids: Sequence[str]) -> set[str]:
        """Those of dlt's load packages that were loaded whole, which dlt notes last; all if there are no notes."""
        if self._absent:
            return {*load_ids}
        with destination_errors(self._location, "read"), self._client() as client:
            names = {name: client.escape_column_name(name) for name in ("load_id", "status")}
            query = (
                f"SELECT {names['load_id']} FROM {client.make_qualified_table_name('_dlt_loads')} "  # noqa: S608
                f"WHERE {names['status']} = 0 AND {names['load_id']} IN ({', '.join(['%s'] * len(load_ids))})"
            )
            try:
                with client.execute_query(query, *load_ids) as cursor:
                    return {str(load_id) for (load_id,) in cursor.fetchall()}
            except DatabaseUndefinedRelation:
                return {*load_ids}

    def account_ids(self) -> set[str]:
        """Every account that has images or runs here."""
        return self.accounts_in(IMAGES) | self.accounts_in(SYNC_RUNS)

    def accounts_in(self, table: Table) -> set[str]:
        """Every account that has rows in a table whose key begins with the account, or in `sync_runs`."""
        schema = pa.schema([table.arrow_schema.field("account_id")])
        return _texts(self._ask(table, schema, lambda client: accounts(client, table)))

    def of_account(
        self, table: Table, account_id: str, names: Sequence[str] = (), equal: Mapping[str, str] = MappingProxyType({})
    ) -> pa.Table:
        """Columns of the account's rows that have the values in `equal`, in no order; all columns without `names`."""
        condition = " AND ".join(f"{name} = %s" for name in ("account_id", *equal))
        return self._read(table, names or table.column_names, condition, [account_id, *equal.values()])

    def of_images(self, table: Table, account_id: str, image_ids: Sequence[str]) -> pa.Table:
        """Whole rows of `table` for these images, in no order."""
        return self._those(table, table.column_names, account_id, "image_id", image_ids)

    def count(self, table: Table, account_id: str, sync_id: str | None = None) -> int:
        """The number of the account's rows in the table; with `sync_id`, only rows that this run wrote."""
        conditions = {"account_id": account_id, "sync_id": sync_id}
        return self._number(table, "SELECT count(*) FROM {table} WHERE {where}", conditions)

    def duplicates(self, table: Table, account_id: str) -> int:
        """The number of the account's keys that several rows have. After a merge there are none."""
        query = "SELECT count(*) FROM (SELECT 1 AS one FROM {table} WHERE {where} GROUP BY {key} HAVING count(*) > 1) d"
        return self._number(table, query, {"account_id": account_id})

    def _those(self, table: Table, names: Sequence[str], account_id: str, key: str, values: Sequence[str]) -> pa.Table:
        """Columns of the account's rows that have one of `values` in the column `key`."""
        parts = [
            self._read(
                table, names, f"account_id = %s AND {key} IN ({', '.join(['%s'] * len(some))})", [account_id, *some]
            )
            for some in _slices(values, IDS_IN_ONE_QUERY)
        ]
        return pa.concat_tables(parts) if parts else table.arrow_schema.empty_table().select(list(names))

    def _number(self, table: Table, query: str, conditions: dict[str, str | None]) -> int:
        """The only value of a query; 0 where the table does not exist."""
        if self._absent:
            return 0
        given = {name: value for name, value in conditions.items() if value is not None}
        with destination_errors(self._location, "read"), self._client() as client:
            text = query.format(
                table=client.make_qualified_table_name(table.name),
                where=" AND ".join(f"{client.escape_column_name(name)} = %s" for name in given),
                key=", ".join(client.escape_column_name(name) for name in table.key),
            )
            try:
                with client.execute_query(text, *given.values()) as cursor:
                    return int(cursor.fetchall()[0][0])
            except DatabaseUndefinedRelation:
                return 0

    def _read(
        self,
        table: Table,
        names: Sequence[str],
        condition: str,
        parameters: Sequence[str],
        *,
        newest_by: str = "",
        limit: int | None = None,
    ) -> pa.Table:
        """Columns of the rows that meet the condition; sorted by the column `newest_by`, at most `limit` rows."""
        schema = pa.schema([table.arrow_schema.field(name) for name in names])

        def write(client: Any, present: set[str]) -> tuple[str, list[str]]:
            wanted = [name for name in names if name in present]
            return select(client, table, wanted, condition, newest_by=newest_by, limit=limit), wanted

        return self._collect(table, schema, write, parameters, limit)

    def _ask(self, table: Table, schema: pa.Schema, write: Callable[[Any], str], *parameters: str) -> pa.Table:
        """The result of a query that has the columns of `schema`."""
        return self._collect(table, schema, lambda client, _: (write(client), schema.names), parameters)

    def _collect(
        self,
        table: Table,
        schema: pa.Schema,
        write: Callable[[Any, set[str]], tuple[str, list[str]]],
        parameters: Sequence[str],
        limit: int | None = None,
    ) -> pa.Table:
        """The result of the query that `write` makes of the client and the columns of the table that are there; `write`
        also says which columns of `schema` the result has. Empty where there is no table."""
        if self._absent:
            return schema.empty_table()
        with destination_errors(self._location, "read"), self._client() as client:
            try:
                query, names = write(client, _columns(client, table))
            except DatabaseUndefinedRelation:
                return schema.empty_table()
            # Close the result before the client: DuckDB hangs at the next opening of a file with a half-fetched result.
            with closing(execute(client, query, parameters, min(limit or BATCH_ROWS, BATCH_ROWS))) as batches:
                return collect(batches, names, schema, limit)

    def _client(self) -> AbstractContextManager[Any]:
        return self._new_client() if self._opened is None else nullcontext(self._opened)

    def _new_client(self) -> Any:
        self._wait()
        # A pipeline of the user's own does not know our schema before its first run; any schema names the same dataset.
        known = self._schema in self._pipeline.schema_names
        return self._pipeline.sql_client(self._schema) if known else self._pipeline.sql_client()


class AccountInventory:
    """Queries what a warehouse holds of one account. `is_new`: the dataset has no table of ours. Raises
    DestinationError where the tables are not ours."""

    def __init__(self, inventory: Inventory, account_id: str, tables: Sequence[Table] = TABLES) -> None:
        self._inventory = inventory
        self._account_id = account_id
        self.is_new = not inventory.verify(tables)

    def known(self) -> pa.Table:
        """See `Inventory.known`."""
        return self._inventory.known(self._account_id)

    def rows(self, image_ids: Sequence[str]) -> pa.Table:
        """See `Inventory.rows`."""
        return self._inventory.rows(self._account_id, image_ids)

    def runs(self, names: Sequence[str] = SYNC_RUNS.column_names, limit: int = RUNS) -> list[Row]:
        """See `Inventory.runs` and `plain_rows`."""
        return list(plain_rows(self._inventory.runs(self._account_id, names, limit)))

    def rejected_ids(self, reject_ids: Sequence[str]) -> set[str]:
        """See `Inventory.rejected_ids`."""
        return self._inventory.rejected_ids(self._account_id, reject_ids)

    def name(self) -> str | None:
        """The account's name in `named_accounts`; None if it has none, or several rows, which would double the rows of
        every view: a run then writes one."""
        found = self._inventory.of_account(NAMED_ACCOUNTS, self._account_id, ("account_name",)).column(0).to_pylist()
        return found[0] if len(found) == 1 else None

    def loaded(self, packages: Sequence[str]) -> set[str]:
        """See `Inventory.loaded`."""
        return self._inventory.loaded(packages)

    def has_history(self) -> bool:
        """Whether `image_history` has any version of the account's images."""
        return not self.is_new and self._account_id in self._inventory.accounts_in(IMAGE_HISTORY)

    def history(self, image_ids: Sequence[str]) -> pa.Table:
        """See `Inventory.history`."""
        return self._inventory.history(self._account_id, image_ids)

    def other_accounts(self, name: str | None = None) -> list[str]:
        """The other accounts that have images or runs here, sorted; with `name`, those whose newest run has it."""
        found = self._inventory.account_ids()
        if name is not None:
            standings = self._inventory.standings().select(["account_id", "account_name"]).to_pylist()
            found = {row["account_id"] for row in standings if row["account_name"] == name}
        return sorted(found - {self._account_id})


def inventory_of(pipeline: dlt.Pipeline, schema: str = SCHEMA) -> Inventory:
    """Return the inventory of the destination of a user's own pipeline. `schema` is the source's name."""
    if schema not in pipeline.schemas:  # the pipeline never ran, and its SQL client needs a schema
        pipeline.schemas.save_schema(dlt.Schema(schema))
    return Inventory(location_of(pipeline), pipeline, schema=schema)


def location_of(pipeline: dlt.Pipeline) -> Location:
    """Return the location of a user's own pipeline; of its destination, only the name is known."""
    name = str(pipeline.destination.destination_name)
    return Location(Backend("other", name, name), str(pipeline.dataset_name), name)


def _columns(client: Any, table: Table) -> set[str]:
    """Query the columns of the table in the warehouse. Raises DatabaseUndefinedRelation if there is no such table."""
    query = f"SELECT * FROM {client.make_qualified_table_name(table.name)} WHERE 1 = 0"  # noqa: S608
    with client.execute_query(query) as cursor:
        names = list(cursor.columns_schema)
        cursor.fetchall()
    return {name.lower() for name in names}


def _texts(table: pa.Table) -> set[str]:
    """The values of a table's only column."""
    return {str(value) for value in table.column(0).to_pylist()}


def _slices(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
