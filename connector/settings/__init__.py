"""Defines what can be set, and looks each setting up. This wing gives only values; `runs.assembly` makes parts of a run
from them.

A *setting* is a field of `Settings`. The look-up is the same for the command, `sync()`, `tcss()`, Airflow and Dagster:
as *given* in the call, else in the environment as `TCSS_<NAME>`, else in dlt's configuration, else the default. A
*section* of dlt's configuration is `[sources.tcss]`, or the *own* section of an account,
`[sources.tcss.accounts.<name>]`. A *member* is an account that a line of the file in `accounts_from` names.

A *place* says in words where a value was found. The settings that say whose images are read (keys, role, account id)
are never taken from another account's place. A *stray* is a key that is no setting, or that stands where no setting is
looked up.
"""

from connector.settings.accounts import account_names, shared_keys
from connector.settings.schema import (
    DEFAULT_DESTINATION,
    NUMBERS,
    POSITIVE,
    Given,
    Settings,
    TcssCredentials,
    filters_of,
    initial_instant,
)

__all__ = [
    "DEFAULT_DESTINATION",
    "NUMBERS",
    "POSITIVE",
    "Given",
    "Settings",
    "TcssCredentials",
    "account_names",
    "filters_of",
    "initial_instant",
    "shared_keys",
]
