"""Taking a period of the log away as an evidence package, which is itself an event of the log.

That an export was begun is on record before its first byte, that it was finished with the digest
of its manifest when all of them have been taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from zoneinfo import ZoneInfo

import uuid_utils

from secvault.access import Decision
from secvault.audit import nodes, query
from secvault.audit.cosignatures import published_note
from secvault.audit.formats import ExportFacts, format_named
from secvault.audit.package import Contents, Package, Table
from secvault.audit.pseudonyms import pseudonyms
from secvault.audit.question import Question
from secvault.audit.range_file import span_of
from secvault.clock import moment, timestamp
from secvault.crypto.canonical import JsonValue
from secvault.crypto.checkpoint import Checkpoint
from secvault.crypto.evidence import SignedEvidence
from secvault.errors import Cancelled, InvalidInput, SecvaultError
from secvault.service.audit_reports import FORMATS, WantedReport, make_report
from secvault.service.log_signing import sign_now
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

EXPORT = Operation("audit.read", "it", "log", "it/audit", kind="audit.export")

USUAL_FORMATS = ("csv",)
EXACT = "jsonl"
_KEY_BYTES = 32


@dataclass(frozen=True)
class Wanted:
    """What somebody takes away. formats: names of `audit.formats`; the exact bytes are there
    without asking. pseudonyms: for people, in place of the exact bytes. reports: languages in which
    the access report on the period lies in the package, as PDF and Excel.
    """

    question: Question
    formats: tuple[str, ...] = USUAL_FORMATS
    pseudonyms: bool = False
    reports: tuple[str, ...] = ()


class LogExport:
    """A package as it comes. Use it in a `with`: what is not finished there is put on record as
    broken off. Begun by `export_log`.
    """

    def __init__(
        self, service: Service, caller: Caller, decision: Decision, package: Package, told: str
    ) -> None:
        """told: the formats, for the record."""
        self._service, self._caller, self._decision = service, caller, decision
        self._package, self._told = package, told
        self._ended = False

    @property
    def name(self) -> str:
        """The name of the file."""
        contents = self._package.contents
        return f"audit-{timestamp(contents.at)[:10]}-{contents.id[-8:]}.zip"

    @property
    def at(self) -> int:
        """When it was begun, microseconds UTC."""
        return self._package.contents.at

    @property
    def done(self) -> int:
        """How many entries were written so far, each as often as it is written."""
        return self._package.done

    @property
    def to_do(self) -> int:
        """How many that will be at the most."""
        contents = self._package.contents
        of_period = contents.span.after - contents.span.first
        return max(1, of_period * (2 + len(contents.tables)))

    def __enter__(self) -> LogExport:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put on record how it ended, where it did not end well."""
        if self._ended:
            return
        self._ended = True
        known = error if isinstance(error, SecvaultError) else Cancelled("the export was given up")
        done = Outcome(
            None,
            count=self._package.shown.count,
            detail={"export": self._package.contents.id, "reason": known.code},
        )
        spine = self._service.spine
        event = spine.event(self._caller, EXPORT, "error", self._decision, done)
        self._service.audit.record(event)

    def parts(self) -> Iterator[bytes]:
        """The bytes of the zip. Before the last of them the export is on record, durably.

        Raises Damaged when the log does not bear them out; what came by then opens nowhere.
        """
        last = b""
        for part in self._package.parts():
            if last:
                yield last
            last = part
        self._conclude()
        yield last

    @property
    def manifest(self) -> SignedEvidence:
        """The signed manifest, once all parts have been taken."""
        assert self._package.manifest is not None  # noqa: S101 - said in the docstring
        return self._package.manifest

    def _conclude(self) -> None:
        package = self._package
        done = Outcome(
            None,
            count=package.shown.count,
            detail={
                "export": package.contents.id,
                "format": self._told,
                "digest": sha256(self.manifest.document).hexdigest(),
                "size": package.contents.checkpoint.size,
                "hidden": package.hidden,
                "pseudonymised": package.contents.pseudonyms is not None,
            },
        )
        self._ended = True
        self._service.spine.conclude(self._caller, EXPORT, self._decision, done)


