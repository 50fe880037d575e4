"""Reading a long log: pages by every combination of filters, proofs, verification, export."""

from __future__ import annotations

import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.audit_log import RARE, Signing
from secvault.audit import proofs
from secvault.audit.checkpoints import StoredCheckpoint
from secvault.audit.formats import FORMATS, ExportFacts
from secvault.audit.nodes import range_hashes
from secvault.audit.query import Question, event_at, events, page
from secvault.audit.verify import verify
from secvault.crypto.range_proof import range_ranges
from secvault.store import Store

PAGE = 100
"""Events on a page."""

FILTERS = ("kind", "outcome", "actor", "resource", "department", "time")
STRETCH = 1_000
EXPORTED = ("jsonl", "csv")
MOST_EXPORTED = 2_000_000

Told = Callable[[int], object]


@dataclass(frozen=True)
class Pages:
    """Seconds that each page took, by the filters that were set; and the slowest questions."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    slowest: dict[str, str] = field(default_factory=dict)

    @property
    def all(self) -> list[float]:
        """Every page, whatever its filters."""
        return [one for some in self.taken.values() for one in some]


@dataclass(frozen=True)
class Proofs:
    """Seconds that each proof took."""

    inclusion: list[float]
    consistency: list[float]
    stretch: list[float]


@dataclass(frozen=True)
class Verified:
    """events a second; the most memory of this process before and after, bytes; times told."""

    rate: float
    before: int
    after: int
    told: int


def pages(store: Store, size: int, rounds: int, told: Told) -> Pages:
    """Pages of every combination of filters, newest first and oldest first, from anywhere.

    The values of a question are those of an event drawn at random, so frequent values are drawn
    often; or each from another event, so that hardly anything fits them all; or the rarest.
    """
    random = Random(11)
    found = Pages()
    combinations = [
        names
        for count in range(len(FILTERS) + 1)
        for names in itertools.combinations(FILTERS, count)
    ]
    for number, names in enumerate(combinations * rounds):
        question = _question(store, size, names, random, at=number)
        after = random.randrange(size) if random.random() < 0.7 else None
        newest_first = random.random() < 0.5
        began = time.perf_counter()
        page(store, question, after=after, limit=PAGE, newest_first=newest_first)
        taken = time.perf_counter() - began
        name = " + ".join(names) or "none"
        if taken > max(found.taken.get(name, [0])):
            found.slowest[name] = f"{question} after={after} newest_first={newest_first}"
        found.taken.setdefault(name, []).append(taken)
        told(1)
    return found


def _question(
    store: Store, size: int, names: Sequence[str], random: Random, *, at: int
) -> Question:
    like = [event_at(store, random.randrange(size)) for _ in range(2)]
    one, other = (each for each in like if each is not None)
    mixed = at % 3 == 1
    said: dict[str, object] = {}
    for name in names:
        event = random.choice((one, other)) if mixed else one
        if name == "kind":
            said[name] = RARE if at % 7 == 0 else event.event.kind
        elif name == "actor":
            said[name] = event.event.actor.subject
        elif name == "time":
            width = (10**6) ** random.uniform(1, 2)
            said |= {"since": int(event.t - width), "until": int(event.t + width)}
        elif name == "resource":
            path = event.event.resource
            said[name] = random.choice((path, path.rpartition("/")[0] or path))
            said["below"] = random.random() < 0.7
        else:
            said[name] = getattr(event.event, name)
    return Question(**said)  # type: ignore[arg-type]


def prove(store: Store, signed: Sequence[StoredCheckpoint], count: int, told: Told) -> Proofs:
    """Proofs of random events, between checkpoints, and of random stretches of the log.

    signed: at least two checkpoints, the largest last. The leaves of a stretch are what the caller
    has; reading them is not part of its proof.
    """
    random = Random(12)
    newest = signed[-1]
    found = Proofs([], [], [])
    for _ in range(count):
        seq = random.randrange(newest.size)
        start = random.randrange(max(1, newest.size - STRETCH))
        end = min(start + STRETCH, newest.size)
        old = random.choice(signed[:-1])
        with store.read() as connection:
            began = time.perf_counter()
            proofs.prove_inclusion(connection, newest, seq)
            found.inclusion.append(time.perf_counter() - began)
            began = time.perf_counter()
            proofs.prove_consistency(connection, old, newest)
            found.consistency.append(time.perf_counter() - began)
            began = time.perf_counter()
            range_hashes(connection, range_ranges(start, end, newest.size))
            found.stretch.append(time.perf_counter() - began)
        told(1)
    return found


def verified(store: Store, signing: Signing, told: Callable[[int, int], object]) -> Verified:
    """Verify the whole log, as `secvault audit verify` does."""
    times = 0

    def tell(done: int, total: int) -> None:
        nonlocal times
        times += 1
        told(done, total)

    before = _most_memory()
    began = time.perf_counter()
    report = verify(store, [signing.signer.verifier()], origin=signing.signer.name, progress=tell)
    seconds = time.perf_counter() - began
    if not report.ok:
        raise SystemExit(f"the log is damaged: {report.problems[:3]}")
    return Verified(report.size / seconds, before, _most_memory(), times)


def exported(store: Store, limit: int) -> dict[str, float]:
    """Events a second into a file of each of `EXPORTED`, as the service writes it.

    limit: how many events at the most.
    """
    facts = ExportFacts("bench", 0)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in EXPORTED:
            began = time.perf_counter()
            some = itertools.islice(events(store), limit)
            done = FORMATS[name].write(some, Path(folder) / name, facts=facts)
            found[name] = done / (time.perf_counter() - began)
    return found


def _most_memory() -> int:
    """The most that this process and those that it waited for ever took, bytes."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
