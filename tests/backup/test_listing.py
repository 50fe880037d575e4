"""Listing: each path in its place with its hash, whoever reads it and however large it is."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from secvault.backup import listing
from secvault.backup.excludes import Excludes
from secvault.backup.file_entry import FileEntry
from secvault.backup.listing import keep, list_places
from secvault.backup.walking import Place, Walk
from secvault.errors import Cancelled

MANY = 1_300
"""More than go into one lot, of what is known and of what is read."""


def listed(folder: Path, target: Path, earlier: Path) -> tuple[Walk, list[FileEntry]]:
    walk = Walk(Excludes(()), frozenset())
    made = list_places([Place(folder)], walk, earlier, target, lambda: None)
    lines = target.read_bytes().splitlines(keepends=True)
    assert made.entries == len(lines)
    assert made.sha256 == hashlib.sha256(b"".join(lines)).hexdigest()
    entries = [msgspec.json.decode(line, type=FileEntry) for line in lines]
    assert made.bytes == sum(one.size for one in entries)
    return walk, entries


@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        listing._CHUNK,
        listing._CHUNK + 1,
        listing._LARGE - 1,
        listing._LARGE,
        listing._LARGE + listing._PART,
        listing._LARGE + 1,
    ],
)
def test_files_of_every_size_are_hashed_whole(tmp_path: Path, size: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    content = os.urandom(1 << 16) * (size // (1 << 16) + 1)
    (folder / "file").write_bytes(content[:size])
    _, entries = listed(folder, tmp_path / "listed", tmp_path / "none")

    assert entries[1].blake3 == blake3(content[:size]).hexdigest()


def test_many_files_come_in_their_order_and_only_what_changed_is_read_again(
    tmp_path: Path,
) -> None:
    folder, target, earlier = tmp_path / "folder", tmp_path / "listed", tmp_path / "earlier"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"{number:04}").write_bytes(b"%d" % number)
    _, entries = listed(folder, target, earlier)
    assert [Path(one.path).name for one in entries[1:]] == [f"{n:04}" for n in range(MANY)]
    assert [one.blake3 for one in entries[1:]] == [
        blake3(b"%d" % number).hexdigest() for number in range(MANY)
    ]

    keep(target, earlier)
    # As if all had been as it is for a while, and so that it shows what is taken over.
    late = earlier.stat().st_mtime_ns + 10_000_000_000
    earlier.write_bytes(earlier.read_bytes().replace(b'"blake3":"', b'"blake3":"taken over '))
    os.utime(earlier, ns=(late, late))
    changed = {"0000", "0700", f"{MANY - 1:04}"}
    for name in changed:
        (folder / name).write_bytes(b"other")
    _, again = listed(folder, target, earlier)
    read = {Path(one.path).name for one in again[1:] if not one.blake3.startswith("taken over")}
    assert read == changed
    assert [one.path for one in again] == [one.path for one in entries]


def test_a_line_of_before_with_a_sha_256_is_taken_over_as_it_is(tmp_path: Path) -> None:
    folder, target, earlier = tmp_path / "folder", tmp_path / "listed", tmp_path / "earlier"
    folder.mkdir()
    for name in ("old", "changed"):
        (folder / name).write_bytes(b"content")
    _, entries = listed(folder, target, earlier)
    of_before = [
        msgspec.structs.replace(one, blake3="", sha256=hashlib.sha256(b"content").hexdigest())
        for one in entries[1:]
    ]
    target.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in of_before))
    keep(target, earlier)
    late = earlier.stat().st_mtime_ns + 10_000_000_000
    os.utime(earlier, ns=(late, late))
    (folder / "changed").write_bytes(b"other")
    _, (_, changed, old) = listed(folder, target, earlier)

    assert (changed.blake3, changed.sha256) == (blake3(b"other").hexdigest(), "")
    assert (old.blake3, old.sha256) == ("", hashlib.sha256(b"content").hexdigest())


@pytest.mark.parametrize(("busy", "at_once"), [(0.6, 1), (0.4, listing.READERS)])
def test_several_files_are_read_at_one_time_just_while_a_reader_is_kept_waiting(
    busy: float, at_once: int
) -> None:
    clock = threading.local()

    def clocks() -> tuple[float, float]:
        clock.now = getattr(clock, "now", 0) + 1
        return clock.now, clock.now * busy

    pool = ThreadPoolExecutor(listing.READERS)
    gathered = threading.Barrier(at_once)
    reading, most = 0, 0
    turn = threading.Lock()

    def make(lot: list[listing._Item]) -> None:
        nonlocal reading, most
        with turn:
            reading += 1
            most = max(most, reading)
        if lot:
            time.sleep(0.01)
            gathered.wait(30)
        with turn:
            reading -= 1

    item = listing._Item("/file", Path("/").stat(), None)
    with pool:
        readers = listing._Readers(make, pool, clocks)
        readers.submit([]).result()
        for done in [readers.submit([item]) for _ in range(8)]:
            done.result()

    assert most == at_once


def test_a_reader_that_is_not_kept_waiting_any_more_is_alone_again() -> None:
    ticks = iter([(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (2.0, 1.0)])
    with ThreadPoolExecutor(listing.READERS) as pool:
        readers = listing._Readers(lambda _: None, pool, lambda: next(ticks))
        seen = []
        for _ in range(2):
            readers.submit([]).result()
            seen.append(readers._waited)

    assert seen == [True, False]


def test_what_cannot_be_read_is_named_and_the_rest_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "readable").write_bytes(b"x")
    unreadable = Path(f"/proc/{os.getpid()}/mem")
    walk = Walk(Excludes(()), frozenset())
    target = tmp_path / "listed"
    made = list_places(
        [Place(unreadable), Place(folder)], walk, tmp_path / "none", target, lambda: None
    )

    assert [one.filename for one in walk.unreadable] == [str(unreadable)]
    assert made.entries == 2


def test_a_large_file_is_left_as_soon_as_the_work_is_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1 << 40)
    heeded, readv, closed = 0, os.readv, os.close
    reading: set[int] = set()
    closed_while_read: list[int] = []

    def heed() -> None:
        nonlocal heeded
        heeded += 1
        if heeded > 5:
            raise Cancelled("enough")

    def read(file: int, parts: Sequence[bytearray]) -> int:
        reading.add(file)
        time.sleep(0.05)
        done = readv(file, parts)
        reading.discard(file)
        return done

    def close(file: int) -> None:
        closed_while_read.extend(reading & {file})
        closed(file)

    monkeypatch.setattr(os, "readv", read)
    monkeypatch.setattr(os, "close", close)
    with pytest.raises(Cancelled):
        list_places(
            [Place(large)],
            Walk(Excludes(()), frozenset()),
            tmp_path / "none",
            tmp_path / "listed",
            heed,
        )
    assert closed_while_read == []
