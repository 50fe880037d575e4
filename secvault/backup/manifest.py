"""The manifest of a backup: what was at every path as it was read, made before restic saw it.

A drill compares what came back with it, so the proof does not rest on restic's word alone. Its head
is `NAME`; the lines of `ENTRIES` beside it are in the order of the paths, so that neither writing
nor reading them takes more memory for a million files than for one. Manifests of version 1 have
their files in the head, those of version 2 know files by their SHA-256; both are read as ever.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Annotated

import msgspec

from secvault.backup.file_entry import FileEntry, differences
from secvault.backup.reading_ahead import Seen, seen_below
from secvault.backup.sources.source import SourceEntry
from secvault.errors import Damaged

__all__ = ["Comparison", "FileEntry", "Manifest", "compare", "entries", "read", "write"]

FORMAT = "secvault manifest v3"
FIRST_FORMAT = "secvault manifest v1"
FORMATS = {FORMAT, "secvault manifest v2", FIRST_FORMAT}
NAME = "manifest.json"
ENTRIES = "manifest-entries.jsonl"

# Micros, up to the last moment that a date can name.
Moment = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999_999)]
_DECODER = msgspec.json.Decoder(FileEntry)


class Listed(msgspec.Struct, frozen=True):
    """The lines of `ENTRIES`: how many, their SHA-256 together, and the bytes of all files."""

    entries: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a snapshot holds. data_at: micros, the moment that the database copy shows.

    database: the dialect of secvault's own database; empty where the plan does not save it.
    keys_apart: whether its data keys lie in a repository of their own; False in older ones.
    first_files: of version 1; `entries` has those of both. listed: None while the files are not
    listed yet. left_out: absolute paths that a source's rules left out, as patterns.
    """

    format: str
    run: str
    plan: str
    data_at: Moment
    audit_size: int
    database: str
    first_files: tuple[FileEntry, ...] = msgspec.field(default=(), name="files")
    keys_apart: bool = False
    sources: tuple[SourceEntry, ...] = ()
    listed: Listed | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Absent:
    """Something of the manifest that did not come back, and the folder that it lay in."""

    path: str
    folder: str
    folder_modified_ns: int | None


@dataclass(frozen=True)
class Altered:
    """Something that came back with its content and not with all else: what, in words."""

    entry: FileEntry
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.entry.path} ({'; '.join(self.words)})"


