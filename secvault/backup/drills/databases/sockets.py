"""Where the socket of a scratch server is reached: paths of sockets hold 107 bytes at most."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    link = made / "s"
    try:
        link.symlink_to(folder)
        yield link, made
    finally:
        link.unlink(missing_ok=True)
        made.rmdir()
