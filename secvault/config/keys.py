"""The names of the settings: dotted keys of the file, and the variables that override them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel

from secvault.config.audit import AuditSettings
from secvault.config.backup import BackupSettings
from secvault.config.conditions import ConditionSettings
from secvault.config.model import PREFIX, IdentitySettings, Settings
from secvault.config.notifications import NotificationSettings
from secvault.config.reviews import ReviewSettings

# Variables with the prefix that are no settings: where to look, who asks, and the unattended
# answers of `secvault init`.
OTHER_VARIABLES = frozenset(
    {
        "SECVAULT_CONFIG",
        "SECVAULT_TOKEN",
        "SECVAULT_ADMIN_NAME",
        "SECVAULT_ADMIN_PASSWORD",
        "SECVAULT_ADMIN_TOTP_SEED",
    }
)

ANY_NAME = "<name>"
_NESTED = ("sources", "hooks")
"""The tables in one of a plan whose keys are names that the user chooses, too."""


def named_tables() -> dict[str, type[BaseModel]]:
    """Tables whose keys are names that the user chooses, with the model of one entry."""
    return {
        f"{table}.{name}": get_args(field.annotation)[1]
        for table, model in (
            ("audit", AuditSettings),
            ("backup", BackupSettings),
            ("conditions", ConditionSettings),
            ("identity", IdentitySettings),
            ("notifications", NotificationSettings),
            ("reviews", ReviewSettings),
        )
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is dict
    }


def setting_keys() -> tuple[str, ...]:
    """The dotted keys of all settings, named tables as `backup.plans.<name>.schedule`."""
    return tuple(key for key, _ in _keys(Settings))


def list_keys() -> frozenset[str]:
    """Those of `setting_keys` that hold a list."""
    return frozenset(key for key, annotation in _keys(Settings) if _is_list(annotation))


def variable_of(key: str) -> str:
    """The variable that sets `key`: SECVAULT_SERVER__PORT for server.port."""
    return PREFIX + key.replace(".", "__").upper()


def key_of(variable: str) -> tuple[str, ...] | None:
    """The parts of the key that a variable sets; None when there is no such setting."""
    parts = tuple(variable.removeprefix(PREFIX).lower().split("__"))
    known = variable == variable_of(".".join(parts)) and general(parts) in setting_keys()
    return parts if known else None


def general(parts: tuple[str, ...]) -> str:
    """The dotted key with `<name>` where the user chose a name, as in `setting_keys`."""
    if ".".join(parts[:2]) in named_tables() and len(parts) > 2:
        parts = (*parts[:2], ANY_NAME, *parts[3:])
    if _in_plan(parts) in _NESTED and len(parts) > 4:
        parts = (*parts[:4], ANY_NAME, *parts[5:])
    if _in_plan(parts) == "drill" and parts[4:5] == ("assertions",) and len(parts) > 5:
        parts = (*parts[:5], ANY_NAME, *parts[6:])
    return ".".join(parts)


def without_kind(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Where a fault is, by the keys of the file: pydantic puts in which kind of source it tried."""
    if location[:2] == ("backup", "restore_into"):
        return location[:3] + location[4:]
    return location[:5] + location[6:] if _in_plan(location) == "sources" else location


def _in_plan(parts: tuple[int | str, ...]) -> int | str | None:
    return parts[3] if parts[:2] == ("backup", "plans") and len(parts) > 3 else None


def close_variable(variable: str) -> str:
    """What the person may have meant, as the end of a sentence."""
    known = [variable_of(key) for key in setting_keys() if ANY_NAME not in key]
    # Without the prefix, which makes any two of them alike.
    ends = [name.removeprefix(PREFIX) for name in (*known, *OTHER_VARIABLES)]
    close = difflib.get_close_matches(variable.removeprefix(PREFIX).upper(), ends, 1)
    return f"; did you mean {PREFIX}{close[0]}?" if close else "; see config.example.toml"


def close_key(parts: tuple[str, ...]) -> str:
    """The same for a key of the file, among its neighbours in the table."""
    table = general(parts).split(".")[:-1]
    known = [key.split(".") for key in setting_keys()]
    neighbours = {key[len(table)] for key in known if key[: len(table)] == table != key}
    close = difflib.get_close_matches(parts[-1], sorted(neighbours), 1)
    return f"; did you mean {close[0]}?" if close else "; see config.example.toml"


def _is_list(annotation: object) -> bool:
    """Whether it is a list, also where it may be left out."""
    if get_origin(annotation) is tuple:
        return True
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return any(_is_list(part) for part in get_args(annotation))
    return False


def _models(annotation: object) -> tuple[type[BaseModel], ...]:
    """What an entry of a named table may be: one model, or one of several by its kind."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(model for part in get_args(annotation) for model in _models(part))


def _keys(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        key, annotation = f"{before}{name}", field.annotation
        if get_origin(annotation) is dict:
            # One key for all kinds of entries that have it.
            yield from dict(
                inner
                for entry in _models(get_args(annotation)[1])
                for inner in _keys(entry, f"{key}.{ANY_NAME}.")
            ).items()
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _keys(annotation, f"{key}.")
        else:
            yield key, annotation
