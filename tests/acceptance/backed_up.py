"""A vault with a backup, and what must hold whatever went wrong afterwards."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from secvault.backup import run
from secvault.backup.claims import SILENT_AFTER_SECONDS
from secvault.backup.repository import KEYS
from secvault.backup.restic_arguments import may_have_locks
from secvault.backup.run import Run
from secvault.config import RepositorySettings
from secvault.errors import SecvaultError
from tests.backup.small_vault import PLAN, Repositories, SmallVault, small_vault

PATIENCE_SECONDS = 120.0
# How long restic may try to open what does not answer: half a minute in the product.
SHORT_PATIENCE = 1.0


@dataclass
class BackedUp:
    """A small vault after its first backup. content: what the file `changing` had then, and since.

    Each run gets another id, and something new to save.
    """

    vault: SmallVault
    settings: RepositorySettings
    runs: int = 0
    content: list[bytes] = field(default_factory=list)

    def on(self, **changed: Any) -> BackedUp:
        """The same vault with other settings of its repository."""
        settings = self.settings.model_copy(update=changed)
        return replace(self, vault=_on(self.vault, settings), settings=settings)

    def change(self) -> None:
        """Write something that the next run has to save."""
        self.content.append(os.urandom(1 << 20))
        (self.vault.documents / "changing").write_bytes(self.content[-1])

    def back_up(self) -> Run:
        """Change something and back up. Raises what the run raises."""
        self.change()
        self.runs += 1
        return self.vault.back_up(f"run-{self.runs}")[0]

    def fail(self) -> SecvaultError:
        """The same, for a run that does not succeed: its error, which stands on its row too."""
        with pytest.raises(SecvaultError) as caught:
            self.back_up()
        row = self.row()
        assert row.state == "failed"
        assert row.finished_at is not None
        assert row.error == caught.value.detail[:1000]
        assert self.vault.left_in_scratch() == []
        return caught.value

    def row(self) -> Run:
        """The last run as it is stored."""
        return run.read_run(self.vault.engine, f"run-{self.runs}")

    def snapshots(self) -> set[str]:
        """The ids of the plan's snapshots."""
        return {one.id for one in self.vault.snapshots()}

    def heals(self, earlier: set[str], *, restored: Path | None = None) -> Run:
        """The next run is done, and every earlier snapshot is there, whole, as it was.

        earlier: of which retention keeps all. restored: where to restore the newest to, if at all.
        """
        engine = self.vault.engine
        # One whose process was killed is given up by then.
        self.vault.hands.seconds += SILENT_AFTER_SECONDS + 1
        done = self.back_up()
        assert done.state == "done"
        assert done.snapshot is not None
        assert earlier | {done.snapshot} <= self.snapshots()
        assert engine.restic.check(engine.repository("local"), read_all=True)
        for name in ("local", f"local{KEYS}"):
            repository = engine.repository(name)
            assert not may_have_locks(repository) or engine.restic.locks(repository) == ()
        assert self.vault.left_in_scratch() == []
        if restored is not None:
            self.comes_back(done.snapshot, restored, self.content[-1])
        return done

    def comes_back(self, snapshot_id: str, target: Path, content: bytes) -> None:
        """The snapshot restores whole, every file by its hash, and has this content."""
        engine = self.vault.engine
        saved = run.snapshot(engine, PLAN, snapshot_id)
        engine.restic.restore(
            engine.repository("local"), saved.id, target, verify=True, on_progress=_unseen
        )
        assert run.compare_restored(engine, PLAN, saved, target).whole
        documents = target / self.vault.documents.relative_to("/")
        assert (documents / "changing").read_bytes() == content


@contextmanager
def backed_up(
    folder: Path,
    *,
    store_url: str = "",
    repository: Mapping[str, Any] | None = None,
    model: Path | None = None,
) -> Iterator[BackedUp]:
    """A vault that has one backup, in a repository with these settings.

    model: the folder of such a vault, closed, of which this one becomes a copy.
    """
    if model is not None:
        shutil.copytree(model, folder, symlinks=True, dirs_exist_ok=True)
    with small_vault(folder, store_url) as vault:
        settings = RepositorySettings(**repository or {"location": f"{folder}/repository"})
        made = BackedUp(_on(patient(vault), settings), settings)
        if model is None:
            made.back_up()
        else:
            made.runs, made.content = 1, [(vault.documents / "changing").read_bytes()]
            for name in ("local", f"local{KEYS}"):
                # As its own: it lies where the copy is.
                made.vault.engine.ready_repository(name)
        yield made


def fill(documents: Path, mebibytes: int) -> None:
    """Write so much more to be saved."""
    for number in range(mebibytes):
        (documents / f"{number}.bin").write_bytes(os.urandom(1 << 20))


def patient(vault: SmallVault) -> SmallVault:
    """The same vault; it keeps all its snapshots and gives up soon where nobody answers."""
    planned = vault.planned(keep_last=1000)
    restic = planned.engine.restic
    restic = replace(restic, command=replace(restic.command, patience=SHORT_PATIENCE))
    return replace(planned, engine=replace(planned.engine, restic=restic))


def _on(vault: SmallVault, settings: RepositorySettings) -> SmallVault:
    said = Repositories(vault.folder, {"local": settings})
    repositories = replace(vault.engine.repositories, declared=said.declared)
    engine = replace(vault.engine, repositories=repositories)
    return replace(vault, engine=engine, repositories=said)


def back_up_here(folder: str, run_id: str, seconds: float) -> None:
    """Back up in this process, at this time; for one that is killed meanwhile."""
    with small_vault(Path(folder)) as vault:
        vault.hands.seconds = seconds
        patient(vault).back_up(run_id)


def wait_until_gone(folder: Path) -> None:
    """Return when no restic works for a vault in this folder any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := [*_named(folder)]:
        assert time.monotonic() < deadline, f"{left} outlive the process that started them"
        time.sleep(0.01)


def _named(folder: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "comm").read_text().strip() not in {"restic", "setpriv", "pg_dump"}:
                continue
            words = (process / "cmdline").read_bytes()
            # One that is dead and not yet taken away has none, and restic takes it for alive.
            if not words or str(folder).encode() in words:
                yield int(process.name)


def _unseen(_progress: object) -> None:
    """Nobody watches."""
