"""`secvault backup plan`: what is backed up, when and where to; those of the store are kept."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.service.plan_views import PlanView

app = typer.Typer(
    no_args_is_help=True,
    help="Backup plans: list, show, add, change, pause, resume, remove. Those of the settings' "
    "file are changed there.",
)

Name = Annotated[str, typer.Argument(metavar="PLAN", help="The plan's name.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, as in the settings' file: schedule='0 2 * * *'; any number of times.",
    ),
]
Version = Annotated[
    int | None,
    typer.Option(help="The version that this is based on, as shown; else the newest.", min=1),
]
_COLUMNS = {
    "name": "Plan",
    "from": "From",
    "state": "State",
    "saves": "Saves",
    "to": "To",
    "next_backup": "Next backup",
    "version": "Version",
}


@app.command("list", epilog="Example: secvault backup plan list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the plans, of the settings' file and of the store."""
    with opening.vault(context) as (service, caller):
        found = operations.backup_plans.list_plans(service, caller)
    rows = [_row(one) if not as_json else _values(one) for one in found]
    empty = "There is no backup plan: make one with `secvault backup plan add`."
    show.listing("plans", rows, _COLUMNS, as_json=as_json, empty=empty)


@app.command("show", epilog="Example: secvault backup plan show nightly")
def show_(context: typer.Context, plan: Name, as_json: show.AsJson = False) -> None:
    """Show a plan with all its settings, but for secrets."""
    with opening.vault(context) as (service, caller):
        view = operations.backup_plans.read_plan(service, caller, plan)
    if as_json:
        show.document(_values(view))
        return
    values = {key: value for key, value in _values(view).items() if key not in ("settings", "due")}
    due = {f"next {kind}": at for kind, at in _due(view).items()}
    show.facts({**values, **due, **_flat(view.shown())})


@app.command("add", epilog="Example: secvault backup plan add files --from files.toml")
def add(
    context: typer.Context,
    plan: Name,
    *,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help="The plan's settings, as its table in the settings' file (TOML), or as JSON; "
            "- for stdin. Secrets go in there.",
        ),
    ] = "",
    given: Set = None,
    as_json: show.AsJson = False,
) -> None:
    """Make a plan; the worker knows it at once. What is not said has its default."""
    values = _changed(ask.table_from(source) if source else {}, given or [])
    with opening.vault(context) as (service, caller):
        view = operations.backup_plans.add_plan(service, caller, plan, values)
    _done(view, "added", as_json=as_json)


@app.command("change", epilog="Example: secvault backup plan change files --set keep_daily=30")
def change(
    context: typer.Context,
    plan: Name,
    *,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="FILE",
            help="All settings anew, in place of those that it has; - for stdin.",
        ),
    ] = "",
    given: Set = None,
    unset: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="KEY", help="Back to its default, or out of the plan."),
    ] = None,
    version: Version = None,
    as_json: show.AsJson = False,
) -> None:
    """Change a plan of the store. A secret stays, as long as it goes to the same place.

    What saves less, or keeps it for less long, may need an approval (`secvault --ask REASON`).
    """
    if not (source or given or unset):
        raise InvalidInput.at("--set", "say what to change: --set, --unset or --from")
    anew = ask.table_from(source) if source else None
    with opening.vault(context) as (service, caller):
        before = operations.backup_plans.read_plan(service, caller, plan)
        values = _changed(before.shown() if anew is None else anew, given or [], unset or [])
        view = operations.backup_plans.change_plan(
            service, caller, plan, version or before.version, values
        )
    _done(view, "changed", as_json=as_json)


