"""Removing the contents of attachments that no record names any more.

What an upload left that was killed goes as soon as it was silent for an hour; what was replaced or
deleted after `attachments.keep_days`, so that a copy of the database from these days finds it; what
was erased, at once. What lies in storage and is not known at all, as after the database was set
back, goes only when a person asks for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from secvault.records import attachment_rows
from secvault.service import authentication
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

SILENT_SECONDS = 3600
AT_ONCE = 200
IN_A_TURN = 1_000
"""How many contents the worker removes at most before it looks after its other duties."""
_MICROS = 1_000_000
_DAY = 86_400 * _MICROS

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Collected:
    """What a collection did. removed: contents. waiting: unused ones that are not due yet, or could
    not be removed. strays: contents in storage that the database does not know; None when nobody
    looked for them. strays_removed: how many of these are gone now.
    """

    removed: int
    waiting: int
    strays: int | None = None
    strays_removed: int = 0


def collect_attachments(
    service: Service,
    caller: Caller,
    tell: Tell = lambda _removed: None,
    *,
    look_for_strays: bool = False,
    remove_strays: bool = False,
    most: int | None = None,
) -> Collected:
    """Remove what is due, at most `most`. tell: hears how many contents were removed so far.

    look_for_strays: also list all that lies in storage. Raises Refused, Unavailable; what was
    removed stays so.
    """

    def act() -> Outcome[Collected]:
        removed = _remove_due(service, tell, most)
        strays: int | None = None
        strays_removed = 0
        if look_for_strays or remove_strays:
            strays = 0
            for name in _strays(service):
                strays += 1
                if remove_strays:
                    service.attachments.remove(name)
                    strays_removed += 1
                    tell(removed + strays_removed)
        with service.store.read() as connection:
            waiting = attachment_rows.waiting(connection)
        done = Collected(removed, waiting, strays, strays_removed)
        return Outcome(done, count=removed + strays_removed, detail={"problems": strays or 0})

    return service.spine.work(caller, _OPERATION, act)


def collect_due(service: Service) -> int:
    """Remove what is due, as the worker does each hour; how many. Nothing is recorded when nothing
    is. Raises Unavailable.
    """
    _give_up(service)
    if not _due(service):
        return 0
    jobs = Caller(authentication.jobs())
    return collect_attachments(service, jobs, most=IN_A_TURN).removed


_OPERATION = Operation("attachment.collect", "it", "attachments", "it/attachments")


def _give_up(service: Service) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        attachment_rows.give_up_silent(connection, now - SILENT_SECONDS * _MICROS, now)
        attachment_rows.give_up_lost(connection, now)


def _due(service: Service) -> tuple[str, ...]:
    before = service.clock.micros() - service.settings.attachments.keep_days * _DAY
    with service.store.read() as connection:
        return attachment_rows.due(connection, before, AT_ONCE)


def _remove_due(service: Service, tell: Tell, most: int | None) -> int:
    _give_up(service)
    removed = 0
    while (most is None or removed < most) and (names := _due(service)):
        gone: list[str] = []
        try:
            for name in names:
                service.attachments.remove(name)
                gone.append(name)
        finally:
            # The row after the content: what a kill leaves between the two is removed again.
            with service.store.write() as connection:
                attachment_rows.forget(connection, gone)
        removed += len(gone)
        tell(removed)
    return removed


def _strays(service: Service) -> Iterator[str]:
    # A row is there before anything is stored under its name, so what is listed and has none was
    # never this database's, or is gone already.
    names = service.attachments.names()
    while some := list(islice(names, AT_ONCE)):
        with service.store.read() as connection:
            known = attachment_rows.known(connection, some)
        yield from dict.fromkeys(name for name in some if name not in known)
