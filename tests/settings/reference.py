"""Writes `docs/settings.md` from the code's own table."""

from __future__ import annotations

import json
from typing import Any

from connector.settings import Settings
from connector.settings.places import variable
from connector.settings.strays import COMMAND
from connector.settings.table import KEYS, SETTINGS

HEAD = """# Settings

Every setting is looked up in the same order, whoever asks: the command `tcss`, `connector.sync()`, `connector.tcss()`,
Airflow and Dagster.

1. What is given in the call: an option of the command, a keyword, a field of Airflow's connection or of Dagster's
   resource.
2. The environment variable `TCSS_<NAME>`.
3. dlt's configuration, in the section `[sources.tcss]`: the variable `SOURCES__TCSS__<NAME>`, then `secrets.toml`, then
   `config.toml` (each in `.dlt` of the working directory, then in `.dlt` of the home directory, or for root in
   `/var/dlt`), then dlt's other providers. A named account has its own section `[sources.tcss.accounts.<name>]`, which
   goes before `[sources.tcss]` in each of them.
4. The default.

No other place is looked at: neither a variable without `TCSS_`, such as `LANGUAGE`, nor a section above ours. A key
that is no setting is refused, with the one that was probably meant. A variable `TCSS_...` that may belong to another
program is left alone, with a warning where it has the words of a setting. `tcss check` says where each setting is from,
and which files were read.

The files of the working directory may be somebody else's. So an `endpoint` in one of them is used with keys from these
files only: with other keys a sync is refused until `--endpoint` or `TCSS_ENDPOINT` names the endpoint. A file that
another user of the machine could have put there, as in `/tmp`, is refused ([SECURITY.md](../SECURITY.md)).

Blanks and line breaks around a value are dropped. An empty value is refused: take the variable or the key away instead.
Durations are in seconds. Truth is `true`, `1`, `yes` or `on`; falsehood is `false`, `0`, `no` or `off`.

The keys, `role_arn` and `account_id` say whose images are read. A named account, an Airflow connection and an account
of Dagster's resource take the three from the call or from their own section only, or from the account's line in the
file of `accounts_from`. An account with neither keys nor a role uses those that all share, and a warning says so; a
line of the file does not. Without any keys the usual places are searched: the variables
`TENCENTCLOUD_SECRET_ID` and `TENCENTCLOUD_SECRET_KEY`, a profile file, a TKE service account, a CVM role.

dlt's own settings, such as `refresh`, `dev_mode` or `[normalize]`, are for other pipelines: they do not reach
`tcss sync` and `sync()`; nor does `[runtime]` reach the command. Only where `destination` is a name of dlt's, or a URL
of a cloud's warehouse, dlt's section `[destination.<name>]` says how to connect. A pipeline of your own that runs
`tcss()` obeys all of dlt's settings.

| setting | default | environment | in `[sources.tcss]` | meaning |
|---|---|---|---|---|
"""
FOOT = """
`accounts_from`, in `[sources.tcss]` or as `TCSS_ACCOUNTS_FROM`, is about all accounts: a CSV file with a line for each
account of an organisation ([Accounts](accounts.md#an-organisation)).

Options of the command that are no settings have variables too:
{variables}. `TCSS_ACCOUNT` also names the account of
`connector.sync()` and `connector.tcss()`, where these are not given one.
"""


def settings_reference() -> str:
    """Return the page: a row per field of Settings, and the order of look-up."""
    rows = "".join(_row(name, default) for name, default in dict(Settings()).items())
    variables = ", ".join(f"`{variable(name)}`" for name in COMMAND)
    return f"{HEAD}{rows}{FOOT.format(variables=variables)}"


def _row(name: str, default: Any) -> str:
    paths = [("credentials", key) for key in KEYS] if name == "credentials" else [(name,)]
    variables = ", ".join(f"`{variable(*path)}`" for path in paths)
    keys = ", ".join(f"`{'.'.join(path)}`" for path in paths)
    shown = "" if default is None else f"`{default if isinstance(default, str) else json.dumps(default)}`"
    return f"| `{name}` | {shown} | {variables} | {keys} | {SETTINGS[name].meaning} |\n"
