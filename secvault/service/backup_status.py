"""How every plan stands: whether it keeps its promise, and what was strange about it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.backup import checks, rpo
from secvault.backup.catalogue import Measure, newest_measures, repositories_of
from secvault.backup.rpo import PlanState
from secvault.service import drill_standing
from secvault.service.drill_standing import Standing
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


@dataclass(frozen=True)
class Status:
    """A plan and what its own repository was measured to hold, None where it never was.

    age: micros of the newest data at the moment of asking, None while there is none. drills: how it
    stands with its restore drills.
    """

    state: PlanState
    age: int | None
    measured: Measure | None
    drills: Standing
    damaged: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The state in one word, the worst first: behind, strange, failing, unproven, new, good."""
        if self.state.behind:
            return "behind"
        if self.state.anomalies:
            return "strange"
        if self.state.failed is not None:
            return "failing"
        if self.drills.word in UNPROVEN:
            return "unproven"
        return "good" if self.state.newest is not None else "new"


UNPROVEN = frozenset({"failed", "overdue", "missed"})
"""Words of drills by which a backup is not taken for good."""
WORDS = ("behind", "strange", "failing", "unproven", "new", "good")
"""The words of a status, the worst first."""


def read_status(service: Service, caller: Caller, *, measured: bool = True) -> tuple[Status, ...]:
    """Every plan as it stands, the worst first. measured: with what repositories hold."""
    operation = Operation("backup.read", "it", "*", "it/backups/*")

    def act(connection: Connection) -> Outcome[tuple[Status, ...]]:
        found = _statuses(service, connection, measured=measured)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, operation, act)


def statuses(service: Service) -> tuple[Status, ...]:
    """The same, for the program itself."""
    with service.store.read() as connection:
        return _statuses(service, connection, measured=True)


def _statuses(service: Service, connection: Connection, *, measured: bool) -> tuple[Status, ...]:
    plans = rpo.plans_of(service.backups)
    now = service.clock.micros()
    first = {name: repositories_of(one)[0] for name, one in plans.items()}
    states = rpo.states_of(connection, plans, now)
    measures = newest_measures(connection, first) if measured else {}
    drills = drill_standing.standings_of(connection, plans, now)
    damaged = checks.damaged(connection, plans)
    found = []
    for name, state in states.items():
        age = now - state.newest.data_at if state.newest else None
        found.append(Status(state, age, measures.get(name), drills[name], damaged.get(name, ())))
    return tuple(sorted(found, key=lambda one: (WORDS.index(one.word), one.state.plan)))
