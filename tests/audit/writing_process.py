"""A program that writes to the log until it is done or killed.

    writing_process.py URL record|change|keep NAME COUNT

Four threads record events, or change a row and enqueue an event with it, or keep events in the
journal (record them while that has no room), COUNT in all. Each is
named on standard output, one a line, as soon as it is acknowledged: NAME-0, NAME-1, ...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from secvault.audit import Actor, AuditLog, Event
from secvault.audit.event import Personal
from secvault.audit.journals import Journals
from secvault.audit.personal_keys import SubjectKeys
from secvault.clock import system_clock
from secvault.crypto.secret import Secret
from secvault.store import Store, open_store
from secvault.store.tables import schedule

THREADS = 4
WRAPPING = Secret(bytes(32))
# Small: the ring comes round many times, and is now and then full.
HALF_BYTES = 128 * 1024


def _event(name: str) -> Event:
    return Event(
        "record.read",
        "ok",
        Actor("user", f"u-{name.partition('-')[0]}"),
        "hr/employees",
        "hr",
        request=name,
        personal=Personal("192.0.2.7", name=name),
    )


def _recording(_store: Store, log: AuditLog) -> Callable[[str], object]:
    return lambda name: log.record(_event(name))


def _changing(store: Store, log: AuditLog) -> Callable[[str], object]:
    def change(name: str) -> None:
        with store.write() as connection:
            row = {"id": name, "cron": "", "time_zone": "", "missed": "", "next_due": 0}
            connection.execute(schedule.insert().values(row))
            log.enqueue(connection, _event(name))
        log.kick()

    return change


def _keeping(_store: Store, log: AuditLog) -> Callable[[str], object]:
    def keep(name: str) -> None:
        if not log.keep([log.draft(_event(name))]):
            log.record(_event(name))

    return keep


def main(url: str, mode: str, name: str, count: int) -> None:
    store = open_store(url)
    clock = system_clock()
    folder = Path(f"{store.writer.url.database}-audit")
    journals = Journals(folder, clock, half_bytes=HALF_BYTES) if mode == "keep" else None
    keys = SubjectKeys(store, clock, WRAPPING)
    log = AuditLog(store, clock, node=name, journals=journals, keys=keys)
    write = {"record": _recording, "change": _changing, "keep": _keeping}[mode](store, log)

    def write_all(thread: int) -> None:
        for number in range(thread, count, THREADS):
            write(f"{name}-{number}")
            # One system call for a line: whole, or not at all.
            os.write(sys.stdout.fileno(), f"{name}-{number}\n".encode())

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(write_all, range(THREADS)))
    log.close()
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
