"""Defines the table with the names of accounts."""

from dataclasses import replace

from connector.tables.images import ACCOUNT_ID, SYNC_RUNS
from connector.tables.model import Table

NAMED_ACCOUNTS = Table(
    "named_accounts",
    "What the views call each account, one row per account that has a name. A run writes the row if its name for the "
    "account is another than the stored name. A run without a name leaves the row as it is.",
    ("account_id",),
    (
        ACCOUNT_ID,
        replace(
            SYNC_RUNS.column("account_name"),
            description="The name in the newest run that has a name: see sync_runs.",
            nullable=False,
        ),
    ),
)
