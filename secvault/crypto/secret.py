"""A value that must not be shown: its text forms are `***`."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Secret:
    """Secret bytes (keys, tokens, passwords as UTF-8).

    `expose()` is the only way to the bytes, so that every place that uses a secret can be found
    by its name. Comparison takes constant time. Cannot be pickled or copied into JSON.
    """

    _value: bytes = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Secret:
        """The secret made of the UTF-8 bytes of `text`."""
        return cls(text.encode())

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

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")
