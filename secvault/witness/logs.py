"""Which logs a witness co-signs: a small TOML file.

    [[log]]
    vkey = "acme/0b5c.../audit+1f2e3d4c+AZ..."
    origin = "acme/0b5c.../audit"     # where it is not the key's name

A log that has had several keys has one entry for each.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secvault.crypto.note import NoteVerifier
from secvault.errors import ConfigurationError, InvalidInput

Logs = Mapping[str, tuple[NoteVerifier, ...]]
"""The keys of each log, by its origin."""

TEMPLATE = """\
# The logs that this witness co-signs. Take a log's key from whoever runs it in person or by a way
# that nobody in between can change. The witness reads this file when it starts.
#
# [[log]]
# vkey = "acme/0b5c.../audit+1f2e3d4c+AZ..."    # secvault audit keys
"""


def read_logs(file: Path) -> Logs:
    """The logs that the file lists. Raises ConfigurationError, which names the entry at fault."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    entries = document.get("log", [])
    if set(document) - {"log"} or not isinstance(entries, list):
        raise ConfigurationError(f"{file}: write one [[log]] for each log, and nothing else")
    logs: dict[str, tuple[NoteVerifier, ...]] = {}
    for number, entry in enumerate(entries, 1):
        origin, verifier = _entry(f"{file}: log {number}", entry)
        logs[origin] = (*logs.get(origin, ()), verifier)
    return logs


def _entry(place: str, entry: Any) -> tuple[str, NoteVerifier]:
    if not isinstance(entry, dict) or set(entry) - {"vkey", "origin"}:
        raise ConfigurationError(f"{place}: write vkey, and origin where it is another")
    if not all(isinstance(each, str) for each in entry.values()) or "vkey" not in entry:
        raise ConfigurationError(f"{place}: vkey and origin are texts, and vkey must be there")
    try:
        verifier = NoteVerifier.from_vkey(entry["vkey"].strip())
    except InvalidInput as error:
        raise ConfigurationError(f"{place}: {error.detail}") from None
    origin = entry.get("origin", verifier.name)
    if not origin or any(character < " " for character in origin):
        raise ConfigurationError(f"{place}: origin is one line of text, not empty")
    return origin, verifier
