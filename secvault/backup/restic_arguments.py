"""What callers may hand to restic, checked before restic sees it.

restic misreads some of it silently: it splits tags at commas, and only warns of a missing source.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from secvault.backup.late_words import is_odd, line_of
from secvault.backup.repository import LocalFolder, Repository
from secvault.backup.repository_faults import SourceUnreadable
from secvault.errors import InvalidInput

_SNAPSHOT_ID = re.compile(r"[0-9a-f]{8,64}|latest")
# The list of arguments has a length that the machine limits.
_MOST_WORDS = 200
MOST_ARGUMENT_BYTES = 512 << 10
"""Of patterns given as arguments; Linux allows a quarter of the stack, 2 MiB as a rule, for all."""
_POINTER_BYTES = 8
_SUBSET = re.compile(r"[1-9]\d*/[1-9]\d*|\d+(\.\d+)?%|[1-9]\d*[kKmMgGtT]?")


def word(name: str, text: str) -> str:
    """The text, which must be there and hold no NUL character. Raises InvalidInput naming it."""
    if not text or "\0" in text:
        raise InvalidInput.at(name, "must not be empty or hold a NUL character")
    return text


def tag(text: str) -> str:
    """One tag. Raises InvalidInput for what restic would take for several, or would cut."""
    if "," in text or text != text.strip():
        raise InvalidInput.at("tags", "a tag has no comma and no blanks around it")
    return word("tags", text)


@contextmanager
def excluding(patterns: Sequence[str], scratch: Path) -> Iterator[tuple[str, ...]]:
    """The options that leave out what the patterns match; many go through a file in `scratch`.

    Raises InvalidInput, OSError.
    """
    with _matching("exclude", patterns, scratch, _MOST_WORDS) as options:
        yield options


@contextmanager
def including(
    patterns: Sequence[str], scratch: Path, *, from_file: bool
) -> Iterator[tuple[str, ...]]:
    """The options that restore only what the patterns match; many go through a file in `scratch`.

    from_file: whether this restic can read them from one; else they are all arguments. Raises
    InvalidInput where those are more than a program can be started with, OSError.
    """
    most = _MOST_WORDS if from_file else len(patterns)
    if not from_file and sum(map(argument_bytes, patterns)) > MOST_ARGUMENT_BYTES:
        raise InvalidInput.at("include", "are too many; restore them in parts")
    with _matching("include", patterns, scratch, most) as options:
        yield options


def argument_bytes(pattern: str) -> int:
    """What a pattern takes of the room for arguments."""
    return len(os.fsencode(pattern)) + len("--include=") + 1 + _POINTER_BYTES


@contextmanager
def _matching(
    option: str, patterns: Sequence[str], scratch: Path, most: int
) -> Iterator[tuple[str, ...]]:
    words = tuple(f"--{option}={word(f'{option}s', pattern)}" for pattern in patterns)
    if len(words) <= most:
        yield words
        return
    odd = [one for one in patterns if is_odd(one)]
    passed_over = set(odd)
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=scratch, prefix=f"{option}s-") as file:
        for pattern in patterns:
            if pattern not in passed_over:
                file.write(line_of(pattern))
        file.flush()
        yield (f"--{option}-file={file.name}", *(f"--{option}={pattern}" for pattern in odd))


def only(tags: Sequence[str], host: str | None) -> tuple[str, ...]:
    """The options that choose the snapshots with all these tags, and of this host."""
    # One option with commas asks for all of the tags; several options ask for any of them.
    chosen = (f"--tag={','.join(map(tag, tags))}",) if tags else ()
    return (*chosen, *((f"--host={word('host', host)}",) if host is not None else ()))


def snapshot_id(text: str) -> str:
    """A snapshot's id, the beginning of one, or `latest`. Raises InvalidInput."""
    if not _SNAPSHOT_ID.fullmatch(text):
        raise InvalidInput.at("snapshot_id", "must be `latest` or 8 to 64 hexadecimal characters")
    return text


def reading(subset: str | None, *, everything: bool) -> tuple[str, ...]:
    """The options that say how much of the data `check` reads. Raises InvalidInput."""
    if subset is not None and not _SUBSET.fullmatch(subset):
        raise InvalidInput.at("read_data_subset", "write it as 1/10, 2.5% or 500M")
    if everything:
        return ("--read-data",)
    return (f"--read-data-subset={subset}",) if subset else ()


def require_sources(paths: Sequence[Path]) -> None:
    """Refuse to save nothing, relative paths (InvalidInput) and missing ones (SourceUnreadable)."""
    if not paths:
        raise InvalidInput.at("paths", "name at least one file or folder to save")
    for path in paths:
        if not path.is_absolute() or ".." in path.parts:
            raise InvalidInput.at("paths", f"{path} must be an absolute path without `..`")
        if not os.path.lexists(path):
            # restic calls the backup of the others complete.
            raise SourceUnreadable(
                f"{path} does not exist; nothing was saved", unreadable=(str(path),)
            )


def require_empty(target: Path) -> None:
    """Refuse a target that is relative or holds anything. Raises InvalidInput."""
    if not target.is_absolute():
        raise InvalidInput.at("target", "must be an absolute path")
    try:
        occupied = any(target.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidInput.at("target", f"{target} cannot be used: {error.strerror}") from None
    if occupied:
        raise InvalidInput.at("target", f"{target} is not empty; choose a new or an empty folder")


def may_have_locks(repository: Repository) -> bool:
    """False only for a folder without a lock file: asking restic costs the start of a program."""
    if not isinstance(repository.place, LocalFolder):
        return True
    try:
        return any((repository.place.path / "locks").iterdir())
    except OSError:
        return True


def is_without_snapshots(repository: Repository) -> bool:
    """True only for a folder that holds a repository and no snapshot in it, of whomever."""
    if not isinstance(repository.place, LocalFolder):
        return False
    folder = repository.place.path
    try:
        return (folder / "config").exists() and not any((folder / "snapshots").iterdir())
    except OSError:
        return False


def keys_without_config(repository: Repository) -> bool:
    """Whether a folder holds a repository whose config file is lost."""
    if not isinstance(repository.place, LocalFolder):
        return False
    folder = repository.place.path
    try:
        return not (folder / "config").exists() and any((folder / "keys").iterdir())
    except OSError:
        return False
