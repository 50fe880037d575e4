"""Where the newest kit is written: folders, and beside each repository, where it outlives us.

What cannot be written is noted with its reason, and tried again by the worker; it never keeps the
kit from being issued.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkstemp

import structlog

from secvault.backup import bucket
from secvault.backup.bucket import named_faults
from secvault.backup.in_words import in_words
from secvault.backup.repository import LocalFolder, Repository, S3Location
from secvault.errors import BackupFailed, SecvaultError
from secvault.recovery import stored
from secvault.recovery.kit import BESIDE
from secvault.recovery.stored import Place, StoredKit
from secvault.service.service import Service

FILE = "kit.json"
"""In folders."""
REPOSITORY = "repository "
"""How the name of a place begins that is beside a repository."""

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 5.0, 20.0, 2


def folders(service: Service) -> tuple[Path, ...]:
    """The folders that kits are written to, secvault's own first."""
    named = (Path(folder).expanduser() for folder in service.settings.recovery.kit_folders)
    return (service.settings.data_folder / "recovery", *named)


def place_names(service: Service) -> tuple[str, ...]:
    """The names of all places that should have the newest kit."""
    return (*map(str, folders(service)), *(REPOSITORY + name for name in _made(service)))


def write_newest(service: Service) -> tuple[Place, ...]:
    """Write the newest kit to every place, and note how that went. Raises Unavailable, Damaged.

    A place that has it already is left alone.
    """
    with service.store.read() as connection:
        kit = stored.newest_kit(connection)
        before = {one.place: one for one in stored.places(connection)}
    if kit is None:
        return ()
    made = [_written(service, kit, str(folder), None) for folder in folders(service)]
    for name in _made(service):
        place = REPOSITORY + name
        known = before.get(place)
        if known is not None and known.kit == kit.id and not known.fault:
            made.append(known)
        else:
            made.append(_written(service, kit, place, name))
    with service.store.write() as connection:
        newest = stored.newest_kit(connection)
        # Another process may have issued one meanwhile; that writes its own.
        if newest is not None and newest.id == kit.id:
            stored.note_places(connection, made)
    return tuple(made)


def lacking(service: Service, kit: StoredKit, known: tuple[Place, ...]) -> tuple[str, ...]:
    """The places that do not have the newest kit, as far as can be seen without a network."""
    by_name = {one.place: one for one in known}
    own = {str(folder): folder / FILE for folder in folders(service)}
    found = []
    for name in place_names(service):
        place = by_name.get(name)
        there = place is not None and place.kit == kit.id and not place.fault
        if name in own:
            there = there and _content(own[name]) == kit.document
        if not there:
            found.append(name)
    return tuple(found)


def _written(service: Service, kit: StoredKit, place: str, repository: str | None) -> Place:
    document = kit.document if repository is None else kit.outside
    try:
        if document is None:
            raise BackupFailed("the stored recovery kit is damaged; issue it anew")
        if repository is None:
            _into_folder(Path(place), FILE, document)
        else:
            _beside(service.backups.repository(repository), document)
    except SecvaultError as error:
        structlog.get_logger("secvault.recovery").warning(
            "recovery.kit_not_written", place=place, code=error.code, detail=error.detail
        )
        return Place(place, None, None, error.code)
    return Place(place, kit.id, service.clock.micros(), "")


def _beside(repository: Repository, document: bytes) -> None:
    place = repository.place
    if isinstance(place, LocalFolder):
        if not place.path.is_dir():
            raise BackupFailed(f"{place.path} is no folder; is its disk there?")
        _into_folder(place.path, BESIDE, document)
        return
    assert isinstance(place, S3Location)  # noqa: S101 - there are two kinds
    assert repository.credentials is not None  # noqa: S101 - a repository in S3 has some
    client = bucket.connect(
        place,
        repository.credentials,
        repository.addressing,
        repository.ca_file,
        connect_seconds=_CONNECT_SECONDS,
        read_seconds=_READ_SECONDS,
        attempts=_ATTEMPTS,
    )
    name = f"{place.prefix}/{BESIDE}" if place.prefix else BESIDE
    with named_faults(place.bucket):
        client.put_object(
            Bucket=place.bucket, Key=name, Body=document, ContentType="application/json"
        )


def _into_folder(folder: Path, name: str, document: bytes) -> None:
    """The file there whole, for its owner alone, or as it was."""
    made: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, beside = mkstemp(dir=folder, prefix=f".{name}.")
        made = Path(beside)
        with os.fdopen(number, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        made.replace(folder / name)
    except OSError as error:
        if made is not None:
            made.unlink(missing_ok=True)
        raise BackupFailed(f"the recovery kit cannot be written: {in_words(error)}") from None


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _made(service: Service) -> tuple[str, ...]:
    """The repositories that are there already; before its first run there may be no folder."""
    if not service.settings.recovery.kit_beside_repositories:
        return ()
    with service.store.read() as connection:
        made = stored.made_repositories(connection)
    return tuple(sorted(made & set(service.backups.repositories.names())))
