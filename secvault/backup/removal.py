"""Removing a restored tree, whatever is in it, by several threads: most of it is disk work."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_THREADS = 4


def remove_tree(folder: Path) -> None:
    """Remove a folder with all that is in it; nothing behind a link.

    Whoever writes there meanwhile must be of this account. Raises OSError.
    """
    if folder.is_symlink():
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if os.geteuid() == 0:
        # Whoever wrote there may be of an account that may do less. By handles, folders that are
        # swapped for links meanwhile lead nowhere.
        shutil.rmtree(folder)
        return
    try:
        _remove(os.fspath(folder))
    except OSError as error:
        if isinstance(error, PermissionError):
            # Restored folders have the modes that they had; nothing is deleted from 0500.
            _allow_removal(folder)
        # Folder by folder, by their handles: what lies so deep that its path is too long goes, too.
        shutil.rmtree(folder)


def _remove(folder: str) -> None:
    folders = level = [folder]
    with ThreadPoolExecutor(_THREADS, "removing") as pool:
        while level:
            level = [one for below in pool.map(_emptied, level) for one in below]
            folders = folders + level
    for one in reversed(folders):
        os.rmdir(one)  # noqa: PTH106 - one of a million


def _emptied(folder: str) -> list[str]:
    """Remove all but the folders in it, which are told."""
    below = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108 - one of a million
    return below


def _allow_removal(folder: Path) -> None:
    folder.chmod(0o700)
    for place, names, _ in os.walk(folder):
        for name in names:
            inner = Path(place, name)
            if stat.S_ISDIR(inner.lstat().st_mode):
                inner.chmod(0o700)
