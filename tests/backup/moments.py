"""What happens between two steps of a run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tests.backup.small_vault import SmallVault


def when_it_saves(vault: SmallVault, act: Callable[[list[str]], object]) -> SmallVault:
    """The same vault, where this happens when all is listed and restic is about to read it.

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
