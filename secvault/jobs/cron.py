"""When a cron expression is due, in a time zone, across clock changes.

Expressions have Debian cron's five fields and meaning: a time of day that the spring change skips
is due at the moment of the change, one that the autumn change repeats is due once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from secvault.errors import InvalidInput

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LONGEST = 200
FAR_BACK = timedelta(days=35)
MOST = 1_000
COUNTED = 20_000

_MEND = "write minute, hour, day of month, month and day of week, for instance 30 1 * * *"


def next_after(cron: str, time_zone: str, moment: datetime) -> datetime:
    """The first due moment strictly after `moment`, as an aware datetime in UTC.

    cron: five fields, or one of `MACROS`. time_zone: an IANA name. moment: aware.
    Raises InvalidInput at `cron` or `time_zone`.
    """
    return next(after(cron, time_zone, moment))


def due_runs(cron: str, time_zone: str, first: datetime, now: datetime) -> tuple[datetime, ...]:
    """The due moments from `first` (known to be due) up to and including `now`, oldest first.

    Names the newest `MOST` of them; where even counting them would take long (a run each minute,
    a year's outage), only those of the last `FAR_BACK` are looked at. Raises InvalidInput as
    `next_after` does.
    """
    return listed(lambda moment: after(cron, time_zone, moment), first, now)


def listed(
    following: Callable[[datetime], Iterator[datetime]], first: datetime, now: datetime
) -> tuple[datetime, ...]:
    """The same of any due moments. following: those strictly after a moment, oldest first."""
    if first > now:
        return ()
    newest: deque[datetime] = deque([first], maxlen=MOST)
    for counted, due in enumerate(following(first)):
        if due > now:
            return tuple(newest)
        newest.append(due)
        if counted == COUNTED and due < now - FAR_BACK:
            break
    for due in following(max(newest[-1], now - FAR_BACK)):
        if due > now:
            break
        newest.append(due)
    return tuple(newest)


def after(cron: str, time_zone: str, moment: datetime) -> Iterator[datetime]:
    """The due moments strictly after `moment`, without end; raises as `next_after` does."""
    zone = zone_of(time_zone)
    local = moment.astimezone(zone)
    last = moment
    for due in _simulate(_five_fields(cron), local):
        utc = due.astimezone(UTC)
        # Inside the hour that autumn repeats, cronsim names the first pass again.
        if utc > last:
            last = utc
            yield utc
    raise InvalidInput.at("cron", f"is never due in the next fifty years; {_MEND}")


def _simulate(fields: str, local: datetime) -> CronSim:
    try:
        return CronSim(fields, local)
    except CronSimError as error:
        fault = str(error).removeprefix("Bad ")
        raise InvalidInput.at("cron", f"the field {fault} is not valid; {_MEND}") from None


def _five_fields(cron: str) -> str:
    text = cron.strip()
    if text.startswith("@"):
        fields = MACROS.get(text.lower())
        if fields is None:
            raise InvalidInput.at("cron", f"no such name; use one of {', '.join(MACROS)}")
        return fields
    if len(text) > LONGEST or not text.isascii():
        raise InvalidInput.at("cron", f"longer than {LONGEST} characters or not ASCII; {_MEND}")
    # cronsim reads a sixth field as seconds; no backup is planned to the second.
    if len(text.split()) != 5:
        raise InvalidInput.at("cron", f"has not five fields; {_MEND}")
    return text


def zone_of(name: str) -> ZoneInfo:
    """The zone of this IANA name. Raises InvalidInput at `time_zone`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput.at(
            "time_zone", "is not known; write an IANA name, for instance Europe/Berlin"
        ) from None
