"""Makes dlt faster, and leaves out none of its checks: a sync asks dlt for the same type hints, the fields of the same
classes, copies, checks and hashes of the same schemas hundreds of times. Answers are cached here, and copies are made
more simply. Views are translated once for all datasets of tests."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from functools import cache
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import yaml
from dlt.common import json, validation
from dlt.common.configuration import resolve
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import base_configuration
from dlt.common.configuration.specs.base_configuration import BaseConfiguration
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.schema import schema, utils
from dlt.common.storages.live_schema_storage import LiveSchemaStorage
from dlt.extract import extract
from dlt.load.load import Load
from typer import testing

from connector.warehouse import counting, dialects, views

_QUESTIONS = (
    "is_optional_type",
    "is_union_type",
    "is_literal_type",
    "is_typeddict",
    "is_list_generic_type",
    "is_dict_generic_type",
)
_ABOUT_SETTINGS = (
    "extract_inner_hint",
    "get_all_types_of_class_in_union",
    "get_config_if_union_hint",
    "is_base_configuration_inner_hint",
    "is_context_inner_hint",
    "is_hint_not_resolvable",
    "is_optional_type",
    "is_secret_hint",
    "is_union_type",
    "is_valid_hint",
)
_ATOMS = frozenset({str, int, float, bool, type(None)})
_ask = validation.get_type_hints
_known: dict[type, dict[str, Any]] = {}


def _hints(asked: type, **options: Any) -> dict[str, Any]:
    if asked not in _known:
        _known[asked] = _ask(asked, **options)
    return _known[asked]


def _copy(value: Any) -> Any:
    """Return a deep copy. A schema is a tree of dictionaries and lists, so no part is remembered."""
    kind = type(value)
    if kind is dict:
        return {key: part if type(part) in _ATOMS else _copy(part) for key, part in value.items()}
    if kind is list:
        return [_copy(part) for part in value]
    return value if kind in _ATOMS else deepcopy(value)


@cache
def _names(asked: type[BaseConfiguration]) -> tuple[str, ...]:
    return tuple(_fields(asked))


_fields = BaseConfiguration.__iter__
_resolvable = BaseConfiguration.get_resolvable_fields.__func__  # type: ignore[attr-defined]


@cache
def _fields_of(asked: type[BaseConfiguration], _: tuple[str, ...]) -> dict[str, type]:
    found: dict[str, type] = _resolvable(asked)
    return found


def _resolvable_fields(asked: type[BaseConfiguration]) -> dict[str, type]:
    return dict(_fields_of(asked, tuple(asked.__hint_resolvers__)))


_hash = utils.generate_version_hash
_hashes: dict[bytes, str] = {}


def _version_hash(stored: Any) -> str:
    """Return the hash of a schema; the same text, in the same order, has the same hash."""
    content = {name: part for name, part in stored.items() if not name.startswith("version")}
    key = sha256(json.dumpb(content)).digest()
    if key not in _hashes:
        _hashes[key] = _hash(stored)
    return _hashes[key]


_check = utils.validate_stored_schema
_checked: set[bytes] = set()


def _validate(stored: Any) -> None:
    """Check a schema, unless the same text was checked before."""
    key = sha256(json.dumpb(stored)).digest()
    if key not in _checked:
        _check(stored)
        _checked.add(key)


_read = LiveSchemaStorage.__getitem__
_last_read: WeakKeyDictionary[Any, tuple[Any, ...]] = WeakKeyDictionary()


def _live(storage: LiveSchemaStorage, name: str) -> Any:
    """Return the schema of a pipeline. It is not read and made anew where its file, its hash and the destination's
    capabilities, which decide about names, are those of the last time."""

    def state() -> tuple[Any, ...]:
        there = Container().get(DestinationCapabilitiesContext)
        limits = there and (there.naming_convention, there.max_identifier_length, there.max_column_identifier_length)
        return storage.storage.load(f"{name}.schema.json"), storage.live_schemas[name].stored_version_hash, limits

    known = storage.live_schemas.get(name)
    if known in _last_read and _last_read[known] == state() and storage.is_live_schema_committed(name):
        return known
    found = _read(storage, name)
    with suppress(FileNotFoundError):
        _last_read[found] = state()
    return found


DATASET = re.compile(r"tcss_test_[0-9a-f]{8}")
"""The name of a dataset of `tests.warehouses`. All are of one length, which decides where a line of SQL is broken."""
_translate = cache(lambda sql, dialect, names: dialects.translate(sql, dialect, dict(names)))


def _translated(sql: str, dialect: str, names: Mapping[str, str]) -> str:
    found = DATASET.search("".join(names.values()))
    own, same = (found[0], "tcss_test_00000000") if found else ("\0", "\0")
    made: str = _translate(sql, dialect, tuple((name, called.replace(own, same)) for name, called in names.items()))
    return made.replace(same, own)


_begin = Load.__init__


def _impatient(load: Load, *given: Any, **options: Any) -> None:
    """Begin a load that waits 50 ms instead of a second before it tries a failed job again, which it does as often."""
    _begin(load, *given, **options)
    load._run_loop_sleep_duration = 0.05


def remember() -> None:
    """Be faster from now on, in this process and its forks."""
    if validation.get_type_hints is _hints:
        return
    validation.get_type_hints = _hints  # type: ignore[assignment]
    Load.__init__ = _impatient  # type: ignore[method-assign]
    for name in _QUESTIONS:
        setattr(validation, name, cache(getattr(validation, name)))
    for asking in (resolve, base_configuration):
        for name in _ABOUT_SETTINGS:
            if hasattr(asking, name):
                setattr(asking, name, cache(getattr(asking, name)))
    BaseConfiguration.get_resolvable_fields = classmethod(_resolvable_fields)  # type: ignore[assignment]
    BaseConfiguration.__iter__ = lambda self: iter(_names(type(self)))  # type: ignore[method-assign]
    BaseConfiguration.__len__ = lambda self: len(_names(type(self)))  # type: ignore[method-assign]
    utils.generate_version_hash = _version_hash
    utils.validate_stored_schema = _validate
    LiveSchemaStorage.__getitem__ = _live  # type: ignore[method-assign]
    for reader in (counting, views):
        reader.translate = _translated  # type: ignore[attr-defined]
    for module in (schema, utils):
        module.deepcopy = _copy  # type: ignore[attr-defined]
    testing._get_command = cache(testing._get_command)  # type: ignore[assignment]
    quick = getattr(yaml, "CDumper", yaml.Dumper)  # in Python, the dump of the columns is a tenth of a sync
    extract.yaml = SimpleNamespace(dump=lambda value, **options: yaml.dump(value, Dumper=quick, **options))


def collect_less() -> None:
    """Let the collector of garbage leave out what stays, such as modules and tests, and come less often: it took an
    eighth of the time."""
    with suppress(ImportError):  # not everywhere is Hypothesis
        from hypothesis import given, strategies

        # It looks once for what refers to its random numbers, which it cannot find among what is left out.
        given(strategies.none())(lambda _: None)()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