def export_log(service: Service, caller: Caller, wanted: Wanted) -> LogExport:
    """Begin an evidence package of what answers the question, up to now.

    Raises Refused; InvalidInput for a question or a format that cannot be; Damaged when the log
    contradicts its checkpoints.
    """
    question = wanted.question.checked()
    formats = _formats(wanted)
    # Made before, so that the export has it on record.
    reports = _reports(service, caller, wanted)
    decision = service.spine.announce(caller, EXPORT)
    with service.spine.concerning(caller, EXPORT, decision):
        package = _package(service, caller, replace(wanted, question=question), formats, reports)
    return LogExport(service, caller, decision, package, ".".join(sorted(formats)) or EXACT)


def _formats(wanted: Wanted) -> tuple[str, ...]:
    formats = tuple(dict.fromkeys(wanted.formats))
    for name in formats:
        format_named(name)
    if EXACT in formats and wanted.pseudonyms:
        raise InvalidInput.at("format", "jsonl is the exact bytes, which no pseudonym can be in")
    # The exact bytes lie in every other package without asking.
    return tuple(name for name in formats if name != EXACT)


def _reports(service: Service, caller: Caller, wanted: Wanted) -> Mapping[str, bytes]:
    if not wanted.reports:
        return {}
    if wanted.pseudonyms:
        raise InvalidInput.at("report", "names people by their ids, which pseudonyms are to hide")
    question = wanted.question
    asked = WantedReport(
        since=question.since,
        until=question.until,
        department=question.department,
        languages=wanted.reports,
        formats=tuple(FORMATS),
    )
    made = make_report(service, caller, asked)
    return {f"report.{file.language}.{file.format}": file.content for file in made}


def _package(
    service: Service,
    caller: Caller,
    wanted: Wanted,
    formats: tuple[str, ...],
    reports: Mapping[str, bytes],
) -> Package:
    service.audit.drain()
    signing, store, question = service.signing, service.store, wanted.question
    log = signing.audit
    signed = sign_now(service)
    nodes.keep_nodes(store)
    with store.read() as connection:
        span = span_of(connection, question, signed.size)
    at = service.clock.micros()
    facts = ExportFacts(log.name, at, _zone(service), question)
    contents = Contents(
        id=uuid_utils.uuid7().hex,
        at=at,
        question=question,
        span=span,
        checkpoint=Checkpoint(log.name, signed.size, signed.root),
        note=published_note(store, signed),
        keys=tuple(each.vkey for each in (*signing.audit_verifiers, signing.evidence.verifier())),
        tables={f"events{format_named(name).suffix}": _table(name, facts) for name in formats},
        facts=_facts(service, caller, at),
        scratch=_scratch(service),
        pseudonyms=pseudonyms(store, service.random(_KEY_BYTES)) if wanted.pseudonyms else None,
        reports=reports,
    )
    return Package(
        store,
        contents,
        lambda: query.events(store, question),
        (signing.evidence, log, *signing.audit_beside),
        service.clock.micros,
    )


def _table(name: str, facts: ExportFacts) -> Table:
    return partial(format_named(name).write, facts=facts)


def _facts(service: Service, caller: Caller, at: int) -> dict[str, JsonValue]:
    who, zone = caller.principal, _zone(service)
    local = moment(at).astimezone(ZoneInfo(zone))
    return {
        "vault": service.keyring.vault_id,
        "organisation": service.settings.organisation,
        "exported_by": {"subject": who.subject, "name": who.name},
        "ticket": caller.ticket,
        "started_at_local": local.isoformat(),
        "time_zone": zone,
    }


def _zone(service: Service) -> str:
    return service.settings.conditions.business_hours.time_zone


def _scratch(service: Service) -> Path:
    folder = service.settings.data_folder / "scratch"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
