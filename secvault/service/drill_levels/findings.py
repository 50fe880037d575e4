"""What the looks into a copy have found so far, and the level's result made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from secvault.backup.drills.result import Fact, Fault, FaultCode, LevelResult
from secvault.config.drills import LevelName

MOST_NAMED = 20
"""How many faults of one code are named; of further ones only the number is told."""


@dataclass
class Findings:
    """Facts, faults and what was left open, in the order in which they were met."""

    facts: list[Fact] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    not_tested: list[str] = field(default_factory=list)
    _more: dict[FaultCode, int] = field(default_factory=dict)

    def fact(self, name: str, value: int | str) -> None:
        """Put down a figure."""
        self.facts.append(Fact(name, value))

    def fault(self, code: FaultCode, where: str, words: str) -> None:
        """Put down a fault, once. where: a path, database, table or key, never a value."""
        found = Fault(code, where, words)
        if found in self.faults:
            return
        if sum(one.code == code for one in self.faults) < MOST_NAMED:
            self.faults.append(found)
        else:
            self._more[code] = self._more.get(code, 0) + 1

    def leave_open(self, words: str) -> None:
        """Put down what this time says nothing about."""
        if words not in self.not_tested:
            self.not_tested.append(words)

    def result(self, name: LevelName, seconds: float, before: Iterable[Fact] = ()) -> LevelResult:
        """The level's result: failed when there is a fault. before: facts to begin with."""
        rest = [
            Fault(code, "further ones", f"{number} more of the same kind")
            for code, number in self._more.items()
        ]
        return LevelResult(
            name,
            "failed" if self.faults else "passed",
            seconds,
            (*before, *self.facts),
            (*self.faults, *rest),
            tuple(self.not_tested),
        )
