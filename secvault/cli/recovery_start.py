"""`secvault recovery start`, the guided recovery, and `secvault recovery incident`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from secvault.cli import ask, operations, show
from secvault.cli.recovery_rehearse import (
    At,
    Folder,
    Key,
    KitFile,
    PgBin,
    Restic,
    StoreUrlFile,
    read_kit,
    store_url,
)
from secvault.clock import system_clock
from secvault.crypto import Secret

_YES, _NO = ("y", "yes"), ("n", "no")


class _Terminal:
    """Whoever sits at the terminal; without one, the lines of stdin."""

    def say(self, text: str) -> None:
        """Tell something."""
        show.talk(text)

    def ask(self, question: str, default: str = "") -> str:
        """The answer on one line; the default for an empty one."""
        shown = f"{question} [{default}]" if default else question
        return ask.line(shown) or default

    def secret(self, question: str) -> Secret:
        """The answer, which is not shown while it is typed."""
        return ask.secret(question)

    def yes(self, question: str, *, default: bool | None) -> bool:
        """Yes or no."""
        hint = {True: "Y/n", False: "y/N", None: "y/n"}[default]
        while True:
            answer = ask.line(f"{question} [{hint}]").lower()
            if answer in _YES:
                return True
            if answer in _NO:
                return False
            if not answer and default is not None:
                return default
            show.talk("Answer yes or no.")


def start(
    kit: KitFile,
    folder: Folder,
    *,
    at: At = None,
    store_url_file: StoreUrlFile = None,
    key: Key = "",
    restic: Restic = Path("restic"),
    pg_bin: PgBin = None,
) -> None:
    """Recover for real, led step by step; who has done what goes into the incident log.

    The folder becomes the installation. Broken off, begin again with the same folder: what is done
    stays done. S3 credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or those of one repository
    as SECVAULT_BACKUP__REPOSITORIES__<NAME>__ACCESS_KEY_ID and so on.
    """
    order = operations.recovering.Order(
        folder=folder.absolute(),
        kit=read_kit(kit),
        shares=(),
        environment=dict(os.environ),
        requested_by="",
        at=tuple(at or ()),
        store_url=store_url(store_url_file),
        key=key,
        restic=restic,
        pg_bin=pg_bin,
    )
    done = operations.recovery_guided.start(order, _Terminal(), system_clock(), os.urandom)
    show.facts(
        {
            "settings": str(done.place.settings),
            "data": str(done.place.data),
            "seal key": f"{done.place.data}.key",
            "incident log": str(done.place.incident),
            "evidence": str(done.place.data / "evidence"),
            "left to do": ", ".join(done.left) or "nothing",
            "way in opens": done.way_in or "-",
        }
    )
    show.talk(
        f"Start it: secvault --config {done.place.settings} serve\n"
        "Then, the same day: look through people, grants and tokens for what was taken away since "
        "the backup; `secvault seal change --to shares`; `secvault keys rotate-root`; `secvault "
        "recovery kit issue`; `secvault backup run`; `secvault drill run`."
    )


def incident(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="incident.jsonl of a recovery's folder.", exists=True),
    ],
    as_json: show.AsJson = False,
) -> None:
    """Show an incident log, after checking that no line was changed, added or taken out.

    Exit code 5 when one was. Its head's digest stands in the audit log as `vault.recovered`.
    """
    entries = operations.recovery_incident.read(file)
    head = operations.recovery_incident.head_of(file)
    rows = [
        {"number": one.number, "at": one.at, "who": one.who, "what": one.what, "words": one.words}
        for one in entries
    ]
    if as_json:
        show.document({"entries": rows, "head": head})
        return
    columns = {"at": "When", "who": "Who", "what": "What", "words": "In words"}
    show.table(rows, columns, "nothing was put down")
    show.talk(f"{len(rows)} entries, unchanged; head {head}")
