"""`secvault reviews`: whether everybody still needs what they may do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import evidence as evidence_files
from secvault.cli import opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.service.reviews.views import ItemView, View

app = typer.Typer(
    no_args_is_help=True,
    help="Access reviews: who still needs what, decided by others, signed; and what lies idle.",
)

SHOWN = 3
"""How much of what a role opens stands in a table."""

ReviewId = Annotated[str, typer.Argument(metavar="REVIEW", help="Its id, of `reviews list`.")]
ItemIds = Annotated[
    list[str], typer.Argument(metavar="ITEM...", help="Their ids, of `reviews items`.")
]
Comment = Annotated[str, typer.Option(help="Why; 1 to 500 characters.")]


@app.command(epilog='Example: secvault reviews start "Q4 2026" --fallback an.nguyen')
def start(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    department: Annotated[
        list[str] | None, typer.Option(help="Only this one; may be repeated.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="Only this role; may be repeated.")] = None,
    privileged_only: Annotated[
        bool, typer.Option("--privileged-only", help="Only roles that it takes two to give.")
    ] = False,
    systems: Annotated[bool, typer.Option(help="Whether calling systems are reviewed.")] = True,
    heads: Annotated[bool, typer.Option(help="Whether heads review their departments.")] = True,
    reviewer: Annotated[
        list[str] | None, typer.Option(help="A further reviewer, by name; may be repeated.")
    ] = None,
    fallback: Annotated[str, typer.Option(help="Who reviews what nobody else can.")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it; else you.")] = "",
    days: Annotated[int, typer.Option(help="Until the deadline, 3 to 180.")] = 30,
    overdue: Annotated[
        str, typer.Option(help="What becomes of what nobody reviews: revoke or shorten.")
    ] = "revoke",
    overdue_days: Annotated[int, typer.Option(help="To how many days it is shortened.")] = 7,
    as_json: show.AsJson = False,
) -> None:
    """Begin a review: freeze who has what now, and hand it out.

    Nobody reviews themselves, two people do not review each other where that can be avoided, and
    you review nothing in what you start.
    """
    with opening.vault(context) as (service, caller):
        scope = operations.review_facts.Scope(
            tuple(department or ()), tuple(role or ()), privileged_only, systems
        )
        plan = operations.review_starting.Plan(
            name=name,
            scope=scope,
            heads=heads,
            reviewers=tuple(reviewer or ()),
            fallback=fallback,
            owner=owner,
            days=days,
            overdue=overdue,
            overdue_days=overdue_days,
        )
        made = operations.review_starting.start(service, caller, plan)
    _print(made, as_json=as_json)
    if made.unassigned:
        show.talk(
            f"{made.unassigned} items have no reviewer: see `secvault reviews items "
            f"{made.campaign.id}`, then `secvault reviews reassign`."
        )


@app.command("list", epilog="Example: secvault reviews list --json")
def list_(context: typer.Context, as_json: show.AsJson = False) -> None:
    """List all reviews, the newest first."""
    with opening.vault(context) as (service, caller):
        found = operations.reviews.list_campaigns(service, caller)
    columns = {
        "id": "Review",
        "name": "Name",
        "state": "State",
        "deadline": "Until",
        "undecided": "Undecided",
        "unassigned": "Without reviewer",
    }
    rows = [_row(view) for view in found]
    show.listing("reviews", rows, columns, as_json=as_json, empty="There was no review yet.")


@app.command("show", epilog="Example: secvault reviews show 0192f0c0a1b2c3d4e5f60718293a4b5c")
def show_(context: typer.Context, review: ReviewId, as_json: show.AsJson = False) -> None:
    """Show one review, with how fast its reviewers decided."""
    with opening.vault(context) as (service, caller):
        view = operations.reviews.read_campaign(service, caller, review)
    _print(view, as_json=as_json)


@app.command(epilog="Example: secvault reviews items --own")
def items(
    context: typer.Context,
    review: Annotated[str | None, typer.Argument(metavar="REVIEW", help="Of this review.")] = None,
    *,
    own: Annotated[
        bool, typer.Option("--own", help="What you are to review.", show_default=False)
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="What is decided, too.", show_default=False)
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """List what is to be reviewed: who may do what, since when, and whether it was used."""
    if own == (review is not None):
        raise InvalidInput("name a REVIEW, or say --own")
    with opening.vault(context) as (service, caller):
        reviews, most = operations.reviews, operations.review_campaigns.LARGEST_PAGE
        if review is None:
            found = reviews.own_items(service, caller, everything=everything, limit=most)
        else:
            states = None if everything else operations.review_campaigns.UNDECIDED
            found = reviews.list_items(service, caller, review, states=states, limit=most)
        rows = [_item(view) for view in found]
    columns = {
        "id": "Item",
        "name": "Who",
        "role": "Role",
        "department": "In",
        "last_used": "Last used",
        "created_at": "Since",
        "granted_by_name": "Given by",
        "orphan": "Note",
        "reviewer_name": "Reviewer",
        "state": "State",
        "opens": "Opens",
    }
    if not as_json:
        for row in rows:
            row["opens"] = _opens(row["sensitive"])
    show.listing("items", rows, columns, as_json=as_json, empty="Nothing is to be reviewed.")


@app.command(epilog='Example: secvault reviews keep ITEM --comment "still pays the salaries"')
def keep(context: typer.Context, item: ItemIds, comment: Comment) -> None:
    """Keep a role that is still needed; takes a second factor of the last five minutes."""
    _decide(context, item, "keep", comment)


@app.command(epilog='Example: secvault reviews shorten ITEM --days 30 --comment "until handover"')
def shorten(
    context: typer.Context,
    item: ItemIds,
    comment: Comment,
    days: Annotated[int, typer.Option(help="After how many days it ends.")],
) -> None:
    """Have a role end sooner."""
    _decide(context, item, "shorten", comment, days)


@app.command(epilog='Example: secvault reviews revoke ITEM --comment "moved to logistics"')
def revoke(context: typer.Context, item: ItemIds, comment: Comment) -> None:
    """End a role now; that of one of the last two approvers takes a second person (--ask)."""
    _decide(context, item, "revoke", comment)


@app.command(epilog="Example: secvault reviews reassign ITEM binh.tran")
def reassign(
    context: typer.Context,
    item: Annotated[str, typer.Argument(help="Its id, of `reviews items`.")],
    reviewer: Annotated[str, typer.Argument(help="Who reviews it from now on, by name.")],
) -> None:
    """Have somebody else review an item, never its holder."""
    with opening.vault(context) as (service, caller):
        view = operations.reviews.reassign(service, caller, item, reviewer)
    show.out(f"{view.reviewer_name} reviews {view.item.facts.role} of {view.item.facts.name} now")


@app.command(epilog="Example: secvault reviews finish 0192f0c0a1b2c3d4e5f60718293a4b5c")
def finish(context: typer.Context, review: ReviewId, as_json: show.AsJson = False) -> None:
    """End a review in which everything is decided, and sign its evidence."""
    with opening.vault(context) as (service, caller):
        view = operations.reviews.finish(service, caller, review)
    _print(view, as_json=as_json)


@app.command(epilog="Example: secvault reviews evidence REVIEW --to /srv/evidence")
def evidence(
    context: typer.Context,
    review: ReviewId,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to write it; else it is printed.")
    ] = None,
) -> None:
    """Take out the signed evidence of a finished review.

    Five files: .json and its signature .note; .csv, whose cells no spreadsheet takes for formulas;
    and pages to read, .en.html and .vi.html. Without --to the JSON document is printed.
    """
    with opening.vault(context) as (service, caller):
        signed = operations.review_evidence.read_evidence(service, caller, review)
        verified, document, note = signed
        page = operations.review_page.review_page
        files = {
            ".json": document,
            ".note": note,
            ".csv": operations.review_evidence.as_csv(verified).encode(),
            **{
                f".{language}.html": page(verified, note.decode(), language).encode()
                for language in operations.review_page.WORDS
            },
        }
    if to is None:
        show.out(document.decode())
        return
    for file in evidence_files.write(to, f"review-{review}", files):
        show.out(str(file))


@app.command(epilog="Example: secvault reviews verify review.json --key 'acme/...'")
def verify(
    context: typer.Context,  # noqa: ARG001 - needs no vault
    file: evidence_files.File,
    key: evidence_files.KeyText,
    note: evidence_files.NoteFile = None,
    as_json: show.AsJson = False,
) -> None:
    """Check the signature on a review's evidence; no vault is needed.

    Exit code 5 when the evidence was changed.
    """
    kind = operations.review_evidence.KIND
    verified = evidence_files.verified_of(file, note, key, kind, "an access review")
    if as_json:
        show.document({"genuine": True, "document": verified})
        return
    counts = verified.get("counts")
    shown = (
        ", ".join(f"{count} {state}" for state, count in counts.items())
        if isinstance(counts, dict)
        else ""
    )
    show.out(f"the evidence is genuine: review {show.cell(verified.get('name'))}: {shown}")


def _decide(
    context: typer.Context, items_: list[str], what: str, comment: str, days: int | None = None
) -> None:
    with opening.vault(context) as (service, caller):
        decisions = operations.review_decisions
        for item in items_:
            view = decisions.decide(service, caller, item, decisions.Verdict(what, comment, days))
            facts = view.item.facts
            show.out(f"{facts.role} of {facts.name} in {facts.department}: {view.item.state}")


def _print(view: View, *, as_json: bool) -> None:
    row = {
        **_row(view),
        "pace": [
            {
                "reviewer": one.reviewer,
                "decided": one.decided,
                "kept": one.kept,
                "most_in_a_minute": one.most_in_a_minute,
                "median_seconds": one.median_seconds,
            }
            for one in view.paces
        ],
    }
    if as_json:
        show.document(row)
    else:
        eligible = view.campaign.frozen.eligible
        may = [f"{one.name}: {one.role} in {one.department}" for one in eligible]
        show.facts({**row, "eligible": may})


def _row(view: View) -> dict[str, Any]:
    one = view.campaign
    return {
        "id": one.id,
        "name": one.name,
        "state": one.state,
        "owner": view.names[one.owner],
        "started_at": show.time(one.started_at),
        "deadline": show.time(one.deadline),
        "finished_at": show.time(one.finished_at),
        "overdue": one.overdue,
        "overdue_days": one.overdue_days,
        "counts": dict(view.counts),
        "undecided": view.undecided,
        "unassigned": view.unassigned,
        "systems_without_owner": list(one.frozen.ownerless),
        "eligible": [operations.review_evidence.as_row(each) for each in one.frozen.eligible],
    }


def _item(view: ItemView) -> dict[str, Any]:
    item, facts = view.item, view.item.facts
    day = operations.review_evidence.day
    return {
        "id": item.id,
        "review": item.campaign,
        "grant": item.grant_id,
        "subject": item.subject,
        "name": facts.name,
        "display_name": facts.display_name,
        "role": facts.role,
        "department": facts.department,
        "inherits": list(facts.inherits),
        "sensitive": list(facts.sensitive),
        "privileged": facts.privileged,
        "last_used": day(facts.last_used),
        "last_seen": show.time(facts.last_seen),
        "created_at": show.time(facts.created_at),
        "expires_at": show.time(facts.expires_at),
        "granted_by_name": facts.granted_by_name,
        "source": facts.source,
        "orphan": facts.orphan,
        "reviewer_name": view.reviewer_name,
        "pair": facts.pair,
        "state": "void" if view.ended else item.state,
        "comment": item.comment,
        "new_end": show.time(item.new_end),
    }


def _opens(sensitive: list[str]) -> str:
    """The first few; --json has all."""
    more = len(sensitive) - SHOWN
    return ", ".join(sensitive[:SHOWN]) + (f" and {more} more" if more > 0 else "")
