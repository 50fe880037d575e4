"""Keys of a repository, written here and opened by the real restic, old and new."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secvault.backup import repository_files, restic_keys
from secvault.backup.engine import BackupEngine
from secvault.backup.passwords import is_drawn
from secvault.backup.repository import KEYS, LocalFolder, Repository, S3Credentials
from secvault.backup.repository_faults import RepositoryMissing, WrongRepositoryPassword
from secvault.backup.restic import Restic
from secvault.backup.restic_key_file import COST
from secvault.backup.restic_keys import add_key, keys, lighten, own_key, remove_key
from secvault.config import RepositorySettings
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed
from tests.backup.small_vault import SmallVault, small_vault

pytestmark = pytest.mark.real
HOST = "a machine"


@pytest.fixture
def any_restic(restic: Restic, each_restic: str) -> Restic:
    """The restic in the PATH, then a newer one."""
    return replace(restic, command=replace(restic.command, binary=each_restic))


def key_files(repository: Repository) -> dict[str, dict[str, Any]]:
    assert isinstance(repository.place, LocalFolder)
    folder = repository.place.path / "keys"
    return {file.name: json.loads(file.read_bytes()) for file in folder.iterdir()}


def test_a_made_repository_opens_by_a_cheap_key_alone_and_holds_what_it_held(
    any_restic: Restic, new_repository: Callable[[], Repository]
) -> None:
    repository = new_repository()
    any_restic.init(repository)
    made = any_restic.identity(repository)
    (heavy,) = key_files(repository)
    assert key_files(repository)[heavy]["N"] > COST

    assert lighten(any_restic.command, repository, HOST)

    ((light, file),) = key_files(repository).items()
    assert light != heavy
    assert (file["N"], file["hostname"], file["username"]) == (COST, HOST, "secvault")
    place = Path(repository.location, "keys", light)
    assert place.stat().st_mode & 0o777 == 0o400
    assert [one.name for one in place.parent.iterdir()] == [light]
    assert any_restic.identity(repository) == made
    (listed,) = keys(any_restic.command, repository)
    assert (listed.own, listed.made_by) == (True, HOST)
    with pytest.raises(WrongRepositoryPassword):
        any_restic.identity(replace(repository, password=Secret.of("another")))
    any_restic.check(repository, read_all=True)


def test_a_further_password_opens_and_the_first_stays(
    any_restic: Restic, repository: Repository
) -> None:
    second = replace(repository, password=Secret.of("drawn elsewhere"))
    added = add_key(any_restic.command, repository, second.password, HOST)
    assert any_restic.identity(second) == any_restic.identity(repository)
    own = own_key(any_restic.command, second)
    assert own is not None
    assert added.startswith(own)
    assert remove_key(any_restic.command, repository, own)
    with pytest.raises(WrongRepositoryPassword):
        own_key(any_restic.command, second)
    assert any_restic.identity(repository)


def test_no_password_and_no_master_key_is_an_argument_or_in_the_environment(
    restic: Restic, repository: Repository
) -> None:
    started: list[str] = []
    launch = restic.command.launch

    def noting(argv: Any, **more: Any) -> Any:
        started.append("\0".join([*argv, *more["env"].values()]))
        return launch(argv, **more)

    add_key(replace(restic.command, launch=noting), repository, Secret.of("the second"), HOST)
    shown = restic.command.answer(repository, "reading the master key", "cat", "masterkey")
    assert len(started) == 1
    for secret in ("the second", repository.password.text(), json.loads(shown)["encrypt"]):
        assert secret not in started[0]


def test_a_key_that_opens_nothing_is_taken_back(
    restic: Restic, new_repository: Callable[[], Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository()
    restic.init(repository)
    before = key_files(repository)
    right = restic_keys.key_file

    def damaged(*given: Any) -> bytes:
        file = json.loads(right(*given))
        return json.dumps({**file, "N": 2 * file["N"]}).encode()

    monkeypatch.setattr(restic_keys, "key_file", damaged)
    with pytest.raises(BackupFailed, match="stays as restic made it"):
        lighten(restic.command, repository, HOST)
    assert key_files(repository) == before
    assert restic.identity(repository)


def test_a_kill_before_the_heavy_key_is_removed_leaves_both_and_the_repository_opens(
    restic: Restic, new_repository: Callable[[], Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> bool:
        raise Killed

    repository = new_repository()
    restic.init(repository)
    with monkeypatch.context() as patch:
        patch.setattr(repository_files, "remove", killed)
        with pytest.raises(Killed):
            lighten(restic.command, repository, HOST)
    assert len(key_files(repository)) == 2
    assert restic.identity(repository)
    # Somebody else may be at work on them.
    assert not lighten(restic.command, repository, HOST)
    assert len(key_files(repository)) == 2


def test_a_disk_that_takes_no_further_file_leaves_the_key_that_restic_made(
    restic: Restic, new_repository: Callable[[], Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository()
    restic.init(repository)
    before = key_files(repository)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(BackupFailed, match="space"):
            lighten(restic.command, repository, HOST)
    assert key_files(repository) == before


def test_in_a_locked_bucket_the_heavy_key_is_hidden_by_who_prunes(
    restic: Restic, s3_server: Any
) -> None:
    name = s3_server.new_bucket(object_lock_days=1)
    credentials = S3Credentials(s3_server.access_key, Secret.of(s3_server.secret_key))
    repository = Repository(
        f"s3:{s3_server.endpoint}/{name}/deep/in", Secret.of("drawn"), credentials
    )
    restic.init(repository)
    (heavy,) = repository_files.names(repository, "keys")
    assert lighten(restic.command, repository, HOST)
    (light,) = repository_files.names(repository, "keys")
    assert light != heavy
    assert restic.identity(repository)
    body = s3_server.client().get_object(Bucket=name, Key=f"deep/in/keys/{light}")["Body"]
    assert json.loads(body.read())["N"] == COST


def test_what_is_in_no_repository_is_told(
    restic: Restic, new_repository: Callable[[], Repository]
) -> None:
    absent = new_repository()
    assert repository_files.names(absent, "keys") == ()
    assert repository_files.remove(absent, "keys/none")
    assert not lighten(restic.command, absent, HOST)
    with pytest.raises(RepositoryMissing):
        add_key(restic.command, absent, Secret.of("drawn"), HOST)


@pytest.fixture
def vault(tmp_path: Path) -> Any:
    with small_vault(tmp_path) as made:
        yield made


def cost(engine: BackupEngine, name: str) -> int:
    (file,) = key_files(engine.repository(name)).values()
    return int(file["N"])


def test_first_runs_make_cheap_keys_of_drawn_passwords_and_restics_own_of_others(
    vault: SmallVault, tmp_path: Path
) -> None:
    engine = vault.engine
    for name in ("local", "local" + KEYS):
        engine.ready_repository(name)
        assert cost(engine, name) == COST
    assert is_drawn(engine.repository("local").password)
    for name in ("far", "own"):
        vault.repositories.settings[name] = RepositorySettings(location=str(tmp_path / name))
    # What gets copies is made to cut files alike, by another command.
    engine.ready_repository("far", engine.repository("local"))
    assert cost(engine, "far") == COST
    thought_up = Secret.of("what a person thought up")
    engine.passwords.adopt("own", str(tmp_path / "own"), thought_up)
    engine.ready_repository("own")
    assert cost(engine, "own") > COST


@pytest.mark.parametrize(
    "password",
    ["", "correct horse battery staple", "A" * 42 + "==", "A" * 44, "ä" * 44, "A" * 43 + "\n"],
)
def test_a_password_of_another_form_was_not_drawn_here(password: str) -> None:
    assert not is_drawn(Secret.of(password))
