"""The output of a program: saved whole or not at all, and given back to a program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secvault.backup.sources import kinds
from secvault.backup.sources.faults import ProgramFailed
from secvault.config.backup_sources import CommandSource
from secvault.errors import BackupFailed, ConfigurationError, Damaged
from tests.backup.sources.turns import entry, files, turn


def source(script: str, **more: object) -> CommandSource:
    return CommandSource.model_validate({"command": ("/bin/sh", "-c", script), **more})


def test_the_output_is_one_file(tmp_path: Path) -> None:
    mine = turn(tmp_path)
    staged = kinds.stage(source("echo 'dn: cn=Trần Văn Đức'", file="ldap.ldif"), mine)
    assert (mine.folder / "ldap.ldif").read_text() == "dn: cn=Trần Văn Đức\n"
    assert staged.paths == (mine.folder,)
    assert staged.facts == {"file": "ldap.ldif", "bytes": 26}


def test_a_program_that_fails_half_way_or_writes_nothing_saves_nothing(tmp_path: Path) -> None:
    mine = turn(tmp_path)
    with pytest.raises(ProgramFailed, match="lost the server"):
        kinds.stage(source("echo half; echo lost the server >&2; exit 1"), mine)
    assert files(mine.folder) == []
    with pytest.raises(BackupFailed, match="wrote nothing"):
        kinds.stage(source("true"), mine)


def test_it_sees_what_is_named_of_our_environment_and_shows_none_of_it(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "BIND_PASSWORD": "s3cret-of-ldap", "OTHER": "ours"}
    mine = turn(tmp_path, environment=environment)
    told = source("env; echo x", environment=("BIND_PASSWORD",))
    kinds.stage(told, mine)
    said = (mine.folder / "output").read_text()
    assert "BIND_PASSWORD=s3cret-of-ldap" in said
    assert "OTHER" not in said
    failing = source('echo "refused $BIND_PASSWORD" >&2; exit 1', environment=("BIND_PASSWORD",))
    with pytest.raises(ProgramFailed) as caught:
        kinds.stage(failing, turn(tmp_path, environment=environment))
    assert "refused ***" in caught.value.detail


def test_what_was_saved_is_given_to_the_program_that_takes_it_back(tmp_path: Path) -> None:
    back = tmp_path / "back"
    into = source("echo saved", restore_command=("/bin/sh", "-c", f"cat >{back}"))
    mine = turn(tmp_path)
    staged = kinds.stage(into, mine)
    assert kinds.look(entry("command", staged), into, mine)[0].there
    loaded = kinds.load(entry("command", staged), mine.folder, into, turn(tmp_path))
    assert back.read_text() == "saved\n"
    assert loaded.facts == staged.facts


def test_without_such_a_program_or_file_that_is_told(tmp_path: Path) -> None:
    mine = turn(tmp_path)
    staged = kinds.stage(source("echo saved"), mine)
    with pytest.raises(ConfigurationError, match="restore_command"):
        kinds.load(entry("command", staged), mine.folder, source("echo"), mine)
    into = source("echo", restore_command=("cat",))
    with pytest.raises(Damaged):
        kinds.load(entry("command", staged), tmp_path, into, mine)
