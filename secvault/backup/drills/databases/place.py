"""What a scratch server is started with, and what each kind of them gives."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secvault.backup.restic_process import Cancel
from secvault.backup.sources import child
from secvault.backup.sources.loading import Facts
from secvault.backup.sources.source import Turn
from secvault.clock import Clock
from secvault.crypto.secret import Secret


@dataclass(frozen=True)
class Place:
    """folder: private, empty, ours; a server of that name is made in it and removed by whoever made
    the folder. environment: secvault's own, of which programs see what they need. plan: for errors.
    """

    folder: Path
    clock: Clock
    cancel: Cancel
    environment: Mapping[str, str]
    plan: str = ""
    gentle: bool = True

    def turn(self, name: str, password: Secret | None) -> Turn:
        """A turn of a source that works with the scratch server."""
        own = self.folder / f"turn-{secrets.token_hex(8)}"
        for part in ("folder", "scratch"):
            (own / part).mkdir(mode=0o700, parents=True)
        return Turn(
            plan=self.plan,
            name=name,
            folder=own / "folder",
            scratch=own / "scratch",
            clock=self.clock,
            cancel=self.cancel,
            # Nothing that would lead a client to another server.
            environment=child.environment_of(self.environment),
            password=password,
        )


class ScratchServer(Protocol):
    """A server, or for SQLite a folder, that one source's databases are loaded into.

    Names are those that the databases were saved by.
    """

    def load(self, saved: Path, name: str) -> None:
        """Load one database from the source's folder in the restored tree.

        Raises what `kinds.load` raises; ServerMissing for what the server here lacks.
        """
        ...

    def measure(self, name: str) -> Facts:
        """The facts of a loaded database, as `kinds.load` tells them, with sums and digests."""
        ...

    def drop(self, name: str) -> None:
        """Drop a loaded database, so that it can be loaded again."""
        ...

    def ask(self, name: str, sql: str, seconds: int) -> str:
        """The first column of the first row that one statement gives; nothing is written.

        Raises BackupFailed where it is refused or gives no row, OutOfTime, Cancelled.
        """
        ...

    def environment(self, name: str) -> Mapping[str, str]:
        """What leads a client program to a loaded database, to read."""
        ...


def password() -> Secret:
    """A new password for an account on a scratch server."""
    return Secret.of(secrets.token_urlsafe(24))
