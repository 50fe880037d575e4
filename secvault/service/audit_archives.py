"""Operations on the archives of the audit log: move there what is old enough, list them."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, false, func, select, union_all

from secvault.audit import archive_rows, archiving, nodes
from secvault.audit.archive_rows import Archive
from secvault.audit.archives import Archives
from secvault.audit.archiving import Archiving, Due, Written
from secvault.audit.bucket_place import BucketPlace
from secvault.audit.places import FolderPlace, Place
from secvault.backup.bucket import connect
from secvault.backup.repository import LocalFolder, parse_location, s3_credentials
from secvault.clock import micros_of, moment
from secvault.config import RepositorySettings, Settings
from secvault.errors import ConfigurationError, InvalidInput
from secvault.keyring import Keyring
from secvault.records.hold import HoldKind, list_holds
from secvault.service import audit_streams
from secvault.service.audit_log import VERIFY
from secvault.service.log_signing import sign_now
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store.tables import audit_stream, audit_watch, notice_cursor, use_cursor

ARCHIVE = Operation("audit.archive", "it", "log", "it/audit")
KEY = "audit-archives"

Tell = Callable[[int, int], None]
"""Told how many entries were archived so far, of how many."""


@dataclass(frozen=True)
class Archived:
    """What a run did. archives: made by it. entries: how many they hold. removed: how many entries
    the store no longer has, also of a run before that was killed.
    """

    archives: tuple[Archive, ...]
    entries: int
    removed: int


@dataclass(frozen=True)
class Shelf:
    """What lies in archives. live_from: the number of the first entry that the store has itself."""

    archives: tuple[Archive, ...]
    live_from: int


def archives_for(settings: Settings, keyring: Keyring, environment: Mapping[str, str]) -> Archives:
    """The archives where the settings say; nothing is reached yet.

    environment: where AWS_ACCESS_KEY_ID and the like are looked for. Raises ConfigurationError.
    """
    return Archives(_place(settings, environment), lambda: keyring.internal(KEY))


def archive_log(
    service: Service,
    caller: Caller,
    tell: Tell = lambda _done, _of: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Archived:
    """Move what is older than the settings say into archives, and remove it from the store.

    Nothing is removed before it was read back and proven. Stopped or killed, it goes on at its next
    turn. Raises Refused, ConfigurationError without a place, Damaged, Unavailable.
    """
    decision = service.spine.decide(caller, ARCHIVE)
    made: list[Archive] = []
    with service.spine.concerning(caller, ARCHIVE, decision):
        making = _making(service)
        making.place.check()
        removed = archiving.remove_archived(service.store)
        due = _due(service)
        with service.store.read() as connection:
            first = archive_rows.boundary(connection)
            expected = max(archiving.due_stop(connection, due, making.signed.size) - first, 0)
    done = 0
    while not stopped():
        with service.spine.concerning(caller, ARCHIVE, decision):
            # Asked each time: somebody may hold the log meanwhile.
            written = archiving.write_next(service.store, _due(service), making)
        if written is None:
            break
        if _enter(service, caller, written):
            made.append(written.archive)
            done += written.archive.stop - written.archive.first
            tell(done, max(done, expected))
        with service.spine.concerning(caller, ARCHIVE, decision):
            removed += archiving.remove_archived(service.store)
    if not made:
        service.spine.read(caller, ARCHIVE, lambda _: Outcome(None, count=0))
    return Archived(tuple(made), done, removed)


def list_archives(service: Service, caller: Caller) -> Shelf:
    """All archives, the oldest first."""

    def act(connection: Connection) -> Outcome[Shelf]:
        found = archive_rows.archives(connection)
        return Outcome(Shelf(found, archive_rows.boundary(connection)), count=len(found))

    return service.spine.read(caller, VERIFY, act)


def months_before(micros: int, months: int) -> int:
    """The same moment so many months earlier, in microseconds, UTC; on the last day of a month that
    has no such day.
    """
    now = moment(micros)
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    if year < 1970:
        return 0
    day = min(now.day, monthrange(year, month + 1)[1])
    return micros_of(now.replace(year=year, month=month + 1, day=day))


def _enter(service: Service, caller: Caller, written: Written) -> bool:
    archive = written.archive

    # In one transaction with its audit entry: after a kill there are both or none.
    def act(connection: Connection) -> Outcome[bool]:
        kept = archiving.keep(connection, written)
        if not kept:
            return Outcome(kept, count=0)
        detail: dict[str, str | int | bool] = {
            "old": archive.first,
            "size": archive.stop,
            "bytes": archive.bytes,
            "digest": archive.digest.hex(),
            "target": archive.name,
        }
        return Outcome(kept, count=archive.stop - archive.first, detail=detail)

    return service.spine.change(caller, ARCHIVE, act)


def _making(service: Service) -> Archiving:
    service.audit.drain()
    signed = sign_now(service)
    nodes.keep_nodes(service.store)
    now = service.clock.micros()
    years = service.settings.audit.retention.keep_years
    return Archiving(
        archives=service.archives,
        signed=signed,
        verifiers=service.signing.audit_verifiers,
        keep_until=months_before(now, -12 * years),
        now=now,
        random=service.random,
    )


def _read_by_all(service: Service, connection: Connection) -> int | None:
    """Up to which event all that follow the log have read it; None when nothing follows it yet."""
    sent = select(audit_stream.c.next_seq - 1).where(
        audit_stream.c.name.in_(audit_streams.declared(service))
    )
    looked = select(audit_watch.c.value).where(audit_watch.c.name == "events")
    if not service.settings.audit.detection.enabled:
        # Nobody moves that cursor; it would hold all entries back until somebody does.
        looked = looked.where(false())
    cursors = union_all(
        select(use_cursor.c.seq), select(notice_cursor.c.seq), looked, sent
    ).subquery()
    read: int | None = connection.scalar(select(func.min(cursors.c[0])))
    return read


def _due(service: Service) -> Due:
    before = months_before(service.clock.micros(), service.settings.audit.retention.months)
    with service.store.read() as connection:
        holds = [one for one in list_holds(connection) if one.kind is HoldKind.LOG]
        read = _read_by_all(service, connection)
    held = min((micros_of(datetime.fromisoformat(one.target)) for one in holds), default=None)
    return Due(before, held, None if read is None else read + 1)


def _place(settings: Settings, environment: Mapping[str, str]) -> Place | None:
    chosen = settings.audit.retention
    location = chosen.place
    if not location:
        return None
    try:
        place = parse_location(location)
    except InvalidInput as error:
        raise ConfigurationError(f"audit.retention.place: {error.detail}") from None
    if isinstance(place, LocalFolder):
        return FolderPlace(place.path)
    bucket = RepositorySettings(
        location=location,
        region=chosen.region,
        access_key_id=chosen.access_key_id,
        secret_access_key=chosen.secret_access_key,
        secret_access_key_file=chosen.secret_access_key_file,
    )
    credentials = s3_credentials(bucket, environment)
    if credentials is None:
        raise AssertionError("a place without a folder is a bucket")
    mode = "" if chosen.lock == "none" else chosen.lock.upper()
    return BucketPlace(partial(connect, place, credentials), place.bucket, place.prefix, mode)
