"""Where files of the log are put outside of its store, once and for good.

A place holds files by name. What is there is never replaced by something else, except the newest
checkpoint, which readers of transparency logs look for under one name. `FolderPlace` is a folder;
`bucket_place.BucketPlace` a bucket of S3 that locks what is put into it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secvault.errors import Damaged, Unavailable


@dataclass(frozen=True)
class Placed:
    """A file as the place has it. version: the place's own id of it; empty where it has none.

    mode: COMPLIANCE or GOVERNANCE when it is locked, else empty. retain_until: microseconds UTC
    until when nobody can remove it, 0 for never locked. Both as read back, not as asked for.
    """

    version: str = ""
    mode: str = ""
    retain_until: int = 0


class Place(Protocol):
    """Holds files by name: relative, with slashes."""

    @property
    def locks(self) -> bool:
        """Whether what is put there is to be locked."""

    def check(self) -> None:
        """Return when the place is as it must be, before anything is put there.

        Raises Conflict for a bucket that cannot lock, Unavailable.
        """

    def put_once(self, name: str, content: bytes, retain_until: int) -> Placed:
        """Put a file there, unless exactly it is there; what the place says of it then.

        retain_until: microseconds UTC. Raises Damaged when something else is there, Unavailable.
        """

    def put_newest(self, name: str, content: bytes, retain_until: int) -> Placed:
        """Put a file there in place of an older one of the name. Raises Unavailable."""

    def get(self, name: str) -> bytes | None:
        """The file as it was first put there, None when it is not there. Raises Unavailable."""

    def get_newest(self, name: str) -> bytes | None:
        """The file as it was last put there, None when it is not there. Raises Unavailable."""

    def names(self, folder: str) -> Iterator[str]:
        """The names of all files below `folder`, in no order. Raises Unavailable."""

    def last_beyond(self, folder: str, name: str) -> bytes | None:
        """A file below `folder` whose name comes after `name`, the last of those looked at.

        Also one that somebody hid. None when there is none. Raises Unavailable.
        """


@dataclass(frozen=True)
class FolderPlace:
    """A folder of this machine, or of one that is mounted here. It locks nothing."""

    path: Path

    @property
    def locks(self) -> bool:
        """See `Place`."""
        return False

    def check(self) -> None:
        """See `Place`."""
        if not self.path.is_dir():
            raise Unavailable(
                f"the folder {self.path} is not there; make it, or mount what it should be on"
            )

    def put_once(self, name: str, content: bytes, retain_until: int) -> Placed:  # noqa: ARG002
        """See `Place`."""
        file = self.path / name
        try:
            beside = self._written(file, content)
            try:
                os.link(beside, file)
            except FileExistsError:
                if file.read_bytes() != content:
                    raise Damaged(f"{file} holds something else than the log does") from None
            finally:
                beside.unlink()
            _sync(file.parent)
        except OSError as error:
            raise _unusable(file, error) from error
        return Placed()

    def put_newest(self, name: str, content: bytes, retain_until: int) -> Placed:  # noqa: ARG002
        """See `Place`."""
        file = self.path / name
        try:
            self._written(file, content).replace(file)
            _sync(file.parent)
        except OSError as error:
            raise _unusable(file, error) from error
        return Placed()

    def get(self, name: str) -> bytes | None:
        """See `Place`."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path / name, error) from error

    def get_newest(self, name: str) -> bytes | None:
        """See `Place`."""
        return self.get(name)

    def names(self, folder: str) -> Iterator[str]:
        """See `Place`."""
        self.check()
        for file in (self.path / folder).rglob("[!.]*"):
            if file.is_file():
                yield str(file.relative_to(self.path))

    def last_beyond(self, folder: str, name: str) -> bytes | None:
        """See `Place`. It is the very last one."""
        # A mount that is away holds nothing, which is not to say that nothing was published.
        self.check()
        root = self.path / folder
        try:
            last = _last_file(root) if root.is_dir() else None
            if last is None or str(last.relative_to(self.path)) <= name:
                return None
            return last.read_bytes()
        except OSError as error:
            raise _unusable(root, error) from error

    def _written(self, file: Path, content: bytes) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.{os.getpid()}.part")
        with beside.open("wb") as writing:
            writing.write(content)
            writing.flush()
            os.fsync(writing.fileno())
        beside.chmod(0o444)
        return beside


def _last_file(folder: Path) -> Path | None:
    for name in sorted((each.name for each in os.scandir(folder)), reverse=True):
        if name.startswith("."):
            continue
        at = folder / name
        found = _last_file(at) if at.is_dir() else at
        if found is not None:
            return found
    return None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(file: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{file} cannot be used: {error.strerror}")
