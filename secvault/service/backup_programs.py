"""Whether the programs that backups need are on this machine."""

from __future__ import annotations

from secvault.backup import programs
from secvault.backup.programs import Cache, Program
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


def look_for_programs(service: Service, caller: Caller) -> tuple[tuple[Program, ...], Cache]:
    """What is there, what is missing and how to get it, as the account of this process sees it."""
    operation = Operation("backup.read", "it", "*", "it/backups/*")

    def act(_: object) -> Outcome[tuple[tuple[Program, ...], Cache]]:
        found = programs.look(service.backups)
        return Outcome(found, count=len(found[0]))

    return service.spine.read(caller, operation, act)
