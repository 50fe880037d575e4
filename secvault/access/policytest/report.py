"""What came of the tests, for people and programs; and what to add where they say too little."""

from __future__ import annotations

from dataclasses import dataclass

from secvault.access.policytest.mutation import Mutation
from secvault.access.policytest.place import Place
from secvault.access.policytest.running import Failure
from secvault.access.rows import Rule

ALL_COVERED = 100.0
GOOD_SCORE = 95.0


@dataclass(frozen=True)
class Entry:
    """A matrix, case or invariant, and what failed in it. answers: how many it asks for."""

    place: Place
    answers: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class SuiteReport:
    """One file."""

    file: str
    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Uncovered:
    """A rule that no right answer rests on. add: lines of a test file that would change that."""

    rule: Rule
    add: str


@dataclass(frozen=True)
class Report:
    """What came of all the tests of one policy. mutation: None when it was not asked for.

    policy_digest: of the rules that were tested. rules: how many there are.
    """

    policy_digest: str
    suites: tuple[SuiteReport, ...]
    rules: int
    uncovered: tuple[Uncovered, ...]
    mutation: Mutation | None

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Everything that is not as a test says."""
        return tuple(
            failure for suite in self.suites for one in suite.entries for failure in one.failures
        )

    @property
    def answers(self) -> int:
        """How many answers and invariants were looked at."""
        return sum(one.answers for suite in self.suites for one in suite.entries)

    @property
    def coverage(self) -> float:
        """Percent of the rules that a right answer rests on."""
        return 100 * (self.rules - len(self.uncovered)) / self.rules if self.rules else 100.0

    def faults(
        self, min_coverage: float = ALL_COVERED, min_score: float = GOOD_SCORE
    ) -> tuple[str, ...]:
        """Why the tests do not pass; empty when they do."""
        found = []
        if not self.suites:
            found.append("there are no test files: write tests/*.toml beside roles.csv")
        if self.failures:
            found.append(f"{len(self.failures)} of {self.answers} tests fail")
        if self.coverage < min_coverage:
            found.append(
                f"{len(self.uncovered)} of {self.rules} rules decide no tested answer: coverage "
                f"{self.coverage:.1f} %, at least {min_coverage:g} % are asked for"
            )
        if self.mutation is None:
            return tuple(found)
        if self.mutation.score < min_score:
            found.append(
                f"{len(self.mutation.survivors)} changed policies pass all tests: mutation score "
                f"{self.mutation.score:.1f} %, at least {min_score:g} % are asked for"
            )
        if self.mutation.unneeded:
            listed = ", ".join(self.mutation.unneeded)
            found.append(f"justified, but not surviving: {listed}; take it out of the test file")
        return tuple(found)
