"""A scratch disk without room, told from everything else that a machine may refuse."""

from __future__ import annotations

import errno
import os
import sqlite3

from secvault.backup.repository_faults import StorageFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_told_by(error: OSError | sqlite3.Error) -> bool:
    """Whether the error means that no room is left for what was written."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    # The errors of a whole tree come as texts alone.
    return error.errno in _FULL or os.strerror(errno.ENOSPC) in str(error)


def fault(work: str, error: OSError | sqlite3.Error) -> StorageFull:
    """The error that says where room is needed. work: what stopped, for instance "the backup"."""
    where = getattr(error, "filename", None)
    at = f" for {os.fsdecode(where)}" if where else " in secvault's data folder, below `scratch`"
    words = f"{work} stopped: no space is left{at}; make room there and run it again"
    return StorageFull(words.encode("utf-8", "backslashreplace").decode())
