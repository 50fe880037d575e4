"""`secvault policy`: look at the files, see what a change would do, and put it in force."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, policy_import, policy_text, show
from secvault.cli.outcome import DAMAGE, FAILED
from secvault.errors import Cancelled, InvalidInput

if TYPE_CHECKING:
    from secvault.access.bundle import Bundle
    from secvault.access.publication import Version
    from secvault.service.policies.planning import Plan
    from secvault.service.service import Service
    from secvault.service.spine import Caller

app = typer.Typer(
    no_args_is_help=True,
    help="The policy: which role may what. Check its files, plan a change, apply it, go back.",
)
app.add_typer(policy_import.app, name="import")

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FOLDER]", help="A policies folder; else that of the settings.", show_default=False
    ),
]
NewAccess = Annotated[
    bool,
    typer.Option("--fail-on-new-access", help="Exit code 1 when anybody would may more."),
]
Note = Annotated[str, typer.Option(metavar="TEXT", help="Why, in up to 200 characters.")]
Planned = Annotated[
    str,
    typer.Option(metavar="DIGEST", help="The digest of the plan; else you are shown it and asked."),
]


@app.command(epilog="Example: secvault policy lint policies --vault")
def lint(
    context: typer.Context,
    folder: Folder = None,
    *,
    vault: Annotated[
        bool, typer.Option("--vault", help="Also look at who holds which role, in the vault.")
    ] = False,
    notes: Annotated[
        bool, typer.Option("--notes", help="Also what need not be looked after.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 for warnings, too.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Show every fault of the policy files, with file and line, and what they may not have meant.

    Exit code 1 when there is a fault: such files are not applied.
    """
    chosen = opening.settings(context)
    place = folder or chosen.policy_folder
    found = operations.policy_linting.lint_folder(place)
    if vault and not any(one.level == "error" for one in found):
        with opening.vault(context) as (service, caller):
            planned = operations.policies.plan(service, caller, _bundle(place))
        found = planned.findings
    shown = [one for one in found if notes or one.level != "note"]
    rows = [policy_text.finding(one) for one in shown]
    faults = sum(one.level == "error" for one in found)
    warnings = sum(one.level == "warning" for one in found)
    if as_json:
        show.document({"faults": faults, "warnings": warnings, "findings": rows})
    else:
        for one in shown:
            show.out(f"{one.where}: {one.level}: {one.text}")
        left = len(found) - len(shown)
        hidden = f"; {left} notes, see --notes" if left else ""
        show.talk(f"{place}: {faults} faults, {warnings} warnings{hidden}")
    if faults or (strict and warnings):
        raise typer.Exit(FAILED.number)


@app.command(epilog="Example: secvault policy diff in-force policies --fail-on-new-access")
def diff(
    context: typer.Context,
    before: Annotated[
        str, typer.Argument(help="A policies folder, the number of a publication, or in-force.")
    ],
    after: Annotated[str, typer.Argument(help="Likewise.")],
    *,
    fail_on_new_access: NewAccess = False,
    as_json: show.AsJson = False,
) -> None:
    """Show exactly who gains and who loses what between two policies.

    For every role and, when one of them was published, every person and system with a role now.
    """
    if Path(before).is_dir() and Path(after).is_dir():
        found = operations.policy_offline.compare(_bundle(Path(before)), _bundle(Path(after)))
        names: Mapping[str, str] = {}
    else:
        with opening.vault(context) as (service, caller):
            sides = [_named(service, caller, one) for one in (before, after)]
            found, names = operations.policies.compare(service, caller, *sides)
    if as_json:
        show.document(policy_text.difference(found, names))
    else:
        policy_text.show_difference(found, names)
    if fail_on_new_access and operations.difference.gains(found):
        raise typer.Exit(FAILED.number)


@app.command(epilog="Example: secvault policy plan --fail-on-new-access")
def plan(
    context: typer.Context,
    folder: Folder = None,
    *,
    number: Annotated[
        int | None, typer.Option(help="Plan going back to this publication instead.")
    ] = None,
    fail_on_new_access: NewAccess = False,
    as_json: show.AsJson = False,
) -> None:
    """Show what applying the files would change: rows, and who gains and loses what.

    Exit code 1 when it could not be applied.
    """
    with opening.vault(context) as (service, caller):
        if number is not None:
            found = operations.policies.plan_rollback(service, caller, number)
        else:
            place = folder or service.settings.policy_folder
            found = operations.policies.plan(service, caller, _bundle(place))
    if as_json:
        show.document(policy_text.plan(found))
    else:
        policy_text.show_plan(found)
    if found.blockers or (fail_on_new_access and found.gains):
        raise typer.Exit(FAILED.number)


