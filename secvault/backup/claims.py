"""Rows of work under way: one of a plan at a time over all nodes, alive, ended in one clear state.

running: a process works on it, and says so every few seconds. waiting: it failed or was stopped,
and is tried again by itself. done, failed, cancelled: it has ended. Whoever asks for the end of a
run writes that on its row, where the process that works on it looks every second.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, insert, or_, select, update

from secvault.backup import full_disk
from secvault.backup.in_words import in_words, storable
from secvault.backup.restic_process import Cancel, NeverCancelled
from secvault.clock import Clock
from secvault.errors import BackupFailed, Cancelled, Conflict, SecvaultError
from secvault.store import Store

LOOK_SECONDS = 1.0
BEAT_SECONDS = 10
SILENT_AFTER_SECONDS = 60
# A beat this far in the future was written under a clock that has been set back since.
CLOCK_SET_BACK_SECONDS = 600
LONGEST_ERROR = 1000

PROGRESS = (
    "source",
    "bytes_done",
    "bytes_expected",
    "files_done",
    "files_expected",
    "rate",
    "seconds_left",
)
"""The columns that say how far a phase is."""
_HOW_FAR = frozenset({"phase", *PROGRESS})

Again = Callable[[BaseException], bool]
_NEVER = NeverCancelled()


class PlanBusy(Conflict):
    """Another run of the plan is under way."""

    code = "plan-busy"
    title = "The plan has a run under way"


class TakenOver(Conflict):
    """The row is not this process's to work on any more."""

    code = "taken-over"
    title = "The work was given up for dead"


@dataclass
class Asked:
    """Says whether the work is to end: as its process was told, or as its row says.

    by: who asked for it on the row. lost: the row was given up for dead meanwhile.
    """

    told: Cancel
    by: str | None = None
    lost: TakenOver | None = None

    def is_set(self) -> bool:
        """Whether to stop."""
        return self.by is not None or self.lost is not None or self.told.is_set()


