"""What the tests of crypto share: keys, places, and randomness that can be written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret

# A machine shared by several test runs makes any single example slow now and then.
settings.register_profile("crypto", settings(), deadline=None)
settings.load_profile("crypto")


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """The published vectors in `vectors/<name>.json`; each file states its source and license."""
    folder = Path(__file__).parent / "vectors"
    return lambda name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def counting() -> Random:
    """Gives 00 01 02 ... on and on: not random at all, so that results can be pinned."""
    given = 0

    def draw(count: int) -> bytes:
        nonlocal given
        drawn = bytes((given + at) % 256 for at in range(count))
        given += count
        return drawn

    return draw


@pytest.fixture(scope="session")
def giving() -> Callable[[bytes], Random]:
    """Gives the beginning of these bytes each time, to seal under a published nonce."""
    return lambda given: lambda count: given[:count]


@pytest.fixture(scope="session")
def key() -> Secret:
    return Secret(bytes(range(100, 132)))


@pytest.fixture(scope="session")
def other_key() -> Secret:
    return Secret(bytes(range(32)))


@pytest.fixture(scope="session")
def every_bit_flip() -> Callable[[bytes], list[bytes]]:
    """All the ways to change one bit."""

    def flips(data: bytes) -> list[bytes]:
        number = int.from_bytes(data, "big")
        return [(number ^ 1 << bit).to_bytes(len(data), "big") for bit in range(8 * len(data))]

    return flips
