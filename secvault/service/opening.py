"""Making a vault, and opening one: the parts in order, and closed again in the other order."""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, select

from secvault.access import Policy
from secvault.access.bundle import read_folder
from secvault.access.in_force import InForce
from secvault.access.publication import latest_version
from secvault.audit.entries import reaching
from secvault.audit.event import Event
from secvault.audit.journals import Journals
from secvault.audit.log import AuditLog
from secvault.audit.personal_keys import PERSONAL, SubjectKeys
from secvault.backup.database import PostgresqlPrograms
from secvault.backup.engine import BackupEngine
from secvault.backup.key_file import PURPOSE as KEY_FILES
from secvault.backup.plan_rules import Openings
from secvault.backup.rejoin import require_keys
from secvault.backup.repositories import RepositoriesAtHand
from secvault.backup.restic import find_restic
from secvault.clock import Clock, system_clock
from secvault.config import Settings, settings_text
from secvault.crypto.aead import Random, buffered
from secvault.crypto.argon2id import Argon2Cost, argon2id
from secvault.errors import ConfigurationError, Conflict, Unavailable
from secvault.identity import (
    IdentityKeys,
    PasswordHasher,
    SessionLimits,
)
from secvault.identity.blocklist import Blocklist
from secvault.identity.hashing import Hashing, HashingProcesses, WaitingRoom
from secvault.identity.oidc.provider import Provider
from secvault.identity.places import NetworkLimits
from secvault.identity.sign_in import Entrance
from secvault.keyring import FileSeal, Keyring, Seal
from secvault.keyring.key_usage import KeyUsage
from secvault.keyring.keyring import TRANSIT
from secvault.keyring.message_count import MessageCount
from secvault.keyring.root import Root, create_root, read_stored
from secvault.keyring.seals.configured import unattended
from secvault.keyring.seals.pkcs11 import Pkcs11Seal
from secvault.keyring.seals.seal import Wrapped
from secvault.service.approval import Approvals
from secvault.service.approvals import Approvers, ByPolicy
from secvault.service.attachment_place import attachment_storage, local_folder
from secvault.service.audit_archives import archives_for
from secvault.service.circumstances import check_conditions, surroundings
from secvault.service.collections_at_hand import make_room
from secvault.service.federation import provider_settings
from secvault.service.own_files import closed_places, secret_files
from secvault.service.policies.first import PROGRAM, ensure_published
from secvault.service.policies.published import Published, mending, parse_bundle
from secvault.service.provided_roles import check_groups
from secvault.service.sealing.access import GivenRoot, RootAccess, root_access
from secvault.service.service import Service
from secvault.service.signing import signing_keys
from secvault.service.spine import Spine
from secvault.store import Store, open_store, tables
from secvault.store.migrate import require_current, schema_revision, upgrade


@dataclass(frozen=True)
class MadeVault:
    """A vault that was made just now, with its open root."""

    vault_id: str
    access: RootAccess


def create_vault(
    settings: Settings, clock: Clock, random: Random = os.urandom, seal: Seal | None = None
) -> MadeVault:
    """Make the data folder, the store and the root key.

    seal: what wraps the root; without it the seal that the settings name, which must be one that
    needs nobody: a `file` or `pkcs11` key is made unless it is there. Raises Conflict when there
    is a vault already; it is not touched.
    """
    folder = settings.data_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    chosen = seal or unattended(settings, settings.seal.kind, random)
    store = open_store(settings.store_url)
    try:
        if schema_revision(store) is not None:
            with store.read() as connection:
                if _has_vault(connection):
                    raise Conflict(f"there is a vault in {folder} already; it is left as it is")
        upgrade(store)
        make_key(chosen)
        with store.write() as connection:
            root = create_root(connection, chosen, clock, random)
            Keyring(store, clock, root, random).add_mount(connection, TRANSIT, TRANSIT, "it")
        return MadeVault(root.vault_id, GivenRoot(root, chosen))
    finally:
        store.close()


def make_key(seal: Seal) -> None:
    """Make the seal's own key where it can be made here and is not there. Raises Sealed, ..."""
    if isinstance(seal, FileSeal) and not seal.file.exists():
        seal.create()
    elif isinstance(seal, Pkcs11Seal):
        with suppress(Conflict):
            seal.create()


def vault_exists(settings: Settings) -> bool:
    """Whether the settings point at a vault that was made before. Raises Unavailable."""
    if settings.store_url.startswith("sqlite:///"):
        file = Path(settings.store_url.removeprefix("sqlite:///"))
        if not file.exists():
            return False
    store = open_store(settings.store_url)
    try:
        if schema_revision(store) is None:
            return False
        with store.read() as connection:
            return _has_vault(connection)
    finally:
        store.close()


