"""Passwords of the repositories: changed, and taken out to be kept where no machine is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.backup import rotation
from secvault.backup.repository import KEYS, repository_of
from secvault.backup.repository_faults import RepositoryMissing
from secvault.backup.rotation import Rotated
from secvault.crypto.secret import Secret
from secvault.errors import NotFound
from secvault.service.approval import Terms
from secvault.service.recovery_kit_watch import renew_if_any
from secvault.service.repositories import ALL, operation, require_agreed, require_known
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class EscrowedRepository:
    """What opens one repository without this machine. Show it to nobody but who keeps it.

    data_keys: whether it is the one of the data keys, without which nothing of a record opens.
    access_key_id: whose secret is needed too, and is not here: a new one can be made for it.
    """

    name: str
    data_keys: bool
    location: str
    region: str
    path_style: bool
    access_key_id: str
    password: Secret
    password_since: int


def rotate_password(service: Service, caller: Caller, name: str) -> tuple[Rotated, ...]:
    """Give the repository and that of its data keys new passwords; or end a change that was begun.

    Those that were not made yet are passed over. Raises NotFound, WrongRepositoryPassword, Conflict
    and others; the password in force opens in any case.
    """
    require_known(service, name)

    def act() -> Outcome[tuple[Rotated, ...]]:
        done: list[Rotated] = []
        for one in (name, name + KEYS):
            if service.backups.passwords.kept(one) is None:
                continue
            try:
                done.append(rotation.rotate(service.backups, one, lambda: renew_if_any(service)))
            except RepositoryMissing:
                continue
        if not done:
            raise RepositoryMissing(f"there is nothing in {name} yet; the first run makes it")
        waits = any(one.waiting_for for one in done)
        refused = any(one.refused for one in done)
        state = "waits" if waits else "refused" if refused else "done"
        return Outcome(tuple(done), detail={"repository": name, "state": state})

    return service.spine.work(caller, operation("repository.rotate", name), act)


def set_password(
    service: Service, caller: Caller, name: str, password: Secret, *, data_keys: bool = False
) -> None:
    """Keep another password for a repository, which must open it.

    For a vault that was restored from a copy of before the password was changed. Raises NotFound,
    WrongRepositoryPassword; nothing is changed then. ApprovalRequired, as `require_agreed`.
    """
    require_known(service, name)
    engine = service.backups
    whole = name + (KEYS if data_keys else "")
    given = repository_of(engine.settings_of(whole), password, engine.environment)
    service.spine.decide(caller, operation("repository.rotate", name))
    require_agreed(service, caller, whole, given)

    def act() -> Outcome[None]:
        rotation.adopt(engine, whole, given)
        return Outcome(None, detail={"repository": name, "state": "set"})

    service.spine.work(caller, operation("repository.rotate", name), act)


def escrow(service: Service, caller: Caller) -> tuple[EscrowedRepository, ...]:
    """The passwords of all repositories that have one, to be kept apart from machine and backups.

    They open copies of everything, so it may need others' approval. Raises ApprovalRequired,
    NotFound while there is no password at all.
    """
    engine = service.backups
    names = [
        whole
        for name in engine.repositories.names()
        for whole in (name, name + KEYS)
        if engine.passwords.kept(whole) is not None
    ]

    def terms(_: Connection) -> Terms:
        return {"format": "password", "target": "all-repositories", "repositories": [*names]}

    def act(connection: Connection) -> Outcome[tuple[EscrowedRepository, ...]]:
        if not names:
            raise NotFound("no repository has a password yet; the first run draws it")
        # Before they are read: one that is changed at this moment counts as not taken out.
        now = service.clock.micros()
        given = tuple(_escrowed(service, name) for name in names)
        engine.passwords.mark_escrowed(connection, names, now)
        return Outcome(given, count=len(given))

    taking = Operation("backup.restore", "it", ALL, "it/backups/passwords")
    return service.spine.change(caller, taking, act, terms)


def _escrowed(service: Service, name: str) -> EscrowedRepository:
    engine = service.backups
    kept = engine.passwords.kept(name)
    if kept is None:
        raise NotFound(f"the repository {name} has no password yet")
    settings = engine.settings_of(name)
    return EscrowedRepository(
        name.removesuffix(KEYS),
        name.endswith(KEYS),
        settings.location,
        settings.region,
        settings.path_style,
        settings.access_key_id,
        kept.current,
        kept.since,
    )
