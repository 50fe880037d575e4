"""What a collection's schema says, as data: kept for each version, compared, told in words.

Titles, and the words of a legal reason, are no part of it: they may be mended at any time. What a
file may leave out is left out here too, so that a later program describes an old schema alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from typing import TypeAlias

from secvault.crypto.canonical import JsonValue
from secvault.records.collection import Collection, Field, Sensitivity
from secvault.records.value import Limits

Description: TypeAlias = dict[str, JsonValue]
"""The keys of a collection in its file, without titles; the `fields` by name."""

_NO_LIMITS = Limits()


def described(collection: Collection) -> Description:
    """The schema of a collection. It fits canonical JSON."""
    retention = collection.retention
    return _said_only(
        {
            "person": collection.person_field,
            "team": collection.team_field,
            "subject": collection.subject_field,
            "release": None if collection.release is None else str(collection.release),
            "retention": None
            if retention is None
            else {
                "years": retention.years,
                "months": retention.months,
                "from": retention.from_field,
            },
            "fields": {field.name: _field(field) for field in collection.fields.values()},
        }
    )


def differences(old: Description, new: Description) -> Iterator[tuple[str, str]]:
    """Each thing that differs: the field that it is about, empty for the whole, and in words."""
    for key in sorted({*old, *new} - {"fields"}):
        if old.get(key) != new.get(key):
            yield "", f"{key} {_in_words(old.get(key))}, then {_in_words(new.get(key))}"
    was, will = fields_of(old), fields_of(new)
    for name in sorted({*was, *will}):
        if name not in will:
            yield name, "removed"
        elif name not in was:
            yield name, f"added, {will[name]['type']} of class {will[name]['class']}"
        elif was[name] != will[name]:
            yield name, "; ".join(_changes(was[name], will[name]))


def kept_alike(old: Description, new: Description) -> bool:
    """Whether a record that the old schema wrote is stored as the new one would write it.

    That is: the same fields sealed, found by the same indexes, under the key of the same subject.
    Fields that only one of them has do not matter: no record holds a value there.
    """
    was, will = fields_of(old), fields_of(new)
    return old.get("subject") == new.get("subject") and all(
        _kept(field) == _kept(will[name]) for name, field in was.items() if name in will
    )


def closed_by(old: Description, new: Description) -> tuple[str, ...]:
    """The fields that were stored in clear and are sensitive now."""
    was, will = fields_of(old), fields_of(new)
    return tuple(
        name for name in was if name in will and _clear(was[name]) and not _clear(will[name])
    )


def fields_of(schema: Description) -> Mapping[str, Description]:
    """The fields of a schema by name."""
    found = schema.get("fields")
    return (
        {name: one for name, one in found.items() if isinstance(one, dict)}
        if isinstance(found, dict)
        else {}
    )


def _field(field: Field) -> Description:
    limits = {
        one.name: _plain(getattr(field.limits, one.name))
        for one in fields(Limits)
        if getattr(field.limits, one.name) != getattr(_NO_LIMITS, one.name)
    }
    return {
        "type": str(field.type),
        "class": str(field.sensitivity),
        "mask": None if field.mask is None else str(field.mask),
        "required": field.required,
        "retired": field.retired,
        **limits,
        "index": None if field.index is None else asdict(field.index),
        "deidentify": None
        if field.deidentify is None
        else {**asdict(field.deidentify), "how": str(field.deidentify.how)},
    }


def _plain(limit: object) -> JsonValue:
    if isinstance(limit, Decimal):
        return format(limit, "f")
    if isinstance(limit, tuple):
        return [str(each) for each in limit]
    assert isinstance(limit, bool | int | str)  # noqa: S101 - narrows; `Limits` has no other
    return limit


def _said_only(value: Description) -> Description:
    """The same without what says nothing: null, false, empty."""
    left = {key: _said_only(one) if isinstance(one, dict) else one for key, one in value.items()}
    return {key: one for key, one in left.items() if not _says_nothing(one)}


def _says_nothing(value: JsonValue) -> bool:
    # A number always says something, 0 too.
    return value is None or value is False or value in ("", [], {})


def _kept(field: Description) -> tuple[bool, JsonValue]:
    found = None if _clear(field) or field.get("retired") else field.get("index")
    return _clear(field), found


def _clear(field: Description) -> bool:
    return field.get("class") == Sensitivity.NORMAL


def _changes(old: Description, new: Description) -> Iterator[str]:
    for key in sorted({*old, *new}):
        was, will = old.get(key), new.get(key)
        if was == will:
            continue
        if key == "retired":
            yield "retired" if will else "in use again"
        else:
            yield f"{key} {_in_words(was)}, then {_in_words(will)}"


def _in_words(value: JsonValue) -> str:
    if value is None:
        return "none"
    if value is True:
        return "yes"
    if isinstance(value, dict):
        return " ".join(
            f"{key} ({_in_words(one)})" if isinstance(one, dict) else f"{key} {_in_words(one)}"
            for key, one in value.items()
        )
    if isinstance(value, list):
        return " | ".join(_in_words(one) for one in value)
    return str(value)
