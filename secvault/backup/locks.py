"""The locks of a repository: which are stale, and when removing those is safe.

restic calls a lock stale when it is older than 30 minutes by its own time, or when its process is
not to be found on the host of its name; what works refreshes its lock every five minutes. Both
signs deceive: a clock that is wrong makes living locks old, and of two containers with one host
name neither sees the other's processes. But our own nodes say in the store what they work on and
that they are alive. So a lock goes only where both agree; what restic would not call stale stays.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

from sqlalchemy import Table, not_, select

from secvault.backup import restic_arguments as arguments
from secvault.backup.claims import Claims
from secvault.backup.repository import Repository
from secvault.backup.restic import Restic
from secvault.backup.restic_messages import Lock
from secvault.store import tables

STALE_AFTER = timedelta(minutes=30)
"""restic's own limit (internal/restic/lock.go, staleLockTimeout)."""
_WORK: tuple[Table, ...] = (tables.backup_run, tables.backup_check, tables.drill)


def remove_stale(claims: Claims, restic: Restic, repository: Repository) -> None:
    """Remove the stale locks of the repository, if no node of ours may still need one of them.

    Raises what `Restic.unlock` and `Restic.locks` raise.
    """
    if not arguments.may_have_locks(repository):
        return
    here, now = socket.gethostname(), claims.clock.now()
    stale = [one.lock for one in restic.locks(repository) if looks_stale(one.lock, here, now)]
    if not stale:
        return
    others = hosts_at_work(claims)
    # restic removes all that it calls stale or none: one that may be alive keeps all.
    if not any(lock.hostname in others for lock in stale):
        restic.unlock(repository)


def looks_stale(lock: Lock, here: str, now: datetime) -> bool:
    """Whether restic calls this lock stale when it is asked on the host `here`."""
    if now - lock.time > STALE_AFTER:
        return True
    return lock.hostname == here and not is_alive(lock.pid)


def is_alive(pid: int) -> bool:
    """Whether this machine, or this container, has a process of that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0


def hosts_at_work(claims: Claims) -> frozenset[str]:
    """The hosts of other nodes of this vault that have work with a sign of life just now.

    Whatever the repository: a plan may use several, and what is too careful costs half an hour.
    """
    found: set[str] = set()
    with claims.store.read() as connection:
        for table in _WORK:
            found.update(
                connection.execute(
                    select(table.c.node).where(
                        table.c.state == "running",
                        table.c.node != claims.node,
                        not_(claims.silent(table)),
                    )
                ).scalars()
            )
    return frozenset(node.partition(":")[0] for node in found)
