"""Whether a caller still stands where they stood when they were let in, asked in the act itself.

Between the look at a credential and the act lies a moment in which it can be ended. So each change
looks once more in its own transaction. Administrative ones (`vocabulary.PRIVILEGED`) also have
whoever ends the credential, or a grant, wait until they are done, and the other way round: once a
revocation has been answered, not one of them is done any more.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from secvault.access.vocabulary import PRIVILEGED
from secvault.clock import Clock
from secvault.errors import NotAuthenticated
from secvault.identity import people, sessions, tokens
from secvault.identity.principal import Principal

# ASCII "svadmin": the lock of this program for administration, in PostgreSQL's space of locks.
_ADMINISTRATION = int.from_bytes(b"svadmin", "big")


def require(
    connection: Connection,
    clock: Clock,
    who: Principal,
    action: str,
    *,
    commissioned: bool = False,
) -> None:
    """Return when the credential is still good, in the transaction that is to do `action`.

    commissioned: see `Caller`. Raises NotAuthenticated.
    """
    privileged = action in PRIVILEGED
    if privileged and connection.dialect.name == "postgresql":
        # Administration goes one by one, as everything does on SQLite: what takes grants and
        # credentials away is among it. First of all locks, so that no two wait in a circle.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADMINISTRATION})
    if commissioned and who.kind == "user":
        if people.read_person(connection, who.id).state != people.ACTIVE:
            raise NotAuthenticated("whoever asked for this may not sign in any more")
    else:
        require_shown(connection, clock, who, hold=privileged)


def require_shown(
    connection: Connection, clock: Clock, who: Principal, *, hold: bool = False
) -> None:
    """Return when the credential is still good. hold: keep it so until the transaction ends.

    The program itself and the operator at the machine have none. Raises NotAuthenticated.
    """
    if who.kind == "user":
        sessions.require_open(connection, clock, who.credential, hold=hold)
    elif who.kind == "svc":
        tokens.require_live(connection, clock, who.credential, hold=hold)
