"""The circumstances of a request, as a test file states them.

Whatever `AccessContext` knows can be stated, by its own name. A moment `<x>_at` can be stated as
`<x>_age`, in seconds before the moment of the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_type_hints

import msgspec

from secvault.access.conditions import MICROS, AccessContext
from secvault.access.policytest.place import Entry, is_moment

_MOMENT, _AGE = "_at", "_age"


def read_facts(entry: Entry, at: int) -> Mapping[str, Any]:
    """What the table states, as arguments of `AccessContext` besides `at`."""
    hints = get_type_hints(AccessContext)
    known = [one.name for one in fields(AccessContext) if one.name != "at"]
    ages = {f"{name.removesuffix(_MOMENT)}{_AGE}": name for name in known if name.endswith(_MOMENT)}
    stated: dict[str, Any] = {}
    for key, value in entry.found.items():
        name = ages.get(key, key)
        if name not in known:
            entry.unknown("facts", key, (*known, *ages))
        if name in stated:
            entry.fault(f"{name} is stated twice")
        if key in ages:
            if isinstance(value, bool) or not isinstance(value, int):
                entry.fault(f"{key} must be whole seconds")
            stated[name] = at - value * MICROS
        elif is_moment(value):
            stated[name] = entry.micros(key, value)
        else:
            stated[name] = _converted(entry, key, value, hints[name])
    return stated


def _converted(entry: Entry, key: str, value: object, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        entry.fault(f"{key}: {error}")
