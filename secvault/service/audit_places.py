"""Where the settings say that the audit log is published, and what lies there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from secvault.audit import publication, rollback
from secvault.audit.bucket_place import BucketPlace
from secvault.audit.places import FolderPlace, Place
from secvault.audit.publish import Target
from secvault.backup.bucket import connect
from secvault.backup.repository import LocalFolder, parse_location, s3_credentials
from secvault.config import RepositorySettings, Settings
from secvault.config.publications import PublicationSettings
from secvault.errors import ConfigurationError, InvalidInput, SecvaultError
from secvault.service.service import Service

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
"""A place that does not answer must hold up neither the worker nor a start."""


def place_of(name: str, chosen: PublicationSettings, environment: Mapping[str, str]) -> Place:
    """The place that the settings name; nothing is reached yet. Raises ConfigurationError."""
    try:
        place = parse_location(chosen.location)
    except InvalidInput as error:
        raise ConfigurationError(f"audit.publications.{name}.{error.detail}") from None
    if isinstance(place, LocalFolder):
        return FolderPlace(place.path)
    credentials = s3_credentials(
        RepositorySettings(
            location=chosen.location,
            region=chosen.region,
            access_key_id=chosen.access_key_id,
            secret_access_key=chosen.secret_access_key,
            secret_access_key_file=chosen.secret_access_key_file,
        ),
        environment,
    )
    if credentials is None:
        raise AssertionError("a place without a folder is a bucket")
    client = partial(
        connect,
        place,
        credentials,
        connect_seconds=CONNECT_SECONDS,
        read_seconds=READ_SECONDS,
        attempts=1,
    )
    mode = "" if chosen.lock == "none" else chosen.lock.upper()
    return BucketPlace(client, place.bucket, place.prefix, mode)


def targets_of(
    settings: Settings, origin: str, environment: Mapping[str, str]
) -> Mapping[str, Target]:
    """All publications of the log of this origin, by name. Raises ConfigurationError."""
    base = publication.base_of(origin)
    return {
        name: Target(name, place_of(name, chosen, environment), base, chosen.days)
        for name, chosen in sorted(settings.audit.published.items())
    }


def published_notes(service: Service) -> tuple[list[bytes], tuple[str, ...]]:
    """Checkpoints that were published or remembered outside of the store; and what was not read.

    Some of each place, its newest among them: see `publication.some_published`.
    """
    notes: list[bytes] = []
    unread: list[str] = []
    origin = service.signing.audit_keys()[0].verifier.name
    own = rollback.remembered(service.settings.data_folder)
    if own is not None:
        notes.append(own)
    targets = targets_of(service.settings, origin, service.backups.environment)
    for name, target in targets.items():
        try:
            notes += publication.some_published(target.place, target.base)
        except SecvaultError as error:
            unread.append(f"{name}: {error.detail}")
    return notes, tuple(unread)