@contextmanager
def opened(
    settings: Settings,
    clock: Clock,
    *,
    program: str,
    environment: Mapping[str, str] = os.environ,
    random: Random = os.urandom,
    access: RootAccess | None = None,
    root: Root | None = None,
    approvals: Approvals | None = None,
    mend: bool = False,
    apart: bool = False,
) -> Iterator[Service]:
    """The open service. program: what this process is (`web`, `worker`, `cli`), for the log.

    access: the way to the root; without it the sealer when one runs, else the seal. root: the
    root itself, when it is at hand. approvals: asked about what may need a second person;
    without it the policy's obligations. mend: open also when the published policy cannot be read
    by this program, as far as it takes to publish another. apart: open a restored copy also before
    its data keys are back, to bring them. When the block ends, this process can open nothing any
    more. Raises StoreVersion, KeysApart, Sealed, ConfigurationError, Unavailable, Damaged.
    """
    with ExitStack() as closing:
        store = open_store(settings.store_url)
        closing.callback(store.close)
        require_current(store)
        if not apart:
            _require_keys(store)
        way = access or root_access(settings, store, random)
        keyring = Keyring(store, clock, root or way.root(), random, way.root)
        closing.callback(keyring.roots.close)
        archives = archives_for(settings, keyring, environment)
        store = reaching(store, archives)
        node = f"{_host()}:{program}:{random(6).hex()}"
        audit = AuditLog(
            store,
            clock,
            node=node,
            wait_seconds=settings.audit.wait_seconds,
            journals=_journals(store, clock, reserve=program == "web"),
            keys=SubjectKeys(store, clock, keyring.internal(PERSONAL), random),
        )
        closing.callback(audit.close)
        ensure_published(settings, store, clock, audit)
        source = Published(mending if mend else None)
        _check_in_force(settings, store, keyring, source, clock)
        usage = KeyUsage(store, clock)
        closing.callback(usage.close)
        hashing, slots = _hashing(settings, program, closing)
        policy = Policy(
            store, source, clock, random=buffered(random), engine=settings.access.engine
        )
        approvers = Approvers(policy, clock, audit)
        waits = settings.approvals.request_hours * 3600
        asked = approvals or ByPolicy(approvers, clock, audit, seconds=waits)
        service = Service(
            settings=settings,
            clock=clock,
            random=random,
            store=store,
            keyring=keyring,
            messages=MessageCount(store),
            usage=usage,
            audit=audit,
            policy=policy,
            approvers=approvers,
            entrance=_entrance(settings, clock, store, keyring, hashing, slots, random),
            signing=signing_keys(keyring, settings.organisation, store, clock),
            backups=_backups(settings, clock, store, keyring, audit, node, environment, random),
            spine=Spine(store, clock, policy, audit, asked, surroundings(settings)),
            root_access=way,
            attachments=attachment_storage(settings, environment),
            archives=archives,
            providers=_providers(settings, clock, random),
        )
        audit.record(_lifecycle("audit.started", program))
        closing.callback(lambda: audit.record(_lifecycle("audit.stopped", program)))
        yield service


def check(settings: Settings) -> Wrapped:
    """Look at everything that opening needs but the root; the root as it is stored.

    Raises StoreVersion, KeysApart, Sealed (no vault), ConfigurationError, Unavailable, Damaged.
    """
    store = open_store(settings.store_url)
    try:
        require_current(store)
        _require_keys(store)
        with store.read() as connection:
            wrapped = read_stored(connection).wrapped
            published = latest_version(connection) is not None
            if published:
                _present(Published(), connection)
        if not published:
            parse_bundle(read_folder(settings.policy_folder))
        return wrapped
    finally:
        store.close()


def identity_keys(keyring: Keyring) -> IdentityKeys:
    """The keys that identity works with. Opens transactions of its own."""
    return IdentityKeys(
        password_pepper=keyring.internal("password-pepper"),
        token_pepper=keyring.internal("token-pepper"),
        totp=keyring.internal("totp-seeds"),
        contacts=keyring.internal("contact-addresses"),
    )


def _require_keys(store: Store) -> None:
    with store.read() as connection:
        require_keys(connection)


def _present(source: Published, connection: Connection) -> InForce:
    try:
        return source.present(connection)
    except Unavailable as error:
        # At a start nobody waits for an answer: it is for whoever starts it to mend.
        raise ConfigurationError(error.detail) from error


