"""Sources that no server is needed for: what a program wrote, and the copy of a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.drills.result import Fault
from secvault.backup.sources import bucket_index
from secvault.backup.sources.source import SourceEntry
from secvault.errors import Damaged

MOST_FAULTS = 100
"""Faults of one source that are told one by one."""


@dataclass
class Hashed:
    """Objects whose content was hashed."""

    objects: int = 0


def of_command(entry: SourceEntry, folder: Path) -> Iterator[Fault]:
    """Whether what the program wrote is there, whole. Raises OSError."""
    name = entry.facts.get("file")
    if not isinstance(name, str) or Path(name).name != name:
        yield Fault("dump-damaged", entry.name, "the manifest does not say what the program wrote")
        return
    file = folder / name
    if file.is_symlink() or not file.is_file():
        yield Fault("dump-damaged", entry.name, f"the snapshot does not hold {name}")
        return
    size, expected = file.stat().st_size, entry.facts.get("bytes")
    if size != expected:
        yield Fault("dump-damaged", entry.name, f"{name} has {size} bytes of {expected}")


def of_bucket(
    entry: SourceEntry, folder: Path, counted: Hashed, heed: Callable[[], None]
) -> Iterator[Fault]:
    """Whether the index of a bucket's copy is whole and every object is as the index says.

    heed: called for each object, to stop on request. Raises OSError.
    """
    facts, told = bucket_index.Facts(), 0
    try:
        for one in bucket_index.read(folder / bucket_index.NAME):
            heed()
            facts.add(one)
            if one.deleted:
                continue
            words = _object(folder / bucket_index.OBJECTS, one)
            counted.objects += 1
            if words and told < MOST_FAULTS:
                told += 1
                yield Fault("dump-damaged", f"{entry.name}: {one.key}", words)
    except Damaged as damage:
        yield Fault("dump-damaged", entry.name, damage.detail)
        return
    found = facts.told()
    for name in sorted(found.keys() & entry.facts.keys()):
        if found[name] != entry.facts[name]:
            words = f"{found[name]} {name}, saved were {entry.facts[name]}"
            if name == "contents":
                words = "what is known of the objects is not what was saved"
            yield Fault("rows-lost", entry.name, words)


def _object(folder: Path, one: bucket_index.ObjectVersion) -> str:
    file = folder / one.file
    if file.is_symlink() or not file.is_file():
        return "the content of the object is missing"
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    return "" if digest == one.sha256 else "the content of the object is another"
