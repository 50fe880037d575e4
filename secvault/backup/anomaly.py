"""What is strange about a run, by its own numbers and those of the runs before.

Three rules, each with a threshold of the settings (`AnomalySettings`) and each relative to what is
usual for the plan, so that a plan in which everything changes every night raises no alarm every
night. Nothing is judged before there was a run of the same scope to compare with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from secvault.config.anomalies import AnomalySettings

SIZE_COLLAPSE, MASS_CHANGE, ENTROPY_RISE = "size_collapse", "mass_change", "entropy_rise"
RULES = (SIZE_COLLAPSE, MASS_CHANGE, ENTROPY_RISE)

PAST = 8
"""How many runs before are looked at."""
SMALL = 1 << 20
"""Bytes of what may shrink as it likes."""
ABOVE_USUAL = 30
"""Percentage points that a share of files must be above what is usual."""
FEWEST_SAMPLED = 20
"""Files to be looked into before their share says anything."""
LITTLE_ADDED = 0.1
"""Of the average size of a file: less new data than this for each changed one is moving them, or a
file system that was mounted anew, and no writing."""
AVERAGE_AT_LEAST = 4096
"""Bytes: what restic writes about a file counts as new data, too, and is some 300 bytes."""


@dataclass(frozen=True)
class Numbers:
    """What a run told. scope: digest of what the plan saves. sources: the bytes of each.

    sampled, random_looking: of the files that changed since the run before; see `randomness`.
    data_at: micros, the moment that the data shows.
    """

    run: str
    plan: str
    snapshot: str
    data_at: int
    scope: str
    files: int
    bytes: int
    bytes_added: int
    files_new: int
    files_changed: int
    sampled: int
    random_looking: int
    sources: Mapping[str, int]


@dataclass(frozen=True)
class Anomaly:
    """One thing that is strange. subject: the source, empty for the whole plan.

    percent: what was found, threshold: from where on it is strange. files: that it is about.
    """

    plan: str
    run: str
    snapshot: str
    rule: str
    subject: str
    percent: int
    threshold: int
    files: int


def judge(now: Numbers, past: Sequence[Numbers], settings: AnomalySettings) -> tuple[Anomaly, ...]:
    """What is strange about a run. past: the good runs before it, the newest last."""
    before = [one for one in past if one.scope == now.scope][-PAST:]
    if not settings.look or not before:
        return ()
    return (
        *_collapses(now, before, settings),
        *_mass_change(now, before, settings),
        *_entropy_rise(now, before, settings),
    )


def _collapses(
    now: Numbers, before: Sequence[Numbers], settings: AnomalySettings
) -> tuple[Anomaly, ...]:
    """Half of the runs before were twice as large: not one that was large by chance."""
    sizes = {"": (now.bytes, median(one.bytes for one in before))}
    for name, size in now.sources.items():
        known = [one.sources[name] for one in before if name in one.sources]
        if known:
            sizes[name] = (size, median(known))
    found = []
    for name, (size, usual) in sizes.items():
        percent = int(100 * (1 - size / usual)) if usual >= SMALL else 0
        if percent >= settings.smaller_percent:
            found.append(
                _anomaly(now, SIZE_COLLAPSE, name, percent, settings.smaller_percent, now.files)
            )
    return tuple(found)


def _mass_change(
    now: Numbers, before: Sequence[Numbers], settings: AnomalySettings
) -> tuple[Anomaly, ...]:
    files = affected(now, before[-1])
    percent = _percent(files, before[-1].files)
    shares = [_percent(affected(one, last), last.files) for last, one in pairwise(before)]
    usual = median(shares) if shares else 0
    strange = (
        percent >= settings.changed_percent
        and files >= settings.changed_files
        and percent >= usual + ABOVE_USUAL
    )
    if not strange:
        return ()
    return (_anomaly(now, MASS_CHANGE, "", percent, settings.changed_percent, files),)


def _entropy_rise(
    now: Numbers, before: Sequence[Numbers], settings: AnomalySettings
) -> tuple[Anomaly, ...]:
    if now.sampled < FEWEST_SAMPLED:
        return ()
    percent = _percent(now.random_looking, now.sampled)
    sampled = sum(one.sampled for one in before)
    usual = _percent(sum(one.random_looking for one in before), sampled)
    if percent < settings.random_percent or percent < usual + ABOVE_USUAL:
        return ()
    return (_anomaly(now, ENTROPY_RISE, "", percent, settings.random_percent, now.random_looking),)


def affected(now: Numbers, last: Numbers) -> int:
    """How many files of the snapshot before were rewritten or are gone.

    Counted from what restic tells of every backup, without reading a snapshot: of the files that
    were there, those that are neither unmodified nor changed are gone. Those that only have another
    name, and those that restic read again and found as they were, do not count: next to no data
    came in with them.
    """
    there_still = max(0, now.files - now.files_new)
    gone = max(0, last.files - there_still)
    touched = now.files_new + now.files_changed
    average = max(AVERAGE_AT_LEAST, now.bytes / now.files) if now.files else 0
    if now.bytes_added < LITTLE_ADDED * average * touched:
        return max(0, gone - now.files_new)
    return min(last.files, gone + now.files_changed)


def _percent(part: int, whole: int) -> int:
    return min(100, 100 * part // whole) if whole else 0


def _anomaly(
    now: Numbers, rule: str, subject: str, percent: int, threshold: int, files: int
) -> Anomaly:
    return Anomaly(now.plan, now.run, now.snapshot, rule, subject, percent, threshold, files)
