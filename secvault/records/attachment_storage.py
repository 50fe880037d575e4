"""Where the sealed contents of attachments lie: what a folder and a bucket both promise.

A content has a name of its own that is never used again, comes in once, and does not change. It is
there whole or not at all. Names are random, so they say nothing; what lies there opens only with a
key from the database.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Protocol

from secvault.errors import Damaged

NAME = re.compile(r"[0-9a-f]{32}")
"""What names a content: 128 random bits in hexadecimal."""

Pieces = Generator[bytes, None, None]
"""Bytes in pieces of any size; closing it ends the reading."""


class Upload(Protocol):
    """A content on its way in. One of `finish` and `abandon` ends it."""

    def write(self, sealed: bytes) -> None:
        """More of it. Raises Unavailable."""

    def finish(self) -> None:
        """Make it durable under its name. Raises Unavailable; then it may be there or not."""

    def abandon(self) -> None:
        """Remove what there is of it. What cannot be removed now is left for `remove`."""


class Storage(Protocol):
    """Contents by name. Everything raises Unavailable when the place cannot be reached."""

    def begin(self, name: str) -> Upload:
        """Take in a content."""

    def size(self, name: str) -> int | None:
        """How many bytes it has; None when it is not there."""

    def read(self, name: str, start: int, stop: int) -> Pieces:
        """Its bytes from `start` to before `stop`.

        Raises Damaged when it is not there. It may end early when it is shorter.
        """

    def remove(self, name: str) -> None:
        """Remove it, and what an upload of it has left; nothing there is no error."""

    def names(self) -> Iterator[str]:
        """What lies there, whole or in part, in no order; a name may come twice."""


def place_within(name: str) -> str:
    """Where a content lies, below the folder or the prefix: `<first two of the name>/<name>`.

    Raises Damaged for what is no name: whoever writes into the database shall not have the service
    read or remove other files.
    """
    if not NAME.fullmatch(name):
        raise Damaged("the database names a content of an attachment that cannot be one")
    return f"{name[:2]}/{name}"


def gone(name: str) -> str:
    """What is said of a content that is not there."""
    return f"the content of the attachment {name} is gone; restore it from a backup"
