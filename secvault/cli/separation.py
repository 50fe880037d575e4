"""`secvault access conflicts` and what goes with it: what nobody may have together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, show
from secvault.cli.moment import micros_of

if TYPE_CHECKING:
    from secvault.access.conflicts import Way
    from secvault.service.separation_review import ConflictView, ExceptionView

exceptions = typer.Typer(
    no_args_is_help=True,
    help="Who may break a rule of separation for a while, and what is done instead: "
    "list, add, end.",
)


def conflicts(
    context: typer.Context,
    subject: Annotated[
        str, typer.Option(help="Only user:NAME or svc:NAME.", show_default=False)
    ] = "",
    at: Annotated[
        str,
        typer.Option(
            help="Only what is broken at this moment, past or to come; else from now on.",
            metavar="TIME",
            show_default=False,
        ),
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """List who breaks a rule of separation, or will: by what they hold, inherit or have asked for.

    Goes by the rules of now.
    """
    moment = micros_of(at, "--at")
    with opening.vault(context) as (service, caller):
        found = operations.separation_review.list_conflicts(
            service, caller, subject=subject, at=moment
        )
    rows = [_conflict(view) for view in found]
    if as_json:
        show.document({"conflicts": rows})
        return
    columns = {
        "rule": "Rule",
        "mode": "Mode",
        "name": "Who",
        "begins_at": "From",
        "ends_at": "Until",
        "exception": "Exception",
        "text": "What",
    }
    show.table(rows, columns, "Nobody breaks a rule.")


def rules(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List the rules of separation.toml: what nobody may have together."""
    with opening.vault(context) as (service, caller):
        found = operations.separation_review.list_rules(service, caller)
    rows = [
        {
            "id": rule.id,
            "mode": str(rule.mode),
            "scope": str(rule.scope),
            "kind": type(rule).__name__.lower(),
            "title": dict(rule.title) if as_json else rule.title["en"],
        }
        for rule in found
    ]
    columns = {"id": "Rule", "mode": "Mode", "scope": "Scope", "kind": "Kind", "title": "Why"}
    show.listing("rules", rows, columns, as_json=as_json, empty="There is no rule.")


@exceptions.command("list", epilog="Example: secvault access exceptions list --all")
def list_(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are over, too.", show_default=False)
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """List the exceptions in force, with what is done instead."""
    with opening.vault(context) as (service, caller):
        found = operations.separation_review.list_exceptions_made(
            service, caller, everything=everything
        )
    columns = {
        "id": "Exception",
        "name": "Who",
        "rule": "Rule",
        "ends_at": "Until",
        "granted_by_name": "Made by",
        "note": "What is done instead",
        "in_force": "In force",
    }
    rows = [_exception(view) for view in found]
    show.listing("exceptions", rows, columns, as_json=as_json, empty="There is no exception.")


@exceptions.command(
    epilog="Example: secvault --ask 'only one accountant until March' access exceptions add "
    "user:lan.tran enter-and-release-payments --days 60 --note 'the director reviews weekly'"
)
def add(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="user:NAME for a person, svc:NAME for a system.")],
    rule: Annotated[str, typer.Argument(help="The rule's id, of `secvault access separation`.")],
    *,
    days: Annotated[int, typer.Option(help="Ends after so many days, 366 at most.")],
    note: Annotated[str, typer.Option(help="What is done instead, so that it is watched.")],
    as_json: show.AsJson = False,
) -> None:
    """Let somebody break one rule for a while; a second person must approve it."""
    with opening.vault(context) as (service, caller):
        view = operations.separation_review.except_from_rule(
            service, caller, subject=subject, rule=rule, days=days, note=note
        )
    if as_json:
        show.document(_exception(view))
    else:
        made = view.exception
        until = show.time(made.ends_at)
        show.out(f"{made.id}: {show.cell(view.name)} may break {made.rule} until {until}")


@exceptions.command(epilog="Example: secvault access exceptions end x0123456789abcdef0123")
def end(
    context: typer.Context,
    exception: Annotated[str, typer.Argument(help="Its id, of `access exceptions list`.")],
) -> None:
    """End an exception now; roles that it allowed stay until they are revoked."""
    with opening.vault(context) as (service, caller):
        view = operations.separation_review.end_exception_now(service, caller, exception)
    ended = view.exception
    show.out(f"{show.cell(view.name)} may no longer break {ended.rule}; look at their roles")


def _conflict(view: ConflictView) -> dict[str, Any]:
    one = view.conflict
    return {
        "rule": one.rule,
        "title": dict(view.title),
        "mode": str(one.mode),
        "subject": one.subject or None,
        "name": view.name or None,
        "department": one.department,
        "sides": [[_way(way) for way in side] for side in one.sides],
        "missing": list(one.missing),
        "begins_at": show.time(one.begins_at),
        "ends_at": show.time(one.ends_at),
        "exception": one.exception or None,
        "text": view.text,
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "what": way.what,
        "policy_rule": way.policy_rule or None,
        "path": list(way.path),
        "department": way.department,
        "grant": way.grant.id if way.grant else None,
    }


def _exception(view: ExceptionView) -> dict[str, Any]:
    one = view.exception
    return {
        "id": one.id,
        "subject": one.subject,
        "name": view.name,
        "rule": one.rule,
        "begins_at": show.time(one.begins_at),
        "ends_at": show.time(one.ends_at),
        "note": one.note,
        "granted_by": one.granted_by,
        "granted_by_name": view.granted_by_name,
        "ended_at": show.time(one.ended_at),
        "ended_by": one.ended_by,
        "in_force": view.in_force,
    }
