"""`secvault grants eligible`: who may activate which role; and activating one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import operations, show
from secvault.cli.grants import COLUMNS, Days, From, Role, Until, row_of, span
from secvault.cli.opening import vault

if TYPE_CHECKING:
    from secvault.access.eligibility import Activation
    from secvault.service.eligibilities import EligibilityView

app = typer.Typer(
    no_args_is_help=True, help="Roles that somebody may activate for a while: add, list, remove."
)
Department = Annotated[str, typer.Option(help="Where it counts, such as hr.")]
_COLUMNS = {
    "id": "Eligibility",
    "subject": "Who",
    "role": "Role",
    "department": "Department",
    "minutes": "Minutes",
    "state": "State",
    "expires_at": "Until",
    "needs_approval": "Approval",
    "running": "Active as",
}


@app.command(epilog="Example: secvault grants eligible add user:lan.tran role:it.admin it")
def add(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="user:NAME.")],
    role: Role,
    department: Annotated[str, typer.Argument(help="Where it counts, such as it.")],
    *,
    minutes: Annotated[int | None, typer.Option(help="The longest use at once.")] = None,
    days: Days = None,
    begins: From = "",
    until: Until = "",
    claim_by: Annotated[
        str, typer.Option(metavar="MOMENT", help="Lapses when not used by then.")
    ] = "",
    needs_approval: Annotated[
        bool, typer.Option("--needs-approval", help="Each use is approved.", show_default=False)
    ] = False,
    needs_ticket: Annotated[
        bool, typer.Option("--needs-ticket", help="Each use has a ticket.", show_default=False)
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Let somebody activate a role when they need it. Nobody does so for themselves."""
    with vault(context) as (service, caller):
        claim = operations.spans.moment_of(claim_by, "--claim-by") if claim_by else None
        wanted = operations.eligibilities.WantedEligibility(
            subject,
            role,
            department,
            span(days=days, begins=begins, until=until),
            claim,
            minutes,
            needs_approval=needs_approval,
            needs_ticket=needs_ticket,
        )
        made = operations.eligibilities.add(service, caller, wanted)
        state = made.state(service.clock.micros())
        view = operations.eligibilities.EligibilityView(made, state, None)
    if as_json:
        show.document(_row(view))
    else:
        until_when = f"until {show.time(made.expires_at)}" if made.expires_at else "until removed"
        show.out(
            f"{made.id}: {made.subject} may activate {made.role} in {made.department} for "
            f"{made.most_seconds // 60} minutes at once, {until_when}"
        )


@app.command("list", epilog="Example: secvault grants eligible list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List who may activate which role."""
    with vault(context) as (service, caller):
        found = operations.eligibilities.list_all(service, caller)
    empty = "Nobody may activate a role."
    show.listing("eligibilities", map(_row, found), _COLUMNS, as_json=as_json, empty=empty)


@app.command(epilog="Example: secvault grants eligible remove e0123456789abcdef0123")
def remove(
    context: typer.Context,
    eligibility: Annotated[str, typer.Argument(help="Its id, of `grants eligible list`.")],
) -> None:
    """End it now; what was activated by it ends with it."""
    with vault(context) as (service, caller):
        found, ended = operations.eligibilities.remove(service, caller, eligibility)
    also = "; what was activated has ended" if ended else ""
    show.out(f"{found.subject} may no longer activate {found.role} in {found.department}{also}")


@app.command(epilog="Example: secvault grants eligible uses --json")
def uses(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List who activated what, when and why, the newest first."""
    with vault(context) as (service, caller):
        found = operations.eligibilities.list_uses(service, caller)
    columns = {
        "subject": "Who",
        "role": "Role",
        "department": "Department",
        "not_before": "From",
        "expires_at": "Until",
        "revoked_at": "Ended at",
        "reason": "Why",
        "ticket": "Ticket",
    }
    empty = "Nothing was activated yet."
    show.listing("activations", map(_use, found), columns, as_json=as_json, empty=empty)


def mine(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List what you hold, and what you may activate."""
    with vault(context) as (service, caller):
        own = operations.eligibilities.list_own(service, caller)
    held, eligible = [row_of(each) for each in own.grants], [_row(e) for e in own.eligibilities]
    if as_json:
        show.document({"grants": held, "eligibilities": eligible})
        return
    show.table(held, COLUMNS, "You hold no role.")
    show.table(eligible, _COLUMNS, "You may activate no role.")


def activate(
    context: typer.Context,
    role: Role,
    *,
    department: Department,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    minutes: Annotated[int | None, typer.Option(help="Else as long as you may.")] = None,
    ticket: Annotated[str, typer.Option(help="The number of a ticket, where one is needed.")] = "",
    as_json: show.AsJson = False,
) -> None:
    """Take a role that you may activate; needs a second factor of the last five minutes.

    Where it needs an approval this asks for it; then claim it with `secvault grants claim`.
    """
    with vault(context) as (service, caller):
        seconds = None if minutes is None else minutes * 60
        use = operations.role_activation.Use(role, department, reason, seconds, ticket)
        used = operations.role_activation.activate(service, caller, use)
    if as_json:
        show.document(_use(used))
    else:
        until = show.time(used.grant.expires_at)
        show.out(f"{used.grant.id}: you hold {role} in {department} until {until}")


def deactivate(
    context: typer.Context,
    role: Role,
    *,
    department: Department,
) -> None:
    """Give back what you have activated, before its time is over."""
    with vault(context) as (service, caller):
        grant = operations.role_activation.running(service, caller, role, department)
        operations.role_activation.deactivate(service, caller, grant)
    show.out(f"You no longer hold {role} in {department}")


def _use(used: Activation) -> dict[str, Any]:
    return {
        **row_of(used.grant),
        "revoked_at": show.time(used.grant.revoked_at),
        "eligibility": used.eligibility,
        "reason": used.reason,
        "ticket": used.ticket,
        "request": used.request,
    }


def _row(view: EligibilityView) -> dict[str, Any]:
    found = view.eligibility
    return {
        "id": found.id,
        "subject": found.subject,
        "role": found.role,
        "department": found.department,
        "not_before": show.time(found.not_before),
        "expires_at": show.time(found.expires_at),
        "claim_by": show.time(found.claim_by),
        "claimed_at": show.time(found.claimed_at),
        "minutes": found.most_seconds // 60,
        "needs_approval": found.needs_approval,
        "needs_ticket": found.needs_ticket,
        "granted_by": found.granted_by,
        "state": view.state,
        "running": view.running.id if view.running else None,
    }
