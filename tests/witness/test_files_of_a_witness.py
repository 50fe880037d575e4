"""The key, the list of logs and the state, as files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Conflict, InvalidInput
from secvault.witness.key import make_key, read_key
from secvault.witness.logs import TEMPLATE, read_logs
from secvault.witness.state import WitnessFile


def test_a_key_is_its_owners_alone_and_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "witness.key"
    made = make_key(file, "witness.example.com/w1", os.urandom)
    assert read_key(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        make_key(file, "witness.example.com/w2", os.urandom)
    assert read_key(file) == made
    file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_key(file)


@pytest.mark.parametrize("content", [b"", b"\xff", b"PRIVATE+KEY+a+b+c\n", b"seed"])
def test_a_file_without_a_key_is_said_so_and_not_shown(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "witness.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="holds no key"):
        read_key(file)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_a_name_that_no_key_can_have_makes_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        make_key(tmp_path / "witness.key", name, os.urandom)
    assert not (tmp_path / "witness.key").exists()


def test_logs_are_listed_by_origin_with_each_of_their_keys(tmp_path: Path) -> None:
    old, new = (NoteSigner("acme/1/audit", Secret(bytes([at]) * 32)).verifier() for at in (1, 2))
    other = NoteSigner("other", Secret(bytes(32))).verifier()
    file = tmp_path / "logs.toml"
    file.write_text(
        f'[[log]]\nvkey = "{old.vkey}"\n[[log]]\nvkey = " {new.vkey} "\n'
        f'[[log]]\nvkey = "{other.vkey}"\norigin = "Lương/nhật ký"\n',
        "utf-8",
    )
    assert read_logs(file) == {"acme/1/audit": (old, new), "Lương/nhật ký": (other,)}
    file.write_text(TEMPLATE, "utf-8")
    assert read_logs(file) == {}


VKEY = NoteSigner("acme", Secret(bytes(32))).verifier().vkey


@pytest.mark.parametrize(
    "content",
    [
        "[[log",
        "logs = 1",
        "log = 1",
        "log = [1]",
        "[log]\nvkey = 1",
        "[[log]]",
        "[[log]]\nvkey = 1",
        '[[log]]\nvkey = "x"',
        f'[[log]]\nvkey = "{VKEY}"\nurl = "x"',
        f'[[log]]\nvkey = "{VKEY}"\norigin = ""',
        f'[[log]]\nvkey = "{VKEY}"\norigin = "a\\nb"',
    ],
)
def test_a_list_that_is_wrong_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "logs.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"logs\.toml"):
        read_logs(file)
    with pytest.raises(ConfigurationError):
        read_logs(tmp_path / "nowhere.toml")


def test_a_state_that_is_gone_empty_or_spoiled_is_never_one_that_has_seen_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "witness.db"
    with pytest.raises(ConfigurationError):
        WitnessFile(file)
    assert not file.exists()
    for content in (b"", b"no database", bytes(4096)):
        file.write_bytes(content)
        with pytest.raises(ConfigurationError):
            WitnessFile(file)
    file.unlink()
    made = WitnessFile.make(file)
    assert made.all() == ()
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        WitnessFile.make(file)
