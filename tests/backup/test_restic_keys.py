"""Keys of a repository, written here and opened by the real restic, old and new."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secvault.backup import repository_files, restic_faults, restic_keys, rotation
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import KEYS, LocalFolder, Repository, S3Credentials
from secvault.backup.repository_faults import (
    RepositoryMissing,
    RepositoryUnreachable,
    WrongRepositoryPassword,
)
from secvault.backup.restic import Restic
from secvault.backup.restic_key_file import COST
from secvault.backup.restic_keys import add_key, keys, lighten, own_key, remove_key
from secvault.config import RepositorySettings
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed
from tests.backup.small_vault import SmallVault, small_vault

pytestmark = pytest.mark.real
HOST = "a machine"
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


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

    lighten(any_restic.command, repository, HOST)

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
    with pytest.raises(BackupFailed, match="by the key that was written for it"):
        lighten(restic.command, repository, HOST)
    assert key_files(repository) == before
    assert restic.identity(repository)


class Killed(BaseException):
    """What a process that is killed gets to see: nothing after this."""


def killed(*_: Any, **__: Any) -> Any:
    raise Killed


@pytest.mark.parametrize("step", ["add_key", "own_key", "repository_files.remove"])
def test_a_kill_before_any_step_leaves_a_repository_that_opens(
    restic: Restic,
    new_repository: Callable[[], Repository],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    repository = new_repository()
    restic.init(repository)
    with monkeypatch.context() as patch:
        patch.setattr(f"secvault.backup.restic_keys.{step}", killed)
        with pytest.raises(Killed):
            lighten(restic.command, repository, HOST)
    left = key_files(repository)
    assert len(left) == (1 if step == "add_key" else 2)
    assert restic.identity(repository)
    if len(left) == 2:
        # Somebody else may be at work on them.
        lighten(restic.command, repository, HOST)
        assert key_files(repository) == left


def test_a_part_that_a_kill_left_is_no_damage_and_opens_nothing(
    any_restic: Restic, repository: Repository
) -> None:
    """A child that ends at once, as by a kill, while the key is on its way to the disk."""
    before = key_files(repository)
    second = replace(repository, password=Secret.of("drawn elsewhere"))
    code = (
        "import os, sys\n"
        "from secvault.backup import repository_files\n"
        "from secvault.backup.repository import Repository\n"
        "from secvault.crypto.secret import Secret\n"
        "os.fsync = lambda _: os._exit(9)\n"
        "where = Repository(sys.argv[1], Secret.of('drawn'))\n"
        "repository_files.put(where, 'keys/' + 64 * 'a', b'half of')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, repository.location], check=False)
    assert ended.returncode == 9
    assert len(list(Path(repository.location, "keys").iterdir())) == len(before) + 1
    assert repository_files.names(repository, "keys") == tuple(before)
    with pytest.raises(WrongRepositoryPassword):
        any_restic.identity(second)
    add_key(any_restic.command, repository, second.password, HOST)
    assert any_restic.identity(second) == any_restic.identity(repository)
    any_restic.check(repository, read_all=True)


def test_a_disk_that_takes_no_further_file_leaves_the_key_that_restic_made(
    restic: Restic, new_repository: Callable[[], Repository], monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = new_repository()
    restic.init(repository)
    before = key_files(repository)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(errno.ENOSPC))
        with pytest.raises(BackupFailed, match="space"):
            lighten(restic.command, repository, HOST)
    assert key_files(repository) == before


def failing(number: int) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(("call", "number"), [("fchmod", errno.EPERM), ("fsync", errno.ENOTSUP)])
def test_a_disk_that_knows_no_modes_or_no_flushing_takes_keys_as_it_takes_them_from_restic(
    restic: Restic, repository: Repository, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    second = replace(repository, password=Secret.of("drawn elsewhere"))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number))
        add_key(restic.command, repository, second.password, HOST)
    assert restic.identity(second) == restic.identity(repository)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o640])
def test_a_key_has_the_mode_of_the_repository(
    restic: Restic, repository: Repository, mode: int
) -> None:
    Path(repository.location, "config").chmod(mode)
    added = add_key(restic.command, repository, Secret.of("drawn elsewhere"), HOST)
    file = Path(repository.location, "keys", added)
    assert file.stat().st_mode & 0o777 == mode & 0o440


def test_where_restic_does_not_say_by_which_key_it_opened_none_is_taken_for_gone(
    restic: Restic, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restic_keys, "keys", lambda *_: ())
    with pytest.raises(BackupFailed, match="by which key"):
        own_key(restic.command, repository)


def repository_in(server: Any, name: str, **more: Any) -> Repository:
    credentials = S3Credentials(server.access_key, Secret.of(server.secret_key))
    place = f"s3:{server.endpoint}/{name}/deep/in"
    return Repository(place, Secret.of("drawn"), credentials, **more)


def test_in_a_locked_bucket_the_heavy_key_is_hidden_and_the_cheap_one_opens(
    any_restic: Restic, s3_server: Any
) -> None:
    name = s3_server.new_bucket(object_lock_days=1)
    repository = repository_in(s3_server, name, storage_class="STANDARD")
    any_restic.init(repository)
    (heavy,) = repository_files.names(repository, "keys")
    lighten(any_restic.command, repository, HOST)
    (light,) = repository_files.names(repository, "keys")
    assert light != heavy
    assert any_restic.identity(repository)
    body = s3_server.client().get_object(Bucket=name, Key=f"deep/in/keys/{light}")["Body"]
    assert json.loads(body.read())["N"] == COST


@pytest.mark.parametrize("prunes", [False, True])
def test_who_may_not_delete_leaves_both_keys_and_the_pruning_role_takes_the_heavy_one(
    restic: Restic, s3_server: Any, *, prunes: bool
) -> None:
    name = s3_server.new_bucket()
    owner = repository_in(s3_server, name)
    restic.init(owner)
    (heavy,) = repository_files.names(owner, "keys")
    lighten_as = append_only(s3_server, name, owner, prunes=prunes)
    lighten(restic.command, lighten_as, HOST)
    left = repository_files.names(owner, "keys")
    assert len(left) == (1 if prunes else 2)
    assert (heavy in left) is not prunes
    assert restic.identity(lighten_as)
    # What is gone already is no error.
    repository_files.remove(lighten_as, f"keys/{64 * 'a'}")


def append_only(server: Any, name: str, owner: Repository, *, prunes: bool) -> Repository:
    guest = "arn:aws:iam:::user/secvault-guest"
    everybody = ["arn:aws:iam:::user/secvault", guest]
    places = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    allow = {"Effect": "Allow", "Principal": {"AWS": everybody}, "Action": "s3:*",
             "Resource": places}  # fmt: skip
    deny = {"Effect": "Deny", "Principal": {"AWS": [guest]}, "Action": "s3:DeleteObject",
            "Resource": places}  # fmt: skip
    policy = {"Version": "2012-10-17", "Statement": [allow, deny]}
    server.client().put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    saving = S3Credentials(server.guest_access_key, Secret.of(server.guest_secret_key))
    return replace(owner, credentials=saving, pruning=owner.credentials if prunes else None)


def test_what_is_in_no_repository_is_told(
    restic: Restic, new_repository: Callable[[], Repository]
) -> None:
    absent = new_repository()
    assert repository_files.names(absent, "keys") == ()
    repository_files.remove(absent, "keys/none")
    lighten(restic.command, absent, HOST)
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
    for name in ("far", "own"):
        vault.repositories.settings[name] = RepositorySettings(location=str(tmp_path / name))
    # What gets copies is made to cut files alike, by another command.
    engine.ready_repository("far", engine.repository("local"))
    assert cost(engine, "far") == COST
    # Of the form of ours, and thought up all the same.
    thought_up = base64.urlsafe_b64encode(hashlib.sha256(b"Summer2026").digest())
    engine.passwords.adopt("own", str(tmp_path / "own"), Secret(thought_up))
    engine.ready_repository("own")
    assert cost(engine, "own") > COST
    # A drawn one replaces it.
    vault.hands.seconds += 1
    rotation.rotate(engine, "own")
    assert cost(engine, "own") == COST


def test_a_first_run_whose_key_cannot_be_replaced_has_its_repository_all_the_same(
    vault: SmallVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any) -> None:
        raise RepositoryUnreachable("the server is away")

    monkeypatch.setattr(repository_files, "put", unreachable)
    vault.engine.ready_repository("local")
    assert cost(vault.engine, "local") > COST


def test_who_finds_the_repository_made_by_another_leaves_its_keys_alone(
    vault: SmallVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = Restic.init

    def made_by_another(restic: Restic, repository: Repository) -> None:
        init(restic, repository)
        init(restic, repository)

    monkeypatch.setattr(Restic, "init", made_by_another)
    vault.engine.ready_repository("local")
    assert cost(vault.engine, "local") > COST


def test_a_key_that_goes_while_restic_opens_the_repository_is_worth_another_try() -> None:
    # As 0.18 says it of a folder, then 0.14 of a bucket.
    key = 32 * "9f"
    for words in (
        f"Fatal: open /srv/backup/keys/{key}: no such file or directory",
        (
            f"Load(<key/{key[:10]}>, 0, 0) returned error, retrying after 720ms: "
            "client.GetObject: The specified key does not exist."
        ),
    ):
        found = restic_faults.failure(1, [words], "opening", "/srv/backup", NOW)
        assert isinstance(found, RepositoryUnreachable), words
