"""What the machine refused, as a person reads it."""

from __future__ import annotations

import os
import shutil
import sqlite3


def in_words(error: OSError | sqlite3.Error) -> str:
    """What the machine refused, in one line that any terminal and database takes."""
    words = str(error)
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        # A list of (source, target, why) from a whole tree.
        words = str(error.args[0][0][-1])
    elif isinstance(error, OSError) and error.filename is not None:
        words = f"{os.fsdecode(error.filename)}: {error.strerror}"
    elif isinstance(error, OSError) and error.strerror:
        words = error.strerror
    return storable(words)


def storable(text: str) -> str:
    """The text without what no database takes: names of files that are not UTF-8 hold it."""
    return text.encode("utf-8", "backslashreplace").decode()
