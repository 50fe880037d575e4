"""The work of bringing secvault back, step after step; and rehearsing it, unattended.

The same functions serve a rehearsal and the guided recovery (`guided`). Each step is put down as it
ends. A step that finds the newest snapshot damaged says so loudly and goes on with the one before:
the service comes back then, and the rehearsal has not passed.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import uuid_utils

from secvault import __version__
from secvault.backup.database import PostgresqlPrograms
from secvault.backup.drills import evidence
from secvault.backup.drills.exercise import BroughtBack, ExerciseFigures, RehearsalResult
from secvault.backup.restic import Progress, Restic, find_restic
from secvault.backup.restic_process import Cancel
from secvault.clock import Clock, moment, system_clock
from secvault.config import load
from secvault.crypto.aead import Random
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, Damaged, InvalidInput, SecvaultError, Unavailable
from secvault.keyring import FileSeal
from secvault.recovery.kit import KitHead, KitPlan, KitSecrets
from secvault.recovery.opening import open_kit
from secvault.service import opening
from secvault.service.recovering import (
    asking,
    contents,
    counting,
    database,
    fetching,
    joining,
    papers,
    probe,
    safe,
    settings_saved,
    storage,
)
from secvault.service.recovering import incident as incidents
from secvault.service.recovering import place as places
from secvault.service.recovering.fetching import NEVER, Fetched
from secvault.service.recovering.place import Place
from secvault.service.recovering.recording import Record, Tell
from secvault.service.recovering.settings_saved import Adapted
from secvault.service.recovering.storage import Candidate, Elsewhere, Reached
from secvault.service.service import Service

SAMPLE = 200
"""Records that are decrypted with the keys of the recovered vault."""
RECOVERED = ("Recovered from a backup.", "What is marked here is to be set again:")
"""The head of the recovered settings' file."""
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Order:
    """What is asked for. folder: new or empty, absolute. environment: where credentials are.

    shares: as many as the kit needs. key: the vault's evidence key (vkey), from elsewhere than the
    kit. at: NAME=LOCATION, where a repository lies for this machine. store_url: of an empty
    PostgreSQL database. snapshot: the beginning of an id, in place of the newest. repository: the
    only one to be read. serve: start the service and ask it. other_plans: bring back the files of
    the other plans, too. keep_tokens: see `safe.end_all`. opened: the kit, where it is open already
    and no shares are at hand.
    """

    folder: Path
    kit: bytes
    shares: Sequence[Secret]
    environment: Mapping[str, str] = field(repr=False)
    requested_by: str
    key: str = ""
    at: tuple[str, ...] = ()
    store_url: str = field(default="", repr=False)
    snapshot: str = ""
    repository: str = ""
    restic: Path = Path("restic")
    pg_bin: Path | None = None
    serve: bool = True
    sign: bool = True
    other_plans: bool = False
    keep_tokens: bool = False
    opened: tuple[KitHead, KitSecrets] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal came to. signed: by the vault's evidence key; None where not asked for."""

    result: RehearsalResult
    signed: SignedEvidence | None
    place: Place


@dataclass
class Work:
    """A recovery under way."""

    order: Order
    place: Place
    record: Record
    clock: Clock
    random: Random
    rehearsal: bool
    head: KitHead
    secrets: KitSecrets
    restic: Restic
    id: str
    started_at: int
    began: float
    cancel: Cancel = NEVER
    resumed: bool = False
    reached: tuple[Reached, ...] = ()
    fetched: Fetched | None = None
    adapted: Adapted | None = None
    saved: Mapping[str, object] = field(default_factory=dict)
    port: int = 0

    @property
    def plan(self) -> KitPlan:
        """The plan that saves secvault itself. Raises InvalidInput where the kit has none."""
        for plan in self.head.plans:
            if plan.vault:
                return plan
        raise InvalidInput("no plan of the kit saves secvault itself")

    @property
    def here(self) -> Fetched:
        """The snapshot that came back."""
        if self.fetched is None:
            raise AssertionError("nothing was fetched yet")
        return self.fetched

    @property
    def url(self) -> str:
        """The address of the recovered database."""
        if self.here.head.database == "postgresql":
            return self.order.store_url
        return f"sqlite:///{self.place.data / 'secvault.db'}"

    @property
    def environment(self) -> dict[str, str]:
        """What the recovered vault is opened with: no credential of a rehearsal's caller."""
        given = self.order.environment
        if not self.rehearsal:
            return dict(given)
        return {name: given[name] for name in _KEPT_VARIABLES if name in given}

    def heed(self) -> None:
        """Raises Cancelled where somebody wants it to stop."""
        if self.cancel.is_set():
            raise Cancelled("the recovery was stopped on request")


