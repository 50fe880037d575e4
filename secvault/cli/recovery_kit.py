"""`secvault recovery kit`: issue, see, print and check the recovery kit, and a share by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, evidence, opening, operations, recovery_kit_words, show
from secvault.cli.whole_file import whole
from secvault.errors import Cancelled, Damaged, InvalidInput

if TYPE_CHECKING:
    from secvault.crypto.secret import Secret
    from secvault.recovery.kit import KitHead
    from secvault.service.recovery_kits import Issued

app = typer.Typer(
    no_args_is_help=True,
    help="The recovery kit: issue it, print it, see whether it is still right, check a share.",
)

KitFile = Annotated[Path, typer.Argument(metavar="FILE", help="The kit's file, kit.json.")]
Language = Annotated[str, typer.Option(help="Of sheets and pages: en or vi.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]

_CLEAR = "\x1b[2J\x1b[3J\x1b[H"


@app.command(epilog="Example: secvault recovery kit issue --sheets /media/usb/shares --language vi")
def issue(
    context: typer.Context,
    *,
    new_shares: Annotated[
        bool, typer.Option("--new-shares", help="Make new shares in place of those in force.")
    ] = False,
    sheets: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a sheet (PDF) for each share, to print."),
    ] = None,
    language: Language = "en",
    as_json: show.AsJson = False,
) -> None:
    """Issue the kit. The first time, and with --new-shares, its shares are shown: this once.

    Each share is for one holder. With --sheets they are written as PDF for their owner alone and
    not shown: print them, hand them over, and destroy the files. Later the worker issues the kit
    anew by itself whenever something in it changed; the shares stay what they are.
    """
    _require_language(language)
    folder = None if sheets is None else _new_folder(sheets)
    with opening.vault(context) as (service, caller):
        made = operations.recovery_kits.issue_kit(service, caller, new_shares=new_shares)
    if folder is not None and made.words:
        _write_sheets(made, folder, language)
    shown = made.words if folder is None else ()
    if as_json:
        show.document(
            {
                **_head(made.head),
                "places": recovery_kit_words.place_rows(made.places),
                "shares": [words.text() for words in shown],
            }
        )
        return
    show.facts({"kit": made.head.kit, "digest": made.head.digest})
    for one in made.places:
        show.talk(f"{'NOT written to' if one.fault else 'written to'} {one.place} {one.fault}")
    if shown:
        _show_shares(made)
    elif not made.words:
        show.talk("The shares stay what they are.")
    show.talk("Print it: secvault recovery kit show --out kit.pdf")


@app.command(epilog="Example: secvault recovery kit status --json")
def status(context: typer.Context, as_json: show.AsJson = False) -> None:
    """Show whether there is a kit, whether it is right, and what copies in hand lack by now."""
    with opening.vault(context) as (service, caller):
        found = operations.recovery_kit_status.read_status(service, caller)
    row = recovery_kit_words.status_row(found)
    if as_json:
        show.document(row)
        return
    show.facts({key.replace("_", " "): row[key] for key in recovery_kit_words.SHOWN})
    for line in recovery_kit_words.status_lines(found):
        show.talk(line)


@app.command("show", epilog="Example: secvault recovery kit show --out kit.pdf --language vi")
def show_(
    context: typer.Context,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="To write: a .pdf, .html or .json."),
    ] = None,
    language: Language = "en",
    force: Force = False,
    as_json: show.AsJson = False,
) -> None:
    """Take the newest kit out: its pages to print (.pdf, .html), or its file (.json).

    Without --out, its open part is printed. That it was taken is put on record.
    """
    _require_language(language)
    form = "json" if out is None else out.suffix.removeprefix(".").lower()
    if form not in ("pdf", "html", "json"):
        raise InvalidInput.at("--out", "must end in .pdf, .html or .json")
    if out is None:
        with opening.vault(context) as (service, caller):
            taken = operations.recovery_kits.take_kit(service, caller)
        head = operations.kit_opening.read_kit(taken.file).head
        if as_json:
            show.document(recovery_kit_words.whole_head(head))
        else:
            show.facts(recovery_kit_words.head_facts(head))
        return
    with whole(out, "--out", force=force) as file:
        with opening.vault(context) as (service, caller):
            taken = operations.recovery_kits.take_kit(service, caller)
        file.write(operations.recovery_kits.in_form(taken, form, language))
    if as_json:
        show.document({"file": str(out), "kit": taken.id})
        return
    show.out(str(out))
    show.talk("Keep it apart from the machine, from the backups and from the shares.")


@app.command(epilog="Example: secvault recovery kit verify kit.json")
def verify(
    context: typer.Context,
    file: KitFile,
    key: Annotated[
        str,
        typer.Option(
            metavar="VKEY", help="Without a vault: the key that is printed on the share's sheet."
        ),
    ] = "",
    as_json: show.AsJson = False,
) -> None:
    """Say whether a kit's file is this vault's own and unchanged, and what it lacks by now.

    With --key no vault is needed; then nothing is said of what changed. Exit code 5 when it was
    changed, is another vault's, or opens less than it should.
    """
    content = evidence.content_of(file, "FILE")
    if key:
        head = operations.kit_opening.read_kit(content, key.strip()).head
        if as_json:
            show.document({**_head(head), "signed": True})
        else:
            show.facts(recovery_kit_words.head_facts(head))
            show.talk("It is signed by this key, and nothing in it was changed.")
        return
    with opening.vault(context) as (service, caller):
        found = operations.recovery_kit_status.verify_kit(service, caller, content)
    row = recovery_kit_words.checked_row(found)
    if as_json:
        show.document(row)
    else:
        show.facts({name.replace("_", " "): row[name] for name in row if name != "changes"})
        for one in found.changes:
            show.talk(recovery_kit_words.change_in_words(one))
    if any(one.grave for one in found.changes) or not found.known:
        raise typer.Exit(Damaged.exit_code)


@app.command("share-check", epilog="Example: secvault recovery kit share-check --kit kit.json")
def share_check(
    kit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The kit that it should be of.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Check one share, which is asked for and not shown: spelt right, and of which set.

    Needs no vault and no network. Exit code 5 when it is not of the kit.
    """
    head = None
    if kit is not None:
        head = operations.kit_opening.read_kit(evidence.content_of(kit, "--kit")).head
    found = operations.kit_opening.check_share(ask.secret("Share"), head)
    row: dict[str, Any] = {
        "set": found.set_id,
        "number": found.number,
        "needed": found.threshold,
        "of_the_kit": found.of_kit,
        "holder": found.holder or None,
    }
    if as_json:
        show.document(row)
    else:
        show.facts({name.replace("_", " "): value for name, value in row.items()})
    if found.of_kit is False:
        raise Damaged("it is a share, but none of this kit's")


