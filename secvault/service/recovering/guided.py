"""The real thing, with people: what is asked, in which order, and who has answered what.

It may be broken off at any moment and begun again in the same folder: what is done stays done, and
the incident log goes on. Shares are asked for again, for they are written nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from secvault.audit.event import Event
from secvault.backup.drills import evidence
from secvault.backup.drills.exercise import BroughtBack
from secvault.clock import Clock, micros_of, moment, timestamp
from secvault.crypto.aead import Random
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, InvalidInput
from secvault.recovery.kit import KitHead, KitPlan
from secvault.recovery.opening import check_share, read_kit
from secvault.service.break_glass import recovery as way_in
from secvault.service.recovering import finding, papers, rebuilding, safe, secrets_again, work
from secvault.service.recovering import incident as incidents
from secvault.service.recovering import place as places
from secvault.service.recovering.incident import Entry, Incident
from secvault.service.recovering.place import Place
from secvault.service.recovering.recording import Record
from secvault.service.recovering.storage import Candidate
from secvault.service.recovering.under_way import Order, Work, opened

BEGUN, OPENED, HANDED, CLOSED = "declared", "old-access-ended", "handed-over", "closed"
SERVICE = "service"
_SHOWN = 5


class Dialogue(Protocol):
    """Whoever is asked. Each raises Cancelled where nobody answers any more."""

    def say(self, text: str) -> None:
        """Tell something."""
        ...

    def ask(self, question: str, default: str = "") -> str:
        """The answer on one line; the default for an empty one."""
        ...

    def secret(self, question: str) -> Secret:
        """The answer, which is not shown while it is typed."""
        ...

    def yes(self, question: str, *, default: bool | None) -> bool:
        """Yes or no. default: for an empty answer; None where one must be given."""
        ...


@dataclass(frozen=True)
class Recovered:
    """What came of it. signed: the evidence. left: services that are still to be brought back."""

    place: Place
    signed: SignedEvidence | None
    left: tuple[str, ...]
    way_in: str = ""


def start(order: Order, dialogue: Dialogue, clock: Clock, random: Random) -> Recovered:
    """Lead through the recovery, from the kit to the services in their order.

    order: its folder, kit and environment; shares, requested_by and what is chosen are asked for.
    Raises SecvaultError where it cannot go on; begun again, it goes on from there.
    """
    place = Place(order.folder)
    log, before = _incident(place, dialogue, clock)
    record = Record(clock, log, dialogue.say)
    kit = read_kit(order.kit, order.key)
    _show(kit.head, dialogue, clock)
    if not order.key:
        dialogue.say(
            f"Compare with the sheet of a share: its key must be {kit.head.evidence_key}\n"
            "If it is another, this kit is forged: call nobody whom it names, and give no share."
        )
    done = {one.what for one in before if one.facts.get("verdict", "passed") == "passed"}
    if HANDED in done:
        places.remove(place.scratch)
        return _services(None, kit.head, place, record, dialogue, before)
    _require_alone(log, dialogue)
    gathered = replace(
        order,
        shares=_shares(kit.head, log, dialogue),
        requested_by=log.who,
        keep_tokens=_keep_tokens(log, dialogue),
    )
    running = work.open_the_kit(gathered, place, record, clock, random, rehearsal=False)
    running.resumed = bool(before)
    if before:
        # The time of the recovery runs from when it was begun, however often it was broken off.
        running.started_at = min(
            running.started_at, micros_of(datetime.fromisoformat(before[0].at))
        )
    _bring_back(running, dialogue)
    secrets_again.ask(running, dialogue.say, dialogue.secret)
    came = rebuilding.finish(running)
    opened_way = _way_in(running, dialogue)
    signed = _hand_over(running, came)
    ended = _services(running, kit.head, place, record, dialogue, before)
    places.remove(place.scratch)
    return replace(ended, signed=signed, way_in=opened_way)


def _incident(place: Place, dialogue: Dialogue, clock: Clock) -> tuple[Incident, tuple[Entry, ...]]:
    """The log, new or gone on with, in the name of whoever sits here; and what it has already."""
    before: tuple[Entry, ...] = ()
    if place.incident.is_file():
        places.go_on(place)
        # What a killed process did not finish of its last line is cut off.
        incidents.opened(place.incident, clock, "")
        before = incidents.read(place.incident)
    if before:
        first, last = before[0], before[-1]
        dialogue.say(
            f"A recovery was begun here by {first.who} at {first.at}; the last that was done: "
            f"{last.what} ({last.at}, {last.who}). It goes on from there."
        )
    elif not place.incident.is_file():
        places.begin(place)
    who = ""
    while not who:
        who = dialogue.ask("Who are you? Name and function, for the incident log")
    log = incidents.opened(place.incident, clock, who)
    if before:
        log.add("resumed", f"{who} goes on")
    else:
        what = dialogue.ask("What has happened? One sentence, for the incident log")
        log.add(BEGUN, what or "not said")
    return log, before


def _show(head: KitHead, dialogue: Dialogue, clock: Clock) -> None:
    age = max(0, clock.micros() - head.issued_at) // (24 * 3600 * 1_000_000)
    dialogue.say(
        f"\nRecovery kit {head.kit} of {head.company}, issued "
        f"{moment(head.issued_at):%Y-%m-%d} ({age} days ago), program {head.version}, database "
        f"{head.database}.\nWhat was changed since then is not in it; what is in it, opens."
    )
    for contact in head.contacts:
        dialogue.say(f"  contact: {contact}")
    for one in head.repositories:
        needs = f"; credentials: {one.credentials}" if one.needs_credentials else ""
        dialogue.say(f"  repository {one.name}: {one.location}{needs}")
    for number, name in enumerate(_order_of(head), 1):
        dialogue.say(f"  {number}. {name}")


def _require_alone(log: Incident, dialogue: Dialogue) -> None:
    """Two vaults that save into one repository, and sign one log, must not run at once."""
    alone = dialogue.yes(
        "Is the old machine off for good, or cut off from network and storage?", default=None
    )
    log.add("old-machine", "the old machine is off" if alone else "the old machine may still run")
    if not alone:
        raise Cancelled(
            "nothing was begun: while the old service runs, rehearse instead (`secvault recovery "
            "rehearse`), which touches nothing; then stop it, and begin again"
        )


def _shares(head: KitHead, log: Incident, dialogue: Dialogue) -> tuple[Secret, ...]:
    needed, given = head.shares.threshold, dict[int, Secret]()
    while len(given) < needed:
        words = dialogue.secret(f"Share {len(given) + 1} of {needed}")
        try:
            found = check_share(words, head)
        except InvalidInput as error:
            dialogue.say(f"{error.detail}.")
            continue
        if not found.of_kit:
            dialogue.say("this share is not of this kit; another one, please.")
            continue
        if found.number in given:
            dialogue.say("this share was given already; another one, please.")
            continue
        given[found.number] = words
        holder = found.holder or "its holder"
        log.add("share-given", f"share {found.number} by {holder}", share=found.number)
    return tuple(given.values())


def _keep_tokens(log: Incident, dialogue: Dialogue) -> bool:
    dialogue.say(
        "\nTokens of calling systems: one that was revoked since the backup would be good again."
    )
    revoke = dialogue.yes("Revoke them all? Each system then needs a new one", default=True)
    log.add("tokens", "tokens of systems are revoked" if revoke else "tokens of systems are kept")
    return not revoke


def _bring_back(running: Work, dialogue: Dialogue) -> None:
    """As `work.bring_back`, with the snapshot to begin with chosen by whoever sits here."""
    finding.reach(running)
    found = finding.find(running)
    for number, one in enumerate(found[:_SHOWN], 1):
        dialogue.say(
            f"  {number}. {one.snapshot.time:%Y-%m-%d %H:%M} UTC  {one.snapshot.id[:8]}  in "
            f"{one.reached.name}"
        )
    if len(found) > 1:
        chosen = dialogue.ask("Which snapshot? Its number, or the beginning of its id", "1")
        found = _from(found, chosen)
        running.record.incident.add("snapshot-chosen", f"snapshot {found[0].snapshot.id[:8]}")
    work.bring_back_from(running, found)


def _from(found: tuple[Candidate, ...], chosen: str) -> tuple[Candidate, ...]:
    """The chosen one, and those after it, which are older. Raises InvalidInput."""
    for number, one in enumerate(found, 1):
        if chosen == str(number) or (len(chosen) >= 6 and one.snapshot.id.startswith(chosen)):
            return found[number - 1 :]
    raise InvalidInput.at("snapshot", "there is no such snapshot; begin again, and choose another")


def _way_in(running: Work, dialogue: Dialogue) -> str:
    """Open a way in for a new administrator, where none can sign in; until when it waits."""
    dialogue.say(
        "\nAn administrator signs in with the password and the second factor of before; with a "
        "recovery code on paper in place of a lost telephone."
    )
    if dialogue.yes("Can at least one administrator do that?", default=True):
        return ""
    # The holders of the shares are here, and their shares have opened the root just now.
    proof = way_in.Proof("kit", running.head.shares.threshold)
    with opened(running) as service:
        begun = way_in.begin(service, proof, "no administrator can sign in after the recovery")
        opens = timestamp(way_in.opens_at(service, begun))
    running.record.incident.add(
        "way-in-opened", f"a way in for a new administrator opens at {opens}", incident=begun.id
    )
    dialogue.say(
        f"From {opens} on: `secvault break-glass recover --code`, then `secvault people activate`."
    )
    return opens


def _hand_over(running: Work, came: tuple[BroughtBack, ...]) -> SignedEvidence:
    """The incident log so far, bound into the vault's audit log, and the signed evidence."""
    record = running.record
    result = work.result_of(running, came)
    with opened(running) as service:
        service.audit.record(
            Event(
                kind="vault.recovered",
                outcome="ok",
                actor=safe.OPERATOR,
                resource="it/vault",
                department="it",
                detail={
                    "incident": running.id,
                    "evidence": record.incident.head,
                    "reason": HANDED,
                },
            )
        )
        signed = sign_evidence(evidence.document(result), service.signing.evidence)
    papers.write(running.place.data / "evidence", signed)
    # Last: who is killed before it does all of this again, and nothing is missing.
    record.incident.add(HANDED, "the audit log of the vault has the rest", verdict="passed")
    return signed