@dataclass(frozen=True)
class Claims:
    """What rows of work are claimed with. node: this process, for the rows that it works on."""

    store: Store
    clock: Clock
    node: str

    def claim(self, table: Table, plan: str, row_id: str, **first: object) -> None:
        """Make the row of some work, or take it up again: the plan's only running one.

        first: values of a new row. A row that is done stays as it is. Raises PlanBusy, and
        Cancelled where somebody has asked for its end.
        """
        self.release_silent(table, plan)
        alive = {"state": "running", "node": self.node, "beat_at": self.clock.micros()}
        try:
            with self.store.write() as connection:
                row = connection.execute(select(table).where(table.c.id == row_id)).one_or_none()
                present = row._mapping if row else {}  # noqa: SLF001 - SQLAlchemy's public name
                cancelled = present.get("cancel_by")
                if row is None:
                    connection.execute(
                        insert(table).values(id=row_id, plan=plan, phase="begun", **alive, **first)
                    )
                elif present["state"] == "done":
                    return
                elif not cancelled:
                    connection.execute(
                        update(table)
                        .where(table.c.id == row_id)
                        .values(error=None, finished_at=None, **alive)
                    )
        except Conflict:
            raise PlanBusy(
                f"the plan {plan} has one running already; wait for it (one whose process was "
                f"killed is given up {SILENT_AFTER_SECONDS} seconds after its last sign of life)"
            ) from None
        if cancelled:
            error = cancelled_by(str(cancelled))
            self.end(table, row_id, "cancelled", error.detail)
            raise error

    @contextmanager
    def at_work(
        self,
        table: Table,
        row_id: str,
        work: str,
        cancel: Cancel = _NEVER,
        *,
        again: Again = lambda _error: False,
    ) -> Iterator[Cancel]:
        """Show signs of life on the row while the block runs, and how it failed if it fails.

        work: for the sentence, for instance "the backup". cancel: as the process is told to stop;
        what is given to the block also heeds the row. again: whether the work is tried again by
        itself after such an error. Raises what the block raised; OSError and sqlite3.Error as
        BackupFailed, or StorageFull.
        """
        asked = Asked(cancel)
        try:
            with self.beating(table, row_id, asked):
                try:
                    yield asked
                except (OSError, sqlite3.Error) as error:
                    if full_disk.is_told_by(error):
                        raise full_disk.fault(work, error) from error
                    raise BackupFailed(f"{work} stopped: {in_words(error)}") from error
                except Cancelled:
                    if asked.lost is not None:
                        raise asked.lost from None
                    if asked.by is None:
                        raise
                    raise cancelled_by(asked.by) from None
        except BaseException as error:
            try:
                state = _state_after(table, error, asked, again)
                self.end(table, row_id, state, reason_of(error), self.node)
            except SecvaultError as unwritten:
                error.add_note(f"{row_id} could not be marked as failed: {unwritten.detail}")
            raise

    @contextmanager
    def beating(self, table: Table, row_id: str, asked: Asked | None = None) -> Iterator[None]:
        """Show signs of life on a row while the block runs, and look whether its end is asked."""
        stop = threading.Event()

        def beat() -> None:
            looks = 0
            while not stop.wait(LOOK_SECONDS):
                looks += 1
                # The next look makes up for one that the store did not take.
                with suppress(SecvaultError):
                    if looks % BEAT_SECONDS == 0:
                        try:
                            self.mark(table, row_id)
                        except TakenOver as error:
                            if asked is not None:
                                asked.lost = error
                            return
                    if asked is not None and asked.by is None:
                        asked.by = self.cancel_asked(table, row_id)

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def cancel_asked(self, table: Table, row_id: str) -> str | None:
        """Who has asked for the end of this work, if somebody has."""
        if "cancel_by" not in table.c:
            return None
        with self.store.read() as connection:
            by: str | None = connection.execute(
                select(table.c.cancel_by).where(table.c.id == row_id)
            ).scalar_one_or_none()
        return by

    def mark(self, table: Table, row_id: str, **values: object) -> None:
        """Change a row of ours and show a sign of life. A new phase begins without progress.

        Raises TakenOver where it was given up for dead, as of a process that was stopped for long:
        another may be at the same work by now, and in the same folders.
        """
        # Where a power cut takes back how far it was, it has taken the work as well.
        lasting = not values.keys() <= _HOW_FAR
        if "phase" in values:
            values = {**dict.fromkeys(n for n in PROGRESS if n in table.c), **values}
        with self.store.write(lasting=lasting) as connection:
            marked = connection.execute(
                update(table)
                .where(
                    table.c.id == row_id,
                    table.c.state == "running",
                    table.c.node == self.node,
                )
                .values(beat_at=self.clock.micros(), **values)
            )
        if marked.rowcount != 1:
            raise TakenOver(f"{row_id} was given up for dead, or ended elsewhere; this one stops")

    def end(
        self, table: Table, row_id: str, state: str, reason: str, node: str | None = None
    ) -> None:
        """Write down how running or waiting work ended: failed, cancelled, or waiting again.

        node: only where it is this one's still.
        """
        ours = () if node is None else (table.c.node == node,)
        with self.store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == row_id, table.c.state.in_(("running", "waiting")), *ours)
                .values(
                    state=state,
                    finished_at=None if state == "waiting" else self.clock.micros(),
                    error=reason,
                )
            )

    def release_silent(self, table: Table, plan: str) -> None:
        """End work on the plan whose process has died, so that new one can begin."""
        with self.store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.plan == plan, table.c.state == "running", self.silent(table))
                .values(
                    state="failed",
                    finished_at=self.clock.micros(),
                    error="the process that worked on it died",
                )
            )

    def silent(self, table: Table) -> ColumnElement[bool]:
        """Of which rows no sign of life was seen for `SILENT_AFTER_SECONDS`."""
        now = self.clock.micros()
        return or_(
            table.c.beat_at < now - SILENT_AFTER_SECONDS * 1_000_000,
            table.c.beat_at > now + CLOCK_SET_BACK_SECONDS * 1_000_000,
        )


def cancelled_by(subject: str) -> Cancelled:
    """The error of work whose end was asked for on its row."""
    return Cancelled(f"cancelled by {subject}; what was saved before is kept")


def reason_of(error: BaseException) -> str:
    """The error in words for a row: of ours its sentence, of others only the kind."""
    reason = f"an unexpected {type(error).__name__}; the log says where"
    if isinstance(error, SecvaultError):
        reason = error.detail
    return storable(reason)[:LONGEST_ERROR]


def _state_after(table: Table, error: BaseException, asked: Asked, again: Again) -> str:
    if "cancel_by" not in table.c:
        return "failed"
    if isinstance(error, Cancelled) and asked.by is not None:
        return "cancelled"
    if again(error):
        return "waiting"
    return "cancelled" if isinstance(error, Cancelled) else "failed"
