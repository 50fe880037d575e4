"""A sealer over a furnished vault, in this process, and what stands at its socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secvault.clock import system_clock
from secvault.config import Settings
from secvault.keyring.root import reseal, unseal
from secvault.keyring.seals import FileSeal, Seal
from secvault.keyring.seals.seal import wrapped_by
from secvault.service.sealing import place
from secvault.service.sealing.client import SealerClient
from secvault.service.sealing.sealer import Sealer
from secvault.store import open_store


@dataclass
class Told:
    """What the sealer logged."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, event: str, **more: Any) -> None:
        self.lines.append(f"{event} {more}")


@contextmanager
def sealer_over(settings: Settings, told: Told) -> Iterator[tuple[Sealer, SealerClient]]:
    """A sealer that serves, and the one who asks it."""
    store = open_store(settings.store_url)
    sealer = Sealer(settings, store, system_clock(), told)
    try:
        sealer.start()
        yield sealer, SealerClient(settings.data_folder)
    finally:
        sealer.close()
        store.close()


def put_under(settings: Settings, seal: Seal) -> None:
    """Put the vault, which is under its file, under another seal."""
    store = open_store(settings.store_url)
    with store.write() as connection:
        root = unseal(connection, FileSeal(settings.seal_key_file))
        reseal(connection, root, wrapped_by(seal, root.key, root.vault_id))
    store.close()


def raw(folder: Path) -> socket.socket:
    """A bare connection to the sealer."""
    made = place.connect(folder, 5.0)
    assert made is not None
    return made