@app.command(epilog='Example: secvault policy apply --note "clerks see bank accounts masked"')
def apply(
    context: typer.Context,
    folder: Folder = None,
    *,
    note: Note,
    plan: Planned = "",
    as_json: show.AsJson = False,
) -> None:
    """Put the files in force, for every worker at once; needs a second person (see --ask).

    At a terminal you are shown the plan and asked. Elsewhere give its digest as --plan.
    """
    with opening.vault(context) as (service, caller):
        bundle = _bundle(folder or service.settings.policy_folder)
        digest = plan or _agreed(operations.policies.plan(service, caller, bundle))
        made = operations.policies.apply(service, caller, bundle, note=note, expected=digest)
    _tell(made, as_json=as_json)


@app.command(epilog='Example: secvault policy rollback 3 --note "number 4 opened too much"')
def rollback(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The publication to go back to.")],
    *,
    note: Note,
    plan: Planned = "",
    as_json: show.AsJson = False,
) -> None:
    """Put an older policy in force again, under a new number, with all that apply asks for."""
    with opening.vault(context) as (service, caller):
        digest = plan or _agreed(operations.policies.plan_rollback(service, caller, number))
        made = operations.policies.roll_back(service, caller, number, note=note, expected=digest)
    _tell(made, as_json=as_json)


@app.command(epilog="Example: secvault policy history --verify")
def history(
    context: typer.Context,
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare each with its digest and the audit log.")
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """List every policy that was in force, the newest first.

    With --verify: exit code 5 when one is not what was published.
    """
    with opening.vault(context) as (service, caller):
        if verify:
            found = operations.policies.verify(service, caller)
        else:
            versions = operations.policies.history(service, caller)
    if not verify:
        rows = [policy_text.version(one) for one in versions]
        columns = {
            "number": "Number",
            "published_at": "In force since",
            "published_by": "Applied by",
            "note": "Why",
            "digest": "Digest",
        }
        show.listing("policies", rows, columns, as_json=as_json, empty="None was published.")
        return
    if as_json:
        show.document(
            {"passed": found.ok, "versions": found.versions, "problems": list(found.problems)}
        )
    else:
        for problem in found.problems:
            show.out(problem)
        whole = "as they were published" if found.ok else "NOT all as they were published"
        show.talk(f"{found.versions} policies, {whole}")
    if not found.ok:
        raise typer.Exit(DAMAGE.number)


@app.command("show", epilog="Example: secvault policy show 3 --file roles.csv")
def show_(
    context: typer.Context,
    number: Annotated[
        int | None, typer.Argument(help="Of a publication; else what is in force.")
    ] = None,
    *,
    file: Annotated[str, typer.Option(help="Print this file.")] = "",
    save: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write its files into a new folder.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Show a policy: its number, who applied it and why, and its files."""
    with opening.vault(context) as (service, caller):
        found = operations.policies.show(service, caller, number)
        folder = operations.policies.status(service, caller).folder
    files = found.bundle.files
    if file:
        if file not in files:
            raise InvalidInput.at("--file", f"there are {', '.join(files)}")
        show.out(files[file].removesuffix("\n"))
        return
    if save is not None:
        _save(found.bundle, save)
        show.talk(f"{len(files)} files are in {save}")
        return
    same = folder.bundle is not None and folder.bundle.digest == found.version.digest
    values = {**policy_text.version(found.version), "folder_is_the_same": same}
    if as_json:
        show.document({**values, "files": dict(files)})
    else:
        show.facts({**values, "files": list(files)})
        if found.rescue:
            show.talk(found.rescue)


def _bundle(folder: Path) -> Bundle:
    return operations.bundle.read_folder(folder)


def _named(service: Service, caller: Caller, name: str) -> Bundle:
    if name == "in-force":
        return operations.policies.show(service, caller).bundle
    if name.isascii() and name.isdigit() and len(name) < 10:
        return operations.policies.show(service, caller, int(name)).bundle
    return _bundle(Path(name))


def _agreed(found: Plan) -> str:
    policy_text.show_plan(found)
    if not found.changed or found.blockers:
        # The operation itself says why not.
        return found.digest
    if not ask.at_terminal():
        raise InvalidInput.at("--plan", f"give the digest of what is applied: {found.digest}")
    if ask.line("Apply exactly this? Type yes") != "yes":
        raise Cancelled("nothing was applied")
    return found.digest


def _tell(made: Version, *, as_json: bool) -> None:
    if as_json:
        show.document(policy_text.version(made))
    else:
        show.out(f"Policy {made.number} is in force.")


def _save(bundle: Any, folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InvalidInput.at("--save", f"{folder}: {error.strerror}; name a new folder") from None
    for name, text in bundle.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        policy_import.write(folder / name, text)
