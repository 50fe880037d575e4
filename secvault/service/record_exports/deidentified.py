"""De-identified exports: what the schema says is done to each field, and k people are alike.

The whole collection is read twice, in one state of the store: first to count who is alike, then to
write, in an order that nobody can foresee. Nothing leaves before all of it lies in a file of its
own, which has no name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import Connection

from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, InvalidInput
from secvault.records import facts
from secvault.records import record as rows
from secvault.records.exports.anonymity import MOST_K, Groups, Verdict
from secvault.records.exports.pseudonym import Pseudonyms, purpose_of
from secvault.records.exports.shuffle import Shuffle
from secvault.records.exports.treatment import Treatment, how_of, treatment_of
from secvault.records.record import Record
from secvault.records.schema_deidentify import Deidentify, How
from secvault.service import standing
from secvault.service.asking import asker_of
from secvault.service.record_exports.asked import Anonymity, Wanted, reason_of
from secvault.service.record_exports.beginning import begin, new_id
from secvault.service.record_exports.reach import (
    BATCH,
    Reach,
    Tell,
    collection_of,
    nobody,
    operation_on,
    reach,
)
from secvault.service.record_exports.underway import Begun, Underway
from secvault.service.record_views import about_of
from secvault.service.service import Service
from secvault.service.spine import Caller
from secvault.tabular.column import Cell
from secvault.tabular.writer import Writer, open_writer

ACTION = "record.export_deidentified"
_PART = 1 << 20


def export_deidentified(
    service: Service, caller: Caller, wanted: Wanted, anonymity: Anonymity, tell: Tell = nobody
) -> Underway:
    """Begin a de-identified export of a whole collection.

    It takes no filters: two exports that differ by one person would show that person. Raises
    NotFound, Refused, ApprovalRequired; InvalidInput; ConfigurationError; Conflict when fewer than
    k people are alike and they are not to be left out.
    """
    collection = collection_of(service, wanted.collection)
    within = reach(service, caller, collection, (ACTION,))
    if wanted.where:
        raise InvalidInput.at("where", "a de-identified export is of the whole collection")
    purpose, k = purpose_of(anonymity.project), _k(service, anonymity)
    treatment = treatment_of(collection, anonymity.quasi, wanted.language)
    with service.store.read() as connection:
        count = within.count(connection, collection)
    begun = Begun(
        id=new_id(),
        collection=collection,
        format=wanted.format,
        operation=operation_on(ACTION, collection),
        decision=within.decision,
        at=service.clock.micros(),
        most=0,
        reason=reason_of(wanted.reason, 1, 0),
        filters=(),
        columns=tuple(column.name for column in treatment.columns),
        fields={name: _told(how_of(collection, one)) for name, one in collection.fields.items()},
        project=anonymity.project,
        asked={"k": k, "quasi_identifiers": [*sorted(anonymity.quasi)]},
    )
    writer = open_writer(wanted.format, treatment.columns, wanted.style(collection))
    begun = begin(service, caller, begun, within, count)
    pseudonyms = Pseudonyms(service.keyring.internal(purpose))
    made = _Made(service, caller, treatment, pseudonyms, within, tell)

    def parts() -> Iterator[tuple[bytes, int]]:
        with tempfile.TemporaryFile(dir=_folder(service)) as spool:
            verdict, records = made.whole(k, writer, spool, refuse=anonymity.refuse)
            # Nothing has left yet, and it took a while.
            reach(service, caller, collection, (ACTION,))
            with service.store.read() as connection:
                standing.require_shown(connection, service.clock, caller.principal)
            begun.more.update(_report(treatment, anonymity.project, verdict))
            spool.seek(0)
            yield b"", records
            while part := spool.read(_PART):
                yield part, 0

    return Underway(service, caller, begun, parts())


@dataclass(frozen=True)
class _Made:
    """A de-identified file in the making."""

    service: Service
    caller: Caller
    treatment: Treatment
    pseudonyms: Pseudonyms
    within: Reach
    tell: Tell

    def whole(
        self, k: int, writer: Writer, spool: IO[bytes], *, refuse: bool
    ) -> tuple[Verdict, int]:
        """Write the whole file into the spool; how it went, and its records. Raises Conflict."""
        with (
            self.service.store.read() as connection,
            Shuffle(self.service.random) as shuffle,
        ):
            of = 2 * self.within.count(connection, self.treatment.collection)
            verdict, done = self._counted(connection, k, shuffle, of)
            if refuse and not verdict.met:
                raise _too_few(self.treatment, verdict)
            if not verdict.groups and done:
                raise _too_few(self.treatment, verdict)
            records = 0
            for ids in shuffle.batches(BATCH):
                shown = [*self._shown(self._records(connection, ids), verdict)]
                spool.write(writer.add(shown))
                records += len(shown)
                done += len(ids)
                self.tell(done, of)
        for part in writer.end():
            spool.write(part)
        return verdict, records

    def _counted(
        self, connection: Connection, k: int, shuffle: Shuffle, of: int
    ) -> tuple[Verdict, int]:
        groups, after, done = Groups(k), "", 0
        treatment, collection = self.treatment, self.treatment.collection
        while True:
            ids = rows.record_ids(connection, collection, after, BATCH, self.within.among)
            found = self._records(connection, ids)
            for record in found:
                row = treatment.row(record, self.pseudonyms)
                groups.add(
                    tuple(row[at] for at in treatment.quasi),
                    treatment.subject(record),
                    tuple(row[at] for at in treatment.sensitive),
                )
            shuffle.add(record.id for record in found)
            done += len(ids)
            self.tell(done, of)
            if len(ids) < BATCH:
                return groups.settle(), done
            after = ids[-1]

    def _records(self, connection: Connection, ids: Sequence[str]) -> list[Record]:
        """Those that are within reach by what is under their tags."""
        allowed = {sort.about for sort in self.within.sorts}
        asker, collection = asker_of(self.caller.principal), self.treatment.collection
        found = rows.read_records(connection, self.service.keyring, collection, ids)
        order = {each: at for at, each in enumerate(ids)}
        return sorted(
            (
                record
                for record in found
                if facts.sort_of(about_of(record, collection), asker) in allowed
            ),
            key=lambda record: order[record.id],
        )

    def _shown(self, found: Sequence[Record], verdict: Verdict) -> Iterator[list[Cell]]:
        for record in found:
            row = self.treatment.row(record, self.pseudonyms)
            key = verdict.shown(tuple(row[at] for at in self.treatment.quasi))
            if key is None:
                continue
            for at, cell in zip(self.treatment.quasi, key, strict=True):
                row[at] = cell
            yield row


def _k(service: Service, anonymity: Anonymity) -> int:
    least = service.settings.exports.least_k
    k = least if anonymity.k is None else anonymity.k
    if not least <= k <= MOST_K:
        raise InvalidInput.at("k", f"use {least} (exports.least_k) to {MOST_K}")
    return k


def _folder(service: Service) -> Path:
    folder = service.settings.data_folder / "scratch"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _told(what: Deidentify) -> str:
    """What the manifest says of a field."""
    if what.how is How.DROP:
        return "absent"
    return f"{what.how} {what.domain or what.step}".strip()


def _too_few(treatment: Treatment, verdict: Verdict) -> Conflict:
    """The refusal, which says where people stand out, by numbers alone."""
    names = [treatment.columns[at].name for at in treatment.quasi]
    rare = ", ".join(
        f"{name} ({count})" for name, count in zip(names, verdict.blanked, strict=True) if count
    )
    return Conflict(
        f"fewer than {verdict.k} people are alike in {', '.join(names)}: values that too few have: "
        f"{rare or 'none'}; records that would be left out: {verdict.left_out}. Generalise fields "
        "in the schema (deidentify: month, year, band), or let what stands out be left out"
    )


def _report(treatment: Treatment, project: str, verdict: Verdict) -> dict[str, JsonValue]:
    names = [column.name for column in treatment.columns]
    quasi = [names[at] for at in treatment.quasi]
    studied = [names[at] for at in treatment.sensitive]
    return {
        "project": project,
        "k": verdict.k,
        "k_achieved": verdict.achieved,
        "quasi_identifiers": [*quasi],
        "groups": verdict.groups,
        "records_left_out": verdict.left_out,
        "values_left_blank": dict(zip(quasi, verdict.blanked, strict=True)),
        "l_diversity": dict(zip(studied, verdict.diversity, strict=False)),
    }
