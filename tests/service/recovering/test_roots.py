"""Which root key of the kit is the copy's, and what is said where it holds none."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from secvault.audit import signing_keys
from secvault.audit.signing_keys import AuditKey
from secvault.clock import system_clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.keyring import FileSeal
from secvault.keyring.root import Root, read_stored
from secvault.recovery.kit import KitSecrets
from secvault.service import authentication, seals
from secvault.service.recovering import database, joining
from secvault.service.recovering.joining import RootNotInKit
from secvault.service.spine import Caller
from secvault.store import Store
from tests.acceptance.installation import Installation, new_installation
from tests.recovery.a_kit import made_kit


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, tuple[Root, ...]]:
    """A copy of before the root was rotated, one of after, and both roots, the newest first."""
    folder = tmp_path_factory.mktemp("rotated")
    installation = new_installation(folder / "company")
    before, after = folder / "before.db", folder / "after.db"
    first = _root_and_copy(installation, before, rotate=False)
    second = _root_and_copy(installation, after, rotate=True)
    return before, after, (second, first)


def _root_and_copy(installation: Installation, copy: Path, *, rotate: bool) -> Root:
    with installation.opened() as service:
        if rotate:
            seals.rotate_root(service, Caller(authentication.local_operator(service)))
        root = service.keyring.roots.present
    shutil.copyfile(installation.database, copy)
    return root


def _secrets(*roots: Root) -> KitSecrets:
    texts = tuple(base64.b64encode(root.key.expose()).decode() for root in roots)
    return KitSecrets(roots[0].vault_id, roots[0].generation, texts, ())


def _found(copy: Path, secrets: KitSecrets) -> Root:
    with database.opened(f"sqlite:///{copy}") as store:
        return joining.root_for(store, secrets, system_clock(), os.urandom)


def test_each_copy_gets_the_root_of_its_time(
    rotated: tuple[Path, Path, tuple[Root, ...]],
) -> None:
    before, after, roots = rotated
    secrets = _secrets(*roots)
    assert _found(after, secrets).key == roots[0].key
    assert _found(before, secrets).key == roots[1].key
    assert _found(before, secrets).generation == 1


def test_a_kit_older_than_the_copy_and_one_without_its_root_say_so(
    rotated: tuple[Path, Path, tuple[Root, ...]],
) -> None:
    before, after, (second, first) = rotated
    with pytest.raises(RootNotInKit, match="rotated after this kit was issued"):
        _found(after, _secrets(first))
    with pytest.raises(RootNotInKit, match="the oldest of generation 2"):
        _found(before, _secrets(second))


def test_another_key_and_another_vault_are_refused(
    rotated: tuple[Path, Path, tuple[Root, ...]],
) -> None:
    _, after, (second, first) = rotated
    swapped = Root(second.vault_id, first.key, second.generation)
    with pytest.raises(RootNotInKit, match="does not open the keys"):
        _found(after, _secrets(swapped))
    with pytest.raises(InvalidInput, match="another vault"):
        _found(after, _secrets(Root("0" * 32, second.key, second.generation)))


def test_a_new_seal_opens_it_and_the_old_one_no_more(
    rotated: tuple[Path, Path, tuple[Root, ...]], tmp_path: Path
) -> None:
    _, after, (second, _) = rotated
    copy, key = tmp_path / "copy.db", tmp_path / "data.key"
    shutil.copyfile(after, copy)
    with database.opened(f"sqlite:///{copy}") as store:
        seal = joining.seal_anew(store, second, key, os.urandom)
        assert _opened(store, seal).key == second.key
        # Again, as after a kill: the same key file serves.
        joining.seal_anew(store, second, key, os.urandom)
        assert _opened(store, FileSeal(key)).key == second.key
        other = FileSeal(tmp_path / "other.key")
        other.create()
        with pytest.raises(Damaged):
            _opened(store, other)
    assert key.stat().st_mode & 0o077 == 0


def _opened(store: Store, seal: FileSeal) -> Root:
    with store.read() as connection:
        return read_stored(connection).opened_by(seal)


def test_keys_of_the_log_that_the_kit_does_not_have_are_counted(
    rotated: tuple[Path, Path, tuple[Root, ...]], tmp_path: Path
) -> None:
    _, after, _ = rotated
    copy, usual = tmp_path / "copy.db", made_kit().head
    shutil.copyfile(after, copy)
    with database.opened(f"sqlite:///{copy}") as store:
        with store.read() as connection:
            known = [key.vkey for key in signing_keys.audit_keys(connection)]
        head = msgspec.structs.replace(usual, audit_keys=tuple(known))
        assert joining.look_at_log(store, head).unknown == 0
        forged = NoteSigner(known[0].partition("+")[0], Secret(bytes(range(32))))
        with store.write() as connection:
            signing_keys.keep_next(
                connection,
                AuditKey(len(known) + 1, forged.verifier().vkey, "audit-signing", 0, None, ""),
                0,
            )
        assert joining.look_at_log(store, head).unknown == 1
        nobody = msgspec.structs.replace(usual, audit_keys=(forged.verifier().vkey,))
        assert joining.look_at_log(store, nobody).unknown == len(known)
        other = NoteSigner("acme/audit", Secret(bytes(32))).verifier().vkey
        with pytest.raises(Damaged, match="no key of the copy"):
            joining.look_at_log(store, msgspec.structs.replace(usual, audit_keys=(other,)))
