"""An export under way: its parts, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType

from secvault.access import Decision
from secvault.audit.event import Outcome as AuditOutcome
from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.errors import Cancelled, Conflict, Refused, SecvaultError
from secvault.records.collection import Collection
from secvault.records.exports import manifest, register
from secvault.records.exports.manifest import Digest
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.tabular.writer import Format


@dataclass(frozen=True)
class Begun:
    """What is known when an export begins. at: micros. most: records that it may take away.

    project: of a de-identified one, else empty. asked: what an approval is of, beside the number of
    records, in names, numbers and keyed digests. fields: what becomes of each. columns: of the
    file. more: what the manifest says of a de-identified one, filled in as its parts are made.
    """

    id: str
    collection: Collection
    format: Format
    operation: Operation
    decision: Decision
    at: int
    most: int
    reason: str
    filters: tuple[str, ...]
    columns: tuple[str, ...]
    fields: Mapping[str, str]
    project: str = ""
    asked: Mapping[str, JsonValue] = field(default_factory=dict)
    more: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the file."""
        day = timestamp(self.at)[:10]
        ending = f"-{self.project}" if self.project else ""
        return f"{self.collection.name}{ending}-{day}.{self.format}"

    @property
    def shown(self) -> tuple[str, ...]:
        """The fields of which something leaves."""
        return tuple(sorted(name for name, how in self.fields.items() if how != "absent"))


class Underway:
    """The file as it comes. Use it in a `with`: what is not finished there is broken off, which is
    put on record with how many records left.
    """

    def __init__(
        self,
        service: Service,
        caller: Caller,
        begun: Begun,
        parts: Iterator[tuple[bytes, int]],
    ) -> None:
        """parts: bytes, each with how many records more they bring."""
        self.begun = begun
        self._service, self._caller = service, caller
        self._parts = parts
        self._digest = Digest()
        self._records = 0
        self._whole = self._ended = False

    def __enter__(self) -> Underway:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put on record how it ended, where `finish` has not."""
        if self._ended:
            return
        self._ended = True
        known = error if isinstance(error, SecvaultError) else Cancelled("the export was given up")
        self._record(
            register.BROKEN_OFF,
            "denied" if isinstance(known, Refused) else "error",
            {"reason": known.code},
        )

    @property
    def records(self) -> int:
        """How many have been given so far."""
        return self._records

    def parts(self) -> Iterator[bytes]:
        """The bytes of the file, in order. Raises Conflict when there are more than were asked for;
        Refused, Damaged, InvalidInput.
        """
        for part, records in self._parts:
            self._records += records
            if self._records > self.begun.most:
                raise Conflict(
                    "more records have come meanwhile than were asked for; begin the export again"
                )
            self._digest.add(part)
            yield part
        self._whole = True

    def finish(self) -> SignedEvidence:
        """Sign what was taken away, once all parts have been; durable when it answers."""
        assert self._whole  # noqa: S101 - nothing half is signed
        evidence = sign_evidence(self._manifest(), self._service.signing.evidence)
        self._ended = True
        self._record(
            register.DONE,
            "ok",
            {"bytes": self._digest.size, "digest": sha256(evidence.document).hexdigest()},
        )
        return evidence

    def _record(
        self, state: str, outcome: AuditOutcome, detail: Mapping[str, str | int | bool]
    ) -> None:
        begun, service = self.begun, self._service
        done = Outcome(
            None,
            fields=begun.shown,
            count=self._records,
            detail={"export": begun.id, "format": str(begun.format), **detail},
        )
        event = service.spine.event(
            self._caller,
            begun.operation,
            outcome,
            begun.decision,
            done,
        )
        with service.store.write() as connection:
            register.end(connection, begun.id, state, self._records, service.clock.micros())
            service.audit.enqueue(connection, event)
        service.audit.kick()

    def _manifest(self) -> dict[str, JsonValue]:
        begun, service = self.begun, self._service
        who = self._caller.principal
        return {
            "kind": manifest.KIND,
            "version": manifest.VERSION,
            "vault": service.keyring.vault_id,
            "organisation": service.settings.organisation,
            "id": begun.id,
            "collection": begun.collection.name,
            "department": begun.collection.department,
            "schema_version": begun.collection.version,
            "exported_by": {"subject": who.subject, "name": who.name},
            "started_at": timestamp(begun.at),
            "finished_at": timestamp(service.clock.micros()),
            "reason": begun.reason,
            "ticket": self._caller.ticket,
            "filters": [*begun.filters],
            "file": {
                "name": begun.name,
                "format": str(begun.format),
                "bytes": self._digest.size,
                "sha256": self._digest.text,
            },
            "records": self._records,
            "columns": [*begun.columns],
            "fields": dict(begun.fields),
            "deidentified": dict(begun.more) if begun.project else None,
        }
