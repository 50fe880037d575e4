"""restic's own keys of a repository: each opens it with a password of its own.

All of them wrap the same master key. Whoever had a password and the key file that it opened may
have kept the master key: another password does not take that back.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from secvault.backup import repository_files, restic_faults
from secvault.backup.repository import Repository
from secvault.backup.restic_command import ResticCommand
from secvault.backup.restic_key_file import key_file
from secvault.backup.restic_messages import read_list
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed


class _Listed(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    current: bool = False
    user_name: str = ""
    host_name: str = ""


@dataclass(frozen=True)
class RepositoryKey:
    """A key. id: the first 8 or more of its 64 hexadecimal characters. own: the password's own."""

    id: str
    own: bool
    made_by: str


def keys(
    command: ResticCommand, repository: Repository, options: Sequence[str] = ()
) -> tuple[RepositoryKey, ...]:
    """All keys of the repository; `own` says which one its password opened.

    options: of restic itself.
    """
    answer = command.answer(repository, "listing the keys", "key", "list", options=options)
    found = read_list(answer, _Listed)
    if found is None:
        raise BackupFailed("restic did not list the keys as JSON")
    return tuple(RepositoryKey(one.id, one.current, one.host_name) for one in found)


def own_key(command: ResticCommand, repository: Repository, options: Sequence[str] = ()) -> str:
    """The id of the key that the repository's password opened, as `keys` shows it.

    Raises what `keys` raises, BackupFailed where restic opened it and does not say by which.
    """
    found = next((one.id for one in keys(command, repository, options) if one.own), None)
    if found is None:
        raise BackupFailed(f"restic does not say by which key it opened {repository.location}")
    return found


def add_key(
    command: ResticCommand,
    repository: Repository,
    password: Secret,
    host: str,
    random: aead.Random = os.urandom,
) -> str:
    """Let this password open the repository too; the id of its key, 64 hexadecimal characters.

    password: drawn at random, since it costs next to nothing to try (`key_file`). Whether it opens
    the repository is for the caller to try. Raises Damaged, and what reaching the repository
    raises.
    """
    master = command.answer(
        repository, "reading the master key", "cat", "masterkey", options=("--no-lock",)
    )
    content = key_file(password, Secret(master), host, command.clock.now(), random)
    key_id = hashlib.sha256(content).hexdigest()
    repository_files.put(repository, f"keys/{key_id}", content)
    return key_id


def lighten(
    command: ResticCommand, repository: Repository, host: str, random: aead.Random = os.urandom
) -> None:
    """Put a key that is cheap to open in the place of the one that restic made; see `key_file`.

    For a repository that was just made; its password, which must be a drawn one, stays as it is.
    Where somebody else is at work on the keys, nothing is done; where the storage refuses to
    delete restic's own, both stay. Raises BackupFailed where the new key opens nothing, which is
    removed then, and what reaching the repository raises: it opens by restic's own key still.
    """
    made = repository_files.names(repository, "keys")
    if len(made) != 1:
        return
    light = add_key(command, repository, repository.password, host, random)
    opened = own_key(command, repository, (f"--key-hint={light}",))
    if not light.startswith(opened):
        repository_files.remove(repository, f"keys/{light}")
        raise BackupFailed(
            f"restic does not open {repository.location} by the key that was written for it"
        )
    repository_files.remove(repository, f"keys/{made[0]}")


def remove_key(command: ResticCommand, repository: Repository, key_id: str) -> bool:
    """Remove a key that is not the password's own; False when the storage refuses to delete it.

    A key that is gone already is no error.
    """
    status, _, complaints = command.run(repository, "key", "remove", key_id)
    if status == restic_faults.DONE:
        return True
    if key_id not in {one.id for one in keys(command, repository)}:
        return True
    if not restic_faults.refused_removals(complaints):
        command.fail(status, complaints, "removing a key", repository)
    return False
