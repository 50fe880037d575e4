"""Which files a sample consists of: each as likely as any other, and provable afterwards.

What is counted and drawn are files, not names: a file with several names (hard links) is one, and
comes with all of its names, so that damage to any of them is found with it. Empty files count:
they have no content to lose, but a name, a mode and an owner. The draw follows from its seed alone:
whoever has the seed and the manifest can draw again and see that nobody chose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from secvault.backup.drills.sampling import sample_size
from secvault.backup.file_entry import FileEntry
from secvault.crypto import aead

SEED_BYTES = 32
RUNS = 6
"""So many runs of files that lie beside each other are fetched to tell how long all would take."""
_FEWEST_RUNS = 5
_RUN_FILES, _RUN_BYTES = 16, 2 << 20
"""Of the shortest run, at most; each is twice as long as the one before."""
_ALL_RUNS = (1 << RUNS) - 1
BATCHES = 6
"""A sample is fetched in so many parts where its own times have to tell it."""
_SMALLEST_BATCHED = 4 * BATCHES
_WORD = 8

Listed = Callable[[], Iterable[FileEntry]]
"""Goes through the entries of the manifest from the beginning, each time that it is called."""


@dataclass(frozen=True)
class Draw:
    """The files of a sample. entries: all of their names, in the order of the paths.

    population, population_bytes: of the files that it was drawn from. size: how many were drawn.
    batches: the same entries in parts, each file with all names in one of them. runs: files beside
    the sample's, which say how long the whole would take, as a whole restore fetches what lies
    together; none where few files are small, and then batches of unequal size say it. seed:
    hexadecimal; with the same manifest it gives the same draw.
    """

    seed: str
    population: int
    population_bytes: int
    size: int
    entries: tuple[FileEntry, ...]
    batches: tuple[tuple[FileEntry, ...], ...]
    runs: tuple[tuple[FileEntry, ...], ...]

    @property
    def parts(self) -> tuple[tuple[FileEntry, ...], ...]:
        """All that is fetched, in this order."""
        return (*self.batches, *self.runs)

    @property
    def telling(self) -> slice:
        """Which of the parts say how long the whole would take."""
        return slice(len(self.batches) if self.runs else 0, None)

    @property
    def bytes(self) -> int:
        """Of the files that were drawn."""
        return content_bytes(self.entries)


def draw(
    listed: Listed,
    counts: Callable[[FileEntry], bool],
    rate: float,
    confidence: float,
    random: aead.Random,
) -> Draw:
    """Draw as many files as it takes to find damage to `rate` of them with `confidence`.

    counts: whether a file is of those that are drawn from; what is restored anyway is not. Goes
    through the list twice, and keeps of it what is drawn and the numbers of files with several
    names. Raises what `listed` raises.
    """
    return draw_again(listed, counts, rate, confidence, aead.draw(SEED_BYTES, random).hex())


def draw_again(
    listed: Listed,
    counts: Callable[[FileEntry], bool],
    rate: float,
    confidence: float,
    seed: str,
) -> Draw:
    """The draw that this seed gives."""
    population = population_bytes = 0
    for _, entry, is_first in _files(listed(), counts):
        if is_first:
            population += 1
            population_bytes += entry.size
    size = sample_size(population, rate, confidence)
    numbers = _numbers(bytes.fromhex(seed))
    chosen = _distinct(size, population, numbers)
    # All runs together are no more than half of all there is.
    longest = min(_RUN_FILES, population // (2 * _ALL_RUNS))
    largest = min(_RUN_BYTES, population_bytes // (2 * _ALL_RUNS))
    running = [
        _Run(longest << number, largest << number, population, numbers) for number in range(RUNS)
    ]
    drawn: list[tuple[int, FileEntry]] = []
    for number, entry, is_first in _files(listed(), counts):
        if number in chosen:
            drawn.append((number, entry))
        else:
            # Into one run at most: what is there already would not be fetched as it would be alone.
            any(run.takes(number, entry, is_first=is_first) for run in running)
    runs = tuple(tuple(run.entries) for run in running if run.entries)
    if len(runs) < _FEWEST_RUNS:
        runs = ()
    parts = (frozenset(chosen),) if runs else _parts(sorted(chosen), numbers)
    return Draw(
        seed=seed,
        population=population,
        population_bytes=population_bytes,
        size=size,
        entries=tuple(entry for _, entry in drawn),
        batches=tuple(
            tuple(entry for number, entry in drawn if number in part) for part in parts if part
        ),
        runs=runs,
    )


def content_bytes(entries: Iterable[FileEntry]) -> int:
    """The bytes of these files, each once however many names it has."""
    seen: set[str] = set()
    total = 0
    for entry in entries:
        if entry.linked not in seen:
            total += entry.size
        if entry.linked:
            seen.add(entry.linked)
    return total


def count_files(entries: Iterable[FileEntry]) -> int:
    """How many files these are, each once however many names it has."""
    linked: set[str] = set()
    alone = 0
    for entry in entries:
        if entry.linked:
            linked.add(entry.linked)
        else:
            alone += 1
    return alone + len(linked)


def _files(
    listed: Iterable[FileEntry], counts: Callable[[FileEntry], bool]
) -> Iterator[tuple[int, FileEntry, bool]]:
    """Each name of a file with the file's number, and whether it is its first name."""
    known: dict[str, int] = {}
    count = 0
    for entry in listed:
        if not entry.is_file() or not counts(entry):
            continue
        number = known.get(entry.linked) if entry.linked else None
        if number is not None:
            yield number, entry, False
            continue
        if entry.linked:
            known[entry.linked] = count
        yield count, entry, True
        count += 1


