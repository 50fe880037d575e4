"""The manifest of the snapshot that is probably drilled, fetched while restic lists them all.

Each call of restic opens the repository and reads its index anew, and most of them keep one
processor busy; these two need not wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.engine import BackupEngine
from secvault.backup.repository import Repository
from secvault.backup.restic_process import Cancel, UntilFailed
from secvault.backup.restores.parts import manifest_in
from secvault.errors import SecvaultError


@dataclass(frozen=True)
class Probable:
    """A snapshot by its id, and the folder in it that holds the manifest."""

    snapshot: str
    place: Path


@dataclass(frozen=True)
class Early:
    """What is being fetched into the folder; probable is None where nothing is."""

    engine: BackupEngine
    folder: Path
    probable: Probable | None = None
    begun: Future[Path] | None = None

    def taken(self, wanted: Probable) -> Path | None:
        """Where the manifest lies, if it is the one of this snapshot and came whole.

        None: nothing of it is left, and it is to be fetched. Raises BackupFailed.
        """
        if self.begun is None:
            return None
        try:
            found = self.begun.result()
        except (SecvaultError, OSError):
            # Whoever fetches it again is told.
            found = None
        if found is not None and wanted == self.probable:
            return found
        self.engine.clear(self.folder)
        return None


@contextmanager
def fetching(
    engine: BackupEngine,
    repository: Repository,
    probable: Probable | None,
    folder: Path,
    cancel: Cancel,
) -> Iterator[Early]:
    """Fetch it while the block runs; it is given up where that fails."""
    if probable is None:
        yield Early(engine, folder)
        return
    failed = threading.Event()
    with ThreadPoolExecutor(1, "drill-manifest") as pool:
        begun = pool.submit(
            manifest_in,
            engine,
            repository,
            probable.snapshot,
            probable.place,
            folder,
            UntilFailed(cancel, failed),
        )
        try:
            yield Early(engine, folder, probable, begun)
        except BaseException:
            failed.set()
            raise
