"""Canonical JSON: one value, one sequence of bytes.

RFC 8785 (JCS) restricted to what every language reads back alike: object keys are ASCII, numbers
are integers with magnitude below 2**53, strings hold no lone surrogates, arrays and objects nest
at most `MAX_DEPTH` deep. Within these limits the standard library's encoder with sorted keys and no
spaces writes exactly RFC 8785. Outside it does not, so the rest is refused, never coerced: write
decimals and large numbers as strings. Text is kept as it is, not normalised (RFC 8785, 3.1).
"""

from __future__ import annotations

import json
from typing import TypeAlias

from secvault.errors import Damaged, InvalidInput

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1

JsonValue: TypeAlias = bool | int | str | list["JsonValue"] | dict[str, "JsonValue"] | None

_Fault: TypeAlias = tuple[str, str] | None

_ENCODER = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
)


def canonical_json(value: JsonValue) -> bytes:
    """The UTF-8 bytes of `value` in canonical form.

    Raises InvalidInput, naming the place by JSON pointer and never the value, for a float, an
    integer of 2**53 or more, a key that is not ASCII text, a lone surrogate, nesting deeper than
    `MAX_DEPTH`, or a Python type that JSON does not have.
    """
    fault = _unfit(value, 0)
    if fault is not None:
        raise InvalidInput.at(fault[0] or "value", fault[1])
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        # Not chained: the fault of the codec holds the whole text.
        raise InvalidInput(
            "A string contains a lone surrogate, which is not Unicode text; send valid UTF-8."
        ) from None


def parse_canonical(data: bytes, what: str = "The stored JSON") -> JsonValue:
    """The value whose canonical form is exactly `data`.

    what: names the thing in the error; never a value. Raises Damaged for anything that
    `canonical_json` does not write: other JSON with the same meaning (spaces, key order, escapes,
    duplicate keys, -0), floats, NaN, invalid UTF-8, or no JSON at all.
    """
    try:
        value: JsonValue = json.loads(data.decode())
        canonical = canonical_json(value) == data
    except (ValueError, RecursionError, InvalidInput):
        canonical = False
    if not canonical:
        raise Damaged(f"{what} is not canonical JSON (RFC 8785). Restore it from a backup.")
    return value


def _unfit(value: object, depth: int) -> _Fault:
    """JSON pointer and reason of the first part of `value` that has no canonical form."""
    if value is None or isinstance(value, (str, bool)):
        return None
    if isinstance(value, int):
        if -MAX_INTEGER <= value <= MAX_INTEGER:
            return None
        return "", "integers must be below 2**53; write it as a string"
    if not isinstance(value, (list, dict)):
        return "", _mend(value)
    if depth == MAX_DEPTH:
        return "", f"nested deeper than {MAX_DEPTH} levels; flatten it"
    return _unfit_item(value, depth + 1)


def _unfit_item(container: list[object] | dict[object, object], depth: int) -> _Fault:
    named = container.items() if isinstance(container, dict) else enumerate(container)
    keyed = isinstance(container, dict)
    for name, item in named:
        if keyed and not (isinstance(name, str) and name.isascii()):
            return "", "keys must be ASCII text"
        fault = _unfit(item, depth)
        if fault is not None:
            token = str(name).replace("~", "~0").replace("/", "~1")
            return f"/{token}{fault[0]}", fault[1]
    return None


def _mend(value: object) -> str:
    if isinstance(value, float):
        return "floating point has no single form; write it as a string or an integer"
    return f"{type(value).__name__} has no place in JSON; use null, true, text, integer, list, dict"
