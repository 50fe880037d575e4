"""The data keys of secvault's own copy, which lie in a repository of their own.

To list and to fetch them takes restic the password's key twice. Neither needs the copy, so both are
done while it is restored.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from secvault.backup import keys_apart
from secvault.backup.drills.ground import Ground
from secvault.backup.restic_process import UntilFailed

_FOLDER = "data-keys"


@dataclass(frozen=True)
class Fetched:
    """The files, and how long it took to fetch them: whoever recovers waits for that."""

    files: tuple[Path, ...]
    seconds: float


def fetch(ground: Ground) -> Fetched:
    """Bring them into the drill's scratch. Raises as `keys_apart.fetch` does."""
    began = ground.watch.monotonic()
    files = keys_apart.fetch(
        ground.engine,
        ground.plan_name,
        ground.manifest.run,
        ground.scratch / _FOLDER,
        ground.cancel,
        beside=_name_of(ground),
    )
    return Fetched(files, ground.watch.monotonic() - began)


@contextmanager
def fetching(ground: Ground) -> Iterator[Future[Fetched]]:
    """Fetch them from now on; it is given up when the block ends. The future raises as `fetch`."""
    over = threading.Event()
    stop = UntilFailed(ground.cancel, over)
    restic = ground.engine.restic
    heeding = replace(restic, command=restic.command.heeding(stop))
    engine = replace(ground.engine, restic=heeding)
    with ThreadPoolExecutor(1, "drill-data-keys") as pool:
        try:
            yield pool.submit(fetch, replace(ground, engine=engine, cancel=stop))
        finally:
            over.set()


def _name_of(ground: Ground) -> str:
    """By which name of the plan's repositories this one goes: its data keys lie beside it."""
    names = (ground.plan.repository, *ground.plan.copies)
    return next(
        (
            name
            for name in names
            if ground.engine.settings_of(name).location == ground.repository.location
        ),
        ground.plan.repository,
    )