@dataclass(frozen=True)
class Comparison:
    """How a restored tree compares with its manifest.

    checked: regular files; entries: they, and folders, links, pipes and devices. different: other
    content, or something else in its place. altered: other modes, owners, times, links, attributes.
    changed_meanwhile: what was written between the manifest and restic's reading; it cannot be
    judged, and is not counted as damage. left_out: files that the snapshot does not hold on
    purpose. filled: files that had holes, which are zeros on disk now. owners: whether owners were
    compared, which only root can restore. unreadable: there, and not to be read.
    """

    checked: int
    bytes: int
    missing: tuple[str, ...]
    different: tuple[str, ...]
    changed_meanwhile: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    entries: int = 0
    altered: tuple[Altered, ...] = ()
    absent: tuple[Absent, ...] = ()
    filled: int = 0
    owners: bool = True
    unreadable: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Nothing is missing, nothing differs, and all could be read."""
        return not (self.missing or self.different or self.altered or self.unreadable)

    @property
    def first_fault(self) -> str:
        """The first thing that is not as it was, in words; empty when all is."""
        faults = (*self.missing, *self.different, *self.unreadable, *map(str, self.altered))
        return next(iter(faults), "")

    def without_missing(self, left_out: Callable[[str], bool]) -> Comparison:
        """The same, where files that were left out of the snapshot on purpose do not count."""
        without = {path for path in self.missing if left_out(path)}
        missing = tuple(path for path in self.missing if path not in without)
        return replace(self, missing=missing, left_out=tuple(sorted(without)))


def entries(manifest: Manifest, folder: Path) -> Iterator[FileEntry]:
    """What the manifest in this folder lists, in the order of the paths.

    Raises Damaged, at the latest behind the last one, when they are not those that were written.
    """
    if manifest.format == FIRST_FORMAT:
        yield from manifest.first_files
        return
    if manifest.listed is None:
        raise Damaged("the manifest lists no files; it was not made by a whole backup run")
    digest, count = hashlib.sha256(), 0
    try:
        with _opened(folder / ENTRIES) as source:
            for line in source:
                digest.update(line)
                count += 1
                yield _DECODER.decode(line)
    except OSError as error:
        raise Damaged(f"the files of the manifest cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Damaged(f"the files of the manifest cannot be read: {error}") from None
    if (count, digest.hexdigest()) != (manifest.listed.entries, manifest.listed.sha256):
        raise Damaged("the files of the manifest are not those that it was written with")


def compare(listed: Iterable[FileEntry], restored: Path, settled: Path) -> Comparison:
    """Compare what lies below `restored`, where restic put it under its full path, with a manifest.

    settled: the folder, by its path when it was backed up, that nobody else writes to: a file
    there that differs was not written meanwhile. Raises Damaged.
    """
    work = _Comparing(settled, as_root=os.geteuid() == 0)
    for seen in seen_below(restored, listed):
        work.look(seen)
    return work.result()


def in_folders(compared: Comparison, listed: Iterable[FileEntry]) -> Comparison:
    """A comparison of single files, where what is absent has its folders from the whole list.

    They are absent with it as far as they are not there: nobody has looked.
    """
    lost = {one.path: one for one in compared.absent}
    above = {folder for path in lost for folder in _folders_above(path)}
    times = {
        entry.path: entry.modified_ns
        for entry in listed
        if entry.path in above and entry.mode is not None and stat.S_ISDIR(entry.mode)
    }
    found = []
    for path in sorted({*times, *lost}):
        folder = next((one for one in _folders_above(path) if one in times), "")
        found.append(Absent(path, folder, times.get(folder)))
    return replace(compared, absent=tuple(found))


def _folders_above(path: str) -> Iterator[str]:
    """The nearest first."""
    while path not in {"", "/"}:
        path = path.rpartition("/")[0] or "/"
        yield path


class _Comparing:
    def __init__(self, settled: Path, *, as_root: bool) -> None:
        self._settled, self._as_root = settled, as_root
        self._missing: list[Absent] = []
        self._different: list[str] = []
        self._meanwhile: list[str] = []
        self._unreadable: list[str] = []
        self._altered: list[Altered] = []
        self._names: dict[str, tuple[int, int]] = {}
        # Those that are open in this order: each with what the paths below it begin with.
        self._folders: list[tuple[str, FileEntry]] = []
        self._checked = self._total = self._entries = self._filled = 0

    def look(self, seen: Seen) -> None:
        entry, found = seen.entry, seen.found
        self._entries += 1
        folder = self._folder_of(entry)
        if found is None:
            if seen.readable:
                self._missing.append(folder)
            else:
                self._unreadable.append(entry.path)
            return
        kind = stat.S_IFREG if entry.mode is None else stat.S_IFMT(entry.mode)
        if stat.S_IFMT(found.st_mode) != kind:
            self._different.append(entry.path)
            return
        if not seen.readable:
            self._unreadable.append(entry.path)
            return
        if entry.is_file() and not self._is_same_content(entry, found, same=seen.same):
            return
        words = differences(entry, seen.path, found, as_root=self._as_root)
        if entry.linked:
            one = (found.st_dev, found.st_ino)
            if self._names.setdefault(entry.linked, one) != one:
                words.append("not another name of the same file any more")
        if words:
            self._altered.append(Altered(entry, tuple(words)))

    def result(self) -> Comparison:
        return Comparison(
            checked=self._checked,
            bytes=self._total,
            missing=tuple(one.path for one in self._missing),
            different=tuple(self._different),
            changed_meanwhile=tuple(self._meanwhile),
            entries=self._entries,
            altered=tuple(self._altered),
            absent=tuple(self._missing),
            filled=self._filled,
            owners=self._as_root,
            unreadable=tuple(self._unreadable),
        )

    def _is_same_content(self, entry: FileEntry, found: os.stat_result, *, same: bool) -> bool:
        self._checked += 1
        self._total += found.st_size
        if entry.allocated is not None and found.st_blocks * 512 >= found.st_size:
            self._filled += 1
        if same:
            return True
        rewritten = found.st_mtime_ns != entry.modified_ns and not entry.is_below(self._settled)
        (self._meanwhile if rewritten else self._different).append(entry.path)
        return False

    def _folder_of(self, entry: FileEntry) -> Absent:
        """The entry with the folder that it lies in."""
        path = entry.text()
        while self._folders and not path.startswith(self._folders[-1][0]):
            self._folders.pop()
        above = self._folders[-1][1] if self._folders else None
        if entry.mode is not None and stat.S_ISDIR(entry.mode):
            self._folders.append((path.rstrip("/") + "/", entry))
        return Absent(
            entry.path,
            "" if above is None else above.path,
            None if above is None else above.modified_ns,
        )


def write(manifest: Manifest, file: Path) -> None:
    """Write the manifest's head as JSON, whole and on disk, or not at all."""
    beside = file.with_name(f".{file.name}.new")
    with beside.open("wb") as target:
        target.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        target.flush()
        os.fsync(target.fileno())
    beside.replace(file)


def read(file: Path) -> Manifest:
    """Read a manifest's head. Raises Damaged when it is missing or not one of ours."""
    try:
        with _opened(file) as source:
            manifest = msgspec.json.decode(source.read(), type=Manifest)
    except OSError:
        raise Damaged(
            "the snapshot holds no manifest; it was not made by a whole backup run"
        ) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Damaged(f"the manifest in the snapshot cannot be read: {error}") from None
    if manifest.format not in FORMATS:
        raise Damaged(f"the manifest has the format {manifest.format!r}, not {FORMAT!r}")
    return manifest


def _opened(file: Path) -> IO[bytes]:
    """Open a file of the manifest. Raises OSError for a link, and for a pipe or a device, which
    might never end.
    """
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no file")
    return os.fdopen(handle, "rb")
