"""How the recovery kit stands: whether there is one, and what older copies of it lack by now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from secvault.errors import Damaged
from secvault.recovery import contents, stored
from secvault.recovery.contents import Change
from secvault.recovery.opening import read_kit
from secvault.recovery.stored import Place, StoredKit, StoredShares
from secvault.service import recovery_kit_places
from secvault.service.recovery_kit_contents import Gathered
from secvault.service.recovery_kits import gathered_now, operation
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome

_DAY = 86_400 * 1_000_000
State = Literal["missing", "behind", "stale", "outdated", "unwritten", "good"]
STATES: tuple[State, ...] = ("missing", "behind", "stale", "outdated", "unwritten", "good")
"""The worst first. missing: none was issued. behind: it has to be issued anew, which the worker
does. stale: what people have in hand opens less than it should, is too old, or is nothing.
outdated: it opens all, and says something that is so no more. unwritten: a place lacks the newest.
"""


@dataclass(frozen=True)
class KitStatus:
    """Times in micros. None of kit, shares: there are none.

    changes: what the newest kit lacks. taken: the newest that somebody took out; lacking: what that
    one lacks. places: where the newest should lie. unwritten: those that do not have it.
    other_numbers: whether the settings ask for other numbers of shares than were made.
    root_since: whether the root was rotated after the shares were made. holders: who has them, in
    words of the settings, one for each share.
    """

    state: State
    kit: StoredKit | None
    shares: StoredShares | None
    changes: tuple[Change, ...] = ()
    taken: StoredKit | None = None
    lacking: tuple[Change, ...] = ()
    too_old: bool = False
    places: tuple[Place, ...] = ()
    unwritten: tuple[str, ...] = ()
    other_numbers: bool = False
    root_since: bool = False
    holders: tuple[str, ...] = ()

    @property
    def stale_because(self) -> str:
        """In a word, why what people have in hand is stale; empty where it is not."""
        if self.state != "stale":
            return ""
        if self.taken is None:
            return "never-taken"
        grave = [one for one in self.lacking if one.grave]
        return grave[0].what if grave else "old"


@dataclass(frozen=True)
class CheckedKit:
    """A kit's file, compared with what is so now. newest: whether it is the last one issued.

    known: whether this store knows it; a copy of before a restore may be older than what it knows.
    """

    kit: str
    issued_at: int
    newest: bool
    known: bool
    changes: tuple[Change, ...]


def read_status(service: Service, caller: Caller) -> KitStatus:
    """The kit as it stands."""

    def act(connection: Connection) -> Outcome[KitStatus]:
        found = status_in(service, connection)
        return Outcome(found, detail={"state": found.state})

    return service.spine.read(caller, operation("kit.read"), act)


def status(service: Service) -> KitStatus:
    """The same, for the program itself."""
    with service.store.read() as connection:
        return status_in(service, connection)


def status_in(service: Service, connection: Connection) -> KitStatus:
    """The same in the caller's transaction. Raises Conflict, ConfigurationError, Damaged."""
    kit, shares = stored.newest_kit(connection), stored.shares_in_force(connection)
    now = gathered_now(service, connection)
    if kit is None or shares is None or now is None:
        return KitStatus("missing", kit, shares)
    taken = stored.last_taken(connection)
    days = service.settings.recovery.kit_days
    changes = contents.changes(kit.parts, now.parts)
    if _is_old(service, kit, days):
        changes = (*changes, Change("old", "", "changed"))
    lacking = contents.changes(taken.parts, now.parts) if taken else ()
    places = stored.places(connection)
    unwritten = recovery_kit_places.lacking(service, kit, places)
    settings = service.settings.recovery
    too_old = taken is not None and _is_old(service, taken, days)
    return KitStatus(
        state=_state(changes, taken, lacking, unwritten, too_old=too_old),
        kit=kit,
        shares=shares,
        changes=changes,
        taken=taken,
        lacking=lacking,
        too_old=too_old,
        places=places,
        unwritten=unwritten,
        other_numbers=(settings.threshold, settings.shares) != (shares.threshold, shares.shares),
        root_since=now.secrets.generation > shares.root_generation,
        holders=shares.of_kit(settings.holders).holders,
    )


def verify_kit(service: Service, caller: Caller, file: bytes) -> CheckedKit:
    """Whether the file is a kit of this vault, and what it lacks by now.

    Raises InvalidInput for what is no kit, Damaged for one that was changed or is another vault's.
    """

    def act(connection: Connection) -> Outcome[CheckedKit]:
        head = read_kit(file, service.signing.evidence.verifier().vkey).head
        known, newest = stored.find_kit(connection, head.kit), stored.newest_kit(connection)
        now = gathered_now(service, connection)
        if now is None:
            raise Damaged("this store knows of no kit's shares; was it restored from before them?")
        changes = contents.changes(known.parts, now.parts) if known else _unknown(now)
        checked = CheckedKit(
            head.kit,
            head.issued_at,
            newest is not None and newest.id == head.kit,
            known is not None,
            changes,
        )
        return Outcome(checked, detail={"run": head.kit})

    return service.spine.read(caller, operation("kit.read"), act)


def _unknown(now: Gathered) -> tuple[Change, ...]:
    # Nothing is known of it: it has to be taken for one that lacks everything.
    return contents.changes({}, now.parts)


def _state(
    changes: tuple[Change, ...],
    taken: StoredKit | None,
    lacking: tuple[Change, ...],
    unwritten: tuple[str, ...],
    *,
    too_old: bool,
) -> State:
    if changes:
        return "behind"
    if taken is None or too_old or any(one.grave for one in lacking):
        return "stale"
    if lacking:
        return "outdated"
    return "unwritten" if unwritten else "good"


def _is_old(service: Service, taken: StoredKit, days: int) -> bool:
    return days > 0 and service.clock.micros() - taken.issued_at > days * _DAY
