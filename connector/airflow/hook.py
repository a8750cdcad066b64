"""Defines the connection type `tcss`: an account's keys, and the place of its API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from connector.errors import AccessError, ConfigurationError, RequestRejectedError, TcssError
from connector.texts import visible

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from connector.api.client import Client
    from connector.settings import Settings

_VARIABLES = "PROVIDERS__ENABLE_AIRFLOW_SECRETS"
_TEST_PATIENCE = 20.0  # seconds; somebody waits at the button
_ELSEWHERE = ("credentials", "destination", "dataset")  # settings that no connection's extra may hold


class TcssHook(BaseHook):
    """Gives clients and settings of an account of Tencent Container Security Service.

    The connection's login and password are the secret id and the secret key. Its extra may hold `token`, `role_arn`,
    `site`, `endpoint`, `account_id` and every other field of `connector.settings.Settings`. Without login and password
    the worker's usual places are searched: environment, profile file, TKE service account, CVM role.

    :param tcss_conn_id: connection of type ``tcss``.
    :param settings: fields of `Settings`, which take precedence over the connection's.
    """

    conn_name_attr = "tcss_conn_id"
    default_conn_name = "tcss_default"
    conn_type = "tcss"
    hook_name = "Tencent Container Security (TCSS)"

    def __init__(self, tcss_conn_id: str = default_conn_name, *, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.tcss_conn_id = tcss_conn_id
        self._given = dict(settings or {})

    def settings(self, **given: Any) -> Settings:
        """Return the settings of this account's syncs; `given` fields take precedence if they are not None.

        Settings that neither `given` nor the connection has are looked up as for `tcss sync`, except keys, role and
        `account_id`, which would be those of all connections. A connection without keys and role uses shared keys, and
        a warning says so. Raises ConfigurationError for a connection that cannot be right.
        """
        leave_variables_alone()
        from connector.settings import Settings

        own = _from_connection(self.get_connection(self.tcss_conn_id))
        chosen = {**own, **_given(self._given), **_given(given)}
        return Settings.load(whose=f"connection {self.tcss_conn_id!r}", name=self.tcss_conn_id, **chosen)

    def get_conn(self) -> Client:
        """Return a client with this account's keys; the caller closes it (``with hook.get_conn() as client``)."""
        from connector.runs.assembly import client_of

        return client_of(self.settings())

    def test_connection(self) -> tuple[bool, str]:
        """Test whether the keys are accepted and may list images, for the button Test.

        :return: success, and a sentence for the user without secrets.
        """
        from connector.runs.assembly import ACTION, client_of

        try:
            with client_of(self.settings(patience=_TEST_PATIENCE)) as client:
                account_id = client.account_id()
                total = client.call(ACTION, {"Limit": 1, "Offset": 0}).response.get("TotalCount")
        except TcssError as error:
            return False, str(error)
        return True, visible(f"Account {account_id}: tcss:{ACTION} is granted, {total} images are in the list.")


def _from_connection(connection: Connection) -> dict[str, Any]:
    """Return a connection's fields of `Settings`. In a connection that is written as a URI, all values are texts."""
    from connector.settings.table import SETTINGS
    from connector.settings.values import meant

    name = f"connection {connection.conn_id}"
    if connection.host:
        raise ConfigurationError(f"{name} has a host, which is not used", hint="Write endpoint into its extra.")
    extra = extra_of(connection)
    token = extra.pop("token", None)
    known = [field for field in SETTINGS if field not in _ELSEWHERE]
    if unknown := sorted(set(extra) - set(known)):
        hint = meant(unknown[0], (*known, "token"), "Take that away.")
        raise ConfigurationError(f"{name}: its extra may not have {', '.join(unknown)}", hint=hint)
    keys = {"secret_id": connection.login, "secret_key": connection.password}
    if not any(keys.values()):
        if token:
            raise ConfigurationError(f"{name} has a token and no keys", hint="Set login and password.")
        return extra
    if missing := [field for field, value in keys.items() if not value]:
        # Keys from another place would belong to another account.
        raise ConfigurationError(f"{name} has no {missing[0]}", hint="Set both login and password, or neither.")
    return {**extra, "credentials": {**keys, **({"token": token} if token else {})}}


def extra_of(connection: Connection) -> dict[str, Any]:
    """Return a connection's extra without the fields that are empty in the form. Raises ConfigurationError for an extra
    that is no JSON object: Airflow takes it for an empty one, and the task would run without a role or a site."""
    try:
        found = json.loads((connection.extra or "").strip() or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(
            f"connection {connection.conn_id}: its extra is not a JSON object",
            hint='Write it as {"name": "value"}, with double quotes.',
        )
    # Airflow masks the extra's secrets when it reads the extra.
    return {name: value for name, value in connection.extra_dejson.items() if value not in (None, "")}


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def leave_variables_alone() -> None:
    """Keep dlt in this process from asking Airflow for a Variable at each of our settings, with one call per setting.

    Users who keep dlt's secrets in Variables set PROVIDERS__ENABLE_AIRFLOW_SECRETS=true.
    """
    if _VARIABLES in os.environ:
        return
    os.environ[_VARIABLES] = "false"
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    if PluggableRunContext in Container():
        Container()[PluggableRunContext].reload_providers()


@contextmanager
def failing_fast() -> Iterator[None]:
    """Fail the task at once for errors that a retry cannot mend: refused keys, wrong settings, a missing connection.
    Outages, throttling, a held lock and the warehouse's errors are raised unchanged, and so retried."""
    try:
        yield
    except (AccessError, ConfigurationError, RequestRejectedError, AirflowNotFoundException) as error:
        raise AirflowFailException(str(error)) from error
