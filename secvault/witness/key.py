"""The witness's own key, in a file that only its owner reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from secvault.crypto.cosignature import WitnessSigner
from secvault.crypto.note import SEED_BYTES
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, InvalidInput

_LONGEST = 1024


def make_key(file: Path, name: str, random: Callable[[int], bytes]) -> WitnessSigner:
    """Write a new key of this name to a file that must not exist.

    random: gives so many bytes that nobody can foretell. Raises InvalidInput for a name that no
    key can have, Conflict when the file is there.
    """
    signer = WitnessSigner(name, Secret(random(SEED_BYTES)))
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as writing:
            writing.write(f"{signer.to_text()}\n")
            writing.flush()
            os.fsync(writing.fileno())
    except FileExistsError:
        raise Conflict(f"{file} is there already; a witness keeps its key") from None
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from None
    return signer


def read_key(file: Path) -> WitnessSigner:
    """The key that `make_key` wrote. Raises ConfigurationError; nothing of the key is shown."""
    try:
        with file.open("rb") as reading:
            others = stat.S_IMODE(os.fstat(reading.fileno()).st_mode) & 0o077
            content = reading.read(_LONGEST)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    if others:
        raise ConfigurationError(f"{file} can be read by others: chmod 600 {file}")
    try:
        return WitnessSigner.from_text(content.decode().removesuffix("\n"))
    except (InvalidInput, UnicodeDecodeError):
        raise ConfigurationError(f"{file} holds no key of a witness") from None
