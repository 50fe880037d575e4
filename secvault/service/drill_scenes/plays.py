"""Which scenario is played how."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from secvault.backup.drills import files_level
from secvault.backup.drills.databases import comparing, servers
from secvault.backup.drills.databases import room as databases_room
from secvault.backup.drills.databases.level import examine as databases_level
from secvault.backup.drills.result import Fault
from secvault.backup.drills.scenarios import (
    bucket_lost,
    database_dropped,
    ransomware,
    single_file,
)
from secvault.backup.drills.scenarios.database_dropped import Server, Servers
from secvault.backup.drills.scenarios.script import Script
from secvault.backup.sources.loading import Facts
from secvault.backup.sources.source import SourceEntry
from secvault.config.backup_sources import SourceSettings
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.service.drill_levels import own_levels, room_for
from secvault.service.drill_scenes import administrator_lost, host_lost, keys_lost
from secvault.service.service import Service


@dataclass(frozen=True)
class Wish:
    """What of a scenario a person may choose. path: of `single-file`, absolute; None for one by
    chance. shares: of the kit (`keys-lost`, `host-lost`), or of the seal (`administrator-lost`).
    """

    path: str | None = None
    shares: tuple[Secret, ...] = ()


def play(service: Service, script: Script, wish: Wish) -> None:
    """Play it to its end. Raises Broken after what it found, and what keeps it from being done."""
    draw = partial(_drawn, service.random)
    match script.scenario:
        case "single-file":
            single_file.play(script, draw, wish.path)
        case "database-dropped":
            database_dropped.play(script, _servers(script))
        case "ransomware":
            ransomware.play(script, draw, service.random)
        case "bucket-lost":
            _bucket_lost(service, script)
        case "keys-lost":
            keys_lost.play(script, service, wish.shares)
        case "host-lost":
            host_lost.play(script, service, wish.shares)
        case "administrator-lost":
            administrator_lost.play(script, service, draw, wish.shares)


def _bucket_lost(service: Service, script: Script) -> None:
    with own_levels(service) as levels:
        looked = (files_level.examine, databases_level, levels.vault, levels.service)
        bucket_lost.play(
            script, looked, lambda head: databases_room.needed(head) + room_for(service, head)
        )
        script.audit_entries_lost = levels.audit_entries_lost


def _servers(script: Script) -> Servers:
    def running(
        entry: SourceEntry, source: SourceSettings, folder: Path
    ) -> AbstractContextManager[Server]:
        place = servers.Place(
            folder,
            script.engine.clock,
            script.cancel,
            script.engine.environment,
            plan=script.plan_name,
            gentle=script.plan.drill.gentle,
        )
        return servers.running(entry, source, place)

    def faults(source: str, name: str, saved: Facts, found: Facts, tolerance: float) -> list[Fault]:
        return [*comparing.faults(source, name, saved, found, tolerance, comparing.Compared())]

    return Servers(running, faults, servers.ServerMissing)


def _drawn(random: Random, bound: int) -> int:
    """A number below `bound`, each as likely as any other."""
    size = 8
    most = 256**size // bound * bound
    while (found := int.from_bytes(random(size), "big")) >= most:
        pass
    return found % bound
