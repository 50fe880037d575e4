"""What every kind of source is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from secvault.backup.restic import Cancel
from secvault.clock import Clock
from secvault.config.section import is_name
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret


@dataclass(frozen=True)
class Turn:
    """What a source works with when it is its turn.

    plan, name: of the plan, and of the source in it. folder: private, empty, its own; what is
    written there is saved, and the path is the same in each run. scratch: private, empty, its own;
    never saved, and wiped. password: of the server or bucket, None where none was given.
    environment: secvault's own, of which programs see what they need and no more. kept: the name of
    a private folder that stays from run to run, for what would else be fetched anew each time; it
    may be gone, and what is in it is saved only where the source names it.
    """

    plan: str
    name: str
    folder: Path
    scratch: Path
    clock: Clock
    cancel: Cancel
    environment: Mapping[str, str]
    password: Secret | None = None
    kept: Path | None = None


@dataclass(frozen=True)
class Staged:
    """What of a source is to be saved.

    paths: absolute; the turn's folder where something was written into it, or places outside.
    excludes: for restic, beside the plan's own. facts: what a restore or a drill compares with:
    versions, tables, rows, sums. Never a secret, and no value but sums of columns, which stay in
    the manifest, beside what they are the sums of.
    """

    paths: tuple[Path, ...]
    excludes: tuple[str, ...] = ()
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


class SourceEntry(msgspec.Struct, frozen=True):
    """What the manifest of a snapshot says of one source. paths: absolute, when it was saved.

    Whoever can write into a repository can write a manifest: what leads out of a folder is refused.
    """

    name: str
    kind: str
    paths: tuple[str, ...]
    excludes: tuple[str, ...] = ()
    # JSON; msgspec reads no type that names itself.
    facts: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError("a source has a name that none can have")
        if not self.paths or not all(map(leads_nowhere_else, self.paths)):
            raise ValueError("a path of a source is not absolute, or leads out of its folder")


def leads_nowhere_else(path: str) -> bool:
    """Whether a path that a snapshot names is absolute and stays below each folder in it."""
    return path.startswith("/") and ".." not in path.split("/") and "\0" not in path


OWN_TABLES = frozenset({"data_key", "keys_here"})
"""By which a database is known as that of a secvault. It is saved as such alone (`vault = true`),
its data keys apart: no other backup of it may hold them."""
