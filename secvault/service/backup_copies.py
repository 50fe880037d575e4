"""Copies of runs in further repositories, as people see them."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.backup import copies
from secvault.backup.copies import RunCopy
from secvault.errors import InvalidInput
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

MOST = 500


def list_copies(service: Service, caller: Caller, plan: str, limit: int) -> tuple[RunCopy, ...]:
    """The newest copies of the plan's runs, newest first. Raises NotFound, InvalidInput."""
    service.backups.plan(plan)
    if not 1 <= limit <= MOST:
        raise InvalidInput.at("limit", f"use 1 to {MOST}")

    def act(_: Connection) -> Outcome[tuple[RunCopy, ...]]:
        found = copies.of_plan(service.backups, plan, limit)
        return Outcome(found, count=len(found), detail={"plan": plan})

    looking = Operation("backup.read", "it", plan, f"it/backups/{plan}")
    return service.spine.read(caller, looking, act)
