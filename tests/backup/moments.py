"""What happens between two steps of a run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import fields, replace
from typing import Any

from secvault.backup.restic import BackupSummary, Restic
from tests.backup.small_vault import SmallVault


def when_it_saves(vault: SmallVault, act: Callable[[], object]) -> SmallVault:
    """The same vault, where this happens when all is listed and restic is about to read it."""

    class Acting(Restic):
        def backup(
            self, *given: Any, awaited: Future[Sequence[str]] | None = None, **named: Any
        ) -> BackupSummary:
            return super().backup(*given, awaited=_before(awaited, act), **named)

    restic = vault.engine.restic
    acting = Acting(**{one.name: getattr(restic, one.name) for one in fields(restic)})
    return replace(vault, engine=replace(vault.engine, restic=acting))


def when_it_starts(vault: SmallVault, act: Callable[[list[str]], object]) -> SmallVault:
    """The same vault, where this happens when restic is started to save, while all is listed.

    act: gets restic's arguments, and may change them.
    """
    command = vault.engine.restic.command

    def launch(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        words = list(argv)
        if "backup" in words and "--tag=secvault" in words:
            act(words)
        return command.launch(words, **how)

    restic = replace(vault.engine.restic, command=replace(command, launch=launch))
    return replace(vault, engine=replace(vault.engine, restic=restic))


def _before(
    awaited: Future[Sequence[str]] | None, act: Callable[[], object]
) -> Future[Sequence[str]] | None:
    if awaited is None:
        return None
    after: Future[Sequence[str]] = Future()

    def pass_on(done: Future[Sequence[str]]) -> None:
        try:
            found = done.result()
            act()
            after.set_result(found)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            after.set_exception(error)

    awaited.add_done_callback(pass_on)
    return after
