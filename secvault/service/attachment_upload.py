"""Taking in an attachment, however long it takes.

The content is stored beside the database first, under a key that nothing keeps yet; one transaction
then puts it into the record in the place of the old one, with its audit entry. What a kill leaves
before that is removed later (`attachment_collection`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import Decision
from secvault.crypto.content_key import new_content_key
from secvault.errors import InvalidInput, SecvaultError, Unavailable
from secvault.records import attachment_rows
from secvault.records import record as rows
from secvault.records.attachment import Attached
from secvault.records.attachment_content import Incoming, require_within
from secvault.records.content_type import USUAL_TYPES, known_type
from secvault.service.attachments import (
    Expected,
    Place,
    exchange,
    place_of,
    require_expected,
    require_in_use,
    require_writable,
    written,
)
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

BEAT_SECONDS = 60.0
_ID_BYTES = 16


@dataclass(frozen=True)
class Sent:
    """What a sender says of a file. name: without a folder. type: its media type.

    size: in bytes where it is known before, else None. sha256: in hexadecimal; empty when the
    sender does not say.
    """

    name: str
    type: str
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Stored:
    """An attachment that came in. version: of the record. replaced: whether there was one."""

    attached: Attached
    version: int
    replaced: bool


class Upload:
    """An attachment on its way in. One of `finish` and `abandon` ends it."""

    def __init__(
        self,
        service: Service,
        caller: Caller,
        place: Place,
        sent: Sent,
        expected: Expected,
        operation: Operation,
        decision: Decision,
    ) -> None:
        """Raises Unavailable, TooLarge, InvalidInput."""
        self._service, self._caller, self._place = service, caller, place
        self._sent, self._expected = sent, expected
        self._operation, self._decision = operation, decision
        self._recorded = False
        self._address = place.address(service.random(_ID_BYTES).hex())
        # Where its sender has told something that cannot be, before anything is stored.
        self._attached(size=sent.size or 0, sha256=sent.sha256 or "0" * 64)
        self._key = new_content_key(service.random)
        self._beat_at = service.clock.monotonic()
        with service.store.write() as connection:
            attachment_rows.begin(connection, self._address, service.clock.micros())
        self._incoming = Incoming(
            service.attachments,
            self._address,
            self._key,
            sent.type,
            largest(service, place),
            service.random,
        )

    def write(self, content: bytes) -> None:
        """More of it. Raises InvalidInput, TooLarge, Unavailable, Conflict."""
        self._incoming.write(content)
        now = self._service.clock.monotonic()
        if now - self._beat_at >= BEAT_SECONDS:
            self._beat_at = now
            with self._service.store.write() as connection:
                at = self._service.clock.micros()
                attachment_rows.beat(connection, self._address.attachment, at)

    def finish(self) -> Stored:
        """It is whole: keep it. Raises InvalidInput, Unavailable, Refused, VersionMismatch, ..."""
        self._incoming.finish()
        attached = self._attached(self._incoming.size, self._incoming.sha256)
        _require_digest(self._sent, attached, self._place)
        service, place = self._service, self._place
        replaced: list[bool] = []

        def act(connection: Connection) -> Outcome[int]:
            before, after = exchange(
                service,
                self._caller,
                place,
                self._operation,
                connection,
                expected=self._expected,
                value=attached.value(),
            )
            attachment_rows.keep(
                connection,
                self._address,
                self._key,
                after.data_key,
                service.clock.micros(),
                service.random,
            )
            replaced.append(place.field.name in before.field_names)
            return written(place, before, after)

        self._recorded = True
        version = service.spine.change(self._caller, self._operation, act)
        return Stored(attached, version, replaced[-1])

    def abandon(self, why: BaseException) -> None:
        """Give it up, and put on record why, unless it is kept."""
        if isinstance(why, SecvaultError) and not self._recorded:
            self._recorded = True
            spine = self._service.spine
            with (
                suppress(SecvaultError),
                spine.concerning(self._caller, self._operation, self._decision),
            ):
                raise why
        # What cannot be given up now may be kept; what else is left is collected.
        with suppress(Unavailable):
            with self._service.store.write() as connection:
                at = self._service.clock.micros()
                given_up = attachment_rows.give_up(connection, self._address.attachment, at)
            if given_up:
                self._incoming.abandon()

    def _attached(self, size: int, sha256: str) -> Attached:
        sent = self._sent
        said = Attached(self._address.attachment, sent.name, size, sent.type, sha256)
        return Attached.of(self._place.field.parse(said.value()))


def begin_upload(
    service: Service,
    caller: Caller,
    collection_name: str,
    record_id: str,
    field: str,
    sent: Sent,
    expected: Expected,
) -> Upload:
    """Begin to take in an attachment for a field of a record that is there.

    expected: what the field holds, see `attachments.require_expected`. Raises NotFound, Refused,
    InvalidInput, TooLarge, VersionMismatch, Conflict, Unavailable, before anything is sent.
    """
    place = place_of(service, collection_name, record_id, field)
    operation = place.operation(service, "record.update", of_field=False)
    decision = require_writable(service, caller, place, operation)
    with service.spine.concerning(caller, operation, decision):
        require_in_use(place.field)
        known_type(sent.type, place.field.limits.types or USUAL_TYPES, "Content-Type")
        require_within(sent.size or 0, largest(service, place))
        with service.store.read() as connection:
            present = rows.read_record(connection, service.keyring, place.collection, record_id)
        require_expected(place, present, expected)
        return Upload(service, caller, place, sent, expected, operation, decision)


@contextmanager
def uploading(begin: Callable[[], Upload]) -> Iterator[Upload]:
    """An upload that is given up when the block fails."""
    upload = begin()
    try:
        yield upload
    except BaseException as error:
        upload.abandon(error)
        raise


def largest(service: Service, place: Place) -> int:
    """The most bytes that a content of the field may have."""
    own, of_all = place.field.limits.max_bytes, service.settings.attachments.max_bytes
    return of_all if own is None else min(own, of_all)


def _require_digest(sent: Sent, attached: Attached, place: Place) -> None:
    if sent.size is not None and sent.size != attached.size:
        raise InvalidInput.at(place.field.name, "did not come whole; send it again")
    if sent.sha256 and sent.sha256 != attached.sha256:
        raise InvalidInput.at(
            "Repr-Digest", "is not that of what came: it was changed on its way; send it again"
        )
