"""Showing both factors once more, for what an open session alone must not do.

Or the password alone, where a fresh second factor was asked for beside it. They are checked as at
signing in, with the same counting; the code is used up in the transaction of what it was shown for.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.identity import devices
from secvault.identity.devices import ShownCode
from secvault.identity.refusal import Reason, SignInDelayed, SignInRefused
from secvault.identity.sign_in import (
    Credentials,
    Entrance,
    Known,
    check_password,
    forget_failures,
)


@dataclass(frozen=True)
class Proof:
    """Both factors, shown and right; worth nothing before it is settled."""

    known: Known
    shown: ShownCode

    def settle(self, entrance: Entrance, connection: Connection) -> None:
        """Use the code up, with the caller's transaction. Raises SignInRefused when it was used,
        or the person changed or disabled, since it was checked.
        """
        forget_failures(entrance, connection, self.known)
        devices.use_up(connection, entrance.clock, self.shown, self.known.id)


@dataclass(frozen=True)
class ShownPassword:
    """The password, shown and right; it counts as a failed attempt before it is settled."""

    known: Known

    def settle(self, entrance: Entrance, connection: Connection) -> None:
        """Let it count, with the caller's transaction. Raises SignInRefused when the person changed
        or was disabled since it was checked.
        """
        forget_failures(entrance, connection, self.known)


def show_password(
    entrance: Entrance, name: str, password: Secret, address: str = ""
) -> ShownPassword:
    """Check the password of somebody whose second factor was shown in the session.

    Raises SignInRefused and SignInDelayed as `sign_in` does.
    """
    return ShownPassword(check_password(entrance, name, password, address))


def prove(entrance: Entrance, given: Credentials) -> Proof:
    """Check both factors of somebody. Raises SignInRefused and SignInDelayed as `sign_in` does."""
    known = check_password(entrance, given.name, given.password, given.address)
    try:
        counted = devices.count_attempt(entrance.store, entrance.clock, known.id, entrance.attempts)
    except SignInDelayed:
        raise SignInRefused(Reason.DELAYED, known.id) from None
    return Proof(known, devices.check_code(counted, entrance.keys, given.code, entrance.clock))
