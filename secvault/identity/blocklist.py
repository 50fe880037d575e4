"""Passwords that became known in breaches, from a file that the operator keeps.

The file has one password a line, in UTF-8, such as the lists of SecLists or of national security
agencies. Nothing of a password that is looked up leaves this machine.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Container
from pathlib import Path

from secvault.errors import ConfigurationError
from secvault.identity.guessable import folded

LARGEST_FILE = 32 * 1024 * 1024
SHORTEST_LINE = 12
"""Shorter lines are left out: no password is as short."""

# What is left of a line of signs would be part of everything.
_SHORTEST_FOLDED = 8
_SETTING = "identity.password_blocklist"


class Blocklist(Container[str]):
    """The passwords of a file. It is read when the first password is looked up, and kept."""

    def __init__(self, file: Path) -> None:
        """Raises ConfigurationError when the file cannot be read or is too large."""
        self._file = file
        self._known: frozenset[str] | None = None
        self._reading = threading.Lock()
        try:
            with file.open("rb"):
                size = file.stat().st_size
        except OSError as error:
            raise ConfigurationError(
                f"{_SETTING}: {file} cannot be read: {error.strerror}"
            ) from None
        if size > LARGEST_FILE:
            raise ConfigurationError(
                f"{_SETTING}: {file} is larger than 32 MiB; keep its most common lines of "
                f"{SHORTEST_LINE} characters and more"
            )

    def __contains__(self, password: object) -> bool:
        """Whether the file has this password; case, spaces, signs and marks do not count.

        Raises ConfigurationError when the file cannot be read any more: nothing is let through.
        """
        with self._reading:
            if self._known is None:
                self._known = _read(self._file)
        return not self._known.isdisjoint(_forms(str(password)))


def _read(file: Path) -> frozenset[str]:
    try:
        content = file.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{_SETTING}: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{_SETTING}: {file} is not UTF-8 text") from None
    given = (line.rstrip("\r") for line in content.split("\n"))
    lines = [line for line in given if len(line) >= SHORTEST_LINE]
    if not lines:
        raise ConfigurationError(f"{_SETTING}: {file} has no line of {SHORTEST_LINE} characters")
    return frozenset(form for line in lines for form in _forms(line))


def _forms(text: str) -> set[str]:
    plain = unicodedata.normalize("NFC", text).casefold()
    short = folded(text)
    return {plain, short} if len(short) >= _SHORTEST_FOLDED else {plain}