def rehearse(
    order: Order, clock: Clock, random: Random, tell: Tell, cancel: Cancel = NEVER
) -> Rehearsed:
    """Bring everything back into an empty folder, start it, ask it, and state what came of it.

    Nothing is written outside of the folder and the database that was named; nobody is told
    anything. What came back stays there. Raises SecvaultError where it does not come so far as to
    have a vault that could sign: too few shares, no repository, no whole snapshot.
    """
    place = Place(order.folder)
    places.begin(place)
    record = Record(clock, incidents.opened(place.incident, clock, order.requested_by), tell)
    work = open_the_kit(order, place, record, clock, random, rehearsal=True, cancel=cancel)
    try:
        bring_back(work)
        came = finish(work)
        signed = None
        if order.serve:
            serve_and_ask(work)
        if order.other_plans:
            bring_others(work)
        result = result_of(work, came)
        if order.sign:
            signed = sign(work, result)
            papers.write(place.folder / "evidence", "rehearsal", signed)
    finally:
        places.remove(place.scratch)
    return Rehearsed(result, signed, place)


def open_the_kit(
    order: Order,
    place: Place,
    record: Record,
    clock: Clock,
    random: Random,
    *,
    rehearsal: bool,
    cancel: Cancel = NEVER,
) -> Work:
    """Open the kit with the shares. Raises InvalidInput, Damaged."""
    started_at, began = clock.micros(), clock.monotonic()
    if order.opened is not None:
        head, secrets = order.opened
        record.untested("kit-opened", f"kit {head.kit}: the shares of its holders were not used")
    else:
        with record.step("kit-opened", "open", "Opening the recovery kit") as seen:
            head, secrets = open_kit(order.kit, order.shares, order.key)
            seen.words = (
                f"kit {head.kit} of {head.company}, issued {_day(head.issued_at)}, opened by "
                f"{head.shares.threshold} shares"
            )
    restic = find_restic(
        order.restic,
        place.scratch / "cache",
        place.scratch / "tmp",
        # restic dates what it reads by the clock of the machine.
        system_clock(),
        order.environment,
    )
    return Work(
        order=order,
        place=place,
        record=record,
        clock=clock,
        random=random,
        rehearsal=rehearsal,
        head=head,
        secrets=secrets,
        restic=restic,
        id=uuid_utils.uuid7().hex,
        started_at=started_at,
        began=began,
        cancel=cancel,
    )


def bring_back(work: Work) -> None:
    """Everything up to a vault that opens: fetched, loaded, sealed anew, joined with its keys."""
    reach(work)
    bring_back_from(work, find(work))


def bring_back_from(work: Work, left: tuple[Candidate, ...]) -> None:
    """The same from one of these snapshots, of the repositories that were reached."""
    while True:
        left = fetch(work, left)
        work.heed()
        try:
            load_database(work)
            break
        except Damaged as damage:
            _told_damaged(work, work.here.candidate, damage)
            if not left:
                raise
    look_at_log(work)
    join(work)
    write_settings(work)


def reach(work: Work) -> None:
    """Open every repository of the kit that can be reached. Raises Unavailable for none."""
    order, record, found = work.order, work.record, []
    elsewhere = Elsewhere.parse(order.at, work.head)
    # One that no plan saves into has nothing to give.
    used = {name for plan in work.head.plans for name in plan.repositories}
    wanted = [
        one
        for one in work.head.repositories
        if one.name in used and order.repository in ("", one.name)
    ]
    with record.step("repositories-reached", "open", "Reaching the repositories") as seen:
        for one in wanted:
            try:
                settings = storage.settings_of(one, elsewhere, order.environment, work.place)
                found.append(
                    storage.reach(work.restic, one, settings, work.secrets, order.environment)
                )
            except SecvaultError as error:
                record.skip(f"the repository {one.name} ({one.location}): {error.detail}")
        if not found:
            raise Unavailable(
                "no repository of the kit can be reached; see above why, give its credentials by "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or say with --at NAME=LOCATION where "
                "it lies now"
            )
        seen.words = f"{len(found)} of {len(wanted)} open: " + ", ".join(one.name for one in found)
    work.reached = tuple(found)


