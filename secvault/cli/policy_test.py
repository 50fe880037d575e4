"""`secvault policy test`: the tests of a policy, run on its files alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, show
from secvault.cli.outcome import FAILED
from secvault.cli.plain import one_line
from secvault.errors import ConfigurationError

if TYPE_CHECKING:
    from secvault.access.policytest import Report
    from secvault.access.policytest.mutation import Survivor
    from secvault.access.policytest.place import Place


MOST_SHOWN, MOST_EFFECTS = 10, 3


def run(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="The policy folder; the configured one if not given."),
    ] = None,
    mutation: Annotated[
        bool,
        typer.Option(help="Also change the policy row by row and see whether a test notices."),
    ] = True,
    min_coverage: Annotated[
        float,
        typer.Option(metavar="PERCENT", min=0, max=100, help="Of the rules, decided by a test."),
    ] = 100.0,
    min_score: Annotated[
        float,
        typer.Option(metavar="PERCENT", min=0, max=100, help="Of the changes, noticed by a test."),
    ] = 95.0,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the results as JUnit XML, too.", dir_okay=False),
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Run the tests of a policy: tests/*.toml in its folder. Opens no vault.

    Exit code 1 when a test fails, a rule decides no tested answer, or too many changed policies
    pass all tests; exit code 2 when a file cannot be read.
    """
    chosen = folder or opening.settings(context).policy_folder
    collections = operations.collection_files.load_collections(chosen / "collections")
    with progress.of_count("Testing the policy") as so_far:
        report = operations.policytest.check_policy_tests(
            operations.policytest.policy_texts(chosen),
            {
                name: {field.name: str(field.sensitivity) for field in one.fields.values()}
                for name, one in collections.items()
            },
            {name: one.department for name, one in collections.items()},
            mutation=mutation,
            progress=so_far,
        )
    faults = report.faults(min_coverage, min_score)
    if junit is not None:
        _write(junit, operations.policytest.junit(report, faults))
    if as_json:
        show.document(_document(report, faults))
    else:
        _tell(report, faults)
    if faults:
        raise typer.Exit(FAILED.number)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written ({error.strerror})") from error


def _tell(report: Report, faults: tuple[str, ...]) -> None:
    for failure in report.failures[:MOST_SHOWN]:
        _block(
            f"FAILED {failure.place}",
            f"{failure.what}: expected {failure.expected}, was {failure.actual}",
            *(f"  {reason}" for reason in failure.why),
        )
    _more(len(report.failures))
    for one in report.uncovered[:MOST_SHOWN]:
        rule = one.rule
        _block(
            f"NOT TESTED roles.csv line {rule.line}: {rule.id}",
            f"No tested answer rests on: {rule.sub} {rule.eft} {rule.act} {rule.obj} {rule.fld} "
            f"in {rule.dom}. Add, in a file of tests/, with the answer that is meant:",
            *(f"  {line}" for line in one.add.splitlines()),
        )
    _more(len(report.uncovered))
    _tell_survivors(report.mutation.survivors if report.mutation else ())
    show.facts(_summary(report))
    for fault in faults:
        show.talk(f"Not passed: {fault}.")
    if not faults:
        show.talk("The policy passes its tests.")


def _tell_survivors(survivors: Sequence[Survivor]) -> None:
    """By row of the policy; first those that would let somebody do more."""
    rows: dict[tuple[str, int], list[Survivor]] = {}
    for one in sorted(survivors, key=lambda one: not one.gives):
        rows.setdefault((one.file, one.line), []).append(one)
    for (file, line), found in list(rows.items())[:MOST_SHOWN]:
        where = f" line {line}" if line else ""
        effects = [f"{one.text}: {one.witness}" for one in found[:MOST_EFFECTS]]
        if len(found) > MOST_EFFECTS:
            effects.append(f"... and {len(found) - MOST_EFFECTS} more changes of this row")
        first = found[0]
        _block(
            f"NOT NOTICED {file}{where}: {first.name}",
            *effects,
            "Add, in a file of tests/, if the policy as it is is meant:",
            *(f"  {line}" for line in first.add.splitlines()),
        )
    _more(len(rows))


def _block(heading: str, *lines: str) -> None:
    show.out(one_line(heading))
    for line in lines:
        show.out(f"  {one_line(line)}".rstrip())
    show.out("")


def _more(number: int) -> None:
    if number > MOST_SHOWN:
        show.out(f"... and {number - MOST_SHOWN} more; --json tells all.\n")


def _summary(report: Report) -> dict[str, str]:
    found = {
        "files": str(len(report.suites)),
        "answers and invariants": f"{report.answers}, {len(report.failures)} failed",
        "rule coverage": f"{report.coverage:.1f} % of {report.rules} rules",
    }
    if (done := report.mutation) is not None:
        counted = done.killed + len(done.survivors)
        found["mutation score"] = (
            f"{done.score:.1f} %: {done.killed} of {counted} changed policies noticed; "
            f"{done.equivalent} more change no answer, {done.justified} are justified"
        )
    elif report.failures:
        found["mutation score"] = "not measured while tests fail"
    return found


def _document(report: Report, faults: tuple[str, ...]) -> dict[str, Any]:
    return {
        "passed": not faults,
        "faults": list(faults),
        "policy_digest": report.policy_digest,
        "files": [
            {"file": one.file, "title": one.title, "entries": len(one.entries)}
            for one in report.suites
        ],
        "answers": report.answers,
        "failures": [
            {
                **_place(one.place),
                "what": one.what,
                "expected": one.expected,
                "actual": one.actual,
                "why": list(one.why),
            }
            for one in report.failures
        ],
        "coverage": {
            "percent": round(report.coverage, 2),
            "rules": report.rules,
            "uncovered": [
                {"line": one.rule.line, "rule": one.rule.id, "add": one.add}
                for one in report.uncovered
            ],
        },
        "mutation": _mutation(report),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "file": place.file,
        "line": place.line or None,
        "entry": place.entry,
        "title": place.title or None,
    }


def _mutation(report: Report) -> dict[str, Any] | None:
    done = report.mutation
    if done is None:
        return None
    return {
        "score": round(done.score, 2),
        "mutants": done.total,
        "killed": done.killed,
        "equivalent": done.equivalent,
        "justified": done.justified,
        "by_sort": {
            sort: {"killed": killed, "of": every} for sort, (killed, every) in done.by_sort.items()
        },
        "survivors": [
            {
                "name": one.name,
                "file": one.file,
                "line": one.line or None,
                "change": one.text,
                "effect": one.witness,
                "gives": one.gives,
                "add": one.add,
            }
            for one in done.survivors
        ],
    }
