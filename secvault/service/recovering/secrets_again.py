"""Secrets of the settings that no backup holds: asked for again, or left open by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from secvault.crypto.secret import Secret
from secvault.service.recovering import settings_saved
from secvault.service.recovering.rebuilding import RECOVERED
from secvault.service.recovering.under_way import Work


def ask(work: Work, say: Callable[[str], None], secret: Callable[[str], Secret]) -> None:
    """Ask for each secret that was left out; an empty answer leaves it open.

    What is given goes into the settings' file, which only its owner can read.
    """
    adapted = work.adapted
    if adapted is None:
        return
    for words in adapted.changed:
        say(f"changed: {words}")
    for file in adapted.missing:
        work.record.leave_open(f"a file that the settings name is not on this machine: {file}")
    open_ones = []
    if adapted.left_out:
        say("\nSecrets are in no backup. Give each again, or press Enter to leave it out for now.")
    for key in adapted.left_out:
        given = secret(key)
        if given.expose():
            _put(adapted.values, key.split("."), given.text())
        else:
            open_ones.append(key)
            work.record.leave_open(f"a secret that is to be set again: {key}")
    work.adapted = replace(adapted, left_out=tuple(open_ones))
    settings_saved.write(work.adapted, work.place, RECOVERED)


def _put(values: dict[str, Any], parts: list[str], text: str) -> None:
    table = values
    for part in parts[:-1]:
        table = table.setdefault(part, {})
    table[parts[-1]] = text