def find(work: Work) -> tuple[Candidate, ...]:
    """The snapshots that may be brought back, the one to begin with first. Raises NotFound."""
    found = _candidates(work, work.plan)
    wanted = work.order.snapshot
    if wanted:
        found = tuple(one for one in found if one.snapshot.id.startswith(wanted))
    return found


def fetch(work: Work, found: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Fetch the first of these that is whole; those that are left after it. Raises NothingWhole."""
    record = work.record
    with record.step("snapshot-fetched", "fetch", "Fetching the newest snapshot") as seen:
        left = list(found)
        summary = left[0].snapshot.summary if left else None
        if summary is not None:
            # Restored, then copied; and the database grows by its migrations.
            places.require_room(work.place, 2 * (summary.total_bytes_processed or 0))
        if left and work.resumed:
            # What the process before had fetched, which was killed.
            work.fetched = fetching.again(work.plan.name, left[0], work.place.scratch / "snapshot")
        while work.fetched is None:
            try:
                work.fetched = fetching.fetch_newest(
                    work.restic,
                    work.plan.name,
                    tuple(left[:1]),
                    work.place.scratch / "snapshot",
                    lambda words: record.fault("snapshot-not-newest", work.plan.name, words),
                    _unseen,
                    work.cancel,
                )
            except fetching.NothingWhole:
                left = left[1:]
                if not left:
                    raise
        candidate = work.here.candidate
        seen.words = (
            f"snapshot {candidate.snapshot.id[:8]} of {_day(work.here.head.data_at)} from "
            f"{candidate.reached.name}: {work.here.compared.checked} files, "
            f"{work.here.compared.bytes} bytes, all as they were"
        )
    return tuple(left[1:])


def load_database(work: Work) -> None:
    """Put the database in place, and its schema up to date. Raises Damaged, InvalidInput, ..."""
    here = work.here
    database.require_target(here.head.database, work.order.store_url)
    with work.record.step("database-restored", "load", "Restoring the database") as seen:
        database.bring(
            here.staged,
            here.head.database,
            work.order.store_url,
            work.place,
            PostgresqlPrograms(work.order.pg_bin),
            again=work.resumed,
        )
        seen.words = f"as {here.head.database}"
    with (
        work.record.step("schema-updated", "load", "Bringing its schema up to date") as seen,
        database.opened(work.url) as store,
    ):
        before, after = database.bring_up_to_date(store)
        seen.words = f"schema {after}" if before == after else f"from schema {before} to {after}"


def look_at_log(work: Work) -> None:
    """Verify the audit log before anything is written to it. Raises Damaged."""
    with (
        work.record.step("log-verified", "verify", "Verifying the audit log") as seen,
        database.opened(work.url) as store,
    ):
        found = joining.look_at_log(store, work.head)
        seen.words = f"{found.report.size} entries, whole, signed by a key of the kit"
        if not work.resumed and found.report.size < work.here.head.audit_size:
            raise Damaged(
                f"the copy's audit log has {found.report.size} entries, and its manifest says "
                f"{work.here.head.audit_size}"
            )
    if found.report.archived:
        work.record.leave_open(
            f"entries of the audit log that lie in archives, which were not read: "
            f"{found.report.archived}"
        )


def join(work: Work) -> None:
    """The root of the kit under a new seal, then the data keys. Raises RootNotInKit, Damaged."""
    with database.opened(work.url) as store:
        with work.record.step("root-sealed", "restore", "Sealing the root key anew") as seen:
            root = joining.root_for(store, work.secrets, work.clock, work.random)
            joining.seal_anew(store, root, _seal_key(work.place), work.random)
            seen.words = f"the root key of the kit (generation {root.generation}), by a key file"
        with work.record.step("data-keys-joined", "restore", "Joining the data keys") as seen:
            done = joining.rejoin(store, root, work.here.keys, work.clock, work.random)
            seen.words = (
                "in the database itself"
                if done is None
                else f"{done.keys} data keys; left out: {done.erased} records erased since, "
                f"{done.left_out} deleted since"
            )


def write_settings(work: Work) -> None:
    """The settings, the policies' files and the contents of attachments, as this machine has them.

    Raises Damaged, BackupFailed.
    """
    here, place = work.here, work.place
    with work.record.step("settings-written", "restore", "Writing the settings") as seen:
        saved, left_out = settings_saved.read_saved(here.staged)
        work.saved = saved
        contents.bring_policies(here.staged, saved, place)
        files = contents.bring_attachments(here.staged, place)
        url_file = None
        if here.head.database == "postgresql":
            url_file = place.secrets / "store-url"
            places.write_private(url_file, work.order.store_url)
        if work.rehearsal:
            work.port = asking.free_port()
            names = tuple(one.name for one in work.head.repositories)
            adapted = settings_saved.for_rehearsal(saved, place, url_file, work.port, names)
            remark = (
                "A rehearsal of the recovery: nothing here starts by itself or reaches outside.",
                "Not the settings of the service; they are in the snapshot.",
            )
        else:
            locations = {
                one.name: Elsewhere.parse(work.order.at, work.head).locations.get(
                    one.name, one.location
                )
                for one in work.head.repositories
            }
            adapted = settings_saved.for_recovery(
                saved, left_out, place, url_file, work.reached, locations
            )
            remark = RECOVERED
        settings_saved.write(adapted, place, remark)
        work.adapted = adapted
        counted = settings_saved.count(saved)
        seen.words = f"{counted} settings of then, {files} files of attachments"
    if not saved:
        work.record.leave_open("the snapshot holds no settings: it was made by an older program")
    if here.head.keys_apart and contents.lie_elsewhere(saved):
        work.record.leave_open(
            "the contents of attachments, which lie in a bucket of their own and not in the backup"
        )


def finish(work: Work) -> tuple[BroughtBack, ...]:
    """Open the vault, end what must not be good again, decrypt a sample, and count.

    Raises Damaged where a value does not open.
    """
    with opened(work) as service:
        end_old_access(work, service)
        with work.record.step("sample-opened", "verify", "Opening a sample of records") as seen:
            found = counting.sample(service, SAMPLE)
            seen.words = f"{found.fields} values of {found.records} records decrypted"
        return counting.brought_back(service, settings_saved.count(work.saved))


def end_old_access(work: Work, service: Service) -> None:
    """No session, token, approval, code or job of then is good; the log goes on by another name."""
    here = work.here
    with work.record.step("old-access-ended", "restore", "Ending old sessions") as seen:
        told = safe.Told(
            incident=work.id,
            evidence=work.record.incident.head,
            plan=work.plan.name,
            repository=here.candidate.reached.name,
            snapshot=here.candidate.snapshot.id,
            kit=work.head.kit,
            rehearsal=work.rehearsal,
            data_at=here.head.data_at,
        )
        why = "rehearsal of the recovery" if work.rehearsal else "recovered from a backup"
        origin = safe.leave_origin(service, f"{why}: snapshot {told.snapshot[:8]}")
        ended = safe.end_all(service, told, keep_tokens=work.order.keep_tokens)
        if not work.rehearsal:
            safe.adopt_passwords(service, work.secrets, work.reached)
        seen.words = (
            f"{ended.sessions} sessions, {ended.tokens} tokens, {ended.secret_ids} secret ids, "
            f"{ended.approvals} approvals and {ended.jobs} jobs of then are ended; the log goes on "
            f"as {origin}"
        )


def serve_and_ask(work: Work) -> None:
    """Start the service, ask it, stop it. Raises Unavailable, Damaged as faults of the result."""
    with opened(work) as service:
        asker = probe.begin(service)
    try:
        with work.record.step("service-asked", "start", "Starting the service") as seen:
            serving = asking.serving(work.place, work.port, work.clock, work.order.environment)
            with serving as running:
                answers = asking.ask(running, asker.token)
            seen.words = (
                f"ready after {answers.ready_seconds:.1f} s; {answers.asked} questions answered "
                "as they must be"
            )
    except Unavailable as error:
        work.record.fault("service-not-started", "service", error.detail)
    except Damaged as error:
        work.record.fault("service-wrong-answer", "service", error.detail)
    with opened(work) as service:
        probe.end(service, asker)


def bring_others(work: Work) -> None:
    """The files of the other plans, in the order of the kit, each whole or a fault."""
    for plan in work.head.plans:
        if not plan.vault:
            bring_service(work, plan)


def bring_service(work: Work, plan: KitPlan) -> bool:
    """Bring the files of one plan back below `services`, proven; whether that went well."""
    record, target = work.record, work.place.services / plan.name
    try:
        with record.step("plan-restored", "fetch", f"Restoring {plan.name}") as seen:
            found = _candidates(work, plan)
            done = fetching.fetch_newest(
                work.restic, plan.name, found, target, record.skip, _unseen, work.cancel
            )
            seen.words = (
                f"{plan.name}: {done.compared.checked} files of {_day(done.head.data_at)}, in "
                f"{target}"
            )
    except SecvaultError as error:
        record.fault("snapshot-missing", plan.name, error.detail)
        return False
    return True


def opened(work: Work) -> AbstractContextManager[Service]:
    """The recovered vault, open in this process, by its new seal."""
    settings = load(work.place.settings, work.environment if not work.rehearsal else {})
    return opening.opened(
        settings,
        work.clock,
        program="recovery",
        environment=work.environment,
        random=work.random,
    )


def result_of(work: Work, came: tuple[BroughtBack, ...]) -> RehearsalResult:
    """What it came to, as of now."""
    here, plan = work.here, work.plan
    seconds = work.clock.monotonic() - work.began
    return RehearsalResult(
        id=work.id,
        mode="rehearsal" if work.rehearsal else "recovery",
        company=work.head.company,
        kit=work.head.kit,
        kit_issued_at=work.head.issued_at,
        threshold=work.head.shares.threshold,
        shares=len(work.order.shares),
        machine=platform.node() or "unknown",
        version=__version__,
        database=here.head.database,
        seal=FileSeal(_seal_key(work.place)).kind,
        plan=plan.name,
        repository=here.candidate.reached.name,
        snapshot=here.candidate.snapshot.id,
        snapshot_at=here.candidate.snapshot.time_micros,
        requested_by=work.order.requested_by,
        started_at=work.started_at,
        finished_at=work.clock.micros(),
        steps=tuple(work.record.steps),
        brought_back=came,
        figures=ExerciseFigures(
            data_at=here.head.data_at,
            rpo_seconds=max(0, work.started_at - here.head.data_at) // 1_000_000,
            rpo_target_seconds=plan.rpo_hours * 3600,
            rto_seconds=seconds,
            rto_target_seconds=plan.rto_minutes * 60,
            phases=dict(work.record.phases),
            files=here.compared.checked,
            bytes=here.compared.bytes,
        ),
        skipped=tuple(work.record.skipped),
        faults=tuple(work.record.faults),
        not_tested=tuple(work.record.not_tested),
    )


def sign(work: Work, result: RehearsalResult) -> SignedEvidence:
    """The result, signed by the evidence key of the vault that came back: the same as before."""
    with opened(work) as service:
        return sign_evidence(evidence.document(result), service.signing.evidence)


def _candidates(work: Work, plan: KitPlan) -> tuple[Candidate, ...]:
    def damaged(words: str) -> None:
        work.record.fault("snapshot-missing", plan.name, words)

    return storage.candidates(
        work.restic, plan, work.reached, work.clock.micros(), work.record.skip, damaged
    )


def _told_damaged(work: Work, candidate: Candidate, damage: Damaged) -> None:
    work.record.fault(
        "snapshot-not-newest",
        work.plan.name,
        f"the snapshot {candidate.snapshot.id[:8]} in {candidate.reached.name}: {damage.detail}",
    )
    places.remove(work.place.data)
    work.fetched = None


def _seal_key(place: Place) -> Path:
    return place.data.with_name(f"{place.data.name}.key")


def _day(micros: int) -> str:
    return f"{moment(micros):%Y-%m-%d %H:%M} UTC"


def _unseen(_progress: Progress) -> None:
    """What is said is which step it is."""
