"""Where the socket of a scratch server is reached: paths of sockets hold 107 bytes at most."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LINK = "s"
PREFIX = "secvault-drill-"
_LONGEST = 107


@contextmanager
def short(folder: Path, name: str) -> Iterator[tuple[Path, Path | None]]:
    """A path of the folder by which a socket of that name can be reached, and the folder that was
    made for it elsewhere, private, where the path is too long; removed behind the block."""
    if len(str(folder / name).encode()) <= _LONGEST:
        yield folder, None
        return
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    link = made / _LINK
    try:
        link.symlink_to(folder)
        yield link, made
    finally:
        link.unlink(missing_ok=True)
        made.rmdir()


def remove_dangling() -> None:
    """Remove what drills left that were killed before they wrote their folders down: those of ours
    whose link leads nowhere any more."""
    for made in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            link = made / _LINK
            if made.lstat().st_uid == os.geteuid() and link.is_symlink() and not link.exists():
                link.unlink()
                made.rmdir()
