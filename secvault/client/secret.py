"""A value that must not be shown: its text forms are `***`."""

from __future__ import annotations

import hmac
from typing import Any


class Secret:
    """Secret bytes: tokens as ASCII, fresh keys. Compared in constant time, never pickled."""

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("_value",)

    def __init__(self, value: bytes | str) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def expose(self) -> bytes:
        """The bytes themselves. Never log, format or store what this returns."""
        return self._value

    def text(self) -> str:
        """The bytes as UTF-8 text; same care as with `expose`."""
        return self._value.decode()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")