@app.command(epilog="Example: secvault recovery kit passwords kit.json")
def passwords(file: KitFile, as_json: show.AsJson = False) -> None:
    """Open the kit with its shares and print restic's passwords: for when secvault cannot be had.

    The shares are asked for one after the other. On a machine that is clean and yours alone.
    """
    content = evidence.content_of(file, "FILE")
    head, secrets = operations.kit_opening.open_kit(content, asked_shares(content))
    places = {one.name: one for one in head.repositories}
    rows = []
    for one in secrets.passwords:
        name, apart, _ = one.repository.partition("/")
        place = places.get(name)
        location = (place.keys_location if apart else place.location) if place else None
        rows.append({"repository": one.repository, "location": location, "password": one.password})
    columns = {"repository": "Repository", "location": "Location", "password": "Password"}
    show.listing("passwords", rows, columns, as_json=as_json, empty="The kit holds none.")


@app.command(epilog="Example: secvault recovery kit join codes.txt --out kit.json")
def join(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The scanned lines; - for stdin.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The kit's file.")],
    force: Force = False,
) -> None:
    """Put the kit's file together again from the codes on its last pages, scanned as text."""
    kit = operations.kit_codes.joined(ask.text_from(file, "FILE"))
    head = operations.kit_opening.read_kit(kit).head
    with whole(out, "--out", force=force) as written:
        written.write(kit)
    show.facts(recovery_kit_words.head_facts(head))


def asked_shares(kit: bytes) -> tuple[Secret, ...]:
    """As many shares as the kit needs, asked for one after the other, each checked at once.

    At a terminal a wrong one is asked for again; else each is a line of stdin. Raises InvalidInput
    for what is no kit, Cancelled at the end of input.
    """
    head = operations.kit_opening.read_kit(kit).head
    given: dict[int, Secret] = {}
    while len(given) < head.shares.threshold:
        words = ask.secret(f"Share {len(given) + 1} of {head.shares.threshold}")
        try:
            found = operations.kit_opening.check_share(words, head)
        except InvalidInput as error:
            if not ask.at_terminal():
                raise
            show.talk(f"{error.detail}.")
            continue
        if not found.of_kit:
            if not ask.at_terminal():
                raise InvalidInput.at("share", "is a share, but none of this kit's")
            show.talk("This is a share, but none of this kit's.")
            continue
        given[found.number] = words
    return tuple(given.values())


def _show_shares(made: Issued) -> None:
    of = made.head.shares
    show.talk(
        f"{of.shares} shares; any {of.threshold} of them open the kit, and with it everything. "
        "They are shown only now: each is written down by its holder alone."
    )
    for number, words in enumerate(made.words, 1):
        holder = of.holders[number - 1] if number <= len(of.holders) else ""
        show.out(f"\nShare {number} of {of.shares}{' for ' + holder if holder else ''}:")
        show.out(words.text())
        sys.stdout.flush()
        if ask.at_terminal():
            if ask.line('When it is written down, type "yes"') != "yes":
                raise Cancelled(
                    "the shares were not all written down, but they are in force: issue the kit "
                    "again with --new-shares, or nobody can open it"
                )
            show.talk(_CLEAR)


def _write_sheets(made: Issued, folder: Path, language: str) -> None:
    for number, words in enumerate(made.words, 1):
        content = operations.share_sheet.share_pdf(words, made.head, language)
        with whole(folder / f"share-{number}.pdf", "--sheets", force=False) as file:
            file.write(content)
    show.talk(
        f"{len(made.words)} sheets are in {folder}. Print each, hand it to its holder, and destroy "
        "the files: whoever has enough of them has everything."
    )


def _new_folder(folder: Path) -> Path:
    """The folder, made if need be; before there are shares that would not be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.glob("share-*.pdf")):
            raise InvalidInput.at("--sheets", f"{folder} holds sheets already; name another folder")
    except OSError as error:
        raise InvalidInput.at("--sheets", f"{folder} cannot be used: {error.strerror}") from None
    return folder


def _require_language(language: str) -> None:
    operations.kit_words.words(language)


def _head(head: KitHead) -> dict[str, Any]:
    return {"kit": head.kit, "digest": head.digest, "issued_at": show.time(head.issued_at)}
