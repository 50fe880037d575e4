"""Sources that are loaded into a server, a file or a bucket: the original, or a declared one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.engine import BackupEngine
from secvault.backup.restic import Cancel
from secvault.backup.restores.order import Order
from secvault.backup.sources import kinds
from secvault.backup.sources.loading import Facts, Loaded, Target, Wish
from secvault.backup.sources.loading import differences as in_databases
from secvault.backup.sources.source import SourceEntry, Turn
from secvault.config.backup_sources import SourceSettings
from secvault.crypto.secret import Secret
from secvault.errors import Damaged


@dataclass(frozen=True)
class Destination:
    """Where a source is loaded. words: for people, without a secret. password: of it, if any."""

    settings: SourceSettings
    words: str
    password: Secret | None = None


def wish_of(order: Order) -> Wish:
    """How what is there already, names, accounts and owners are dealt with."""
    return Wish(
        names=dict(order.names),
        replace=order.existing == "overwrite",
        accounts=order.accounts,
        owners=order.owners,
    )


def look(
    engine: BackupEngine, order: Order, entry: SourceEntry, into: Destination, cancel: Cancel
) -> tuple[Target, ...]:
    """What loading the source would meet. Raises what the kind of source raises."""
    with _turn(engine, order, entry, into, cancel) as turn:
        return kinds.look(entry, into.settings, turn, wish_of(order))


def load(
    engine: BackupEngine,
    order: Order,
    entry: SourceEntry,
    into: Destination,
    restored: Path,
    cancel: Cancel,
) -> Loaded:
    """Load the source from what lies in `restored` under its full paths of then.

    Raises what the kind of source raises; what was there stays until the new is whole.
    """
    with _turn(engine, order, entry, into, cancel) as turn:
        folder = restored.joinpath(*Path(entry.paths[0]).parts[1:])
        require_own(folder, entry.name)
        return kinds.load(entry, folder, into.settings, turn, wish_of(order))


def differences(saved: Facts, found: Facts) -> tuple[str, ...]:
    """In what of its facts the source that was loaded differs from what was saved; a line each."""
    if "databases" in saved:
        return in_databases(saved, found)
    return tuple(
        f"{name}: saved was {saved[name]}, found is {found[name]}"
        for name in sorted(saved.keys() & found.keys())
        if saved[name] != found[name]
    )


def require_own(folder: Path, name: str) -> None:
    """Raise Damaged where anything but folders and files is there: a run stages nothing else, and
    through a link other files of this machine would be loaded.
    """
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    waiting.append(Path(one.path))
                elif not one.is_file(follow_symlinks=False):
                    raise Damaged(f"the snapshot holds a link or a device where {name} was saved")


@contextmanager
def _turn(
    engine: BackupEngine, order: Order, entry: SourceEntry, into: Destination, cancel: Cancel
) -> Iterator[Turn]:
    name = f"load-{order.plan}-{entry.name}"
    scratch, folder = engine.fresh_folder(f"{name}-scratch"), engine.fresh_folder(name)
    try:
        yield Turn(
            plan=order.plan,
            name=entry.name,
            folder=folder,
            scratch=scratch,
            clock=engine.clock,
            cancel=cancel,
            environment=engine.environment,
            password=into.password,
        )
    finally:
        engine.clear(folder)
        engine.clear(scratch)
