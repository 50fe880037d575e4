"""A vault on each engine, a clock that stands, and randomness that can be written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.keyring import FileSeal, Keyring
from secvault.keyring.root import create_root
from secvault.store import Store

NOW = 1_793_700_000_000_000


@pytest.fixture
def clock() -> Clock:
    return Clock(wall=lambda: NOW, monotonic=lambda: 0.0, sleep=lambda _: None)


@pytest.fixture
def counting() -> Callable[[], Random]:
    """Sources that give 00 01 02 ... on and on, so that results can be pinned."""

    def source() -> Random:
        given = 0

        def draw(count: int) -> bytes:
            nonlocal given
            drawn = bytes((given + at) % 256 for at in range(count))
            given += count
            return drawn

        return draw

    return source


@pytest.fixture
def seal(tmp_path: Path) -> FileSeal:
    made = FileSeal(tmp_path / "keys" / "vault.key")
    made.create()
    return made


@pytest.fixture
def keyring(any_store: Store, clock: Clock, seal: FileSeal) -> Keyring:
    """An open keyring with the mount `transit`, on each engine."""
    with any_store.write() as connection:
        root = create_root(connection, seal, clock, seal.random)
        made = Keyring(any_store, clock, root)
        made.add_mount(connection, "transit", "transit", "it")
    return made