def _services(
    running: Work | None,
    head: KitHead,
    place: Place,
    record: Record,
    dialogue: Dialogue,
    before: tuple[Entry, ...],
) -> Recovered:
    """The other services in their order: each brought back now, later, or by other means."""
    done = {str(one.facts["plan"]) for one in before if one.what == SERVICE and "plan" in one.facts}
    left = []
    for plan in head.plans:
        if plan.vault or plan.name in done:
            continue
        what = plan.service or plan.name
        if running is None:
            left.append(what)
            continue
        if not dialogue.yes(f"Bring back the files of {what} now?", default=True):
            record.incident.add("service-later", f"{what} waits")
            left.append(what)
            continue
        if finding.bring_service(running, plan):
            record.incident.add(SERVICE, f"{what} is back", plan=plan.name)
            dialogue.say(_how_to_load(plan, place))
        else:
            left.append(what)
    record.incident.add(CLOSED, f"{len(left)} services are left" if left else "all are back")
    if left:
        dialogue.say(
            "Left: " + ", ".join(left) + ". With the service running: `secvault backup restore "
            "PLAN --target FOLDER`, in this order."
        )
    return Recovered(place, None, tuple(left))


def _how_to_load(plan: KitPlan, place: Place) -> str:
    where = f"  its files: {place.services / plan.name}"
    if not plan.sources:
        return where
    return (
        f"{where}\n  its databases ({', '.join(plan.sources)}): `secvault backup restore "
        f"{plan.name} --source NAME`, when the service runs and their servers are there"
    )


def _order_of(head: KitHead) -> tuple[str, ...]:
    return head.services or tuple(plan.service or plan.name for plan in head.plans)
