"""The tests of a policy, run: from the texts of its files to a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from secvault.access.obligations import FILE as OBLIGATIONS
from secvault.access.obligations import parse_obligations
from secvault.access.policytest.checks import Checks
from secvault.access.policytest.mutants import mutants_of
from secvault.access.policytest.mutation import mutate
from secvault.access.policytest.place import Place
from secvault.access.policytest.reading import read_suite
from secvault.access.policytest.report import Entry, Report, SuiteReport, Uncovered
from secvault.access.policytest.running import (
    Failure,
    ask,
    check_duties,
    check_invariants,
    decisive_rules,
)
from secvault.access.policytest.suggestion import matrix_lines
from secvault.access.policytest.suite import Suite
from secvault.access.policytest.table import Table
from secvault.access.policytest.universe import universe_of, with_everything
from secvault.access.rules import parse_rules, read_text
from secvault.access.vocabulary import COLLECTIONS, FieldClasses
from secvault.errors import ConfigurationError

MODEL, ROLES, FOLDER = "model.conf", "roles.csv", "tests/"
CountSoFar = Callable[[int, int], None]
_EVERY = 50


def check_policy_tests(
    texts: Mapping[str, str],
    fields: FieldClasses,
    collections: Mapping[str, str] = COLLECTIONS,
    *,
    mutation: bool = False,
    progress: CountSoFar = lambda _done, _total: None,
) -> Report:
    """Run the tests of a policy that is given as the texts of its files.

    texts: `model.conf`, `roles.csv`, `obligations.toml` and every `tests/<name>.toml`, by their
    path in the policy folder; others are left alone. fields, collections: of the schema that the
    policy is for. mutation: also try every mutant; only when all tests pass, since a wrong answer
    says nothing about a changed policy. progress: told how much is done, of how much.
    Raises ConfigurationError for a policy or test file that cannot be read.
    """
    missing = [name for name in (MODEL, ROLES, OBLIGATIONS) if name not in texts]
    if missing:
        raise ConfigurationError(f"{missing[0]}: is missing from the policy")
    plain = parse_rules(texts[MODEL], texts[ROLES], fields, collections)
    rules = with_everything(plain)
    obligations = parse_obligations(texts[OBLIGATIONS])
    suites = [
        read_suite(name, texts[name], rules)
        for name in sorted(texts)
        if name.startswith(FOLDER) and name.endswith(".toml")
    ]
    table, universe = Table(rules), universe_of(rules)
    mutants = tuple(mutants_of(rules)) if mutation else ()
    step = _counting(progress, len(mutants) + sum(len(suite.assertions) for suite in suites))
    answered = []
    for suite in suites:
        for one in ask(suite, rules):
            answered.append(one)
            step()
    failures = [one.failure for one in answered if one.failure is not None]
    failures += check_invariants(suites, table, universe)
    failures += check_duties(suites, obligations, rules)
    failures += _disagreements(suites, table, failures)
    covered = decisive_rules(answered)
    return Report(
        policy_digest=plain.digest,
        suites=tuple(_suite_report(suite, failures) for suite in suites),
        rules=len(rules.rules),
        uncovered=tuple(
            Uncovered(rule, matrix_lines(rule, plain))
            for rule in rules.rules
            if rule.id not in covered
        ),
        mutation=mutate(suites, table, universe, obligations, mutants, step)
        if mutation and not failures
        else None,
    )


def policy_texts(folder: Path) -> Mapping[str, str]:
    """The texts that `check_policy_tests` takes, of a policy folder. Raises ConfigurationError."""
    files = [folder / name for name in (MODEL, ROLES, OBLIGATIONS)]
    files += sorted((folder / FOLDER).glob("*.toml"))
    return {file.relative_to(folder).as_posix(): read_text(file) for file in files}


def _counting(progress: CountSoFar, total: int) -> Callable[[], None]:
    done = count(1)

    def step() -> None:
        number = next(done)
        if number % _EVERY == 0 or number == total:
            progress(number, total)

    return step


def _disagreements(
    suites: Iterable[Suite], table: Table, failures: Sequence[Failure]
) -> Iterator[Failure]:
    """Right answers that the table, which mutants are judged by, does not give: never silently."""
    known = {failure.place for failure in failures}
    for one in Checks(suites, table).wrong():
        if one.source.place not in known:
            yield Failure(
                one.source.place,
                str(one.source),
                "one answer",
                "two",
                ("the decision and the table of the policy tests disagree: report this",),
            )


def _suite_report(suite: Suite, failures: Sequence[Failure]) -> SuiteReport:
    counted: Counter[Place] = Counter(one.place for one in suite.assertions)
    counted.update(one.place for one in suite.invariants)
    counted.update(one.place for one in suite.duties)
    return SuiteReport(
        suite.file,
        suite.title,
        tuple(
            Entry(place, number, tuple(one for one in failures if one.place == place))
            for place, number in counted.items()
        ),
    )