@app.command("remove", epilog="Example: secvault backup plan remove files")
def remove(
    context: typer.Context,
    plan: Name,
    *,
    version: Version = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a plan of the store. What it saved stays in its repository, and is kept by nobody."""
    if not yes:
        _confirm(plan)
    with opening.vault(context) as (service, caller):
        newest = version or operations.backup_plans.read_plan(service, caller, plan).version
        operations.backup_plans.remove_plan(service, caller, plan, newest)
    show.out(f"{show.cell(plan)} is removed")


@app.command("pause", epilog="Example: secvault backup plan pause files")
def pause(
    context: typer.Context, plan: Name, version: Version = None, as_json: show.AsJson = False
) -> None:
    """Let nothing of a plan of the store be due, until it is resumed."""
    _pause(context, plan, version, paused=True, as_json=as_json)


@app.command("resume", epilog="Example: secvault backup plan resume files")
def resume(
    context: typer.Context, plan: Name, version: Version = None, as_json: show.AsJson = False
) -> None:
    """Let a paused plan be due again. What it missed meanwhile is not caught up."""
    _pause(context, plan, version, paused=False, as_json=as_json)


def _pause(
    context: typer.Context, plan: str, version: int | None, *, paused: bool, as_json: bool
) -> None:
    with opening.vault(context) as (service, caller):
        newest = version or operations.backup_plans.read_plan(service, caller, plan).version
        view = operations.backup_plans.pause_plan(service, caller, plan, newest, paused=paused)
    _done(view, "paused" if paused else "resumed", as_json=as_json)


def _done(view: PlanView, what: str, *, as_json: bool) -> None:
    if as_json:
        show.document(_values(view))
        return
    due = _due(view).get("backup")
    show.out(
        f"{view.name} {what}, version {view.version}; "
        + (f"next backup {due}" if due else "no backup is due")
    )


def _confirm(plan: str) -> None:
    if not ask.at_terminal():
        raise InvalidInput.at("--yes", "removing needs --yes when nobody can be asked")
    if ask.line(f"Type {show.cell(plan)} to remove it") != plan:
        raise InvalidInput.at("plan", "that is not the plan's name; nothing was removed")


def _changed(
    before: dict[str, Any], given: list[str], unset: list[str] | None = None
) -> dict[str, Any]:
    """The settings with what was said in arguments. Raises InvalidInput, never showing a value."""
    values = before
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput.at("--set", "write KEY=VALUE")
        if key.rpartition(".")[2] in ("password", "secret_access_key", "ping_url") and value:
            # Arguments are seen by everybody on the machine.
            raise InvalidInput.at("--set", f"{show.cell(key)} is secret: put it into --from FILE")
        said = _value(value)
        if isinstance(said, dict):
            raise InvalidInput.at("--set", f"{show.cell(key)} is a table: name one setting in it")
        _table_of(values, key)[key.rpartition(".")[2]] = said
    for key in unset or []:
        _table_of(values, key).pop(key.rpartition(".")[2], None)
    return values


def _table_of(values: dict[str, Any], key: str) -> dict[str, Any]:
    table = values
    for part in key.split(".")[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise InvalidInput.at("--set", f"{show.cell(part)} is no table")
        table = inner
    return table


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        # A text without quotes, as one writes it in a shell.
        return text


def _due(view: PlanView) -> dict[str, str | None]:
    return {kind: show.time(at) for kind, at in sorted(view.due.items())}


def _values(view: PlanView) -> dict[str, Any]:
    return {
        "name": view.name,
        "declared": view.declared,
        "state": view.state,
        "fault": view.fault,
        "version": view.version,
        "secrets": [*view.secrets],
        "paused_at": show.time(view.paused_at),
        "made_by": view.made_by,
        "made_at": show.time(view.made_at),
        "changed_by": view.changed_by,
        "changed_at": show.time(view.changed_at),
        "due": _due(view),
        "settings": view.shown(),
    }


def _row(view: PlanView) -> dict[str, Any]:
    chosen = view.settings
    saves = (
        *(("secvault",) if chosen.vault else ()),
        *map(str, chosen.folders),
        *(f"{name} ({source.kind})" for name, source in chosen.sources.items()),
    )
    return {
        "name": view.name,
        "from": "settings" if view.declared else "store",
        "state": view.state,
        "saves": ", ".join(saves),
        "to": ", ".join((chosen.repository, *chosen.copies)),
        "next_backup": _due(view).get("backup"),
        "version": view.version or None,
    }


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{before}{name}."))
        else:
            flat[f"{before}{name}"] = value
    return flat
