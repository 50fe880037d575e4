"""The two levels over one opened copy: what a drill asks, and what is put away behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from secvault.backup.drills.ground import Ground
from secvault.backup.drills.result import LevelResult
from secvault.backup.staging import NO_DATABASE
from secvault.config.drills import LevelName
from secvault.errors import Damaged, Unavailable
from secvault.service.drill_levels import audit_log, data_keys, fields, keys
from secvault.service.drill_levels.data_keys import Fetched
from secvault.service.drill_levels.escrow import Escrow
from secvault.service.drill_levels.fields import Opened
from secvault.service.drill_levels.findings import Findings
from secvault.service.drill_levels.own_copy import DATABASE, OwnCopy, open_own_copy
from secvault.service.drill_levels.questions import ask_all
from secvault.service.drill_levels.service_started import Loaded, loaded, started
from secvault.service.recovery_kits import roots_in_escrow
from secvault.service.service import Service

_NO_COPY = "the snapshot holds no copy of secvault"


@dataclass
class OwnLevels:
    """Examines secvault's own copy. audit_entries_lost: known after `vault`, where it can be."""

    _of: Service
    _escrow: Escrow
    _closing: ExitStack
    _program: Loaded | None = None
    _data_keys: Future[Fetched] | None = None
    audit_entries_lost: int | None = None
    _copy: OwnCopy | None = None
    _opening: Findings | None = None
    _asked: tuple[Opened, ...] | None = None
    _examined: bool = field(default=False)

    def begin(self, ground: Ground, levels: Collection[LevelName]) -> None:
        """Begin what these levels need beside the copy, while that is still restored."""
        if ground.manifest.database == NO_DATABASE or not {"vault", "service"} & set(levels):
            return
        self._data_keys = self._closing.enter_context(data_keys.fetching(ground))
        if "service" in levels:
            # The level tries it again, and says why it cannot be.
            with suppress(Unavailable):
                self._program = self._closing.enter_context(self._loaded(ground))

    def vault(self, ground: Ground) -> LevelResult:
        """The copy is this vault's, opens with the keys in escrow, decrypts, and its log is ours.

        Raises Cancelled, and what keeps it from being tried: Unavailable, BackupFailed.
        """
        began = ground.watch.monotonic()
        nothing = self._nothing(ground, "vault")
        if nothing is not None:
            return nothing
        found = Findings()
        copy = self._opened(ground)
        opening = self._opening or Findings()
        found.facts += opening.facts
        found.faults += opening.faults
        found.not_tested += opening.not_tested
        self._examined = True
        if copy is not None:
            with ground.watch.running("verify"):
                self._look(copy, found, ground)
        return found.result("vault", ground.watch.monotonic() - began)

    def service(self, ground: Ground) -> LevelResult:
        """A service that is started from the copy answers as it should, and refuses as it should.

        Raises as `vault` does.
        """
        began = ground.watch.monotonic()
        nothing = self._nothing(ground, "service")
        if nothing is not None:
            return nothing
        found = Findings()
        copy = self._opened(ground)
        if copy is None:
            if self._examined:
                words = "the service: secvault's own copy does not open, see the level before"
                return LevelResult("service", "not tested", 0.0, not_tested=(words,))
            opening = self._opening or Findings()
            found.faults += opening.faults
            return found.result("service", ground.watch.monotonic() - began)
        with ground.watch.running("verify"):
            asked = self._asked
            if asked is None:
                asked = ()
                # Only for the question; what is wrong with the fields is the other level's to say.
                aside = Findings()
                with _damage(aside):
                    asked = self._sampled(copy, frozenset(), aside, ground)
            self._ask(copy, asked, found, ground)
        return found.result("service", ground.watch.monotonic() - began)

    def _nothing(self, ground: Ground, name: LevelName) -> LevelResult | None:
        """The result where the snapshot holds no copy of secvault; None where it holds one."""
        if ground.manifest.database != NO_DATABASE:
            return None
        if not ground.plan.vault:
            return LevelResult(name, "not tested", 0.0, not_tested=(f"{_NO_COPY}, as planned",))
        found = Findings()
        found.fault("database-damaged", DATABASE, f"{_NO_COPY}, which the plan saves")
        return found.result(name, 0.0)

    def _opened(self, ground: Ground) -> OwnCopy | None:
        if self._opening is None:
            self._opening = Findings()
            fetched = self._data_keys
            self._copy = open_own_copy(
                self._of,
                ground,
                self._escrow,
                (lambda: data_keys.fetch(ground)) if fetched is None else fetched.result,
                self._closing,
                self._opening,
            )
        return self._copy

    def _look(self, copy: OwnCopy, found: Findings, ground: Ground) -> None:
        """All looks; one that meets damage does not keep the next from looking."""
        strange: frozenset[tuple[str, str]] = frozenset()
        with _damage(found):
            keys.look_at_named_keys(copy, found)
        with _damage(found):
            strange = keys.look_at_data_keys(copy, found, ground.heed)
        keys.tell_keyless_apart(self._of.store, copy.keyless, found)
        with _damage(found):
            self._asked = self._sampled(copy, strange, found, ground)
        ground.heed()
        with _damage(found):
            lost = audit_log.look_at_audit_log(self._of, ground, copy, found)
            self.audit_entries_lost = lost

    def _sampled(
        self,
        copy: OwnCopy,
        strange: frozenset[tuple[str, str]],
        found: Findings,
        ground: Ground,
    ) -> tuple[Opened, ...]:
        try:
            return fields.open_sample(self._of, copy, strange, found, ground.heed)
        except Unavailable as error:
            # The published policy says which collections there are.
            found.fault("database-damaged", "the policy in force", error.detail)
            return ()

    def _ask(
        self, copy: OwnCopy, asked: tuple[Opened, ...], found: Findings, ground: Ground
    ) -> None:
        try:
            program = self._program
            # It may have waited for hours, and been ended meanwhile, by want of memory or somebody.
            if program is None or program.ended():
                program = self._closing.enter_context(self._loaded(ground))
            with started(self._of.settings, copy, ground, program) as running:
                found.fact("started-in-ms", round(running.seconds * 1000))
                ask_all(running, self._of, copy, asked, found)
        except Unavailable as error:
            found.fault("service-not-started", "the restored service", error.detail)

    def _loaded(self, ground: Ground) -> AbstractContextManager[Loaded]:
        return loaded(self._of.nursery, gentle=ground.plan.drill.gentle)


@contextmanager
def _damage(found: Findings) -> Iterator[None]:
    """What the database itself says of a row or page that it cannot give."""
    try:
        yield
    except Damaged as damage:
        found.fault("database-damaged", DATABASE, damage.detail)


@contextmanager
def own_levels(service: Service, escrow: Escrow | None = None) -> Iterator[OwnLevels]:
    """The levels for one drill. When the block ends, the copy is closed and its database dropped.

    escrow: gives what is in escrow; the newest recovery kit if None.
    """
    with ExitStack() as closing:
        yield OwnLevels(service, escrow or partial(roots_in_escrow, service), closing)
