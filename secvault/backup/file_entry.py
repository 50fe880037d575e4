"""One line of a manifest: a file, folder, link, pipe or device as it was when it was backed up."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec
from blake3 import blake3

_LIKE_BIRTH = stat.S_ISUID | stat.S_ISGID


class FileEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What there was at an absolute path.

    blake3: of the content, in hexadecimal; of regular files only. sha256: the same in lines from
    before version 3 of the manifest. raw_path: base64 of the path's bytes where they are not UTF-8;
    `path` then only shows it. mode: type and permissions as stat(2) has them, None
    in manifests of version 1, which know regular files only. Times: nanoseconds since the epoch;
    changed_ns and inode tell whether the file is still the same one. target: of a link, base64
    in raw_target where it is not UTF-8. device: of a device file. linked: the same for all names of
    one file that has several. attributes: SHA-256 of each extended attribute. allocated: bytes on
    disk where there are holes in it.
    """

    path: str
    size: int
    modified_ns: int
    blake3: str = ""
    sha256: str = ""
    raw_path: str | None = None
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    changed_ns: int = 0
    inode: int = 0
    target: str = ""
    raw_target: str | None = None
    device: int = 0
    linked: str = ""
    attributes: dict[str, str] = {}
    allocated: int | None = None

    def __post_init__(self) -> None:
        # Without a Path, which costs more than all else of a line.
        text = self.text()
        if text[:1] != "/" or "\0" in text or (".." in text and ".." in text.split("/")):
            raise ValueError("a path is not absolute, or leads out of its folder")

    def text(self) -> str:
        """The path, also where it is not UTF-8."""
        return _as_was(self.path, self.raw_path)

    def place(self) -> Path:
        """The same."""
        return Path(self.text())

    def below(self, folder: Path) -> Path:
        """Where restic puts this when it restores into `folder`: under its full path."""
        return folder / self.text().lstrip("/")

    def is_below(self, folder: Path) -> bool:
        """Whether it was in this folder when it was backed up."""
        return self.place().is_relative_to(folder)

    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.mode is None or stat.S_ISREG(self.mode)

    def has_content(self, content: io.BufferedIOBase | io.FileIO) -> bool:
        """Whether a stream has the content of this file. Raises OSError."""
        if self.blake3:
            # Its update returns itself, where the standard library's return nothing.
            found = hashlib.file_digest(content, blake3)  # type: ignore[arg-type]
            return found.hexdigest() == self.blake3
        return hashlib.file_digest(content, "sha256").hexdigest() == self.sha256


def describe(path: str, found: os.stat_result, digest: str) -> FileEntry:
    """The entry of what was found at a path. digest: BLAKE3 of a regular file. Raises OSError."""
    shown, raw = _shown(path)
    target, raw_target = _target(path) if stat.S_ISLNK(found.st_mode) else ("", None)
    regular = stat.S_ISREG(found.st_mode)
    special = stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)
    holes = regular and found.st_blocks * 512 < found.st_size
    return FileEntry(
        path=shown,
        raw_path=raw,
        size=found.st_size if regular else 0,
        modified_ns=found.st_mtime_ns,
        blake3=digest,
        mode=found.st_mode,
        uid=found.st_uid,
        gid=found.st_gid,
        changed_ns=found.st_ctime_ns,
        inode=found.st_ino,
        target=target,
        raw_target=raw_target,
        device=found.st_rdev if special else 0,
        linked=f"{found.st_dev}:{found.st_ino}" if regular and found.st_nlink > 1 else "",
        attributes=extended_attributes(path),
        allocated=found.st_blocks * 512 if holes else None,
    )


class EarlierEntry(msgspec.Struct, frozen=True):
    """As much of an entry as tells whether the path is what it was."""

    path: str
    size: int
    modified_ns: int
    raw_path: str | None = None
    mode: int | None = None
    changed_ns: int = 0
    inode: int = 0

    def text(self) -> str:
        """The path, also where it is not UTF-8."""
        return _as_was(self.path, self.raw_path)

    def is_unchanged(self, found: os.stat_result) -> bool:
        """Whether what is there is what it tells of, as restic itself decides it for files."""
        return (
            self.inode == found.st_ino
            and self.changed_ns == found.st_ctime_ns
            and self.modified_ns == found.st_mtime_ns
            and self.mode == found.st_mode
            and (self.size == found.st_size or not stat.S_ISREG(found.st_mode))
        )


def differences(entry: FileEntry, path: str, found: os.stat_result, *, as_root: bool) -> list[str]:
    """In what the restored path is not as it was, its content apart; in words.

    as_root: whether whoever restored it may give files to others and set all attributes; else
    these are not compared.
    """
    if entry.mode is None:
        return []
    told = []
    link = stat.S_ISLNK(entry.mode)
    kept = 0o7777 if as_root else 0o7777 & ~_LIKE_BIRTH
    # The mode of a link means nothing, and cannot be set.
    if not link and (entry.mode ^ found.st_mode) & kept:
        told.append(f"mode {found.st_mode & 0o7777:04o}, was {entry.mode & 0o7777:04o}")
    if as_root and (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
        told.append(f"owner {found.st_uid}:{found.st_gid}, was {entry.uid}:{entry.gid}")
    if found.st_mtime_ns != entry.modified_ns:
        told.append(f"modified at {found.st_mtime_ns} ns, was {entry.modified_ns}")
    if link:
        target, raw_target = _target(path)
        if (target, raw_target) != (entry.target, entry.raw_target):
            told.append(f"leads to {target}, was {entry.target}")
    if entry.device and entry.device != found.st_rdev:
        told.append(f"device {found.st_rdev}, was {entry.device}")
    attributes = extended_attributes(path)
    for name in sorted(entry.attributes.keys() | attributes.keys()):
        comparable = as_root or name.startswith("user.")
        if comparable and entry.attributes.get(name) != attributes.get(name):
            told.append(f"the attribute {_shown(name)[0]} differs")
    return told


def extended_attributes(path: str) -> dict[str, str]:
    """SHA-256 of each extended attribute by its name; none where there cannot be any."""
    # Also where the file system has none (ENOTSUP), or a link may not be asked.
    with suppress(OSError):
        names = os.listxattr(path, follow_symlinks=False)
        return {
            _shown(name)[0]: _sha256(os.getxattr(path, name, follow_symlinks=False))
            for name in sorted(names)
        }
    return {}


def _sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _target(path: str) -> tuple[str, str | None]:
    return _shown(os.readlink(path))  # noqa: PTH115 - a Path would not keep each of its bytes


def _shown(text: str) -> tuple[str, str | None]:
    """The text as it can be shown, and its bytes in base64 where that is not all of it."""
    raw = os.fsencode(text)
    shown = raw.decode("utf-8", "backslashreplace")
    return shown, None if shown.encode() == raw else base64.b64encode(raw).decode()


def _as_was(shown: str, raw: str | None) -> str:
    return shown if raw is None else os.fsdecode(base64.b64decode(raw, validate=True))
