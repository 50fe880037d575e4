"""`secvault people import` and `export`: people as a CSV file."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from secvault.cli import ask, opening, operations, show
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.service.invitations import Invited


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV in UTF-8.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is wrong, or would be done.")
    ] = False,
    codes_to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="New file for the codes, mode 0600; else stdout."),
    ] = None,
    send: Annotated[
        bool,
        typer.Option(
            "--send", help="Send each code to its person, and show none.", show_default=False
        ),
    ] = False,
    as_json: show.AsJson = False,
) -> None:
    """Invite everybody in a file who is not there yet, all or none.

    The first line names the columns: name and department, and if you like display_name, contact,
    language, notes, and employee and teams (parted by ;), which need a second person's approval.
    Every fault is said by line and column. The codes are shown or written once.
    """
    if send and codes_to is not None:
        raise InvalidInput("codes that are sent are not written: leave out --send or --codes-to")
    content = _content(file)
    with opening.vault(context) as (service, caller):
        if dry_run or codes_to is None:
            done = operations.people_file.import_people(
                service, caller, content, dry_run=dry_run, send=send
            )
        else:
            # Made before anybody is invited: a code that cannot be written down is lost.
            with _private(codes_to) as codes:
                done = operations.people_file.import_people(service, caller, content)
                _write(codes, done.invited)
    if as_json:
        show.document(
            {
                "invited": [_row(each, codes_to) for each in done.invited],
                "would_invite": list(done.would_invite),
                "existing": list(done.existing),
                "unsent": list(done.unsent),
            }
        )
        return
    for name in done.existing:
        show.talk(f"{name} is there already; left as they are")
    if dry_run:
        show.out(f"{len(done.would_invite)} would be invited; nothing was changed")
    elif send:
        show.out(f"{len(done.invited) - len(done.unsent)} invited; their codes were sent")
        for name in done.unsent:
            show.talk(f"{name} is invited, but got no mail: secvault people reinvite {name} --send")
    elif codes_to is not None:
        show.out(f"{len(done.invited)} invited; their codes are in {codes_to}")
    else:
        show.talk(f"{len(done.invited)} invited; hand the codes over, they are shown once:")
        _write(sys.stdout, done.invited)


def export(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="New file, mode 0600; else stdout.")
    ] = None,
    bom: Annotated[
        bool, typer.Option("--bom", help="Begin with a byte order mark, which Excel needs.")
    ] = False,
) -> None:
    """Write everybody as CSV in UTF-8, without any secret; cells are safe in spreadsheets."""
    with opening.vault(context) as (service, caller):
        text = operations.people_file.export_people(service, caller)
    content = ("\ufeff" if bom else "") + text
    if to is None:
        sys.stdout.write(content)
        return
    with _private(to) as out:
        out.write(content)
    show.talk(f"Everybody is in {to}.")


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(ask.LARGEST_INPUT + 1)
    except OSError as error:
        raise InvalidInput.at("FILE", f"{file} cannot be read: {error.strerror}") from None


@contextmanager
def _private(path: Path) -> Iterator[TextIO]:
    """A new file that only its owner can read; gone again when nothing came of it."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise InvalidInput.at("FILE", f"{path} is there already; name a new file") from None
    except OSError as error:
        raise InvalidInput.at("FILE", f"{path} cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    finally:
        if path.stat().st_size == 0:
            path.unlink()


def _write(file: TextIO, invited: tuple[Invited, ...]) -> None:
    out = csv.writer(file)
    out.writerow(("name", "code", "expires_at"))
    for each in invited:
        code = "" if each.code is None else each.code.text()
        out.writerow((each.person.name, code, show.time(each.expires_at)))


def _row(invited: Invited, codes_to: Path | None) -> dict[str, str | None]:
    shown = None if codes_to is not None else invited.code
    return {
        "name": invited.person.name,
        "code": None if shown is None else shown.text(),
        "expires_at": show.time(invited.expires_at),
    }
