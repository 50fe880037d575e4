"""Operations on the policy itself: what is in force and what was; plan, apply and roll back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import publication
from secvault.access.advice import Finding
from secvault.access.bundle import Bundle
from secvault.access.difference import Difference, difference
from secvault.access.grants import close_run_out, read_live
from secvault.access.publication import Version
from secvault.errors import Conflict
from secvault.identity import names
from secvault.records import index_state
from secvault.records.record import ensure_collection_keys
from secvault.records.schema_versions import note_schemas
from secvault.service.approval import Proposal, Terms
from secvault.service.approvals.subjects import name_of
from secvault.service.policies.first import PLACE, Folder, look_at_folder
from secvault.service.policies.history import Verification, verify_history
from secvault.service.policies.planning import Plan, make_plan, parsed_input
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

LONGEST_NOTE = 200

READ = Operation("policy.read", "it", "policy", PLACE)
APPLY = Operation("policy.apply", "it", "policy", PLACE)


@dataclass(frozen=True)
class Shown:
    """A publication with its files. rescue: why it cannot be read by this program, if so."""

    version: Version
    bundle: Bundle
    rescue: str = ""


@dataclass(frozen=True)
class Status:
    """What is in force, and what the policies folder of this machine has to do with it."""

    folder: Folder
    rescue: str


def status(service: Service, caller: Caller) -> Status:
    """What is in force, and whether the files are that."""

    def act(connection: Connection) -> Outcome[Status]:
        folder = look_at_folder(service.settings, connection)
        return Outcome(Status(folder, service.policy.in_force(connection).rescue))

    return service.spine.read(caller, READ, act)


def show(service: Service, caller: Caller, number: int | None = None) -> Shown:
    """A publication; the one in force when None. Raises NotFound, Damaged."""

    def act(connection: Connection) -> Outcome[Shown]:
        in_force = service.policy.in_force(connection)
        wanted = in_force.number if number is None else number
        version = publication.read_version(connection, wanted)
        rescue = in_force.rescue if wanted == in_force.number else ""
        shown = Shown(version, publication.read_bundle(connection, wanted), rescue)
        return Outcome(shown, detail=_detail(version))

    return service.spine.read(caller, READ, act)


def history(service: Service, caller: Caller) -> tuple[Version, ...]:
    """Every publication, the newest first."""

    def act(connection: Connection) -> Outcome[tuple[Version, ...]]:
        found = publication.list_versions(connection)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, READ, act)


def verify(service: Service, caller: Caller) -> Verification:
    """Compare every publication with its digest, and with the audit log."""

    def act(connection: Connection) -> Outcome[Verification]:
        service.audit.drain()
        found = verify_history(connection, service.store)
        detail: dict[str, str | int | bool] = {
            "operation": "verify",
            "passed": found.ok,
            "problems": len(found.problems),
        }
        return Outcome(found, count=found.versions, detail=detail)

    return service.spine.read(caller, READ, act)


def plan(service: Service, caller: Caller, bundle: Bundle) -> Plan:
    """What publishing the bundle would do now; nothing is changed.

    Raises InvalidInput with the faults of all its files.
    """

    def act(connection: Connection) -> Outcome[Plan]:
        found = make_plan(service, connection, bundle)
        return Outcome(found, detail={"policy": bundle.digest, "operation": "plan"})

    return service.spine.read(caller, READ, act)


def plan_rollback(service: Service, caller: Caller, number: int) -> Plan:
    """What publishing an older one again would do. Raises NotFound, InvalidInput."""
    return plan(service, caller, _old(service, number))


def compare(
    service: Service, caller: Caller, before: Bundle, after: Bundle
) -> tuple[Difference, Mapping[str, str]]:
    """Who would gain and lose what between two policies, and how people know them.

    By the roles that people and systems hold now. Raises InvalidInput.
    """
    old, new = parsed_input(before), parsed_input(after)

    def act(connection: Connection) -> Outcome[tuple[Difference, Mapping[str, str]]]:
        at = service.clock.micros()
        grants = [
            grant
            for grant in read_live(connection).grants
            if grant.expires_at is None or grant.expires_at > at
        ]
        found = difference(old.rules, new.rules, grants)
        known = {subject: name_of(connection, subject) for subject in found}
        return Outcome((found, known), detail={"operation": "diff"})

    return service.spine.read(caller, READ, act)


def lint(service: Service, caller: Caller, bundle: Bundle) -> tuple[Finding, ...]:
    """What is to be said of the bundle, also of who holds its roles. Raises InvalidInput."""
    return plan(service, caller, bundle).findings


def apply(
    service: Service, caller: Caller, bundle: Bundle, *, note: str, expected: str | None = None
) -> Version:
    """Publish the bundle: in force for every decision from the commit on.

    note: why, up to 200 characters. expected: digest of the plan that was looked at. Raises
    InvalidInput (faults in its files), Conflict (blocked, the same as before, or no longer
    what was planned), ApprovalRequired.
    """
    said = names.display_name(note, "note", LONGEST_NOTE)
    planned = _once(lambda connection: make_plan(service, connection, bundle))

    def looked_at(connection: Connection) -> Plan:
        found = planned(connection)
        if expected is not None and found.digest != expected:
            raise Conflict(
                "this is not what was planned: the files, the policy in force or people's roles "
                "have changed since; look at the plan again"
            )
        if not found.changed:
            raise Conflict(f"this is what is in force already, number {found.before.number}")
        if found.blockers:
            raise Conflict("the policy cannot be applied: " + "; ".join(found.blockers))
        return found

    def act(connection: Connection) -> Outcome[Version]:
        found = looked_at(connection)
        old = service.policy.in_force(connection)
        at = service.clock.micros()
        proposal = Proposal(
            caller.principal.subject,
            APPLY.action,
            APPLY.department,
            APPLY.object,
            APPLY.resource,
            found.terms(said),
        )
        version = publication.publish(
            connection,
            bundle,
            over=found.before.number,
            at=at,
            by=caller.principal.subject,
            note=said,
            proposal=proposal.digest,
        )
        if not old.rescue:
            # Of a policy from before schemas were noted.
            note_schemas(connection, old.collections.values(), found.before.number)
        note_schemas(connection, found.policy.collections.values(), version.number)
        close_run_out(connection, old.rules.roles - found.policy.rules.roles, at=at)
        ensure_collection_keys(
            connection,
            service.keyring,
            [one for name, one in found.policy.collections.items() if name not in old.collections],
        )
        index_state.declare(connection, found.policy.collections.values(), at)
        service.approvers.notice(connection)
        detail = {**_detail(version), "from_version": found.before.number}
        return Outcome(version, detail=detail)

    def terms(connection: Connection) -> Terms:
        return looked_at(connection).terms(said)

    return service.spine.change(caller, APPLY, act, terms)


def roll_back(
    service: Service, caller: Caller, number: int, *, note: str, expected: str | None = None
) -> Version:
    """Publish an older policy again, under a new number, with all that `apply` asks for."""
    return apply(service, caller, _old(service, number), note=note, expected=expected)


def _old(service: Service, number: int) -> Bundle:
    with service.store.read() as connection:
        return publication.read_bundle(connection, number)


def _once(make: Callable[[Connection], Plan]) -> Callable[[Connection], Plan]:
    """The plan of one transaction, made once: nothing in it changes between terms and act."""
    made: list[Plan] = []

    def planned(connection: Connection) -> Plan:
        if not made:
            made.append(make(connection))
        return made[0]

    return planned


def _detail(version: Version) -> dict[str, str | int | bool]:
    return {"policy": version.digest, "version": version.number}
