"""Signed evidence at the command line: taken out as files, and checked without a vault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from secvault.cli import operations
from secvault.errors import InvalidInput

File = Annotated[Path, typer.Argument(metavar="FILE", help="The evidence's .json file.")]
KeyText = Annotated[
    str,
    typer.Option(
        "--key", metavar="VKEY", help="The public key's text, from `secvault audit keys`."
    ),
]
NoteFile = Annotated[Path | None, typer.Option(help="Its .note file; else the one beside it.")]
Folder = Annotated[
    Path | None,
    typer.Option("--to", metavar="FOLDER", help="Where to write it; else it is printed."),
]


def content_of(file: Path, option: str) -> bytes:
    """The bytes of a file that an option or argument names. Raises InvalidInput."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidInput.at(option, f"{file} cannot be read: {error.strerror}") from None


def verified(document: tuple[Path, str], note: tuple[Path, str], key: str) -> dict[str, Any]:
    """What evidence says, of files by a key. Both: the file, and the option that names it.

    Raises InvalidInput, and Damaged when the evidence was changed.
    """
    return operations.evidence.verify_evidence(
        content_of(*document),
        content_of(*note),
        operations.note.NoteVerifier.from_vkey(key.strip()),
    )


def verified_of(file: Path, note: Path | None, key: str, kind: str, what: str) -> dict[str, Any]:
    """What the evidence of one kind says. what: the kind in words. Raises as `verified` does."""
    note = note or file.with_suffix(".note")
    found = verified((file, "FILE"), (note, "--note"), key)
    if found.get("kind") != kind:
        raise InvalidInput.at("FILE", f"is evidence, but not of {what}")
    return found


def write(folder: Path, stem: str, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write files that their owner alone reads. files: by the ends of their names.

    Raises InvalidInput.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for ending, content in files.items():
            file = folder / f"{stem}{ending}"
            file.touch(mode=0o600)
            file.write_bytes(content)
            written.append(file)
    except OSError as error:
        raise InvalidInput.at("--to", f"{folder} cannot be written: {error.strerror}") from None
    return tuple(written)
