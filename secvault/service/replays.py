"""The operation that makes a decision of the audit log again and compares the answers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access.replay import TOKEN_CHANGED, TOO_OLD, Recorded, Replay
from secvault.audit.leaf import StoredEvent
from secvault.errors import NotFound
from secvault.service import recorded_decisions
from secvault.service.recorded_decisions import TokenChanged, TooOld
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

REPLAY = Operation("access.replay", "it", "access", "it/access")


@dataclass(frozen=True)
class Replayed:
    """A replay. recorded: None when the entry says too little; why: says it then."""

    stored: StoredEvent
    recorded: Recorded | None
    replay: Replay
    why: str = ""


def replay(service: Service, caller: Caller, decision: str) -> Replayed:
    """Make the decision with this id again, by the policy and the facts of then.

    Raises InvalidInput for what is no id, NotFound.
    """

    def act(connection: Connection) -> Outcome[Replayed]:
        stored = recorded_decisions.find(service, decision)
        if stored is None:
            raise NotFound(f"the audit log has no decision {decision}")
        done = _replayed(service, connection, stored)
        subject = stored.event.actor.subject
        return Outcome(done, detail={"state": done.replay.verdict, "subject": subject})

    return service.spine.read(caller, REPLAY, act)


def _replayed(service: Service, connection: Connection, stored: StoredEvent) -> Replayed:
    try:
        recorded = recorded_decisions.of_event(connection, stored)
    except TooOld as error:
        return Replayed(stored, None, Replay(TOO_OLD), error.detail)
    except TokenChanged as error:
        return Replayed(stored, None, Replay(TOKEN_CHANGED), error.detail)
    again = recorded_decisions.again(service, connection, recorded)
    return Replayed(stored, recorded, again.replay)
