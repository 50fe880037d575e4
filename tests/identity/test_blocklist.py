"""The operator's list of passwords that nobody may choose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.errors import ConfigurationError
from secvault.identity.blocklist import LARGEST_FILE, Blocklist


def listed(folder: Path, content: bytes) -> Blocklist:
    file = folder / "list.txt"
    file.write_bytes(content)
    return Blocklist(file)


@pytest.mark.parametrize(
    "password",
    ["winniethepooh", "Winnie the Pooh", "WINNIE-THE-POOH", "wínníethepooh", "năm con mèo đen"],
)
def test_a_password_of_the_list_is_refused_however_it_is_written(
    tmp_path: Path, password: str
) -> None:
    lines = "\ufeffshort\r\nwinniethepooh\r\nnamconmeoden\r\n"
    assert password in listed(tmp_path, lines.encode())


def test_what_is_not_on_the_list_is_not_refused(tmp_path: Path) -> None:
    known = listed(tmp_path, b"winniethepooh\n!!!!!!!!!!!!\n............\nshort\n")
    assert "winniethepoohs" not in known
    assert "short" not in known
    assert "%%%%%%%%%%%%" not in known
    assert "............" in known


PASSWORDS = st.text(st.characters(exclude_categories=["C"]), min_size=12, max_size=40)


@given(st.lists(PASSWORDS))
def test_every_long_line_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    known = listed(tmp_path_factory.mktemp("list"), "\n".join(["twelve letters", *lines]).encode())
    assert all(line in known for line in lines)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe\x00long enough to be one\n"])
def test_a_file_that_is_no_list_lets_no_password_through(tmp_path: Path, content: bytes) -> None:
    known = listed(tmp_path, content)
    with pytest.raises(ConfigurationError, match="password_blocklist"):
        assert "winniethepooh" in known


def test_a_file_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Blocklist(tmp_path / "none.txt")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Blocklist(tmp_path)
    large = tmp_path / "large.txt"
    large.touch()
    os.truncate(large, LARGEST_FILE + 1)
    with pytest.raises(ConfigurationError, match="larger than 32 MiB"):
        Blocklist(large)
