"""Reaches the SQL database where rows go: makes our tables and views there, loads rows, and queries them.

The wing imports `connector.tables`, `connector.errors`, `connector.wire`, dlt, SQLAlchemy and the drivers. It knows
nothing of the API: nothing of `connector.api`, `connector.listing`, `connector.images`, `connector.runs` and
`connector.settings`.

Its words:

- Warehouse: the SQL database that holds our tables, whatever program manages it.
- Destination: how a user names a warehouse, as a SQLAlchemy URL or as the name of one of dlt's destinations.
- Dataset: the place in the warehouse that has the tables. A dataset is a schema in most databases, a database in MySQL,
  and a file in SQLite.
- Location: a destination and a dataset, read and checked, before anything connects.
- Staging: a dataset beside ours, where the rows of one account wait for their merge. DuckDB needs no staging.
- Package: the files that one `Loader.load` merges, at most one file per table. The next package waits for its commit.
- Inventory: what a dataset holds already, which a run compares with what the API lists.
- Cut: the instant before which `pruning` deletes what the views do not need from then on.
- Cause: why a database refuses, known by the driver's code or text, with the next step for the reader.
"""
