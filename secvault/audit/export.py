"""The log as a folder of files that any reader of transparency logs understands (tlog-tiles).

What a smaller export left is kept and completed: full tiles never change. The checkpoint is written
last, so that a folder whose export was cut off still holds what its old checkpoint says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Connection

from secvault.audit.checkpoints import StoredCheckpoint, stored_bodies
from secvault.audit.nodes import hashes
from secvault.crypto.checkpoint import Checkpoint, verify_by_name
from secvault.crypto.note import NoteVerifier
from secvault.crypto.tiles import CHECKPOINT, WIDTH, Tile, bundle, tiles_of
from secvault.errors import Damaged, InvalidInput
from secvault.store.engine import Store

Progress = Callable[[int], None]
"""Told how many entries have been written so far."""


def tile_bytes(connection: Connection, tile: Tile) -> bytes:
    """What the tile holds; the log must have come so far. Raises Damaged if events are missing."""
    start = tile.n * WIDTH
    if tile.level is None:
        bodies = list(stored_bodies(connection, start, start + tile.width))
    else:
        bodies = hashes(connection, tile.level, start, start + tile.width)
    if len(bodies) != tile.width:
        raise Damaged(f"the log has not all that {tile.path} holds; verify the log")
    return bundle(bodies) if tile.level is None else b"".join(bodies)


def export(
    store: Store,
    signed: StoredCheckpoint,
    folder: Path,
    verifiers: Sequence[NoteVerifier],
    *,
    progress: Progress = lambda _: None,
) -> int:
    """Write all that the checkpoint covers below `folder`; how many files were written.

    folder: new, empty, or an earlier export of the same log. verifiers: its keys. Raises
    InvalidInput when it holds something else or cannot be written, Damaged.
    """
    there = _earlier(folder, verifiers)
    if there is not None and there.size > signed.size:
        raise InvalidInput.at("folder", f"holds a later export, of {there.size} events")
    written = 0
    for tile in tiles_of(signed.size, beyond=there.size if there else 0):
        with store.read() as connection:
            content = tile_bytes(connection, tile)
        _put(folder / tile.path, content)
        written += 1
        if tile.level is None:
            progress(tile.n * WIDTH + tile.width)
    _put(folder / CHECKPOINT, signed.note)
    return written + 1


def _earlier(folder: Path, verifiers: Sequence[NoteVerifier]) -> Checkpoint | None:
    try:
        if (folder / CHECKPOINT).is_file():
            return verify_by_name((folder / CHECKPOINT).read_bytes(), verifiers)
        if folder.exists() and any(each.name != "tile" for each in folder.iterdir()):
            raise InvalidInput.at("folder", f"{folder} holds other things; name a new folder")
    except OSError as error:
        raise _unwritable(folder, error) from error
    except Damaged as error:
        raise InvalidInput.at("folder", f"{folder} is of another log: {error.detail}") from error
    return None


def _put(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f"{file.name}.part")
        with beside.open("wb") as writing:
            writing.write(content)
            writing.flush()
            os.fsync(writing.fileno())
        beside.replace(file)
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput.at("folder", f"{path} cannot be written: {error.strerror}")