class _Run:
    """A run while the files are gone through. entries: what it has of them."""

    def __init__(self, files: int, size: int, population: int, below: Callable[[int], int]) -> None:
        """files, size: how many at most, and of how many bytes together."""
        self.entries: list[FileEntry] = []
        self._files, self._bytes = files, size
        self._largest = size
        self._start = below(max(1, population - self._files + 1))
        self._numbers: set[int] = set()

    def takes(self, number: int, entry: FileEntry, *, is_first: bool) -> bool:
        """Take the name where it belongs here; whether it did. A file that is too large for any of
        its kind is passed over; one that only has no room any more ends the run.
        """
        if is_first and number >= self._start and self._files and entry.size <= self._largest:
            fits = entry.size <= self._bytes
            self._files = self._files - 1 if fits else 0
            self._bytes -= entry.size
            if fits:
                self._numbers.add(number)
        if number not in self._numbers:
            return False
        self.entries.append(entry)
        return True


def _numbers(seed: bytes) -> Callable[[int], int]:
    """Gives a number from 0 to below its argument, each as likely as any other."""
    words = _words(seed)

    def below(limit: int) -> int:
        # What lies above the last whole multiple would make small numbers likelier.
        fair = (1 << 8 * _WORD) // limit * limit
        while (word := next(words)) >= fair:
            continue
        return word % limit

    return below


def _words(seed: bytes) -> Iterator[int]:
    """SHA-256 over the seed and a counter of 8 bytes, in words of 8 bytes, big endian."""
    counter = 0
    while True:
        block = hashlib.sha256(seed + counter.to_bytes(8, "big")).digest()
        for at in range(0, len(block), _WORD):
            yield int.from_bytes(block[at : at + _WORD], "big")
        counter += 1


def _distinct(size: int, population: int, below: Callable[[int], int]) -> set[int]:
    """So many different numbers below the population; every such set is as likely as any other.

    R. W. Floyd, in J. Bentley, Programming Pearls: A Sample of Brilliance, 1987.
    """
    chosen: set[int] = set()
    for last in range(population - size, population):
        number = below(last + 1)
        chosen.add(last if number in chosen else number)
    return chosen


def _parts(chosen: Sequence[int], below: Callable[[int], int]) -> tuple[frozenset[int], ...]:
    """The numbers in parts by chance, each part larger than the one before it.

    Parts of one size could not tell what a start costs from what a file costs.
    """
    if not chosen:
        return ()
    if len(chosen) < _SMALLEST_BATCHED:
        return (frozenset(chosen),)
    mixed = list(chosen)
    for last in range(len(mixed) - 1, 0, -1):
        other = below(last + 1)
        mixed[last], mixed[other] = mixed[other], mixed[last]
    shares = range(1, BATCHES + 1)
    total, begun, parts = sum(shares), 0, []
    for share in shares:
        ended = begun + share
        part = mixed[len(mixed) * begun // total : len(mixed) * ended // total]
        parts.append(frozenset(part))
        begun = ended
    return tuple(parts)
