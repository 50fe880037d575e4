"""`secvault recovery rehearse`: bring everything back on an empty machine, unattended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import ask, operations, outcome, show
from secvault.clock import system_clock
from secvault.crypto import Secret
from secvault.errors import InvalidInput

if TYPE_CHECKING:
    from secvault.backup.drills.exercise import RehearsalResult
    from secvault.service.recovering.work import Order

LARGEST_KIT = 4 * 1024 * 1024
_LARGEST_SHARES = 64 * 1024

KitFile = Annotated[
    Path,
    typer.Option(
        "--kit", metavar="FILE", help="The recovery kit's file (kit.json).", dir_okay=False
    ),
]
Folder = Annotated[
    Path,
    typer.Option(
        "--folder",
        metavar="FOLDER",
        help="New or empty; everything comes back into it.",
        file_okay=False,
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        metavar="NAME=LOCATION",
        help="Where a repository lies for this machine, if not where the kit says.",
        show_default=False,
    ),
]
StoreUrlFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A file with the address of an empty PostgreSQL database; else SECVAULT_STORE__URL.",
        dir_okay=False,
    ),
]
Snapshot = Annotated[
    str, typer.Option(metavar="ID", help="This snapshot and older ones, not the newest.")
]
Key = Annotated[
    str,
    typer.Option(
        metavar="VKEY",
        help="The vault's evidence key, from elsewhere: the kit must be signed by it.",
    ),
]
Restic = Annotated[Path, typer.Option(metavar="FILE", help="The program restic.")]
PgBin = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where pg_restore lies, if not in PATH.")
]


def rehearse(
    kit: KitFile,
    *,
    folder: Folder = Path("recovered"),
    share_file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A file with shares, one a line; may be given several times. Without any they are "
            "asked for, or read from stdin, one a line.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    at: At = None,
    repository: Annotated[
        str, typer.Option(metavar="NAME", help="Read this repository alone, to try it.")
    ] = "",
    snapshot: Snapshot = "",
    store_url_file: StoreUrlFile = None,
    key: Key = "",
    all_plans: Annotated[
        bool, typer.Option("--all", help="Bring back the files of the other plans, too.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove all but the evidence at the end.")
    ] = False,
    restic: Restic = Path("restic"),
    pg_bin: PgBin = None,
    as_json: show.AsJson = False,
) -> None:
    """Bring secvault back from the kit, k shares and the storage alone; start it and ask it.

    Run it on an empty machine. Repositories are read and never written to, nobody is told anything,
    and what comes back sends nothing. S3 credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
    The report is signed by the vault's own key. What came back stays in the folder, and with it the
    key that opens it. Exit code 5 when something was not as it should be.
    """
    order = _order(
        kit,
        folder,
        shares=_shares(share_file, read_kit(kit)),
        requested_by="local:operator",
        at=at,
        repository=repository,
        snapshot=snapshot,
        store_url_file=store_url_file,
        key=key,
        other_plans=all_plans,
        remove=remove,
        restic=restic,
        pg_bin=pg_bin,
    )
    tell = (lambda _words: None) if as_json else show.talk
    done = operations.recovering.rehearse(order, system_clock(), os.urandom, tell)
    evidence = done.papers[0]
    if remove:
        operations.recovering_place.remove_all_but(done.place, evidence.parent)
    if as_json:
        show.document({**_plain(done.result), "evidence": str(evidence), "removed": remove})
    else:
        _print(done.result, evidence, removed=remove, folder=done.place.folder)
    if not done.result.passed:
        raise typer.Exit(outcome.DAMAGE.number)


def read_kit(file: Path) -> bytes:
    """The bytes of a kit. Raises InvalidInput."""
    return _bytes(file, "--kit", LARGEST_KIT)


def store_url(file: Path | None) -> str:
    """The address of the database to restore into; empty for none. Raises InvalidInput."""
    if file is not None:
        return ask.first_line(str(file), "--store-url-file").text().strip()
    named = os.environ.get("SECVAULT_STORE__URL_FILE", "")
    if named:
        return ask.first_line(named, "SECVAULT_STORE__URL_FILE").text().strip()
    return os.environ.get("SECVAULT_STORE__URL", "")


def _order(kit: Path, folder: Path, *, store_url_file: Path | None, **more: Any) -> Order:
    more["at"] = tuple(more["at"] or ())
    return operations.recovering.Order(
        folder=folder.absolute(),
        kit=read_kit(kit),
        environment=dict(os.environ),
        store_url=store_url(store_url_file),
        **more,
    )


def _shares(files: list[Path] | None, kit: bytes) -> tuple[Secret, ...]:
    if files:
        return tuple(
            Secret.of(line)
            for file in files
            for line in _bytes(file, "--share-file", _LARGEST_SHARES).decode().splitlines()
            if line.strip()
        )
    wanted = operations.kit_opening.read_kit(kit).head.shares.threshold
    return tuple(ask.secret(f"Share {number} of {wanted}") for number in range(1, wanted + 1))


def _bytes(file: Path, option: str, most: int) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(most + 1)
    except OSError as error:
        raise InvalidInput.at(option, f"{file} cannot be read: {error.strerror}") from None
    if len(content) > most:
        raise InvalidInput.at(option, f"{file} is larger than {most} bytes; it is none")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise InvalidInput.at(option, f"{file} is not UTF-8 text") from None
    return content


def _plain(result: RehearsalResult) -> dict[str, Any]:
    return {**operations.drill_evidence.document(result), "passed": result.passed}


def _print(result: RehearsalResult, evidence: Path, *, removed: bool, folder: Path) -> None:
    figures = result.figures
    for one in result.brought_back:
        show.out(f"{one.count:>8}  {one.name}")
    for words in result.skipped:
        show.out(f"PASSED OVER  {show.cell(words)}")
    for fault in result.faults:
        show.out(f"FAULT  {fault.code}: {show.cell(fault.words)}")
    for words in result.not_tested:
        show.out(f"not tested  {show.cell(words)}")
    show.facts(
        {
            "rehearsal": result.id,
            "verdict": "passed" if result.passed else "did not pass",
            "kit": f"{result.kit}, issued {show.time(result.kit_issued_at)}",
            "snapshot": f"{show.short_id(result.snapshot)} in {result.repository}",
            "data of": show.time(figures.data_at),
            "RPO": show.duration((figures.rpo_seconds or 0) * 1000),
            "RTO": ", ".join(
                [
                    show.duration(int(figures.rto_seconds * 1000)),
                    *(
                        f"{phase} {show.duration(int(seconds * 1000))}"
                        for phase, seconds in figures.phases.items()
                    ),
                ]
            ),
            "evidence": str(evidence),
            "report": str(evidence.with_suffix(".en.html")),
        }
    )
    if not removed:
        show.talk(
            f"The recovered vault lies in {folder}, with the key that opens it. Look at it with "
            f"`secvault --config {folder}/secvault.toml serve`; remove the folder when you have."
        )
