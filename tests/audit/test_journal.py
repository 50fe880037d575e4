"""The journal's bytes: what was acknowledged is read again, and nothing else, whatever happens."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.audit.journal import Frame, Journal, Reading, try_lock
from secvault.clock import Clock, system_clock
from secvault.errors import AuditUnavailable, Damaged

HALF = 512
NAME = "01990000-0000-7000-8000-000000000001"
GROUPS = st.lists(st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=3), max_size=30)
REUSED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def _new(folder: Path, **given: object) -> Journal:
    (folder / f"{NAME}.journal").unlink(missing_ok=True)
    return Journal(folder, NAME, system_clock(), half_bytes=HALF, **given)  # type: ignore[arg-type]


@contextmanager
def _reading(file: Path) -> Iterator[Reading]:
    handle = os.open(file, os.O_RDONLY)
    try:
        yield Reading(handle, file.stem)
    finally:
        os.close(handle)


def _read(file: Path, start: int = 0, until: int | None = None) -> list[Frame]:
    with _reading(file) as reading:
        return list(reading.frames(start, until, settled=True))


def _bodies(frames: list[Frame]) -> list[list[bytes]]:
    return [list(frame.bodies) for frame in frames]


def test_the_bytes_of_a_frame_stay_as_they_are(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    assert journal.append([b"one", b"two"])
    journal.let_go()
    content = journal.file.read_bytes()
    assert len(content) == 2 * HALF
    assert content.rstrip(b"\0").hex() == (
        "73766a3100000000000000000000000e18907a09000000036f6e650000000374776f"
    )


def test_a_half_that_is_full_to_its_last_byte_is_not_overwritten_before_it_was_taken(
    tmp_path: Path,
) -> None:
    journal = _new(tmp_path)
    # The head of the frame takes 20 bytes, the length of the body 4.
    full = [bytes(HALF - 24)]
    assert journal.append(full)
    assert journal.append(full)
    assert not journal.append([b"one more"])
    assert _bodies(_read(journal.file)) == [full, full]
    journal.taken = HALF
    assert journal.append([b"one more"])
    journal.let_go()
    assert _bodies(_read(journal.file, HALF)) == [full, [b"one more"]]


@REUSED_FOLDER
@given(groups=GROUPS)
def test_what_was_acknowledged_is_read_in_order_while_it_is_taken(
    tmp_path: Path, groups: list[list[bytes]]
) -> None:
    journal = _new(tmp_path)
    read: list[list[bytes]] = []
    for group in groups:
        if not journal.append(group):
            frames = _read(journal.file, journal.taken, journal.durable)
            read += _bodies(frames)
            journal.taken = frames[-1].end
            assert journal.append(group)
    journal.let_go()
    read += _bodies(_read(journal.file, journal.taken))
    assert read == groups


@REUSED_FOLDER
@given(groups=GROUPS)
def test_what_is_not_taken_is_never_overwritten(tmp_path: Path, groups: list[list[bytes]]) -> None:
    journal = _new(tmp_path)
    kept = [group for group in groups if journal.append(group)]
    journal.let_go()
    assert _bodies(_read(journal.file)) == kept


@REUSED_FOLDER
@given(groups=GROUPS, last=st.binary(min_size=1, max_size=200), data=st.data())
def test_a_write_of_which_any_bytes_are_missing_is_as_if_it_had_not_begun(
    tmp_path: Path, groups: list[list[bytes]], last: bytes, data: st.DataObject
) -> None:
    writes: list[tuple[bytes, bytes, int]] = []

    def write(handle: int, written: bytes, place: int) -> int:
        writes.append((os.pread(handle, len(written), place), written, place))
        return os.pwrite(handle, written, place)

    journal = _new(tmp_path, write=write)
    for group in [*groups, [last]]:
        if not journal.append(group):
            journal.taken = journal.durable
            assert journal.append(group)
    journal.let_go()
    whole = _bodies(_read(journal.file, journal.taken))
    assert whole[-1] == [last]
    before, after, place = writes[-1]
    differing = [at for at in range(len(after)) if after[at] != before[at]]
    cut = data.draw(st.integers(0, len(differing) - 1))
    # Blocks reach the disk in any order.
    missing = differing[cut:] if data.draw(st.booleans()) else differing[: cut + 1]
    content = bytearray(journal.file.read_bytes())
    for at in missing:
        content[place + at] = before[at]
    journal.file.write_bytes(content)
    assert _bodies(_read(journal.file, journal.taken)) == whole[:-1]


@REUSED_FOLDER
@given(groups=GROUPS.filter(len), data=st.data())
def test_a_flipped_bit_is_damage_or_takes_the_last_frame_away_but_never_changes_one(
    tmp_path: Path, groups: list[list[bytes]], data: st.DataObject
) -> None:
    journal = _new(tmp_path)
    kept = [group for group in groups if journal.append(group)]
    journal.let_go()
    content = bytearray(journal.file.read_bytes())
    end = len(content.rstrip(b"\0"))
    bit = data.draw(st.integers(0, 8 * end - 1))
    content[bit // 8] ^= 1 << bit % 8
    journal.file.write_bytes(content)
    try:
        read = _bodies(_read(journal.file))
    except Damaged:
        return
    assert read in (kept, kept[:-1])


def test_damage_before_the_last_frame_is_said(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    for group in ([b"one"], [b"two"], [b"three"]):
        assert journal.append(group)
    journal.let_go()
    journal.file.write_bytes(journal.file.read_bytes().replace(b"two", b"owt"))
    with pytest.raises(Damaged, match=f"{NAME} is damaged .* acknowledged cannot be read"):
        _read(journal.file)


def test_damage_before_what_was_acknowledged_is_said_while_it_is_written(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    assert journal.append([b"one"])
    with journal.file.open("r+b") as file:
        file.write(journal.file.read_bytes().replace(b"one", b"eno"))
    with pytest.raises(Damaged, match="acknowledged cannot be read"):
        list(journal.reading().frames(0, journal.durable, settled=False))
    journal.let_go()


def test_a_file_that_was_cut_off_is_damage(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    assert journal.append([b"one"])
    journal.let_go()
    os.truncate(journal.file, 10)
    with pytest.raises(Damaged, match="cut off"):
        _read(journal.file)


def test_a_database_older_than_the_ring_gets_all_that_is_still_there(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    written = []
    for number in range(60):
        group = [b"%03d" % number * 20]
        if not journal.append(group):
            journal.taken = journal.durable
            assert journal.append(group)
        written.append(group)
    journal.let_go()
    read = _bodies(_read(journal.file, 0))
    assert len(read) > 5
    assert read == written[-len(read) :]


def test_what_is_not_acknowledged_yet_is_not_read_up_to_there(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    assert journal.append([b"one"])
    durable = journal.durable
    assert journal.append([b"two"])
    assert _bodies(_read(journal.file, 0, durable)) == [[b"one"]]
    journal.let_go()


@pytest.mark.parametrize("fault", ["write", "part", "sync"])
def test_after_a_fault_of_the_disk_the_journal_takes_nothing_more(
    tmp_path: Path, fault: str
) -> None:
    broken = False

    def write(handle: int, data: bytes, place: int) -> int:
        if broken and fault == "write":
            raise OSError(errno.EIO, "Input/output error")
        return os.pwrite(handle, data[:9] if broken and fault == "part" else data, place)

    def sync(handle: int) -> None:
        if broken and fault == "sync":
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(handle)

    journal = _new(tmp_path, write=write, sync=sync)
    assert journal.append([b"one"])
    broken = True
    with pytest.raises(AuditUnavailable, match="journal"):
        journal.append([b"two"])
    broken = False
    assert not journal.append([b"three"])
    assert _bodies(_read(journal.file, 0, journal.durable)) == [[b"one"]]
    journal.let_go()


def test_a_disk_without_room_leaves_no_file(tmp_path: Path) -> None:
    # What the kernel says beyond a limit on the size of files, as it does on a full disk.
    program = (
        "import resource, signal, sys, pathlib\n"
        "from secvault.audit.journal import Journal\n"
        "from secvault.clock import Clock, system_clock\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: Journal(pathlib.Path(sys.argv[1]), 'x', system_clock())\n"
        "except OSError: print('refused')\n"
    )
    assert _run(program, tmp_path) == "refused\n"
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_may_read_it_and_its_process_holds_it(tmp_path: Path) -> None:
    journal = _new(tmp_path)
    assert journal.file.stat().st_mode & 0o777 == 0o600
    handle = os.open(journal.file, os.O_RDWR)
    assert not try_lock(handle)
    journal.let_go()
    assert try_lock(handle)
    os.close(handle)


@pytest.mark.parametrize(("seconds", "quick"), [(0.0001, True), (0.05, False)])
def test_a_disk_is_quick_when_it_is_as_a_rule_and_a_slow_one_is_tried_again(
    tmp_path: Path, seconds: float, quick: bool
) -> None:
    now = 0.0

    def sync(_handle: int) -> None:
        nonlocal now
        now += took

    clock = Clock(wall=lambda: 0, monotonic=lambda: now, sleep=lambda _: None)
    (tmp_path / f"{NAME}.journal").unlink(missing_ok=True)
    journal = Journal(tmp_path, NAME, clock, half_bytes=HALF, sync=sync)
    took = 0.03
    assert journal.append([b"one slow write"])
    assert journal.quick
    took = seconds
    for _ in range(5):
        assert journal.append([b"x"])
    assert journal.quick == quick
    now += 2
    assert journal.quick
    took = 0.0001
    assert journal.append([b"tried again"])
    assert journal.quick
    journal.let_go()


def _run(program: str, folder: Path) -> str:
    command = [sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout
