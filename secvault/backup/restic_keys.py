"""restic's own keys of a repository: each opens it with a password of its own.

All of them wrap the same master key. Whoever had a password and the key file that it opened may
have kept the master key: another password does not take that back.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from secvault.backup import restic_faults
from secvault.backup.repository import Repository
from secvault.backup.restic_command import ResticCommand
from secvault.backup.restic_messages import read_list
from secvault.backup.restic_process import SECOND_PASSWORD_FILE
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


def keys(command: ResticCommand, repository: Repository) -> tuple[RepositoryKey, ...]:
    """All keys of the repository; `own` says which one its password opened."""
    answer = command.answer(repository, "listing the keys", "key", "list")
    found = read_list(answer, _Listed)
    if found is None:
        raise BackupFailed("restic did not list the keys as JSON")
    return tuple(RepositoryKey(one.id, one.current, one.host_name) for one in found)


def add_key(command: ResticCommand, repository: Repository, password: Secret) -> None:
    """Let this password open the repository too."""
    act = ("key", "add", f"--new-password-file={SECOND_PASSWORD_FILE}")
    status, _, complaints = command.run(repository, *act, other=password)
    if status != restic_faults.DONE:
        command.fail(status, complaints, "adding a key", repository)


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
