"""What the service gives to a drill: the levels beyond files, the signature, the end of servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secvault.backup.drills import sweep as sweeping
from secvault.backup.drills.databases import left, level
from secvault.backup.drills.databases import room as databases_room
from secvault.backup.drills.examining import SCRATCH, Beyond
from secvault.backup.drills.result import DrillResult
from secvault.backup.drills.work import Means
from secvault.crypto.evidence import SignedEvidence
from secvault.service import drill_evidence
from secvault.service.drill_levels import own_levels, room_for
from secvault.service.service import Service


def means(service: Service) -> Means:
    """What drills of this service work with."""

    def sign(result: DrillResult) -> SignedEvidence:
        return drill_evidence.sign(service, result, drill_evidence.earlier_than(service, result))

    return Means(bring=lambda: _beyond(service), sign=sign, end_servers=_end_servers)


def sweep(service: Service) -> tuple[str, ...]:
    """Remove what killed drills left; the names of the folders that went. Raises BackupFailed."""
    return sweeping.sweep(service.backups, means(service).end_servers)


@contextmanager
def _beyond(service: Service) -> Iterator[Beyond]:
    """The levels beyond files. Leaving the block ends what they have started."""
    with own_levels(service) as own:
        yield Beyond(
            levels={"databases": level.examine, "vault": own.vault, "service": own.service},
            room=lambda head: databases_room.needed(head) + room_for(service, head),
            audit_entries_lost=lambda: own.audit_entries_lost,
            begin=own.begin,
        )


def _end_servers(folder: Path) -> None:
    # Never by what lies in the restored tree, where anybody may have put a record.
    left.end_left(folder / SCRATCH)
