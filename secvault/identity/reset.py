"""A reset: what somebody lost ends at once, and all parts of a code let them begin anew.

A factor's code goes with the password, a password's code with a second factor, or with a factor's
code when both were lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete

from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.identity import devices, guessable, people, recovery_codes, reset_codes, sessions
from secvault.identity.devices import ShownCode
from secvault.identity.paper_code import digest_of, plain_codes
from secvault.identity.passwords import PRODUCT_WORDS, PasswordHash
from secvault.identity.people import Person
from secvault.identity.refusal import Reason, SignInDelayed, SignInRefused
from secvault.identity.sign_in import Entrance, Known, count_attempt, forget_failures
from secvault.store.tables import passkey, passkey_challenge, totp_device


@dataclass(frozen=True)
class Redemption:
    """What somebody typed who sets a new password by the code of a reset.

    code: all parts, in any order. second: the present code of a TOTP device, or all parts of the
    code of a factor's reset. words: what the new password must not hold, of this person.
    """

    name: str
    code: Secret
    second: Secret
    new: Secret
    words: Callable[[Person], tuple[str, ...]]
    address: str = ""


def end_factors(connection: Connection, clock: Clock, person_id: str) -> int:
    """End every second factor of somebody, their recovery codes and sessions; how many sessions."""
    people.hold_person(connection, person_id)
    connection.execute(delete(totp_device).where(totp_device.c.person == person_id))
    connection.execute(delete(passkey).where(passkey.c.person == person_id))
    connection.execute(delete(passkey_challenge).where(passkey_challenge.c.person == person_id))
    recovery_codes.take_away(connection, clock, person_id)
    return sessions.end_all_sessions(connection, clock, person_id)


def redeem_password(
    entrance: Entrance,
    given: Redemption,
    *,
    record: Callable[[Connection, str, str], None] = lambda _connection, _person, _device: None,
) -> None:
    """Set a new password; every session of the person ends. Opens nothing.

    Counts and answers as `sign_in` does, after the same work for everybody. record: runs in the
    transaction, with the ids of the person and of the TOTP device, empty for a code. Raises
    SignInRefused, SignInDelayed; InvalidInput for a new password that is easy to guess.
    """
    hashed = entrance.hasher.hash_new(given.new, (given.name,))
    known = count_attempt(entrance, given.name, given.address)
    digests = _digests(entrance, known, given.code)
    now = entrance.clock.micros()
    with entrance.store.read() as connection:
        if not reset_codes.fits(connection, known.id, reset_codes.PASSWORD, digests, now):
            raise SignInRefused(Reason.WRONG_CODE, known.id)
    shown = _second(entrance, known, given.second)
    with entrance.store.read() as connection:
        person = people.read_person(connection, known.id)
    words = (*PRODUCT_WORDS, *given.words(person))
    if found := guessable.reason_against(given.new.text(), words):
        raise InvalidInput.at("password", found)
    with entrance.store.write() as connection:
        _set(entrance, connection, known, hashed, digests, shown)
        record(connection, known.id, shown.device if shown else "")


def _second(entrance: Entrance, known: Known, second: Secret) -> ShownCode | None:
    """The code of a device, to be used up; None for the code of a reset, which is right and stays:
    with the new password it lets its person in."""
    digests = _digests(entrance, known, second)
    if digests:
        now = entrance.clock.micros()
        with entrance.store.read() as connection:
            if not reset_codes.fits(connection, known.id, reset_codes.FACTOR, digests, now):
                raise SignInRefused(Reason.WRONG_CODE, known.id)
        return None
    try:
        counted = devices.count_attempt(entrance.store, entrance.clock, known.id, entrance.attempts)
    except SignInDelayed:
        raise SignInRefused(Reason.DELAYED, known.id) from None
    return devices.check_code(counted, entrance.keys, second, entrance.clock)


def _set(
    entrance: Entrance,
    connection: Connection,
    known: Known,
    hashed: PasswordHash,
    digests: frozenset[bytes],
    shown: ShownCode | None,
) -> None:
    forget_failures(entrance, connection, known)
    now = entrance.clock.micros()
    if not reset_codes.use_up(connection, known.id, reset_codes.PASSWORD, digests, now):
        raise SignInRefused(Reason.REPLAYED_CODE, known.id)
    if shown is not None:
        devices.use_up(connection, entrance.clock, shown, known.id)
    people.set_password(connection, entrance.clock, known.id, hashed)


def _digests(entrance: Entrance, known: Known, typed: Secret) -> frozenset[bytes]:
    return frozenset(digest_of(entrance.keys, known.id, each) for each in plain_codes(typed))
