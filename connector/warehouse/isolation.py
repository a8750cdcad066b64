"""Keeps dlt's configuration, which is made for other pipelines, out of ours.

dlt looks each of its settings up in the environment, in files of the working directory and the home directory, and in
every section above the right section: a bare `REFRESH=drop_data` would empty our warehouse. Inside `isolated()`, dlt
finds the values that are *pinned* here; every other setting has dlt's own default. If the user's configuration says how
to connect to a destination, the destination's own section is used too, but only for the connection. Other pipelines of
the process, in other threads too, find the same values as without us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import dlt
from dlt.common.configuration import configspec
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.base_configuration import ContainerInjectableContext
from dlt.common.configuration.specs.config_providers_context import ConfigProvidersContainer
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

# No package is resumed, so no state is stored or read; without the trace dlt sends no telemetry, and pickles nothing.
# Staging would else keep a copy of the last load, and each extraction would sleep 10 ms before it ends. Our signal
# handlers stay in charge: dlt would first drain its pool, and then wrap the interrupt into an error. The schema names
# its naming convention, so that no variable can name another convention.
PINNED: Mapping[str, Any] = {
    "restore_from_destination": False,
    "enable_runtime_trace": False,
    "load.truncate_staging_dataset": True,
    "extract.futures_poll_interval": 0.001,
    "runtime.intercept_signals": False,
    "schema.naming": "snake_case",
}
# What may be configured of a destination, in its section `destination.<name>`: how to connect, and where it stages.
CONNECTION = (
    *("destination_type", "credentials", "location", "project_id", "http_timeout", "file_upload_timeout", "query_tag"),
    *("stage_name", "staging_credentials_name", "staging_volume_name", "staging_iam_role", "staging_use_https"),
)


@contextmanager
def isolated(*, connecting: bool = False) -> Iterator[None]:
    """Give dlt our settings in the block, in this thread and in threads that dlt starts from it. `connecting`: the
    user's configuration says how to connect."""
    context = Container()[PluggableRunContext]
    if not isinstance(context.providers, _Screen):
        context.providers = _Screen(context.providers)
    with Container().injectable_context(_Isolated(connecting=connecting)):
        yield


def is_isolated() -> bool:
    """Whether this thread is inside `isolated()`."""
    return _Isolated in Container()


class IsolatedPipeline(dlt.Pipeline):
    """A pipeline that does all its work inside `isolated()`. It has to be made there too."""

    connecting = False

    @property
    def has_pending_data(self) -> bool:
        with isolated(connecting=self.connecting):
            return super().has_pending_data


def _isolated(name: str) -> Callable[..., Any]:
    @wraps(getattr(dlt.Pipeline, name))
    def call(pipeline: IsolatedPipeline, *args: Any, **options: Any) -> Any:
        with isolated(connecting=pipeline.connecting):
            return getattr(super(IsolatedPipeline, pipeline), name)(*args, **options)

    return call


for _name in ("extract", "normalize", "load", "drop", "sql_client", "destination_client"):
    setattr(IsolatedPipeline, _name, _isolated(_name))


@configspec
class _Isolated(ContainerInjectableContext):
    """Marks, in dlt's container, a thread that is inside `isolated()`."""

    connecting: bool = False


class _Screen(ConfigProvidersContainer):
    """Shows dlt's providers to everybody else, and our providers inside `isolated()`."""

    def __init__(self, everybodys: ConfigProvidersContainer) -> None:
        self._everybodys = everybodys
        self.context_provider = everybodys.context_provider

    @property
    def providers(self) -> list[ConfigProvider]:  # type: ignore[override]
        container, theirs = Container(), self._everybodys.providers
        if _Isolated not in container:
            return theirs
        return [_Pinned(), *(map(_Connection, theirs) if container[_Isolated].connecting else ())]


class _Pinned(ConfigProvider):
    """Provides our pinned values."""

    name = "tcss-connector"
    supports_secrets = True
    supports_sections = True

    def get_value(self, key: str, _: Any, pipeline_name: str | None, *sections: str) -> tuple[Any, str]:
        path = ".".join((*sections, key))
        return (None if pipeline_name else PINNED.get(path)), path


class _Connection(ConfigProvider):
    """Provides the part of a user's provider that says how to connect to a destination."""

    supports_sections = True

    def __init__(self, theirs: ConfigProvider) -> None:
        self._theirs = theirs

    @property
    def name(self) -> str:
        return self._theirs.name

    @property
    def supports_secrets(self) -> bool:
        return self._theirs.supports_secrets

    @property
    def is_empty(self) -> bool:
        return self._theirs.is_empty

    def get_value(self, key: str, hint: Any, pipeline_name: str | None, *sections: str) -> tuple[Any, str]:
        path = (*sections, key)
        if pipeline_name or len(path) < 3 or path[0] != "destination" or path[2] not in CONNECTION:
            return None, ".".join(path)
        return self._theirs.get_value(key, hint, None, *sections)

    def get_value_location(self, key: str, pipeline_name: str | None, *sections: str) -> str:
        return self._theirs.get_value_location(key, pipeline_name, *sections)
