"""The files that records hold, as they lie sealed beside the database, into a staged copy of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CONTENTS = "attachments"
"""Their folder in a staged copy, and in what is restored."""
_UNFINISHED = "*.part"


def stage_contents(folder: Path, target: Path, link: Callable[[str, str], None] = os.link) -> None:
    """Put every whole file of `folder` into `target`; on one file system by second names.

    A file that is removed meanwhile was in use no more, and is left out. link: gives a file a
    second name. Raises OSError.
    """

    def put(source: str, place: str) -> None:
        with suppress(FileNotFoundError):
            try:
                link(source, place)
            except FileNotFoundError:
                raise
            except OSError:
                # Another file system, or one without links.
                shutil.copyfile(source, place)
                Path(place).chmod(0o600)

    ignored = shutil.ignore_patterns(_UNFINISHED)
    shutil.copytree(folder, target, copy_function=put, ignore=ignored, symlinks=True)
