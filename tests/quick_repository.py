"""restic repositories that are made at once, where `restic init` takes three seconds.

The files of a new repository are written here, with a password that costs as little to try as that
of those which secvault makes (`restic_key_file`). All else is the program's own work. What
`restic init` itself does is for tests that ask for no `quick_repositories`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from secvault.backup import bucket, engine
from secvault.backup.repository import LocalFolder, Repository
from secvault.backup.restic import Restic
from secvault.backup.restic_key_file import key_file, sealed
from secvault.crypto.secret import Secret

FOLDERS = ("data", "index", "keys", "locks", "snapshots", "tmp")
# An irreducible polynomial that restic drew once; with one in common, equal files cut alike.
POLYNOMIAL = "3bcb1eb600ae97"
_RESTICS_OWN = Restic.init


@pytest.fixture
def quick_repositories() -> Iterator[None]:
    """Repositories that this process makes during the test have quick passwords."""
    with made_quickly():
        yield


@contextmanager
def made_quickly() -> Iterator[None]:
    """The same, for what outlives a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Restic, "init", _init)
        # Those made here cut equal files alike anyway.
        patch.setattr(engine, "init_like", lambda _command, repository, _like: make(repository))
        patch.setattr(engine, "lighten", lambda *_: True)
        yield


def _init(restic: Restic, repository: Repository) -> None:
    place = repository.place
    if isinstance(place, LocalFolder) and place.path.exists() and any(place.path.iterdir()):
        # Refused, as the program itself refuses it.
        _RESTICS_OWN(restic, repository)
    else:
        make(repository)


def make(repository: Repository) -> None:
    """The files of a new, empty repository, in its folder or its bucket."""
    place = repository.place
    if isinstance(place, LocalFolder):
        for name in FOLDERS:
            (place.path / name).mkdir(parents=True, exist_ok=True)
        for name, content in _files(repository.password).items():
            (place.path / name).write_bytes(content)
        return
    client = bucket.s3_client(repository)
    for name, content in _files(repository.password).items():
        client.put_object(
            Bucket=place.bucket, Key="/".join(filter(None, (place.prefix, name))), Body=content
        )


def _files(password: Secret) -> dict[str, bytes]:
    encrypt, mac, clamped = os.urandom(32), os.urandom(16), os.urandom(16)
    config = {"version": 2, "id": secrets.token_hex(32), "chunker_polynomial": POLYNOMIAL}
    master = {"mac": {"k": _text(mac), "r": _text(clamped)}, "encrypt": _text(encrypt)}
    made = datetime(2026, 1, 1, tzinfo=UTC)
    content = key_file(password, Secret(_json(master)), "test", made, os.urandom)
    return {
        f"keys/{hashlib.sha256(content).hexdigest()}": content,
        "config": sealed(_json(config), encrypt + mac + clamped, os.urandom),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
