"""The files that records hold, as they lie sealed beside the database, into a staged copy of it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

CONTENTS = "attachments"
"""Their folder in a staged copy, and in what is restored."""
_UNFINISHED = "*.part"


def stage_contents(folder: Path, target: Path) -> None:
    """Put every whole file of `folder` into `target`; on one file system by second names.

    A file that is removed meanwhile was in use no more, and is left out. Raises OSError.
    """
    shutil.copytree(
        folder,
        target,
        copy_function=_linked,
        ignore=shutil.ignore_patterns(_UNFINISHED),
        symlinks=True,
    )


def _linked(source: str, target: str) -> str:
    with suppress(FileNotFoundError):
        try:
            Path(target).hardlink_to(source)
        except FileNotFoundError:
            raise
        except OSError:
            # Another file system, or one without links.
            shutil.copyfile(source, target)
            Path(target).chmod(0o600)
    return target
