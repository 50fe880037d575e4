"""restic repositories whose password costs nothing to try.

restic chooses scrypt's cost when it makes a repository, so that each command spends half a second
on the password, and making one three. The cost stands in the key's file: here the files that
`restic init` writes are written with the smallest that restic accepts. All else is the program's
own work. What `restic init` itself does is for tests that ask for no `quick_repositories`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from secvault.backup import bucket, engine, rotation
from secvault.backup.repository import LocalFolder, Repository
from secvault.backup.restic import Restic
from secvault.backup.restic_command import ResticCommand
from secvault.crypto.secret import Secret

FOLDERS = ("data", "index", "keys", "locks", "snapshots", "tmp")
# An irreducible polynomial that restic drew once; with one in common, equal files cut alike.
POLYNOMIAL = "3bcb1eb600ae97"
_RESTICS_OWN = Restic.init
COST = {"N": 2, "r": 1, "p": 1}


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
        patch.setattr(rotation, "add_key", add_key)
        yield


def _init(restic: Restic, repository: Repository) -> str:
    place = repository.place
    if isinstance(place, LocalFolder) and place.path.exists() and any(place.path.iterdir()):
        # Refused, as the program itself refuses it.
        return _RESTICS_OWN(restic, repository)
    make(repository)
    return restic.identity(repository)


def make(repository: Repository) -> None:
    """The files of a new, empty repository, in its folder or its bucket."""
    place = repository.place
    if isinstance(place, LocalFolder):
        for name in FOLDERS:
            (place.path / name).mkdir(parents=True, exist_ok=True)
        for name, content in _files(repository.password.expose()).items():
            (place.path / name).write_bytes(content)
        return
    client = bucket.s3_client(repository)
    for name, content in _files(repository.password.expose()).items():
        client.put_object(
            Bucket=place.bucket, Key="/".join(filter(None, (place.prefix, name))), Body=content
        )


def add_key(_command: ResticCommand, repository: Repository, password: Secret) -> None:
    """A further key for this password, in the folder of a repository that was made here."""
    place = repository.place
    assert isinstance(place, LocalFolder)
    for file in (place.path / "keys").iterdir():
        key = json.loads(file.read_bytes())
        opener = _opener(repository.password.expose(), base64.b64decode(key["salt"]))
        sealed = base64.b64decode(key["data"])
        if sealed == _sealed_by(opener, sealed[:16], _plain(opener, sealed)):
            content = _key_file(password.expose(), _plain(opener, sealed))
            name = hashlib.sha256(content).hexdigest()
            (place.path / "keys" / name).write_bytes(content)
            return
    raise AssertionError("the password opens none of the keys")


def _files(password: bytes) -> dict[str, bytes]:
    encrypt, mac, clamped = os.urandom(32), os.urandom(16), os.urandom(16)
    config = {"version": 2, "id": secrets.token_hex(32), "chunker_polynomial": POLYNOMIAL}
    master = {"mac": {"k": _text(mac), "r": _text(clamped)}, "encrypt": _text(encrypt)}
    content = _key_file(password, _json(master))
    return {
        f"keys/{hashlib.sha256(content).hexdigest()}": content,
        "config": encrypted(encrypt + mac + clamped, _json(config)),
    }


def _key_file(password: bytes, master: bytes) -> bytes:
    salt = os.urandom(64)
    key = {
        "created": "2026-01-01T00:00:00Z",
        "username": "test",
        "hostname": "test",
        "kdf": "scrypt",
        **COST,
        "salt": _text(salt),
        "data": _text(encrypted(_opener(password, salt), master)),
    }
    return _json(key)


def _opener(password: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=COST["N"], r=COST["r"], p=COST["p"], dklen=64)


def encrypted(key: bytes, plain: bytes) -> bytes:
    """As restic encrypts with a key of 64 bytes: AES-256 in counter mode, then Poly1305-AES."""
    return _sealed_by(key, os.urandom(16), plain)


def _plain(key: bytes, sealed: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key[:32]), modes.CTR(sealed[:16])).decryptor()
    return decryptor.update(sealed[16:-16]) + decryptor.finalize()


def _sealed_by(key: bytes, nonce: bytes, plain: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key[:32]), modes.CTR(nonce)).encryptor()
    ciphertext = encryptor.update(plain) + encryptor.finalize()
    mask = Cipher(algorithms.AES(key[32:48]), modes.ECB()).encryptor()
    tag = Poly1305.generate_tag(key[48:64] + mask.update(nonce), ciphertext)
    return nonce + ciphertext + tag


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
