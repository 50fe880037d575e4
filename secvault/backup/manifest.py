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
from typing import Annotated

import msgspec

from secvault.backup.sources.source import SourceEntry
from secvault.errors import Damaged

FORMAT = "secvault manifest v1"
NAME = "manifest.json"

# Micros, up to the last moment that a date can name.
Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999_999)]


class FileEntry(msgspec.Struct, frozen=True):
    """One regular file: its absolute path when it was backed up, size, time and hash.

    raw_path: base64 of the path's bytes where they are not UTF-8; `path` then only shows it.
    """

    path: str
    size: int
    modified_ns: int
    sha256: str
    raw_path: str | None = None

    def __post_init__(self) -> None:
        place = self.place()
        if not place.is_absolute() or ".." in place.parts or "\0" in str(place):
            raise ValueError("a path is not absolute, or leads out of its folder")

    def place(self) -> Path:
        """The file's path, also where it is not UTF-8."""
        if self.raw_path is None:
            return Path(self.path)
        return Path(os.fsdecode(base64.b64decode(self.raw_path, validate=True)))

    def below(self, folder: Path) -> Path:
        """Where restic puts this file when it restores into `folder`: under its full path."""
        return folder / str(self.place()).lstrip("/")

    def is_below(self, folder: Path) -> bool:
        """Whether it was in this folder when it was backed up."""
        return self.place().is_relative_to(folder)


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot holds. data_at: micros, the moment that the database copy shows.

    database: the dialect of secvault's own database; empty where the plan does not save it.
    keys_apart: whether its data keys lie in a repository of their own; False in older ones.
    """

    format: str
    run: str
    plan: str
    data_at: Moment
    audit_size: int
    database: str
    files: tuple[FileEntry, ...]
    keys_apart: bool = False
    sources: tuple[SourceEntry, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """How a restored tree compares with its manifest.

    changed_meanwhile: files that were written between the manifest and restic's reading; their
    content cannot be judged, and is not counted as damage. left_out: files that the snapshot does
    not hold on purpose.
    """

    checked: int
    bytes: int
    missing: tuple[str, ...]
    different: tuple[str, ...]
    changed_meanwhile: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Nothing is missing and nothing differs."""
        return not self.missing and not self.different

    def without_missing(self, left_out: Callable[[str], bool]) -> Comparison:
        """The same, where files that were left out of the snapshot on purpose do not count."""
        without = {path for path in self.missing if left_out(path)}
        missing = tuple(path for path in self.missing if path not in without)
        return replace(self, missing=missing, left_out=tuple(sorted(without)))


def entries(folders: tuple[Path, ...]) -> Iterator[FileEntry | OSError]:
    """Every regular file below the folders, hashed; what cannot be read as its error.

    Links are not followed. A file that is gone again when its turn comes is left out.
    """
    for folder in folders:
        for path in _regular_files(folder):
            if isinstance(path, OSError):
                yield path
                continue
            try:
                yield _entry(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                # What fails while it is read does not name the file.
                error.filename = error.filename or str(path)
                yield error


def compare(manifest: Manifest, restored: Path, settled: Path) -> Comparison:
    """Hash every file of the manifest below `restored`, where restic put it under its full path.

    settled: the folder, by its path when it was backed up, that nobody else writes to: a file
    there that differs was not written meanwhile.
    """
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
        rewritten = found.st_mtime_ns != entry.modified_ns and not entry.is_below(settled)
        (meanwhile if rewritten else different).append(entry.path)
    return Comparison(checked, total, tuple(missing), tuple(different), tuple(meanwhile))


def write(manifest: Manifest, file: Path) -> None:
    """Write the manifest as JSON, whole and on disk, or not at all."""
    beside = file.with_name(f".{file.name}.new")
    with beside.open("xb") as target:
        target.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        target.flush()
        os.fsync(target.fileno())
    beside.replace(file)


def read(file: Path) -> Manifest:
    """Read a restored manifest. Raises Damaged when it is missing or not one of ours."""
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except OSError:
        raise Damaged(
            "the snapshot holds no manifest; it was not made by a whole backup run"
        ) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Damaged(f"the manifest in the snapshot cannot be read: {error}") from None
    if manifest.format != FORMAT:
        raise Damaged(f"the manifest has the format {manifest.format!r}, not {FORMAT!r}")
    return manifest


def _regular_files(folder: Path) -> Iterator[Path | OSError]:
    if not stat.S_ISDIR(folder.lstat().st_mode):
        yield folder
        return
    unlisted: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=unlisted.append):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            try:
                regular = stat.S_ISREG(path.lstat().st_mode)
            except FileNotFoundError:
                continue
            if regular:
                yield path
    yield from (error for error in unlisted if not isinstance(error, FileNotFoundError))


def _entry(path: Path) -> FileEntry:
    # The time before the content: a write in between shows as a newer time on what restic saved.
    found = path.lstat()
    digest = _sha256(path)
    raw = os.fsencode(path)
    shown = raw.decode("utf-8", "backslashreplace")
    kept = None if shown.encode() == raw else base64.b64encode(raw).decode()
    return FileEntry(shown, found.st_size, found.st_mtime_ns, digest, kept)


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
