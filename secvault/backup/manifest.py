"""The manifest of a backup: SHA-256 of every file as it was read, made before restic saw it.

A drill compares what came back with it, so the proof does not rest on restic's word alone.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from secvault.errors import Damaged

FORMAT = "secvault manifest v1"
NAME = "manifest.json"


class FileEntry(msgspec.Struct, frozen=True):
    """One regular file: its absolute path when it was backed up, size, time and hash.

    raw_path: base64 of the path's bytes where they are not UTF-8; `path` then only shows it.
    """

    path: str
    size: int
    modified_ns: int
    sha256: str
    raw_path: str | None = None

    def below(self, folder: Path) -> Path:
        """Where restic puts this file when it restores into `folder`: under its full path."""
        path = os.fsdecode(base64.b64decode(self.raw_path)) if self.raw_path else self.path
        return folder / path.lstrip("/")


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot holds. data_at: micros, the moment that the database copy shows."""

    format: str
    run: str
    plan: str
    data_at: int
    audit_size: int
    database: str
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class Comparison:
    """How a restored tree compares with its manifest.

    changed_meanwhile: files that were written between the manifest and restic's reading; their
    content cannot be judged, and is not counted as damage.
    """

    checked: int
    bytes: int
    missing: tuple[str, ...]
    different: tuple[str, ...]
    changed_meanwhile: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Nothing is missing and nothing differs."""
        return not self.missing and not self.different

    def without_missing(self, left_out: Callable[[str], bool]) -> Comparison:
        """The same, where files that were left out of the snapshot on purpose do not count."""
        missing = tuple(path for path in self.missing if not left_out(path))
        return replace(self, missing=missing)


def entries(folders: tuple[Path, ...]) -> Iterator[FileEntry | OSError]:
    """Every regular file below the folders, hashed; an unreadable one as its error."""
    for folder in folders:
        for path in _regular_files(folder):
            try:
                yield _entry(path)
            except OSError as error:
                yield error


def compare(manifest: Manifest, restored: Path) -> Comparison:
    """Hash every file of the manifest below `restored`, where restic put it under its full path."""
    missing: list[str] = []
    different: list[str] = []
    meanwhile: list[str] = []
    checked = total = 0
    for entry in manifest.files:
        path = entry.below(restored)
        try:
            found = path.lstat()
        except OSError:
            missing.append(entry.path)
            continue
        if not stat.S_ISREG(found.st_mode):
            different.append(entry.path)
            continue
        digest = _sha256(path)
        checked += 1
        total += found.st_size
        if digest == entry.sha256:
            continue
        rewritten = found.st_mtime_ns != entry.modified_ns
        (meanwhile if rewritten else different).append(entry.path)
    return Comparison(checked, total, tuple(missing), tuple(different), tuple(meanwhile))


def write(manifest: Manifest, file: Path) -> None:
    """Write the manifest as JSON."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def read(file: Path) -> Manifest:
    """Read a restored manifest. Raises Damaged when it is missing or not one of ours."""
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except OSError:
        raise Damaged(
            "the snapshot holds no manifest; it was not made by a whole backup run"
        ) from None
    except msgspec.DecodeError as error:
        raise Damaged(f"the manifest in the snapshot cannot be read: {error}") from None
    if manifest.format != FORMAT:
        raise Damaged(f"the manifest has the format {manifest.format!r}, not {FORMAT!r}")
    return manifest


def _regular_files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def _entry(path: Path) -> FileEntry:
    # The time before the content: a write in between shows as a newer time on what restic saved.
    found = path.stat()
    digest = _sha256(path)
    raw = os.fsencode(path)
    shown = raw.decode("utf-8", "backslashreplace")
    kept = None if shown.encode() == raw else base64.b64encode(raw).decode()
    return FileEntry(shown, found.st_size, found.st_mtime_ns, digest, kept)


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
