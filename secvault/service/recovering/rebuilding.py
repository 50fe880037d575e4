"""From a snapshot that is here to a vault that opens, is safe to use, and answers."""

from __future__ import annotations

from secvault.backup import repositories
from secvault.backup.database import PostgresqlPrograms
from secvault.backup.drills.exercise import BroughtBack
from secvault.errors import Damaged, Unavailable
from secvault.service.recovering import (
    asking,
    contents,
    counting,
    database,
    joining,
    probe,
    safe,
    settings_saved,
)
from secvault.service.recovering import place as places
from secvault.service.recovering.storage import Elsewhere
from secvault.service.recovering.under_way import Work, opened
from secvault.service.service import Service

SAMPLE = 200
"""Records that are decrypted with the keys of the recovered vault."""
RECOVERED = ("Recovered from a backup.", "What is marked here is to be set again:")
"""The head of the recovered settings' file."""


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
            here.candidate.snapshot.id,
            again=work.resumed,
        )
        seen.words = f"restored as {here.head.database}"
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
        if found.unknown:
            seen.words = f"{found.report.size} entries, whole by the keys that the copy names"
        if not work.resumed and found.report.size < work.here.head.audit_size:
            raise Damaged(
                f"the copy's audit log has {found.report.size} entries, and its manifest says "
                f"{work.here.head.audit_size}"
            )
    if found.unknown:
        work.record.leave_open(
            f"keys of the audit log that do not stand in the kit: {found.unknown}; compare the log "
            "with what was published of it"
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
            joining.seal_anew(store, root, work.place.seal_key, work.random)
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
            names = {one.name for one in work.head.repositories} | _added(work)
            adapted = settings_saved.for_rehearsal(
                saved, place, url_file, work.port, tuple(sorted(names))
            )
            remark = (
                "A rehearsal of the recovery: nothing here starts by itself or reaches outside.",
                "Not the settings of the service; they are in the snapshot.",
            )
        else:
            used = {name for plan in work.head.plans for name in plan.repositories}
            locations = {
                one.name: Elsewhere.parse(work.order.at, work.head).locations.get(
                    one.name, one.location
                )
                for one in work.head.repositories
                if one.name in used
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


def _added(work: Work) -> set[str]:
    """The names of the repositories that were added to the store, also after the kit was issued."""
    with database.opened(work.url) as store, store.read() as connection:
        return set(repositories.names(connection))


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
            safe.adopt_passwords(service, work.head, work.secrets, work.reached)
            if safe.forget_older_shares(service, work.head):
                work.record.leave_open(
                    "the recovery kit: its shares were made after this backup; issue it with new "
                    "shares"
                )
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
