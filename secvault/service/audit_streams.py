"""Streams of the audit log as administrators and auditors see them, and where each one leads."""

from __future__ import annotations

import os
import platform
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import Connection

from secvault.audit import query
from secvault.audit.streams import place
from secvault.audit.streams.batch import Batch, Destination, Undelivered
from secvault.audit.streams.bucket import Bucket
from secvault.audit.streams.place import Place
from secvault.audit.streams.syslog import Syslog, transport, trust_of
from secvault.audit.streams.webhook import Webhook, signing_key
from secvault.backup.bucket import connect
from secvault.backup.repository import LocalFolder, parse_location, s3_credentials
from secvault.config import RepositorySettings
from secvault.config.section import file_content
from secvault.config.streams import StreamSettings
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, InvalidInput, NotFound
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

STREAMS = "it/audit/streams"

State = Literal["new", "running", "failing", "stalled", "removed"]


@dataclass(frozen=True)
class Stream:
    """A stream as it stands. Times in microseconds, UTC.

    state: `new` until its first turn; `failing` while nothing gets through, `stalled` when that
    has lasted for as long as the settings bear; `removed` when the settings have it no more.
    lag_events, lag_seconds: how many events wait for an acknowledgement, and for how long the first
    of them has. reason: why the last attempt failed.
    """

    name: str
    state: State
    target: str = ""
    address: str = ""
    format: str = ""
    lag_events: int = 0
    lag_seconds: int = 0
    acknowledged_seq: int | None = None
    acknowledged_at: int | None = None
    attempts: int = 0
    reason: str | None = None
    next_try_at: int | None = None


@dataclass(frozen=True)
class Tried:
    """How a test went. reason: a code for why it was not taken."""

    taken: bool
    seq: int
    reason: str = ""


def declared(service: Service) -> Mapping[str, StreamSettings]:
    """The streams of the settings that are to run, by name."""
    streams = service.settings.audit.streams
    return {name: chosen for name, chosen in sorted(streams.items()) if chosen.given}


def list_streams(service: Service, caller: Caller) -> tuple[Stream, ...]:
    """Every stream that the settings have, or had since it began, and how far it is."""

    def act(connection: Connection) -> Outcome[tuple[Stream, ...]]:
        found = standing(service, connection)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, Operation("stream.read", "it", "streams", STREAMS), act)


def test_stream(service: Service, caller: Caller, name: str) -> Tried:
    """Send the log's newest entry now, from this process; the stream sends it in its turn, too.

    Raises NotFound for a stream that is not declared, ConfigurationError.
    """

    def act() -> Outcome[Tried]:
        service.audit.drain()
        chosen = _declared(service, name)
        newest = query.page(service.store, limit=1).events
        batch = Batch(name, newest, chosen.format, service.signing.audit.name)
        reason = ""
        try:
            destination(service, name, chosen).deliver(batch)
        except Undelivered as failed:
            reason = str(failed)
        detail = {"target": name} | ({"state": reason} if reason else {})
        return Outcome(Tried(not reason, batch.last, reason), count=int(not reason), detail=detail)

    operation = Operation("stream.test", "it", "streams", f"{STREAMS}/{name[:63]}")
    return service.spine.work(caller, operation, act)


def standing(service: Service, connection: Connection) -> tuple[Stream, ...]:
    """How each stream stands."""
    chosen, known = declared(service), place.places(connection)
    size, now = place.log_size(connection), service.clock.micros()
    return tuple(
        _stream(connection, name, chosen.get(name), known.get(name), size, now)
        for name in sorted({*chosen, *known})
    )


def destination(service: Service, name: str, chosen: StreamSettings) -> Destination:
    """Where the stream leads; nothing is reached yet. Raises ConfigurationError."""
    key = f"audit.streams.{name}"
    if chosen.target == "s3":
        return _bucket(key, chosen)
    if chosen.target == "webhook":
        return _webhook(service, key, name, chosen)
    return Syslog(
        name,
        transport(chosen.scheme),
        chosen.host,
        chosen.port,
        platform.node(),
        chosen.timeout_seconds,
        chosen.ca_file,
        chosen.certificate_file,
        chosen.key_file,
    )


def _webhook(service: Service, key: str, name: str, chosen: StreamSettings) -> Webhook:
    if chosen.secret_file is None:
        raise AssertionError("the settings let no webhook pass without a secret")

    def trust() -> ssl.SSLContext:
        return trust_of(name, chosen.ca_file, chosen.certificate_file, chosen.key_file)

    authorization = None
    if chosen.authorization_file is not None:
        said = file_content(chosen.authorization_file, f"{key}.authorization_file")
        if not said.isascii() or not said.isprintable():
            raise ConfigurationError(f"{key}.authorization_file: is not one line of ASCII")
        authorization = Secret.of(said)
    secret = file_content(chosen.secret_file, f"{key}.secret_file")
    return Webhook(
        chosen.address,
        signing_key(secret, f"{key}.secret_file"),
        service.clock,
        trust if chosen.scheme == "https" else None,
        chosen.timeout_seconds,
        authorization,
    )


def _bucket(key: str, chosen: StreamSettings) -> Bucket:
    given = RepositorySettings(
        location=chosen.address,
        region=chosen.region,
        access_key_id=chosen.access_key_id,
        secret_access_key=chosen.secret_access_key,
        secret_access_key_file=chosen.secret_access_key_file,
    )
    try:
        at = parse_location(chosen.address)
    except InvalidInput as error:
        raise ConfigurationError(f"{key}.address: {error.detail}") from None
    credentials = s3_credentials(given, os.environ)
    if isinstance(at, LocalFolder) or credentials is None:
        raise ConfigurationError(f"{key}.address: write s3:https://host/bucket/prefix")
    return Bucket(lambda: connect(at, credentials), at.bucket, at.prefix)


def _declared(service: Service, name: str) -> StreamSettings:
    chosen = declared(service).get(name)
    if chosen is None:
        raise NotFound(f"there is no stream {name[:64]!r} in audit.streams")
    return chosen


def _stream(
    connection: Connection,
    name: str,
    chosen: StreamSettings | None,
    known: Place | None,
    size: int,
    now: int,
) -> Stream:
    blank = Stream(name, "new")
    if chosen is not None:
        blank = replace(blank, target=chosen.target, address=chosen.address, format=chosen.format)
    if known is None:
        return blank
    waiting = place.oldest_waiting(connection, known)
    state: State = "running"
    if chosen is None:
        state = "removed"
    elif known.stalled_at is not None:
        state = "stalled"
    elif known.failing_since is not None:
        state = "failing"
    return replace(
        blank,
        state=state,
        lag_events=max(0, size - 1 - known.acknowledged_seq),
        lag_seconds=0 if waiting is None else max(0, now - waiting) // place.MICROS,
        acknowledged_seq=known.acknowledged_seq if known.acknowledged_seq >= 0 else None,
        acknowledged_at=known.acknowledged_at,
        attempts=known.attempts,
        reason=known.reason,
        next_try_at=known.next_try_at if known.failing_since is not None else None,
    )
