"""The rules: what one event, or a count of many, must be like to raise an alert. All pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from secvault.audit.facts import Fact
from secvault.config.detection import DetectionSettings, RuleName

SLOT = 600 * 1_000_000
"""Ten minutes, microseconds: what counts of people and systems are kept by."""
HOUR = 3_600 * 1_000_000
DAY = 24 * HOUR
KEPT = 15 * DAY
"""For how long counts are kept: what is usual is what was so in that time."""
LEAST_SLOTS = 12
"""Ten minutes with something in them that it takes to say what is usual for somebody."""
LEAST_DAYS = 3
EARLIER_DAYS = 14

READS, REFUSALS, LOG = "reads", "refusals", "log"
EVERYBODY = ""
"""The subject of counts over all."""

# A record that is looked at whole is an event of the kind record.list, as a page of many is.
_READING = frozenset(
    {
        *("data.decrypt", "field.reveal", "record.export", "record.list"),
        *("record.read", "record.reveal", "record.search"),
    }
)
_OPENING = _READING - {"data.decrypt"}
_GLASS = frozenset({"break_glass.start", "break_glass.recover"})
INTERESTING = _READING | _GLASS | {"auth.sign_in", "audit.verify"}
"""Kinds of which more than the columns of the log must be known."""


@dataclass(frozen=True)
class Sight:
    """What the rules look at of an event. actor: `user:<id>`. count, detail: of `INTERESTING`."""

    seq: int
    t: int
    kind: str
    outcome: str
    actor: str
    resource: str = ""
    department: str = ""
    count: int | None = None
    detail: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Alert:
    """Something that somebody should look at. subject: whom or what it is about.

    at: microseconds, UTC. count, threshold: what was counted, and what was too much or too little.
    """

    rule: RuleName
    subject: str
    at: int
    seq: int | None = None
    count: int | None = None
    threshold: int | None = None


@dataclass(frozen=True)
class Count:
    """So many of a measure, of a subject, in the time that begins at `slot` (microseconds)."""

    measure: str
    subject: str
    slot: int
    amount: int


def counts_of(sight: Sight) -> Iterator[Count]:
    """What an event counts for."""
    slot = sight.t - sight.t % SLOT
    yield Count(LOG, EVERYBODY, sight.t - sight.t % HOUR, 1)
    if sight.outcome == "denied":
        yield Count(REFUSALS, sight.actor, slot, 1)
        yield Count(REFUSALS, EVERYBODY, slot, 1)
    elif sight.kind in _READING and sight.outcome == "ok":
        amount = 1 if sight.count is None else sight.count
        if amount:
            yield Count(READS, sight.actor, slot, amount)


def alert_of(
    sight: Sight, settings: DetectionSettings, open_at: Callable[[int], bool]
) -> Alert | None:
    """The alert that this event raises by itself, if any. open_at: whether there is work then."""
    rule: RuleName | None = None
    if sight.kind == "auth.sign_in" and sight.detail.get("new_network") is True:
        rule = "new_network"
    elif sight.kind in _GLASS and sight.outcome == "ok":
        rule = "break_glass"
    elif sight.kind == "audit.verify" and sight.detail.get("passed") is False:
        rule = "verification_failed"
    elif _after_hours(sight, settings, open_at):
        rule = "after_hours"
    if rule is None or rule in settings.off:
        return None
    subject = "log" if rule == "verification_failed" else sight.actor
    return Alert(rule, subject, sight.t, sight.seq)


def too_many_reads(
    subject: str, recent: int, usual: Sequence[int], settings: DetectionSettings
) -> int | None:
    """The threshold that `recent` has passed; None while it has not.

    recent: of the slot and the one before, so that nothing hides on the border between them.
    usual: of the earlier slots in which there was anything.
    """
    person = subject.startswith("user:")
    most = settings.many_reads_people if person else settings.many_reads_systems
    if len(usual) >= LEAST_SLOTS:
        # Of two slots, as `recent` is.
        most = min(most, max(settings.unusual_from, int(2 * fmean(usual) * settings.usual_times)))
    return most if recent >= most else None


def too_many_refusals(subject: str, recent: int, settings: DetectionSettings) -> int | None:
    """The same for what was refused: of one subject, or of all."""
    most = settings.many_refusals if subject else settings.many_refusals_all
    return most if recent >= most else None


def too_little(count: int, earlier: Sequence[int], settings: DetectionSettings) -> int | None:
    """The threshold that an hour's volume has not reached; None when it has.

    earlier: of the same hour of earlier days of the same sort.
    """
    if len(earlier) < LEAST_DAYS:
        return None
    typical = median(earlier)
    least = int(typical * settings.volume_percent / 100)
    return least if typical >= settings.volume_from and count < least else None


def _after_hours(sight: Sight, settings: DetectionSettings, open_at: Callable[[int], bool]) -> bool:
    if sight.kind not in _OPENING or sight.outcome != "ok" or not sight.actor.startswith("user:"):
        return False
    # department/collection/record
    collection = sight.resource.removeprefix(f"{sight.department}/").partition("/")[0]
    return collection in settings.after_hours and not open_at(sight.t)
