"""What a company says of itself that conditions look at: its hours, its networks, its tickets.

Made from the settings when the service opens, and never changed. Everything here is pure: the
moment, the address and the ticket come with each request.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, available_timezones

from secvault.clock import moment

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_TICKET = 64
MINUTES_A_DAY = 24 * 60

_SPAN = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_FORM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:#-]{0,63}")
_LOOK_AHEAD = 400
"""Days that are looked through for the next opening: a year of holidays, and some."""

Block = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Span:
    """From a minute of the day until before another; past midnight when it ends before it starts.

    The part after midnight belongs to the day on which it began.
    """

    start: int
    end: int

    @property
    def over_midnight(self) -> bool:
        """Whether it ends on the day after."""
        return self.end <= self.start


@dataclass(frozen=True, slots=True)
class Hours:
    """When there is work: on which days (0 is Monday), in which spans, by whose clocks."""

    days: frozenset[int]
    spans: tuple[Span, ...]
    zone: ZoneInfo

    def open_at(self, at: int, holidays: frozenset[date]) -> bool:
        """Whether the moment (microseconds) lies within, by the clocks on the walls there.

        An hour that the clocks show twice counts both times; one that they skip never comes.
        """
        local = moment(at).astimezone(self.zone)
        minute, today = local.hour * 60 + local.minute, local.date()
        before = today - timedelta(days=1)
        works, worked = self._works(today, holidays), self._works(before, holidays)
        for span in self.spans:
            if span.over_midnight:
                if (works and minute >= span.start) or (worked and minute < span.end):
                    return True
            elif works and span.start <= minute < span.end:
                return True
        return False

    def next_opening(self, at: int, holidays: frozenset[date]) -> datetime | None:
        """When it begins next after the moment, in its own zone; None within the year to come."""
        now = moment(at)
        today = now.astimezone(self.zone).date()
        for ahead in range(_LOOK_AHEAD):
            day = today + timedelta(days=ahead)
            if not self._works(day, holidays):
                continue
            for span in sorted(self.spans, key=lambda one: one.start):
                clock = time(span.start // 60, span.start % 60)
                # Through UTC: what the clocks skip is then the moment that they jump to.
                begins = datetime.combine(day, clock, self.zone).astimezone(UTC)
                if begins > now:
                    return begins.astimezone(self.zone)
        return None

    def _works(self, day: date, holidays: frozenset[date]) -> bool:
        return day.weekday() in self.days and day not in holidays


@dataclass(frozen=True)
class Surroundings:
    """The company's settings for conditions.

    hours: its working hours, None where none are said. holidays: days without work, whichever
    hours a rule names. networks: named blocks of addresses. tickets: the forms of tickets, as
    `read_form` makes them.
    """

    hours: Hours | None = None
    holidays: frozenset[date] = frozenset()
    networks: Mapping[str, tuple[Block, ...]] = field(default_factory=lambda: MappingProxyType({}))
    tickets: tuple[re.Pattern[str], ...] = ()

    def lies_in(self, address: str, network: str) -> bool:
        """Whether the address lies in the named network.

        An IPv4 address that came through an IPv6 socket (RFC 4291, 2.5.5.2) counts as IPv4.
        Raises LookupError for a network that is not configured, ValueError for no address.
        """
        blocks = self.networks[network]
        # A zone (`%eth0`) says through which socket it came, not where it lies.
        given = ipaddress.ip_address(address.partition("%")[0])
        mapped = given.ipv4_mapped if isinstance(given, ipaddress.IPv6Address) else None
        return any((mapped or given) in block for block in blocks)

    def is_ticket(self, text: str) -> bool:
        """Whether the text is a ticket of one of the forms."""
        short = 0 < len(text) <= LONGEST_TICKET
        return short and any(form.fullmatch(text) for form in self.tickets)


NOWHERE = Surroundings()
"""A company that has said nothing: no hours, no network, no ticket."""


def read_hours(text: str) -> Hours:
    """Hours as a rule writes them: `mon-fri@08:00-12:00+13:00-17:30@Asia/Ho_Chi_Minh`.

    Days: single ones and runs, joined by `+`; spans of the day likewise, `24:00` for its end. The
    zone is a name of the IANA database. Raises ValueError.
    """
    parts = text.split("@")
    if len(parts) != 3:
        raise ValueError("needs days, hours and a zone, as mon-fri@08:00-17:30@Asia/Ho_Chi_Minh")
    days, spans, zone = parts
    return Hours(read_days(days.split("+")), read_spans(spans.split("+")), read_zone(zone))


def read_zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises ValueError."""
    if name not in _zones():
        raise ValueError(
            f"{name[:64]!a} is no time zone of the IANA database; write for instance "
            "Asia/Ho_Chi_Minh"
        )
    return ZoneInfo(name)


