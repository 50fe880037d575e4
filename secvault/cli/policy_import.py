"""`secvault policy import`: policies of other programs as rows of `roles.csv`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from secvault.cli import opening, operations, show
from secvault.cli.outcome import FAILED
from secvault.errors import InvalidInput

app = typer.Typer(no_args_is_help=True, help="Take over the policy of another program: Casbin CSV.")


@app.callback()
def import_() -> None:
    """Take over the policy of another program: Casbin CSV."""


@app.command(
    epilog="Example: secvault policy import casbin --model model.conf --policy policy.csv "
    "--action read=record.read --department sales=accounting"
)
def casbin(
    context: typer.Context,
    *,
    model: Annotated[Path, typer.Option(metavar="FILE", help="Casbin's model, RBAC.")],
    policy: Annotated[Path, typer.Option(metavar="FILE", help="Casbin's policy, CSV.")],
    action: Annotated[
        list[str] | None, typer.Option(metavar="THEIRS=OURS", help="What an act is called here.")
    ] = None,
    obj: Annotated[
        list[str] | None, typer.Option("--object", metavar="THEIRS=OURS", help="Likewise an obj.")
    ] = None,
    department: Annotated[
        list[str] | None, typer.Option(metavar="THEIRS=OURS", help="Likewise a domain.")
    ] = None,
    where: Annotated[
        str, typer.Option("--in", help="The department, for a model without domains.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the rows here; else they are shown.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Turn a Casbin policy into rows for roles.csv; nothing is applied.

    What cannot be said here is listed with its line, and the exit code is 1. Who holds which role
    is no part of the policy: it is listed as commands to give.
    """
    chosen = opening.settings(context)
    imported = operations.policy_offline.import_casbin(
        _read(model),
        _read(policy),
        _pairs(action, "--action"),
        _pairs(obj, "--object"),
        _pairs(department, "--department"),
        where,
        chosen.policy_folder,
    )
    commands = [f"secvault grants add {' '.join(each)}" for each in imported.grants]
    text = "".join(f"{row}\n" for row in imported.rows)
    if output is not None:
        write(output, text)
    if as_json:
        problems = [{"at": one.field, "problem": one.detail} for one in imported.problems]
        show.document({"rows": list(imported.rows), "grants": commands, "problems": problems})
    else:
        if output is None and text:
            show.out(text.removesuffix("\n"))
        for command in commands:
            show.talk(f"to give: {command}")
        for one in imported.problems:
            show.talk(f"{one.field}: {one.detail}")
        show.talk(
            f"{len(imported.rows)} rows, {len(commands)} grants, {len(imported.problems)} problems"
        )
    if imported.problems:
        raise typer.Exit(FAILED.number)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for each in given or []:
        theirs, equals, ours = each.partition("=")
        if not equals or not theirs or not ours:
            raise InvalidInput.at(option, "write THEIRS=OURS")
        pairs[theirs] = ours
    return pairs


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except OSError as error:
        raise InvalidInput.at(str(file), f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InvalidInput.at(str(file), f"is not UTF-8 at byte {error.start}") from None


def write(file: Path, text: str) -> None:
    """Write a new file. Raises InvalidInput when it is there, or cannot be."""
    try:
        with file.open("x", encoding="utf-8", newline="\n") as out:
            out.write(text)
    except OSError as error:
        raise InvalidInput.at(str(file), f"cannot be written ({error.strerror})") from None
