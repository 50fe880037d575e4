"""The first publication, and what the policies folder has to do with what is in force."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access.bundle import Bundle, read_folder
from secvault.access.publication import Version, latest_version, publish
from secvault.audit.event import Actor, Event
from secvault.audit.log import AuditLog
from secvault.clock import Clock
from secvault.config import Settings
from secvault.errors import ConfigurationError, Conflict
from secvault.records.schema_versions import note_schemas
from secvault.service.policies.published import parse_bundle
from secvault.store import Store

PROGRAM = Actor("system", "secvault")
PLACE = "it/policy"


@dataclass(frozen=True)
class Folder:
    """What the policies folder holds, against what is in force.

    bundle: None when it cannot be read; fault says why. version: in force, None before the first.
    """

    bundle: Bundle | None
    fault: str
    version: Version | None

    @property
    def same(self) -> bool:
        """Whether the files are those that are in force."""
        return (
            self.bundle is not None
            and self.version is not None
            and self.bundle.digest == self.version.digest
        )


def ensure_published(settings: Settings, store: Store, clock: Clock, audit: AuditLog) -> None:
    """Publish the files of the policies folder as number 1, unless a policy was published before.

    Several processes may do so at once; one does it. Raises ConfigurationError for files that are
    at fault: then nothing is published.
    """
    with store.read() as connection:
        if latest_version(connection) is not None:
            return
    bundle = read_folder(settings.policy_folder)
    policy = parse_bundle(bundle)
    try:
        with store.write() as connection:
            version = publish(
                connection,
                bundle,
                over=0,
                at=clock.micros(),
                by="system:secvault",
                note="the files that were there at the start",
            )
            note_schemas(connection, policy.collections.values(), version.number)
            audit.enqueue(connection, _published(version))
    except Conflict:
        # Another process was first; what it published counts.
        with store.read() as connection:
            if latest_version(connection) is None:
                raise
    audit.kick()


def look_at_folder(settings: Settings, connection: Connection) -> Folder:
    """Compare the policies folder with what is in force. Raises nothing for the files."""
    version = latest_version(connection)
    try:
        return Folder(read_folder(settings.policy_folder), "", version)
    except ConfigurationError as error:
        return Folder(None, error.detail, version)


def _published(version: Version) -> Event:
    return Event(
        kind="policy.apply",
        outcome="ok",
        actor=PROGRAM,
        resource=PLACE,
        department="it",
        detail={"policy": version.digest, "version": version.number, "from_version": 0},
    )
