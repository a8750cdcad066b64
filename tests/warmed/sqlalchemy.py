"""SQLite and MariaDB are both loaded by dlt's destination for SQLAlchemy."""

from tests.warmed import warm

warm("sqlite", dataset="main", detail=["vulnerabilities"])
