"""A lost host is rehearsed without the root key, or what opens it, on any disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secvault.keyring import FileSeal
from secvault.service.drill_scenes import host_lost


def test_the_key_of_the_rehearsed_seal_lies_in_memory_and_is_gone_behind_it() -> None:
    with host_lost._key_in_memory(os.urandom) as place:
        assert place is not None
        assert place.parent == Path("/dev/shm")
        FileSeal(place).create()
        assert place.stat().st_mode & 0o077 == 0
    assert not place.exists()


def test_where_the_machine_has_no_such_place_it_lies_in_the_scratch_space(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host_lost, "_MEMORY", tmp_path / "none")
    with host_lost._key_in_memory(os.urandom) as place:
        assert place is None
