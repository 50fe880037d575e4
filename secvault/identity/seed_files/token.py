"""One token out of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity.totp import Shape

MOST_TOKENS = 10_000
LARGEST_FILE = 8 * 1024 * 1024

_SERIAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?")


@dataclass(frozen=True)
class FromFile:
    """A token's serial number, as on its back, its seed, and what it computes."""

    serial: str
    seed: Secret
    shape: Shape


def serial_of(text: str | None, where: str) -> str:
    """The serial number: 1 to 64 letters, digits and `-._`. Raises InvalidInput at `where`."""
    found = (text or "").strip()
    if not _SERIAL.fullmatch(found):
        raise InvalidInput.at(where, "has no serial number of letters, digits and - . _")
    return found


def each_once(tokens: Iterable[FromFile]) -> tuple[FromFile, ...]:
    """These tokens. Raises InvalidInput when there is none, too many, or one of them twice."""
    found: dict[str, FromFile] = {}
    for token in tokens:
        if token.serial in found:
            raise InvalidInput.at("file", f"holds the token {token.serial} twice")
        found[token.serial] = token
        if len(found) > MOST_TOKENS:
            raise InvalidInput.at("file", f"holds more than {MOST_TOKENS} tokens; split it")
    if not found:
        raise InvalidInput.at("file", "holds no token")
    return tuple(found.values())
