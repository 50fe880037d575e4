"""Reading the settings: the file, the variables, and errors that say which of them is wrong."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from secvault.config.keys import (
    OTHER_VARIABLES,
    close_key,
    close_variable,
    general,
    key_of,
    list_keys,
    variable_of,
    without_kind,
)
from secvault.config.model import PREFIX, Settings
from secvault.config.written import is_secret
from secvault.errors import ConfigurationError, FieldError

_PLACE = re.compile(r"\(at (.*)\)$")


def config_file(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the one given, else that of SECVAULT_CONFIG, else none."""
    named = environment.get("SECVAULT_CONFIG")
    return given or (Path(named) if named else None)


def load(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Return the settings of `file` (TOML; None for defaults) and the `SECVAULT_*` variables.

    Raises ConfigurationError that names the file or variable, the key and the mend, for anything
    unknown or wrong. Never shows a value.
    """
    variables = _variables(environment)
    values = _read(file) if file else {}
    try:
        return _build(variables, values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        faults = [_fault(fault["loc"], fault["type"], fault["msg"], environment) for fault in found]
    raise _error(file, faults)


def settings_with_origin(
    settings: Settings, file: Path | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Every setting as (dotted key, value as text with secrets as ***, where it came from)."""
    in_file = dict(_leaves(_read(file))) if file else {}
    for key, value in _leaves(settings.model_dump(mode="python")):
        origin = str(file) if key in in_file else "default"
        if variable_of(key) in environment:
            origin = variable_of(key)
        yield key, _shown(value, secret=is_secret(key, value)), origin


def _build(variables: dict[str, Any], values: dict[str, Any]) -> Settings:
    class FromThese(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_sources: Any, **_more: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            """The first goes before the second, table by table."""
            return (
                InitSettingsSource(settings_cls, variables),
                InitSettingsSource(settings_cls, values),
            )

    return FromThese()


def _variables(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the variables set, as nested tables like the file's."""
    values: dict[str, Any] = {}
    faults = []
    lists = list_keys()
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        key = key_of(variable)
        if key is None:
            faults.append(FieldError(variable, f"no such setting{close_variable(variable)}"))
            continue
        value = _list(text) if general(key) in lists else text
        if value is None:
            faults.append(FieldError(variable, 'write a JSON list, like ["/srv/files"]'))
        table = values
        for part in key[:-1]:
            table = table.setdefault(part, {})
        table[key[-1]] = value
    if faults:
        raise _error(None, faults)
    return values


def _list(text: str) -> list[Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file} is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        # The parser's own words may quote what it found. Not only its own error: a number of
        # thousands of digits and tables a thousand deep end in Python's.
        place = _PLACE.search(str(error))
        where = f" at {place[1]}" if place else ""
        raise ConfigurationError(
            f"{file} is not TOML{where}: look for a missing quote, bracket or ="
        ) from None


def _fault(
    location: tuple[int | str, ...], kind: str, message: str, environment: Mapping[str, str]
) -> FieldError:
    # Pydantic marks a name that is wrong, in a table of names, by a last part of its own.
    location = without_kind(tuple(part for part in location if part != "[key]"))
    parts = tuple(map(str, location))
    key = ".".join(parts)
    # The place in a list is no part of the variable's name.
    variable = variable_of(".".join(part for part in location if isinstance(part, str)))
    mend = message.removeprefix("Value error, ")
    if kind == "extra_forbidden":
        mend = f"no such setting{close_key(parts)}"
    return FieldError(variable if variable in environment else _printable(key), mend)


def _printable(key: str) -> str:
    return key if key.isprintable() else ascii(key)


def _error(file: Path | None, faults: list[FieldError]) -> ConfigurationError:
    lines = []
    for fault in faults:
        of_file = file is not None and not fault.field.startswith(PREFIX)
        where = [str(file)] if of_file else []
        lines.append(": ".join([*where, *filter(None, [fault.field]), fault.detail]))
    return ConfigurationError("; ".join(lines), fields=tuple(faults))


def _leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _shown(value: object, *, secret: bool) -> str:
    """As one would write it in the file, without quotes around a text."""
    if secret:
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        return "***" if given else ""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return json.dumps([str(item) for item in value], ensure_ascii=False)
    return str(value)
