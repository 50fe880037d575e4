"""What the recovery kit is to hold now: gathered from the settings, the store and the keyring."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from secvault import __version__
from secvault.backup.repository import KEYS, S3Location, parse_location, settings_for_keys
from secvault.config import PlanSettings
from secvault.config.section import file_content
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.root import Root, earlier, read_stored
from secvault.recovery import contents
from secvault.recovery.kit import (
    FORMAT,
    KitHead,
    KitPassword,
    KitPlan,
    KitRepository,
    KitSecrets,
)
from secvault.recovery.stored import StoredShares
from secvault.service.service import Service
from secvault.store import migrate
from secvault.store.tables import backup_repository


@dataclass(frozen=True)
class Gathered:
    """All of a kit but its id and its moment, and what it is about."""

    head: KitHead
    secrets: KitSecrets
    parts: contents.Parts

    @property
    def digest(self) -> str:
        """See `contents.digest_of`."""
        return contents.digest_of(self.parts)


def gather(
    service: Service,
    connection: Connection,
    shares: StoredShares,
    secret: Secret,
    *,
    held: bool,
) -> Gathered:
    """What a kit for these shares holds now. secret: what they give.

    held: the root stays the store's until the transaction ends, which must be one that writes.
    Raises Conflict while the root is rotated, ConfigurationError, Damaged, Sealed.
    """
    settings, signing = service.settings, service.signing
    log_keys = signing.audit_keys()
    evidence = signing.evidence.verifier().vkey
    head = KitHead(
        format=FORMAT,
        kit="",
        company=settings.organisation,
        version=__version__,
        issued_at=0,
        digest="",
        origin=log_keys[0].verifier.name,
        audit_keys=(*(one.vkey for one in log_keys), evidence),
        seal=read_stored(connection).wrapped.kind,
        database=service.store.dialect,
        schema=migrate.head(),
        repositories=_repositories(service, connection),
        plans=_plans(service),
        shares=shares.of_kit(settings.recovery.holders),
        contacts=settings.recovery.contacts,
        services=settings.recovery.services,
        evidence_key=evidence,
    )
    secrets = _secrets(service, connection, held=held)
    return Gathered(head, secrets, contents.parts_of(head, secrets, secret))


def _secrets(service: Service, connection: Connection, *, held: bool) -> KitSecrets:
    present = service.keyring.roots.current(connection, held=held)
    roots = (present, *_earlier(connection, present))
    kept = ((name, service.backups.passwords.kept(name)) for name in _whole_names(service))
    return KitSecrets(
        vault=present.vault_id,
        generation=present.generation,
        roots=tuple(base64.b64encode(one.key.expose()).decode() for one in roots),
        passwords=tuple(
            KitPassword(name, one.current.text()) for name, one in kept if one is not None
        ),
    )


def _earlier(connection: Connection, present: Root) -> Sequence[Root]:
    """The roots before the present one, as far as they are known: old snapshots are under them."""
    found: list[Root] = []
    for generation in range(present.generation - 1, 0, -1):
        try:
            found.append(earlier(connection, found[-1] if found else present, generation))
        except Damaged:
            break
    return found


def _whole_names(service: Service) -> tuple[str, ...]:
    names = sorted(service.backups.repositories.names())
    return tuple(whole for name in names for whole in (name, name + KEYS))


def _repositories(service: Service, connection: Connection) -> tuple[KitRepository, ...]:
    table, engine = backup_repository, service.backups
    rows = connection.execute(select(table.c.name, table.c.identity)).all()
    words = _named(service.settings.recovery.credentials)
    identities = {row.name: row.identity or "" for row in rows}
    found = []
    for name in sorted(engine.repositories.names()):
        settings = engine.settings_of(name)
        file = settings.ca_file
        found.append(
            KitRepository(
                name=name,
                location=settings.location,
                keys_location=settings_for_keys(settings).location,
                region=settings.region,
                path_style=settings.path_style,
                ca_pem=file_content(file, "ca_file") if file else "",
                identity=identities.get(name, ""),
                keys_identity=identities.get(name + KEYS, ""),
                needs_credentials=isinstance(parse_location(settings.location), S3Location),
                access_key_id=settings.access_key_id,
                credentials=words.get(name, ""),
            )
        )
    return tuple(found)


def _plans(service: Service) -> tuple[KitPlan, ...]:
    """In the order of `recovery.services`; of the others, those that save secvault come first."""
    words = _named(service.settings.recovery.services)
    order = list(words)
    plans = service.backups.readable_plans()

    def place(name: str) -> tuple[int, bool, str]:
        listed = order.index(name) if name in words else len(order)
        return (listed, not plans[name].vault, name)

    return tuple(_plan(name, plans[name], words) for name in sorted(plans, key=place))


def _plan(name: str, plan: PlanSettings, words: dict[str, str]) -> KitPlan:
    return KitPlan(
        name=name,
        service=words.get(name, ""),
        repositories=(plan.repository, *plan.copies),
        vault=plan.vault,
        sources=tuple(sorted(plan.sources)),
        rpo_hours=plan.rpo_hours,
        rto_minutes=plan.drill.rto_minutes,
    )


def _named(lines: Sequence[str]) -> dict[str, str]:
    """What is said of each, of lines such as "offsite: the safe", in their order."""
    parts = (one.partition(":") for one in lines)
    return {name.strip(): said.strip() for name, _, said in parts}
