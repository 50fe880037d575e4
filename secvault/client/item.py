"""One item of a batch, and its result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from secvault.client.errors import ClientError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ToEncrypt:
    """A plaintext; text stands for its UTF-8 bytes.

    associated_data: what must be given again to decrypt, such as the place of the value. context:
    of a derived key. key_version: 0 for the latest.
    """

    plaintext: bytes | str = field(repr=False)
    associated_data: bytes | str = field(default=b"", repr=False)
    context: bytes | str = field(default=b"", repr=False)
    key_version: int = 0


@dataclass(frozen=True, slots=True)
class ToDecrypt:
    """A ciphertext as `encrypt` made it. key_version: of a rewrap, 0 for the latest."""

    ciphertext: str = field(repr=False)
    associated_data: bytes | str = field(default=b"", repr=False)
    context: bytes | str = field(default=b"", repr=False)
    key_version: int = 0


@dataclass(frozen=True, slots=True)
class ToVerify:
    """An input with its signature or its HMAC, `vault:v<version>:<base64>`."""

    input: bytes | str = field(repr=False)
    signature: str = field(default="", repr=False)
    hmac: str = field(default="", repr=False)
    context: bytes | str = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Done(Generic[T_co]):
    """The item succeeded."""

    value: T_co = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The item failed, others may have succeeded."""

    error: ClientError


Result = Done[T] | Failed
"""What became of one item: `match` on it, or call `value_of`."""


def value_of(result: Done[T] | Failed) -> T:
    """The value. Raises the item's error."""
    if isinstance(result, Failed):
        raise result.error
    return result.value


def values_of(results: Iterable[Done[T] | Failed]) -> list[T]:
    """All values. Raises the error of the first item that failed."""
    return [value_of(result) for result in results]
