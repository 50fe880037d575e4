"""Each snapshot made from the one before; no rules may answer that Casbin differs from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import structlog

from secvault.access.grants import Grant
from secvault.access.matcher import EngineName, answering
from secvault.access.rules import Rules
from secvault.access.self_check import self_check
from secvault.access.snapshot import Alarm, Snapshot, build_snapshot, log_alarm
from secvault.errors import Unavailable


def log_warning(event: str, **facts: object) -> None:
    """Tell what somebody should know, but nothing is wrong with, in the log of this process."""
    structlog.get_logger("secvault.access").warning(event, **facts)


class Builder:
    """Builds snapshots for one process; any of its threads may ask.

    engine: who answers, as far as the matcher lets it be chosen. alarm: told when engines
    disagree. tell: when another engine answers than was asked for, or two were not compared.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        random: Callable[[int], bytes],
        engine: EngineName = "table",
        alarm: Alarm = log_alarm,
        tell: Alarm = log_warning,
    ) -> None:
        self._monotonic = monotonic
        self._random = random
        self._engine = engine
        self._alarm = alarm
        self._tell = tell
        self._latest: Snapshot | None = None

    @property
    def known(self) -> Mapping[str, Grant]:
        """The grants of the last snapshot, by id; for `grants.read_live`."""
        return self._latest.table.holdings.grants if self._latest else {}

    def build(self, rules: Rules, grants: Iterable[Grant], *, epoch: int, at: int) -> Snapshot:
        """The policy of the moment `at`; see `snapshot.build_snapshot`.

        Raises Unavailable when Casbin answers differently from rules that were compiled anew.
        """
        before = self._latest
        made = build_snapshot(
            rules,
            grants,
            epoch=epoch,
            at=at,
            engine=self._engine,
            before=before,
            alarm=self._alarm,
        )
        if before is None or before.table.rules is not made.table.rules:
            self._compare(made)
        # It need not be in force, nor even be committed: it only spares work for the next.
        self._latest = made
        return made

    def _compare(self, made: Snapshot) -> None:
        rules = made.table.rules
        if answering(rules.rules.matcher, self._engine) != self._engine:
            self._tell(
                "access.engine_is_casbin", asked=self._engine, reason="the matcher of model.conf"
            )
        if made.engine != "table":
            return
        found = self_check(rules, self._random(8), self._monotonic)
        if found.different is not None:
            self._alarm("access.table_differs", policy=made.digest, **found.different._asdict())
            raise Unavailable(
                "the compiled policy and Casbin disagree, so nothing is answered; set "
                'access.engine = "casbin" and report this'
            )
        if found.skipped:
            self._tell("access.not_compared_with_casbin", departments=list(found.skipped))
