"""Contents between caller and storage: any part comes back; any damage is found, never given."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.content_key import ContentAddress, new_content_key
from secvault.crypto.secret import Secret
from secvault.crypto.streaming import SEGMENT_BYTES
from secvault.errors import Damaged, InvalidInput, TooLarge
from secvault.records.attachment_content import Content, Incoming
from secvault.records.attachment_folder import FolderStorage

AT = ContentAddress("contracts", "ct-1", "document", "a1" + "0" * 30)
OTHER = ContentAddress("contracts", "ct-2", "document", "b1" + "0" * 30)
KEY = new_content_key()
# Three segments and a bit.
LONG = b"%PDF-1.7\n" + bytes(at % 251 for at in range(3 * SEGMENT_BYTES + 1000))


def put(
    storage: FolderStorage, content: bytes = LONG, at: ContentAddress = AT, key: Secret = KEY
) -> Incoming:
    incoming = Incoming(storage, at, key, "application/pdf", most=len(LONG))
    for begin in range(0, len(content), 400_000):
        incoming.write(content[begin : begin + 400_000])
    incoming.finish()
    return incoming


def file_of(storage: FolderStorage, at: ContentAddress = AT) -> Path:
    return storage.folder / at.attachment[:2] / at.attachment


def fetched(storage: FolderStorage, at: ContentAddress = AT, size: int = len(LONG)) -> bytes:
    content = Content(storage, at, KEY, size)
    return b"".join(content.read(0, size))


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> FolderStorage:
    """Where the long content lies."""
    made = FolderStorage(tmp_path_factory.mktemp("contents") / "here", make=True)
    incoming = put(made)
    assert incoming.size == len(LONG)
    assert incoming.sha256 == hashlib.sha256(LONG).hexdigest()
    return made


@pytest.fixture
def own(storage: FolderStorage, tmp_path: Path) -> FolderStorage:
    """A copy of it that a test may damage."""
    made = FolderStorage(tmp_path / "own", make=True)
    file_of(made).parent.mkdir(parents=True)
    file_of(made).write_bytes(file_of(storage).read_bytes())
    return made


@given(st.integers(0, len(LONG)), st.integers(0, len(LONG)))
def test_any_part_comes_back(storage: FolderStorage, one: int, other: int) -> None:
    start, stop = sorted((one, other))
    content = Content(storage, AT, KEY, len(LONG))
    assert b"".join(content.read(start, stop)) == LONG[start:stop]


def test_nothing_of_it_lies_there_in_clear(storage: FolderStorage) -> None:
    lies = file_of(storage).read_bytes()
    assert b"%PDF" not in lies
    assert bytes(range(100, 120)) not in lies


def test_a_bit_flipped_anywhere_is_found_and_what_is_given_before_is_right(
    own: FolderStorage,
) -> None:
    whole = file_of(own).read_bytes()
    inside = [1, 45, SEGMENT_BYTES // 2]
    for at in (
        0,
        20,
        39,
        40,
        *(
            SEGMENT_BYTES * n + by
            for n in range(1, 4)
            for by in (-1, *inside)
            if SEGMENT_BYTES * n + by < len(whole)
        ),
        len(whole) - 1,
    ):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        file_of(own).write_bytes(damaged)
        given_before = bytearray()
        with pytest.raises(Damaged, match="contracts/ct-1/document"):
            _read_into(given_before, own)
        assert LONG.startswith(bytes(given_before))
        # Not a byte of the segment that was changed.
        assert len(given_before) <= (at // SEGMENT_BYTES) * SEGMENT_BYTES


def _read_into(given: bytearray, storage: FolderStorage) -> None:
    for piece in Content(storage, AT, KEY, len(LONG)).read(0, len(LONG)):
        given += piece


@pytest.mark.parametrize(
    "left", [0, 39, 40, 41, SEGMENT_BYTES, 2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES, -1]
)
def test_what_was_cut_off_is_found_before_anything_is_given(own: FolderStorage, left: int) -> None:
    whole = file_of(own).read_bytes()
    file_of(own).write_bytes(whole[:left])
    with pytest.raises(Damaged):
        fetched(own)
    # Nor does it pass as a shorter content, whatever the record were made to say.
    for size in (0, 1, left, max(0, left - 40 - 16)):
        with suppress(InvalidInput), pytest.raises(Damaged):
            fetched(own, size=size)


def test_added_bytes_and_swapped_segments_are_found(own: FolderStorage) -> None:
    whole = file_of(own).read_bytes()
    cuts = [whole[at : at + SEGMENT_BYTES] for at in range(0, len(whole), SEGMENT_BYTES)]
    first, second, third, rest = cuts
    for changed in (
        whole + b"\x00",
        first + third + second + rest,
        first + second + second + rest,
        first + first[:40] + second[40:] + third + rest,
    ):
        file_of(own).write_bytes(changed)
        with pytest.raises(Damaged):
            fetched(own)


@pytest.mark.parametrize("part", ["collection", "record", "field", "attachment"])
def test_a_content_opens_in_no_other_place(own: FolderStorage, part: str) -> None:
    elsewhere = replace(AT, **{part: OTHER.attachment})
    if part == "attachment":
        file_of(own, elsewhere).parent.mkdir()
        file_of(own, elsewhere).write_bytes(file_of(own).read_bytes())
    with pytest.raises(Damaged):
        fetched(own, elsewhere)


def test_files_swapped_between_records_are_found(own: FolderStorage) -> None:
    other_key = new_content_key()
    put(own, LONG, OTHER, other_key)
    a, b = file_of(own).read_bytes(), file_of(own, OTHER).read_bytes()
    file_of(own).write_bytes(b)
    file_of(own, OTHER).write_bytes(a)
    with pytest.raises(Damaged):
        fetched(own)
    with pytest.raises(Damaged):
        list(Content(own, OTHER, other_key, len(LONG)).read(0, 1))


def test_a_file_that_is_gone_is_damage(own: FolderStorage) -> None:
    file_of(own).unlink()
    with pytest.raises(Damaged, match="gone"):
        fetched(own)


def test_what_is_too_large_empty_or_of_another_type_leaves_nothing(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "here", make=True)
    for content, error in ((LONG + b"x", TooLarge), (b"", InvalidInput), (b"MZ\x90", InvalidInput)):
        incoming = Incoming(storage, AT, KEY, "application/pdf", most=len(LONG))
        with pytest.raises(error):
            _take_in(incoming, content)
        incoming.abandon()
        assert list(storage.names()) == []


def _take_in(incoming: Incoming, content: bytes) -> None:
    incoming.write(content)
    incoming.finish()
