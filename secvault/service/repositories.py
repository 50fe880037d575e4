"""Repositories as administrators and auditors see them: listed, added, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from secvault.backup import repositories
from secvault.backup.repositories import StoredRepository
from secvault.backup.repository import KEYS, Repository, repository_of, settings_for_keys
from secvault.backup.rotation import adopt
from secvault.config import RepositorySettings
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotFound
from secvault.service.approval import Terms
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

REPOSITORIES = "it/backups/repositories"
ALL = "*"


@dataclass(frozen=True)
class RepositoryView:
    """A repository; nothing of it is secret. Times in micros.

    kind: whether config.toml declares it, which is read-only here, or it was added. data_keys:
    where the data keys of what is saved there lie. plans: those that save into it. password_since:
    since when its password, or the older of its two, is what it is; None while there is none.
    escrowed: whether the present passwords were taken out, to be kept elsewhere. changing: whether
    a change of a password was begun and not ended.
    """

    name: str
    kind: Literal["declared", "added"]
    location: str
    data_keys: str
    region: str
    path_style: bool
    storage_class: str
    access_key_id: str
    prune_access_key_id: str
    own_authorities: bool
    plans: tuple[str, ...]
    password_since: int | None
    escrowed: bool
    changing: bool


def list_repositories(service: Service, caller: Caller) -> tuple[RepositoryView, ...]:
    """All repositories, by name."""

    def act(_: Connection) -> Outcome[tuple[RepositoryView, ...]]:
        found = tuple(_view(service, name) for name in service.backups.repositories.names())
        return Outcome(found, count=len(found))

    return service.spine.read(caller, operation("repository.read"), act)


def show_repository(service: Service, caller: Caller, name: str) -> RepositoryView:
    """One repository. Raises NotFound."""
    require_known(service, name)

    def act(_: Connection) -> Outcome[RepositoryView]:
        return Outcome(_view(service, name), detail={"repository": name})

    return service.spine.read(caller, operation("repository.read", name), act)


def add_repository(
    service: Service,
    caller: Caller,
    name: str,
    values: Mapping[str, Any],
    password: Secret | None = None,
) -> RepositoryView:
    """Keep a further repository, which plans may then name.

    values: its settings in the words of config.toml. password: of one that is there already, which
    must open it; else a password is drawn, and the first run makes the repository. Raises
    InvalidInput naming the field, Conflict, WrongRepositoryPassword, RepositoryMissing;
    ApprovalRequired where a password is given.
    """
    engine = service.backups
    settings = repositories.parse(values)
    repositories.require_addable(settings, engine.repositories.openings)

    def act(connection: Connection) -> Outcome[None]:
        taken = {*engine.repositories.declared_names, *repositories.names(connection)}
        repositories.require_free(name, taken)
        made = StoredRepository(name, settings, caller.principal.subject, service.clock.micros())
        repositories.add(connection, engine.password_key, service.random, made)
        return Outcome(None, detail={"repository": name})

    if password is None:
        service.spine.change(caller, operation("repository.add", name), act)
    else:
        given = repository_of(settings, password, {})
        service.spine.decide(caller, operation("repository.add", name))
        repositories.require_free(name, engine.repositories.names())
        require_agreed(service, caller, name, given)

        def try_first() -> Outcome[None]:
            with service.store.write() as connection:
                done = act(connection)
            adopt(engine, name, given)
            return done

        service.spine.work(caller, operation("repository.add", name), try_first)
    return _view(service, name)


def remove_repository(service: Service, caller: Caller, name: str) -> None:
    """Forget an added repository that no plan names. What was saved there stays, and so does its
    password here. Raises NotFound, Conflict.
    """
    require_known(service, name)

    def act(connection: Connection) -> Outcome[None]:
        used_by = _plans(service, name)
        if used_by:
            raise Conflict(
                f"the plans {', '.join(used_by)} save into {name}; give them another repository "
                "first"
            )
        repositories.remove(connection, name)
        return Outcome(None, detail={"repository": name})

    service.spine.change(caller, operation("repository.remove", name), act)


def require_agreed(service: Service, caller: Caller, name: str, given: Repository) -> None:
    """Return when the repository may have this password, which opens it and the caller knows.

    Whoever knows a repository's password and can reach it reads all that plans save there. So it is
    what taking passwords out is: it needs that right, and the approval that this needs. Raises
    WrongRepositoryPassword, RepositoryMissing, Refused, ApprovalRequired.
    """
    knowing = Operation("backup.restore", "it", ALL, "it/backups/passwords")
    decision = service.spine.decide(caller, knowing)
    with service.spine.concerning(caller, knowing, decision):
        # Not before it is known to open: an approval is used up here.
        service.backups.restic.identity(given)

    def terms(_: Connection) -> Terms:
        return {"format": "password", "target": given.location, "repositories": [name]}

    def act(_: Connection) -> Outcome[None]:
        detail = {"repository": name.removesuffix(KEYS), "reason": "password-given"}
        return Outcome(None, count=0, detail=detail)

    service.spine.change(caller, knowing, act, terms)


def require_known(service: Service, name: str) -> None:
    """Raise NotFound where there is no repository of that name."""
    if name not in service.backups.repositories.names():
        raise NotFound(f"there is no repository {name[:128]!r}")


def operation(action: str, name: str = "") -> Operation:
    """The operation on one repository, or on all of them."""
    return Operation(
        action, "it", "repositories", f"{REPOSITORIES}/{name}" if name else REPOSITORIES
    )


def _view(service: Service, name: str) -> RepositoryView:
    engine = service.backups
    settings = engine.settings_of(name)
    kept = [engine.passwords.kept(one) for one in (name, name + KEYS)]
    known = [one for one in kept if one is not None]
    return RepositoryView(
        name=name,
        kind="declared" if name in engine.repositories.declared_names else "added",
        location=settings.location,
        data_keys=_beside(settings),
        region=settings.region,
        path_style=settings.path_style,
        storage_class=settings.storage_class,
        access_key_id=settings.access_key_id,
        prune_access_key_id=settings.prune_access_key_id,
        own_authorities=settings.ca_file is not None,
        plans=_plans(service, name),
        password_since=min((one.since for one in known), default=None),
        escrowed=bool(known) and all(one.escrowed_at is not None for one in known),
        changing=any(one.coming is not None or one.former is not None for one in known),
    )


def _beside(settings: RepositorySettings) -> str:
    return settings_for_keys(settings).location


def _plans(service: Service, name: str) -> tuple[str, ...]:
    return tuple(
        plan
        for plan, settings in sorted(service.backups.plans().items())
        if name in (settings.repository, *settings.copies)
    )
