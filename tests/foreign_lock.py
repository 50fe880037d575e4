"""A lock in a restic repository as a restic on another machine leaves it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from secvault.backup.repository import LocalFolder, Repository
from secvault.backup.restic_key_file import sealed

PID, USER = 4242, "backup"


def put(repository: Repository, *, host: str, since: datetime, exclusive: bool = False) -> Path:
    """Write the lock of a process on `host` into a repository that lies in a folder; its file."""
    assert isinstance(repository.place, LocalFolder)
    folder = repository.place.path
    lock = {
        "time": since.isoformat(),
        "exclusive": exclusive,
        "hostname": host,
        "username": USER,
        "pid": PID,
    }
    key = _master_key(folder, repository.password.expose())
    content = sealed(json.dumps(lock).encode(), key, os.urandom)
    file = folder / "locks" / hashlib.sha256(content).hexdigest()
    file.write_bytes(content)
    return file


def _master_key(folder: Path, password: bytes) -> bytes:
    """The repository's own key: 32 bytes to encrypt, then 32 to authenticate."""
    (file,) = (folder / "keys").iterdir()
    key: dict[str, Any] = json.loads(file.read_bytes())
    salt, data = base64.b64decode(key["salt"]), base64.b64decode(key["data"])
    opener = hashlib.scrypt(password, salt=salt, n=key["N"], r=key["r"], p=key["p"], dklen=64)
    decryptor = Cipher(algorithms.AES(opener[:32]), modes.CTR(data[:16])).decryptor()
    master = json.loads(decryptor.update(data[16:-16]) + decryptor.finalize())
    parts = (master["encrypt"], master["mac"]["k"], master["mac"]["r"])
    return b"".join(map(base64.b64decode, parts))
