"""The folder that everything comes back into, and what lies where in it."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.removal import remove_tree
from secvault.errors import BackupFailed, Conflict, InvalidInput

NEEDED_FREE = 64 * 1024 * 1024
"""Bytes below which no recovery is begun."""


@dataclass(frozen=True)
class Place:
    """One folder of this machine. folder: absolute; private (mode 0700).

    It becomes the installation itself: `secvault --config FOLDER/secvault.toml serve`. key: the
    file that opens its seal, where it is not to lie in the folder.
    """

    folder: Path
    key: Path | None = None

    @property
    def settings(self) -> Path:
        """The settings' file of the recovered service."""
        return self.folder / "secvault.toml"

    @property
    def data(self) -> Path:
        """Its data folder. The key of its seal lies beside it, as `data.key`."""
        return self.folder / "data"

    @property
    def seal_key(self) -> Path:
        """The file that opens its seal."""
        return self.key or self.data.with_name(f"{self.data.name}.key")

    @property
    def policies(self) -> Path:
        """The policies' files, as the backup had them."""
        return self.folder / "policies"

    @property
    def secrets(self) -> Path:
        """Files with one secret each, which the settings name."""
        return self.folder / "secrets"

    @property
    def scratch(self) -> Path:
        """What restic restores into and works with; gone when the recovery is done."""
        return self.folder / "recovering"

    @property
    def services(self) -> Path:
        """The files of the other services, a folder for each plan."""
        return self.folder / "services"

    @property
    def incident(self) -> Path:
        """Who has done what, and when; see `incident`."""
        return self.folder / "incident.jsonl"

    @property
    def outside(self) -> Path:
        """What a rehearsal has in place of the repositories: folders that are its own."""
        return self.folder / "rehearsal-repositories"


def begin(place: Place) -> None:
    """Make the folder, or take one that is empty. Raises Conflict, InvalidInput, BackupFailed."""
    _require_absolute(place.folder)
    try:
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(place.folder.iterdir()):
            raise Conflict(
                f"{place.folder} is not empty; a recovery begins in an empty folder, so that "
                "nothing of before is taken for what came back"
            )
    except (FileExistsError, NotADirectoryError):
        raise InvalidInput.at("folder", f"{place.folder} is not a folder") from None
    except OSError as error:
        raise BackupFailed(f"{place.folder} cannot be used: {error.strerror}") from None
    _require_own(place.folder)


def go_on(place: Place) -> None:
    """Take a folder in which a recovery was begun. Raises InvalidInput, BackupFailed."""
    _require_absolute(place.folder)
    if not place.incident.is_file():
        raise InvalidInput.at("folder", f"{place.folder} holds no recovery that was begun")
    _require_own(place.folder)


def fresh(folder: Path) -> Path:
    """An empty private folder at this path. Raises BackupFailed."""
    remove(folder)
    try:
        folder.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise BackupFailed(f"{folder} cannot be made: {error.strerror}") from None
    return folder


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, whatever modes came back with it.

    Raises BackupFailed.
    """
    if not os.path.lexists(folder):
        return
    try:
        remove_tree(folder)
    except OSError as error:
        raise BackupFailed(
            f"{folder} cannot be removed: {error.strerror}; remove it by hand, it holds what was "
            "restored"
        ) from None


def remove_all_but(place: Place, kept: Path) -> None:
    """Remove what came back, but one folder or file of it. Raises BackupFailed."""
    for one in sorted(place.folder.iterdir()):
        if one == kept:
            continue
        if one.is_dir() and not one.is_symlink():
            remove(one)
        else:
            one.unlink()


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read: whole and on disk, or not at all.

    Raises BackupFailed.
    """
    beside = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        beside.replace(file)
    except OSError as error:
        raise BackupFailed(f"{file} cannot be written: {error.strerror}") from None


def require_room(place: Place, needed: int) -> None:
    """Return when so many bytes are free. Raises BackupFailed, saying how many are missing."""
    try:
        free = shutil.disk_usage(place.folder).free
    except OSError as error:
        raise BackupFailed(f"{place.folder} cannot be measured: {error.strerror}") from None
    wanted = max(needed, NEEDED_FREE)
    if free < wanted:
        raise BackupFailed(
            f"{place.folder} has {free >> 20} MiB free, and the recovery needs about "
            f"{wanted >> 20} MiB; free some, or name a folder on a larger disk"
        )


def _require_absolute(folder: Path) -> None:
    if not folder.is_absolute() or ".." in folder.parts:
        raise InvalidInput.at("folder", "name it by its absolute path, without `..`")


def _require_own(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise InvalidInput.at("folder", f"{folder} belongs to somebody else")
    if stat.S_IMODE(found.st_mode) & 0o077:
        # A root key will lie in it.
        folder.chmod(0o700)
