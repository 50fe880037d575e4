"""The databases level of a drill: each source's databases loaded, compared, and asked.

One source after the other, so that one server runs at a time. A database that does not load is no
reason to leave out the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from secvault.backup.drills.databases import accounts, assertions, comparing, headers, other_sources
from secvault.backup.drills.databases.comparing import Compared
from secvault.backup.drills.databases.other_sources import MOST_FAULTS, Hashed
from secvault.backup.drills.databases.place import Place, ScratchServer
from secvault.backup.drills.databases.programs import ServerMissing
from secvault.backup.drills.databases.servers import KINDS, running
from secvault.backup.drills.ground import Ground
from secvault.backup.drills.result import Fact, Fault, FaultCode, LevelResult
from secvault.backup.repository_faults import StorageFull
from secvault.backup.restores.loading import require_own
from secvault.backup.sources.faults import OutOfTime, SourceDenied, SourceUnreachable
from secvault.backup.sources.figures import TABLES
from secvault.backup.sources.loading import databases
from secvault.backup.sources.source import SourceEntry, leads_nowhere_else
from secvault.config.drills import AssertionSettings
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, Conflict, Damaged, InvalidInput

_LEFT_OUT = {
    "postgresql": "owners, grants, publications, subscriptions and event triggers",
    "mariadb": "the rights of users, and events, which never run in a drill",
}
_SUBJECTS = KINDS | {"command", "bucket"}


def examine(ground: Ground) -> LevelResult:
    """Load, compare and ask everything that the plan's sources saved.

    Raises what keeps it from being done: Cancelled, StorageFull, OutOfTime, OSError, BackupFailed
    where a scratch server does not start, SourceUnreachable where it dies.
    """
    began = ground.engine.clock.monotonic()
    found = _Found()
    asked = ground.plan.drill.assertions
    subjects = [entry for entry in ground.manifest.sources if entry.kind in _SUBJECTS]
    for number, entry in enumerate(subjects):
        ground.heed()
        folder = ground.scratch / f"databases-{number}"
        folder.mkdir(mode=0o700)
        try:
            _Source(ground, entry, folder, found).examine()
        finally:
            ground.engine.clear(folder)
    _rest(ground, found, {entry.name for entry in subjects})
    if not (subjects or asked):
        found.not_tested.append("the snapshot holds no database")
    there = {entry.name for entry in ground.manifest.sources}
    found.not_tested += [
        f"{name}: the snapshot does not hold it, though the plan saves it by now"
        for name, source in ground.plan.sources.items()
        if source.kind in _SUBJECTS and name not in there
    ]
    return LevelResult(
        "databases",
        "failed" if found.faults else "passed" if found.tested else "not tested",
        ground.engine.clock.monotonic() - began,
        found.facts(),
        tuple(found.faults),
        tuple(found.not_tested),
    )


@dataclass
class _Found:
    """What was found so far. examined: sources that no server is needed for."""

    faults: list[Fault] = field(default_factory=list)
    not_tested: list[str] = field(default_factory=list)
    examined: int = 0
    loaded: int = 0
    logins: int = 0
    assertions: int = 0
    compared: Compared = field(default_factory=Compared)
    hashed: Hashed = field(default_factory=Hashed)

    @property
    def tested(self) -> bool:
        """Whether anything was: sources alone are nothing, where all of them was left out."""
        return bool(self.examined or self.loaded or self.logins or self.assertions)

    def facts(self) -> tuple[Fact, ...]:
        told = {
            "databases-loaded": self.loaded,
            "tables-compared": self.compared.tables,
            "rows-counted": self.compared.rows,
            "sums-compared": self.compared.sums,
            "tables-hashed": self.compared.digests,
            "logins-compared": self.logins,
            "objects-hashed": self.hashed.objects,
            "assertions-asked": self.assertions,
        }
        return tuple(Fact(name, value) for name, value in told.items() if value)


@dataclass
class _Source:
    """One source under examination. folder: private, empty, its own."""

    ground: Ground
    entry: SourceEntry
    folder: Path
    found: _Found
    _loaded: set[str] = field(default_factory=set)

    def examine(self) -> None:
        try:
            saved = _saved(self.ground.tree, self.entry)
        except Damaged as damage:
            if self.entry.kind == "bucket" and not self.ground.whole:
                self._not_tested("its objects are outside of the sample")
                for name in self._asked():
                    self._not_tested(f"the assertion {name}")
            else:
                self._fault("dump-damaged", "", damage.detail)
            return
        match self.entry.kind:
            case "command":
                self._command(saved)
            case "bucket":
                self._bucket(saved)
            case _:
                self._databases(saved)

    def _databases(self, saved: Path) -> None:
        try:
            each = databases(self.entry.facts)
        except Damaged as damage:
            self._fault("manifest-damaged", "", damage.detail)
            return
        self._accounts(saved)
        engine = self.ground.engine
        place = Place(
            self.folder,
            engine.clock,
            self.ground.cancel,
            engine.environment,
            self.ground.plan_name,
            self.ground.plan.drill.gentle,
        )
        if not each:
            self._not_tested("it held no database when it was saved")
            self._add(assertions.absent(name, self.entry.name) for name in self._asked())
            return
        source = self.ground.plan.sources.get(self.entry.name)
        with ExitStack() as stack:
            try:
                with self.ground.watch.running("load"):
                    server = stack.enter_context(running(self.entry, source, place))
            except ServerMissing as missing:
                self._fault("server-missing", "", missing.detail)
                return
            for name, one in each.items():
                self._database(server, saved, name, one)
            with self.ground.watch.running("verify"):
                self._ask(server)

    def _accounts(self, saved: Path) -> None:
        """Whether the dumped accounts have the passwords that the server had."""
        told = self.entry.facts.get("logins")
        if not isinstance(told, dict):
            if {"globals", "users"} & self.entry.facts.keys():
                self._not_tested("passwords of accounts: none were recorded")
            elif self.entry.kind != "sqlite":
                self._not_tested("accounts of the server: they are not saved")
            return
        try:
            same = accounts.same(self.entry.kind, saved, told)
        except Damaged as damage:
            self._fault("dump-damaged", "", damage.detail)
            return
        self.found.logins += len(told)
        self._add(comparing.passwords(self.entry.name, told, same))

    def _database(
        self, server: ScratchServer, saved: Path, name: str, one: Mapping[str, JsonValue]
    ) -> None:
        self.ground.heed()
        where = f"{self.entry.name}: {name}"
        try:
            file = headers.file_of(self.entry.kind, saved, name, one)
            early = headers.fault(where, self.entry.kind, name, one, file)
            if early is not None:
                self.found.faults.append(early)
                return
            with self.ground.watch.running("load"):
                server.load(saved, name)
            with self.ground.watch.running("verify"):
                facts = databases(server.measure(name))[name]
        except ServerMissing as missing:
            self._fault("server-missing", name, missing.detail)
            return
        except (StorageFull, OutOfTime, SourceUnreachable):
            raise
        except SourceDenied as denied:
            words = f"{denied.detail}; the account that a drill loads with has no such right"
            self._fault("server-missing", name, words)
            return
        except (BackupFailed, Damaged, Conflict, InvalidInput) as error:
            self._fault("dump-damaged", name, error.detail)
            return
        self._loaded.add(name)
        self.found.loaded += 1
        tolerance, before = self.ground.plan.drill.tolerance, self.found.compared.unsettled
        self._add(
            comparing.faults(self.entry.name, name, one, facts, tolerance, self.found.compared)
        )
        if unsettled := self.found.compared.unsettled - before:
            self._not_tested(
                f"of {name}: sums and content of {unsettled} tables that were written to "
                "while they were saved"
            )
        if self.entry.kind in _LEFT_OUT:
            self._not_tested(f"of {name}: {_LEFT_OUT[self.entry.kind]}")
        if TABLES not in one:
            self._not_tested(f"rows of {name}: none were recorded (count_rows)")
        elif "digests" not in one:
            self._not_tested(f"sums and content of {name}: none were recorded (with_sums)")

    def _asked(self) -> Mapping[str, AssertionSettings]:
        """The assertions about this source."""
        every = self.ground.plan.drill.assertions
        return {name: one for name, one in every.items() if one.source == self.entry.name}

    def _ask(self, server: ScratchServer) -> None:
        for name, asked in self._asked().items():
            self.ground.heed()
            self.found.assertions += 1
            if asked.sql:
                fault = assertions.of_database(name, asked, self.entry, server, self._loaded)
            else:
                fault = self._by_command(name, asked, server)
            self._add([fault] if fault else [])

    def _by_command(
        self, name: str, asked: AssertionSettings, server: ScratchServer
    ) -> Fault | None:
        """Never without its database: told of none, a client asks the server of production."""
        loaded = self._loaded
        database = asked.database or (next(iter(loaded)) if len(loaded) == 1 else "")
        if (database or not loaded) and database not in loaded:
            return assertions.absent(name, database or self.entry.name)
        reached = server.environment(database) if database else {}
        return assertions.of_command(name, asked, self.ground, self.folder, reached)

    def _command(self, saved: Path) -> None:
        self.found.examined += 1
        with self.ground.watch.running("verify"):
            self._add(other_sources.of_command(self.entry, saved))
            self._commands()
        self._not_tested("whether a program takes back what was saved: a drill runs none for that")

    def _bucket(self, saved: Path) -> None:
        with self.ground.watch.running("verify"):
            if self.ground.whole:
                self.found.examined += 1
                self._add(
                    other_sources.of_bucket(self.entry, saved, self.found.hashed, self.ground.heed)
                )
            else:
                self._not_tested("its objects are outside of the sample")
            self._commands()

    def _commands(self) -> None:
        """Assertions by command of a source without a server."""
        for name, asked in self._asked().items():
            self.found.assertions += 1
            self._add(_asked_of_the_tree(name, asked, self.ground, self.folder))

    def _add(self, faults: Iterable[Fault]) -> None:
        told = list(faults)
        if len(told) > MOST_FAULTS:
            more = f"{len(told) - MOST_FAULTS} more faults of this kind"
            told = [*told[:MOST_FAULTS], Fault(told[MOST_FAULTS].code, self.entry.name, more)]
        self.found.faults += told

    def _fault(self, code: FaultCode, name: str, words: str) -> None:
        where = f"{self.entry.name}: {name}" if name else self.entry.name
        self.found.faults.append(Fault(code, where, words))

    def _not_tested(self, words: str) -> None:
        self.found.not_tested.append(f"{self.entry.name}: {words}")


def _rest(ground: Ground, found: _Found, examined: set[str]) -> None:
    """Assertions of no source, and of sources that the snapshot does not hold."""
    kinds = {entry.name: entry.kind for entry in ground.manifest.sources}
    for name, asked in ground.plan.drill.assertions.items():
        if asked.source in examined:
            continue
        ground.heed()
        found.assertions += 1
        if asked.source and asked.source not in kinds:
            words = f"the snapshot holds no source {asked.source}"
            found.faults.append(Fault("assertion-failed", name, words))
            continue
        folder = ground.scratch / "assertions"
        folder.mkdir(mode=0o700, exist_ok=True)
        with ground.watch.running("verify"):
            found.faults += _asked_of_the_tree(name, asked, ground, folder)


def _asked_of_the_tree(
    name: str, asked: AssertionSettings, ground: Ground, folder: Path
) -> list[Fault]:
    if asked.sql:
        words = f"{asked.source} is no database, and cannot be asked SQL"
        return [Fault("assertion-failed", name, words)]
    fault = assertions.of_command(name, asked, ground, folder, {})
    return [fault] if fault else []


def _saved(tree: Path, entry: SourceEntry) -> Path:
    """The source's folder in the restored tree. Raises Damaged where it is none, or holds links:
    through one, other files of this machine would be opened."""
    place = tree
    if not leads_nowhere_else(entry.paths[0]):
        raise Damaged(f"the manifest leads out of the snapshot for {entry.name}")
    for part in Path(entry.paths[0]).parts[1:]:
        place /= part
        if place.is_symlink() or not place.is_dir():
            raise Damaged(f"the snapshot does not hold what was saved of {entry.name}")
    require_own(place, entry.name)
    return place