def _check_in_force(
    settings: Settings, store: Store, keyring: Keyring, source: Published, clock: Clock
) -> None:
    """Look at what the parts before the first request need of the policy in force."""
    with store.read() as connection:
        in_force = _present(source, connection)
    if not in_force.rescue:
        check_groups(settings, in_force.rules, in_force.obligations)
        check_conditions(settings, in_force.rules)
        make_room(store, keyring, in_force.collections, clock)


def _providers(settings: Settings, clock: Clock, random: Random) -> Mapping[str, Provider]:
    declared = settings.identity.oidc
    return {name: Provider(provider_settings(settings, name), clock, random) for name in declared}


def _journals(store: Store, clock: Clock, *, reserve: bool) -> Journals | None:
    """Where all processes of a vault are on one machine, as with SQLite, a file of each will do."""
    if store.dialect != "sqlite":
        return None
    database = Path(str(store.writer.url.database))
    return Journals(database.with_name(f"{database.name}-audit"), clock, reserve=reserve)


def _lifecycle(kind: str, program: str) -> Event:
    return Event(
        kind=kind, outcome="ok", actor=PROGRAM, resource="it/audit", detail={"program": program}
    )


def _hashing(settings: Settings, program: str, closing: ExitStack) -> tuple[Hashing, int]:
    """Where this process hashes passwords, and how many at once: it shares the cores with others.

    Only what answers requests has anything that must not wait for them. The entrance leaves one
    core to those who encrypt; web workers hash for themselves while there is no entrance.
    """
    cores = os.cpu_count() or 1
    if program not in ("web", "entrance"):
        return argon2id, cores
    at_once = max(1, cores - 1) if program == "entrance" else -(-cores // settings.server.workers)
    hashing = HashingProcesses(at_once)
    closing.callback(hashing.close)
    return hashing.argon2id, at_once


def _entrance(
    settings: Settings,
    clock: Clock,
    store: Store,
    keyring: Keyring,
    hashing: Hashing,
    slots: int,
    random: Random,
) -> Entrance:
    keys = identity_keys(keyring)
    limits, signing_in = settings.identity, settings.sign_in
    cost = Argon2Cost(memory=limits.argon2_memory_mib * 1024, passes=limits.argon2_passes)
    blocklist = Blocklist(limits.password_blocklist) if limits.password_blocklist else ()
    return Entrance(
        store=store,
        clock=clock,
        keys=keys,
        hasher=PasswordHasher(
            keys.password_pepper,
            threading.BoundedSemaphore(slots),
            cost,
            random,
            hashing,
            blocklist,
        ),
        waiting_room=WaitingRoom(slots + signing_in.waiting),
        networks=NetworkLimits(burst=limits.network_failures),
        sessions=SessionLimits(
            idle=limits.session_idle_minutes * 60,
            absolute=limits.session_hours * 3600,
            most=signing_in.sessions_per_person,
        ),
        random=random,
    )


def _backups(
    settings: Settings,
    clock: Clock,
    store: Store,
    keyring: Keyring,
    audit: AuditLog,
    node: str,
    environment: Mapping[str, str],
    random: Random,
) -> BackupEngine:
    data = settings.data_folder
    closed = (closed_places(settings, store), secret_files(settings, environment))
    passwords = keyring.internal("repository-passwords")
    repositories = RepositoriesAtHand(
        settings.repository,
        ("local", *settings.backup.repositories),
        store,
        passwords,
        Openings(settings.backup.repository_folders, *closed),
    )
    return BackupEngine(
        store=store,
        clock=clock,
        restic=find_restic(
            settings.backup.restic,
            data / "restic-cache",
            data / "scratch",
            # restic dates snapshots and locks by the clock of the machine.
            system_clock(),
            environment,
        ),
        postgresql=PostgresqlPrograms(settings.backup.pg_bin),
        declared=settings.backup.plans,
        openings=Openings(settings.backup.open_folders, *closed),
        repositories=repositories,
        own_folders=(settings.policy_folder,),
        contents=local_folder(settings),
        configuration=partial(settings_text, settings),
        scratch=data / "scratch",
        evidence=data / "evidence",
        password_key=passwords,
        node=node,
        host=_host(),
        environment=environment,
        keyring=keyring,
        keys_key=keyring.internal(KEY_FILES),
        keys_days=settings.backup.keys_days,
        sampled_files=settings.backup.anomalies.sampled_files,
        random=random,
        settle=audit.drain,
    )


def _has_vault(connection: Connection) -> bool:
    return connection.execute(select(tables.vault.c.id)).first() is not None


def _host() -> str:
    """The host's name with only such characters as the audit log takes in an id."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", platform.node()).strip(".-") or "host"
