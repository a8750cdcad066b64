"""Reads the places where settings are looked up: variables `TCSS_<NAME>`, and dlt's providers, in our sections only.

dlt itself would look in every section above ours too, up to a bare `ACCOUNT_ID` or `LANGUAGE` in the environment.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from connector.errors import ConfigurationError

if TYPE_CHECKING:
    from dlt.common.configuration.providers.provider import ConfigProvider

Path = tuple[str, ...]
"""Names of sections from the outside in; the last name may be that of a key."""

SECTION: Path = ("sources", "tcss")
PREFIX = "TCSS_"
GIVEN = "given"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r"""\s*(["'])((?:(?!\1).)*)\1\s*""", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A value, which may be a secret, and its place. `by_directory`: the value is from a file of the working directory,
    which may be somebody else's."""

    value: Any = field(repr=False)
    place: str
    by_directory: bool = False


def own_section(account: str) -> Path:
    return (*SECTION, "accounts", account)


def written(section: Path) -> str:
    """Return the section as TOML writes it."""
    names = (name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in section)
    return f"[{'.'.join(names)}]"


def variable(*path: str) -> str:
    """Return the name of a setting's environment variable."""
    return PREFIX + "__".join(path).upper()


def in_environment(*path: str) -> Found | None:
    """Return the value of the setting's variable."""
    name = variable(*path)
    return Found(unquoted(os.environ[name]), name) if name in os.environ else None


def unquoted(text: str) -> str:
    """Return a variable's value without the quotes around it, which Docker keeps when it reads an env file."""
    return found[2] if (found := _QUOTED.fullmatch(text)) else text


def in_dlt(path: Path, sections: Sequence[Path], *, secret: bool = False) -> Found | None:
    """Return the value of the first of dlt's providers, in the first of the sections, that has one. Raises
    ConfigurationError for a secret in a file that is not for secrets."""
    *inside, key = path
    for provider in providers():
        for section in sections:
            value, name = provider.get_value(key, _hint(secret=secret), None, *section, *inside)
            if value is None:
                continue
            place = place_of(provider, name, key, (*section, *inside))
            if secret and not provider.supports_secrets:
                raise ConfigurationError(f"{place} is a secret", hint="Move it to secrets.toml, or to the environment.")
            if isinstance(value, str) and _is_environment(provider):
                value = unquoted(value)
            return Found(value, place, _is_directorys(provider, place))
    return None


@dataclass(frozen=True)
class Searched:
    """Says in words where dlt has looked for keys; `hint` says where the keys of a named account belong."""

    place: str
    hint: str | None = None

    @classmethod
    def of(cls, account: str | None) -> Searched:
        """Name the files of secrets that dlt reads, whether they exist or not, and our sections in them."""
        from dlt.common.configuration.providers.toml import SecretsTomlProvider

        sections = [(*section, "credentials") for section in (*([own_section(account)] if account else []), SECTION)]
        found = [provider for provider in _all_providers() if isinstance(provider, SecretsTomlProvider)]
        files = [name for provider in found for name in provider.locations]
        file = " or ".join(files) or "secrets.toml"
        place = f"dlt's secrets ({file}, section {' or '.join(map(written, sections))})"
        if account is None:
            return cls(place)
        return cls(place, f"Write secret_id and secret_key into the section {written(sections[0])} of {file}.")


def _all_providers() -> Sequence[ConfigProvider]:
    """Return dlt's providers, which read their files at the first call. Raises ConfigurationError for a file that is no
    TOML, and where the working directory was removed or no file can be written."""
    import dlt
    from dlt.common.configuration.providers.toml import TomlProviderReadException

    try:
        return dlt.config.config_providers
    except TomlProviderReadException as error:
        said = " ".join(str(error).split())
        raise ConfigurationError(f"the configuration cannot be read: {said}", hint="Correct the file there.") from None
    except FileNotFoundError:
        raise _missing_directory() from None


def _missing_directory() -> ConfigurationError:
    """Say which directory dlt does not find. Where there is no home directory, dlt asks for temporary files' one."""
    try:
        FilePath.cwd()
    except FileNotFoundError:
        return ConfigurationError("the working directory is gone", hint="Go to a directory that exists.")
    hint = "Set TMPDIR to a directory that this user may write to."
    return ConfigurationError("there is no directory for temporary files", hint=hint)


def providers() -> list[ConfigProvider]:
    """Return dlt's providers, in the order in which dlt asks them."""
    found = [provider for provider in _all_providers() if not provider.is_empty]
    for file in files_read(found):
        refuse_strangers(file)
    return found


def files() -> list[ConfigProvider]:
    """Return those of dlt's providers that can list their keys: config.toml, secrets.toml, and a user's own loaders."""
    from dlt.common.configuration.providers.doc import CustomLoaderDocProvider

    return [provider for provider in providers() if isinstance(provider, CustomLoaderDocProvider)]


def files_read(found: Iterable[ConfigProvider]) -> list[FilePath]:
    """Return the absolute paths of the files that these providers have read."""
    return [FilePath(name).absolute() for provider in found for name in provider.present_locations]


def refuse_strangers(file: FilePath) -> None:
    """Refuse a file of another user, root excepted, in a directory that everybody may write to. (dlt uses `/tmp/dlt`
    for a user without a home directory.) Raises ConfigurationError."""
    for path in (file, file.parent) if file.exists() else ():  # the program may have changed its directory since
        open_to_all = path.parent.stat().st_mode & stat.S_IWOTH
        if open_to_all and path.lstat().st_uid not in (0, os.geteuid()):
            raise ConfigurationError(
                f"{file} is not read: {path} belongs to another user of this machine, who may put anything there",
                hint="Run in a directory of your own, or remove that file.",
            )


def tree(provider: ConfigProvider, section: Path) -> Any:
    """Return all that one of the `files` has in the section."""
    *outer, last = section
    return provider.get_value(last, dict, None, *outer)[0]


def place_of(provider: ConfigProvider, name: str, key: str, section: Path) -> str:
    """Name the place of a value: a variable's name; else the file, the section, and the key."""
    if _is_environment(provider):
        return name
    file = provider.get_value_location(key, None, *section) or provider.name
    return f"{file} {written(section)} {key}" if section else f"{file} {key}"


def _is_environment(provider: ConfigProvider) -> bool:
    from dlt.common.configuration.providers.environ import EnvironProvider

    return isinstance(provider, EnvironProvider)


def _is_directorys(provider: ConfigProvider, place: str) -> bool:
    """Whether the working directory decides the provider's values: by its own files, or by naming a vault."""
    from dlt.common.configuration.providers.airflow import AirflowSecretsTomlProvider
    from dlt.common.configuration.providers.toml import GLOBAL_ORIGIN_PREFIX, SettingsTomlProvider
    from dlt.common.configuration.providers.vault import VaultDocProvider

    if isinstance(provider, SettingsTomlProvider):
        return not place.startswith(GLOBAL_ORIGIN_PREFIX)
    return isinstance(provider, VaultDocProvider) and not isinstance(provider, AirflowSecretsTomlProvider)


def _hint(*, secret: bool) -> Any:
    from dlt.common.typing import AnyType, TSecretStrValue

    return TSecretStrValue if secret else AnyType