@cache
def _zones() -> frozenset[str]:
    # Listing them reads the whole folder of zones.
    return frozenset(available_timezones())


def read_days(texts: Iterable[str]) -> frozenset[int]:
    """Days such as `mon`, and runs of them such as `mon-fri`. Raises ValueError."""
    found: set[int] = set()
    for text in texts:
        first, dash, last = text.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"write days as {', '.join(DAYS)}, or a run such as mon-fri")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        found |= {(begin + step) % 7 for step in range(length + 1)}
    return frozenset(found)


def read_spans(texts: Iterable[str]) -> tuple[Span, ...]:
    """Spans such as `08:00-17:30`; one that ends before it starts goes past midnight.

    Raises ValueError for what is none, for an empty one and for two that overlap.
    """
    spans: list[Span] = []
    for text in texts:
        shape = _SPAN.fullmatch(text)
        if shape is None:
            raise ValueError("write spans of the day as 08:00-17:30, at most until 24:00")
        hour, minute, last_hour, last_minute = (int(part) for part in shape.groups())
        start, end = hour * 60 + minute, last_hour * 60 + last_minute
        if end > MINUTES_A_DAY or start == end:
            raise ValueError(f"{text} is no span of a day; the whole day is 00:00-24:00")
        spans.append(Span(start, end))
    taken = [minute for span in spans for minute in _minutes(span)]
    if len(taken) != len(set(taken)):
        raise ValueError("two spans overlap; join them")
    return tuple(spans)


def read_form(text: str) -> re.Pattern[str]:
    """The form of tickets: its letters, digits and `_ . : -` as they are, `#` for a number.

    `OPS-#` is met by `OPS-7` and `OPS-20931`: a number has 1 to 12 digits. No other pattern is
    taken: one that is written badly could keep the service busy for hours. Raises ValueError.
    """
    if not _FORM.fullmatch(text) or "##" in text:
        raise ValueError("write forms of tickets such as OPS-# or CHG#, where # is a number")
    pieces = (re.escape(piece) for piece in text.split("#"))
    return re.compile("[0-9]{1,12}".join(pieces))


def read_blocks(texts: Iterable[str]) -> tuple[Block, ...]:
    """CIDR blocks (RFC 4632, RFC 4291 2.3) such as `10.20.0.0/16`. Raises ValueError.

    A block of IPv4 addresses in IPv6 (`::ffff:10.0.0.0/104`) is one of IPv4.
    """
    found: list[Block] = []
    for text in texts:
        try:
            block = ipaddress.ip_network(text)
        except ValueError:
            raise ValueError(
                f"{text[:64]!a} is no block of addresses: write such as 10.20.0.0/16 or "
                "2001:db8::/32, without bits after the prefix"
            ) from None
        found.append(_unmapped(block))
    return tuple(found)


def _unmapped(block: Block) -> Block:
    if isinstance(block, ipaddress.IPv6Network):
        mapped = block.network_address.ipv4_mapped
        if mapped is not None and block.prefixlen >= 96:
            return ipaddress.IPv4Network((int(mapped), block.prefixlen - 96))
    return block


def _minutes(span: Span) -> Iterator[int]:
    end = span.end + MINUTES_A_DAY if span.over_midnight else span.end
    return (minute % MINUTES_A_DAY for minute in range(span.start, end))
