"""The file of data keys: its bytes, and that no part of one is taken for a whole."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup import key_file
from secvault.backup.key_file import (
    End,
    ErasedRecord,
    ErasedSubject,
    Erasure,
    Head,
    Key,
    Line,
    Version,
)
from secvault.errors import Damaged

LINES: tuple[Line, ...] = (
    Head("vault-1", "run-1", "nightly", 1),
    Version("payroll", 2, b"\x00\x01"),
    Key("payroll", "nv-0042", b"\x02", 3),
    ErasedSubject("payroll", "nv-0007", b"", "e-1", 4, 4),
    ErasedRecord("payroll", "p-7", "e-1", 4),
    Erasure("e-1", "person", "user:u", 4, 1, 0, b"{}", b"note"),
)
GOLDEN = (
    b'["secvault data keys v1","vault-1","run-1","nightly",1]\n'
    b'["version","payroll",2,"AAE="]\n'
    b'["key","payroll","nv-0042","Ag==",3]\n'
    b'["erased subject","payroll","nv-0007","","e-1",4,4]\n'
    b'["erased record","payroll","p-7","e-1",4]\n'
    b'["erasure","e-1","person","user:u",4,1,0,"e30=","bm90ZQ=="]\n'
    b'["end",6]\n'
)


def test_its_bytes_are_those_of_the_first_one() -> None:
    written = [msgspec.json.encode(line) for line in (*LINES, End(len(LINES)))]
    assert b"\n".join(written) + b"\n" == GOLDEN


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / key_file.NAME
    file.write_bytes(GOLDEN)
    assert tuple(key_file.read(file)) == LINES
    assert key_file.head_of(file) == LINES[0]


@given(st.integers(0, len(GOLDEN) - 2), st.binary(max_size=40))
def test_a_part_of_one_is_none(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: bytes
) -> None:
    file = tmp_path_factory.mktemp("keys") / key_file.NAME
    file.write_bytes(GOLDEN[:cut] + more)
    if GOLDEN[:cut] + more == GOLDEN:
        return
    with pytest.raises(Damaged):
        tuple(key_file.read(file))


def test_lines_in_the_wrong_place_are_damage(tmp_path: Path) -> None:
    file = tmp_path / key_file.NAME
    lines = GOLDEN.splitlines(keepends=True)
    for wrong in (
        lines[1:],
        [lines[0], *lines],
        [*lines, lines[2]],
        lines[:3] + lines[4:],
        [b"null\n", *lines],
    ):
        file.write_bytes(b"".join(wrong))
        with pytest.raises(Damaged):
            tuple(key_file.read(file))
    with pytest.raises(Damaged, match="cannot be read"):
        tuple(key_file.read(tmp_path / "nowhere"))
