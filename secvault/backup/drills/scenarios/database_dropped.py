"""A database was dropped: it is loaded from the newest snapshot into a server where it was.

On scratch servers of our own: first it is brought there, as production has it; then it is dropped
there, and that it is gone is looked at; then it is loaded once more, as a recovery would, and
compared with what was recorded when it was saved. A plan without databases has secvault's own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secvault.backup.drills.databases.room import needed as servers_need
from secvault.backup.drills.result import Fault
from secvault.backup.drills.room import for_files
from secvault.backup.drills.scenarios.script import LEVELS, Script
from secvault.backup.restores.order import Folder, Order
from secvault.backup.restores.parts import Parts, below, find_snapshot, looked_into
from secvault.backup.sources import loading
from secvault.backup.sources.faults import ProgramFailed
from secvault.backup.sources.loading import Facts
from secvault.backup.sources.source import SourceEntry
from secvault.config.backup_sources import SourceSettings
from secvault.errors import InvalidInput, SecvaultError

KINDS = ("postgresql", "mariadb", "sqlite")
"""The kinds of sources that are databases."""
BACK = "back"


class Server(Protocol):
    """A scratch server that runs."""

    def load(self, saved: Path, name: str) -> object:
        """Load one of the saved databases. saved: the source's folder in the restored tree."""

    def measure(self, name: str) -> Facts:
        """What is in it now, in the shape of the facts of a source."""

    def drop(self, name: str) -> object:
        """Drop it."""


@dataclass(frozen=True)
class Servers:
    """How scratch servers are run. running: of an entry and its source, in an empty folder of ours.

    faults: in what a loaded database differs from what was saved, by the source's name and its own,
    the facts of then, those of now, and the plan's tolerance. missing: raised where a program is
    not there.
    """

    running: Callable[[SourceEntry, SourceSettings, Path], AbstractContextManager[Server]]
    faults: Callable[[str, str, Facts, Facts, float], list[Fault]]
    missing: type[SecvaultError]


def play(script: Script, servers: Servers) -> None:
    """Bring back each database of the plan. Raises Broken after what it found."""
    engine = script.engine
    names = tuple(name for name, source in script.plan.sources.items() if source.kind in KINDS)
    if not names:
        raise InvalidInput.at("scenario", "the plan saves no database that could be dropped")
    script.repository = script.plan.repository
    with script.step("snapshot-found", phase="open", damage="snapshot-missing") as said:
        chosen = find_snapshot(engine, script.plan_name, script.repository, None)
        script.snapshot = chosen
        said.words = f"the newest of {script.repository}: {chosen.id[:16]}"
    place = Folder(str(script.folder / BACK))
    order = Order(script.plan_name, chosen.id, script.repository, place, sources=names)
    with looked_into(engine, f"{script.id}/look", order, script.cancel) as parts:
        script.data_at = parts.head.data_at
        script.require_room(for_files(parts.entries()) + servers_need(parts.head))
        _restore(script, parts)
        entries = [one for one in parts.head.sources if one.name in names]
    for entry in entries:
        _bring_back(script, entry, servers)
    script.came_back()


def _restore(script: Script, parts: Parts) -> None:
    with script.step("restored", phase="fetch", damage="pack-damaged") as said:
        done = script.engine.restic.restore(
            script.engine.opened_repository(script.repository),
            parts.snapshot.id,
            script.folder / BACK,
            include=parts.selection.patterns(),
            verify=True,
            on_progress=script.on_progress,
            cancel=script.cancel,
        )
        script.files, script.bytes = done.files, done.bytes
        said.words = f"the dumps alone: {done.files} files, {done.bytes} bytes"


def _bring_back(script: Script, entry: SourceEntry, servers: Servers) -> None:
    saved = below(script.folder / BACK, Path(entry.paths[0]))
    scratch = script.folder / LEVELS / entry.name
    scratch.mkdir(mode=0o700, parents=True)
    source = script.plan.sources[entry.name]
    if not loading.databases(entry.facts):
        with script.step("copy-loaded") as said:
            words = f"{entry.name}: the snapshot holds no database of it"
            said.fault("dump-damaged", entry.name, words)
        return
    try:
        with servers.running(entry, source, scratch) as server:
            for name in loading.databases(entry.facts):
                _drop_and_load(script, entry, saved, server, name, servers)
    except servers.missing as error:
        with script.step("copy-loaded") as said:
            said.fault("server-missing", entry.name, f"{entry.name}: {error.detail}")


def _drop_and_load(
    script: Script,
    entry: SourceEntry,
    saved: Path,
    server: Server,
    name: str,
    servers: Servers,
) -> None:
    of_it = f"{entry.name}: {name}"
    facts = loading.databases(entry.facts)[name]

    def differing() -> list[Fault]:
        found = loading.databases(server.measure(name))[name]
        return servers.faults(entry.name, name, facts, found, script.plan.drill.tolerance)

    with script.step("copy-loaded", damage="dump-damaged", also=(ProgramFailed,)) as said:
        server.load(saved, name)
        said.faults.extend(differing())
        said.words = f"{of_it} stands on a scratch server as production has it"
    if said.faults:
        return
    with script.step("database-dropped") as said:
        server.drop(name)
        said.words = f"{of_it} was dropped there"
    with script.step(
        "database-loaded", phase="load", damage="dump-damaged", also=(ProgramFailed,)
    ) as said:
        server.load(saved, name)
        said.faults.extend(differing())
        said.words = f"{of_it} is as it was saved, by its tables, rows and sums"
