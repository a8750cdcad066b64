"""Counts versions of `image_history` into `posture_changes`, so that `posture_by_day` need not read the whole history.

A version is counted once, after its row of `images` is committed, in the order of `observed_at`. The newest
`changed_at` of an account is the account's mark: every version up to the mark is counted, and no later one.
`posture_by_day` adds the versions after the mark itself, so the view is right wherever a count was killed.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa

from connector.tables import IMAGE_HISTORY, IMAGES, POSTURE_CHANGES, Row, plain_rows
from connector.warehouse.dialects import translate
from connector.warehouse.errors import destination_errors
from connector.warehouse.locations import Location
from connector.warehouse.pipeline import SCHEMA
from connector.warehouse.results import collect, execute
from connector.warehouse.selects import dialect_of, instant

DAY = 86_400_000_000  # microseconds, as all instants here
SLICE = 30 * DAY
"""How much of the history one transaction counts: the first count of years is resumed where a run was killed."""
NEVER = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000

_CHANGES = POSTURE_CHANGES.column_names[2:]
_BOUNDS = pa.schema([(name, IMAGES.arrow_schema.field("changed_at").type) for name in ("oldest", "newest")])
# `given_` names stand for values, because the statement is translated before it has values.
_SUMS = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in _CHANGES)
_FRESH = " union all ".join(
    f"select account_id, observed_at, {', '.join(_CHANGES)} from {fragment} "  # noqa: S608
    "where account_id = given_account and observed_at > given_after and observed_at <= given_until"
    for fragment in ("posture_begins", "posture_ends")
)
_CONSIDERED = (
    "select account_id, image_id, version, changed_at as counted_at from images where account_id = given_account"
)
_COUNT = (
    f"with considered as ({_CONSIDERED}) select account_id, max(observed_at) as changed_at, {_SUMS} "  # noqa: S608
    f"from ({_FRESH}) as fresh group by account_id, cast(observed_at at time zone 'UTC' as date)"
)


class Posture:
    """Counts for one account, whose lock is held, in a dataset that has the table."""

    def __init__(self, location: Location, pipeline: dlt.Pipeline, account_id: str) -> None:
        self._location, self._pipeline, self._account_id = location, pipeline, account_id

    def expect(self, oldest: int) -> None:
        """Prepare for new versions, the oldest of which was observed at `oldest`. Raises DestinationError.

        Where that is not after the mark, the versions would never be counted: forget what was counted. The clock went
        back, or versions come into `images` that an earlier run left in the history alone.
        """
        with destination_errors(self._location, "count the history of"), self._client() as client:
            last = self._last(client)
            if last is not None and last["changed_at"] >= oldest:
                self._forget(client)

    def count(self, *, again: bool = False) -> None:
        """Count the versions that are committed and not counted yet; with `again`, all. Raises DestinationError."""
        with destination_errors(self._location, "count the history of"), self._client() as client:
            if again:
                self._forget(client)
            last = self._last(client)
            slices = [*self._slices(client, last)]
            query = self._query(client) if slices else ""  # once: to translate it takes longer than to count a slice
            for after, until in slices:
                rows = _added(last, self._counted(client, query, after, until))
                if rows:
                    self._write(client, rows, since=rows[0]["changed_at"] // DAY * DAY)
                    last = rows[-1]

    def _client(self) -> Any:
        return self._pipeline.sql_client(SCHEMA)

    def _last(self, client: Any) -> Row | None:
        """Return the account's newest row."""
        table = client.make_qualified_table_name(POSTURE_CHANGES.name)
        names = ", ".join(POSTURE_CHANGES.column_names)
        query = (
            f"SELECT {names} FROM {table} WHERE account_id = %s AND changed_at = "  # noqa: S608
            f"(SELECT max(changed_at) FROM {table} WHERE account_id = %s)"
        )
        return next(iter(self._rows(client, query, [self._account_id] * 2, POSTURE_CHANGES.arrow_schema)), None)

    def _slices(self, client: Any, last: Row | None) -> Iterator[tuple[int, int]]:
        """Yield what is to be counted: after an instant, until another. All slices but the last end with a day, and the
        last slice has no end. Where no image has changed since the mark, there are no slices."""
        images = client.make_qualified_table_name(IMAGES.name)
        query = f"SELECT min(first_seen_at) AS oldest, max(changed_at) AS newest FROM {images} WHERE account_id = %s"  # noqa: S608
        (bounds,) = self._rows(client, query, [self._account_id], _BOUNDS)
        after, newest = last["changed_at"] if last is not None else 0, bounds["newest"]
        if newest is None or newest <= after:
            return
        ends = range((max(after, bounds["oldest"]) + SLICE) // DAY * DAY - 1, newest, SLICE)
        for until in (*ends, NEVER):
            yield after, until
            after = until

    def _query(self, client: Any) -> str:
        """Return the query of a slice, in the database's SQL."""
        names = {table.name: client.make_qualified_table_name(table.name) for table in (IMAGES, IMAGE_HISTORY)}
        query = translate(_COUNT, dialect_of(client), names)
        if self._location.kind == "postgresql":  # else PostgreSQL joins without statistics of the images
            query = query.replace("considered AS (", "considered AS NOT MATERIALIZED (")
        return query.replace("given_account", "%s")

    def _counted(self, client: Any, query: str, after: int, until: int) -> list[Row]:
        """Return the changes of each day, in the order of days."""
        query = query.replace("given_after", self._instant(after)).replace("given_until", self._instant(until))
        found = self._rows(client, query, [self._account_id] * query.count("%s"), POSTURE_CHANGES.arrow_schema)
        return sorted(found, key=lambda row: row["changed_at"])

    def _write(self, client: Any, rows: Sequence[Row], since: int) -> None:
        """Replace the account's rows since that instant, in one transaction."""
        table = client.make_qualified_table_name(POSTURE_CHANGES.name)
        listed = ", ".join(self._values(row) for row in rows)
        with client.begin_transaction():
            client.execute_sql(
                f"DELETE FROM {table} WHERE account_id = %s AND changed_at >= {self._instant(since)}",  # noqa: S608
                self._account_id,
            )
            client.execute_sql(
                f"INSERT INTO {table} ({', '.join(POSTURE_CHANGES.column_names)}) VALUES {listed}",  # noqa: S608
                *[self._account_id] * len(rows),
            )

    def _values(self, row: Row) -> str:
        return f"(%s, {self._instant(row['changed_at'])}, {', '.join(str(row[name]) for name in _CHANGES)})"

    def _forget(self, client: Any) -> None:
        table = client.make_qualified_table_name(POSTURE_CHANGES.name)
        client.execute_sql(f"DELETE FROM {table} WHERE account_id = %s", self._account_id)  # noqa: S608

    def _instant(self, value: int) -> str:
        return instant(self._location.kind, value)

    def _rows(self, client: Any, query: str, parameters: Sequence[str], schema: pa.Schema) -> list[Row]:
        with closing(execute(client, query, parameters, 10_000)) as batches:
            return list(plain_rows(collect(batches, schema.names, schema)))


def _added(last: Row | None, rows: list[Row]) -> list[Row]:
    """Return the rows, with the changes of `last` added to the first row if both are of the same day."""
    if last is None or not rows or last["changed_at"] // DAY != rows[0]["changed_at"] // DAY:
        return rows
    return [rows[0] | {name: last[name] + rows[0][name] for name in _CHANGES}, *rows[1:]]
