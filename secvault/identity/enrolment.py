"""From a new seed to a TOTP device in use: begun, shown once, confirmed by two codes in a row."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from secvault.clock import Clock
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.identity import devices, names, totp
from secvault.identity.devices import ACTIVE, PENDING, CountedDevice, Device
from secvault.identity.keys import IdentityKeys
from secvault.identity.people import Person
from secvault.identity.throttle import AttemptLimits, Attempts
from secvault.store import Store
from secvault.store.tables import totp_device

MOST_DEVICES = 5
PENDING_SECONDS = 10 * 60
"""How long a shown seed waits for its two codes."""

# A clock that is wrong by more than this many steps is not recognised as such, only as wrong.
_WIDEST_LOOK = 20


@dataclass(frozen=True)
class Enrolment:
    """A begun enrolment. seed (base32) and uri (otpauth://, for a QR code): shown now, never again.

    expires_at: microseconds; after that it cannot be confirmed any more.
    """

    device: Device
    seed: Secret
    uri: Secret
    expires_at: int


def begin_enrolment(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person: Person,
    *,
    name: str,
    issuer: str,
    random: Random = os.urandom,
) -> Enrolment:
    """Make a seed for a new device of this person; it does not work before it is confirmed.

    name: tells the person's devices apart, up to 64 characters. Beginning again under the same
    name replaces what was not confirmed. Raises InvalidInput, and Conflict when the name is in use
    or the person has five devices.
    """
    seed = totp.new_seed(random)
    device = _insert(
        connection, clock, keys, person, name=name, seed=seed, state=PENDING, random=random
    )
    return Enrolment(
        device,
        totp.base32(seed),
        totp.provisioning_uri(seed, totp.COMMON, person.name, issuer),
        device.created_at + PENDING_SECONDS * 1_000_000,
    )


def confirm_enrolment(
    store: Store,
    clock: Clock,
    keys: IdentityKeys,
    *,
    person_id: str,
    device_id: str,
    codes: tuple[Secret, Secret],
    limits: AttemptLimits | None = None,
    record: Callable[[Connection, Device], None] = lambda _connection, _device: None,
) -> Device:
    """Put a pending device into use, shown by two codes that follow one another.

    Two codes prove that the seed arrived and that the device's clock runs right; both are used up.
    The attempt is counted in a transaction of its own before the codes are looked at. record: runs
    in the transaction that puts the device into use.
    Raises InvalidInput when the codes do not fit; NotFound, for another person's device, too;
    SignInDelayed; Conflict when the device is confirmed already, its ten minutes are over or there
    were too many wrong codes.
    """
    counted = _count_attempt(store, clock, person_id, device_id, limits or AttemptLimits())
    seed = totp.open_seed(counted.sealed_seed, keys.totp, counted.person, counted.id)
    step = _second_step(seed, counted.shape, codes, clock.seconds())
    with store.write() as connection:
        confirmed = connection.execute(
            update(totp_device)
            .where(totp_device.c.id == device_id, totp_device.c.state == PENDING)
            .values(
                state=ACTIVE,
                last_step=step,
                last_used_at=clock.micros(),
                failures=0,
                next_try_at=0,
            )
        )
        if confirmed.rowcount != 1:
            raise Conflict("the device was confirmed or replaced at the same moment")
        device = devices.read_device(connection, device_id)
        record(connection, device)
    return device


def adopt_device(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person: Person,
    *,
    name: str,
    seed: Secret,
    random: Random = os.urandom,
) -> Device:
    """Put a device into use whose seed was made elsewhere, without codes to confirm it.

    For the first administrator's unattended set-up: whoever calls this knows the seed.
    seed: base32. Raises InvalidInput, Conflict.
    """
    own = totp.parse_seed(seed)
    return _insert(
        connection, clock, keys, person, name=name, seed=own, state=ACTIVE, random=random
    )


def _insert(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person: Person,
    *,
    name: str,
    seed: Secret,
    state: str,
    random: Random,
) -> Device:
    shown_as = names.display_name(name, "device", names.LONGEST_LABEL)
    now = clock.micros()
    own = totp_device.c.person == person.id
    stale = totp_device.c.created_at <= now - PENDING_SECONDS * 1_000_000
    connection.execute(
        delete(totp_device).where(
            own, totp_device.c.state == PENDING, or_(stale, totp_device.c.name == shown_as)
        )
    )
    if connection.execute(
        select(totp_device.c.id).where(own, totp_device.c.name == shown_as)
    ).first():
        raise Conflict(f"there is a device called {shown_as!r} already; choose another name")
    present = connection.execute(select(func.count()).select_from(totp_device).where(own))
    if present.scalar_one() >= MOST_DEVICES:
        raise Conflict(f"a person has at most {MOST_DEVICES} devices")
    device_id = names.new_id(clock)
    connection.execute(
        insert(totp_device).values(
            id=device_id,
            person=person.id,
            name=shown_as,
            sealed_seed=totp.seal_seed(seed, keys.totp, person.id, device_id, random),
            algorithm=totp.COMMON.algorithm,
            digits=totp.COMMON.digits,
            period=totp.COMMON.period,
            state=state,
            last_step=0,
            failures=0,
            next_try_at=0,
            created_at=now,
            last_used_at=None,
        )
    )
    return devices.read_device(connection, device_id)


def _count_attempt(
    store: Store, clock: Clock, person_id: str, device_id: str, limits: AttemptLimits
) -> CountedDevice:
    now = clock.micros()
    with store.write() as connection:
        row = None
        if names.is_id(device_id):
            row = connection.execute(
                select(totp_device)
                .where(totp_device.c.id == device_id, totp_device.c.person == person_id)
                .with_for_update()
            ).one_or_none()
        if row is None:
            raise NotFound(f"this person has no device with the id {device_id[:64]!r}")
        if row.state != PENDING:
            raise Conflict("the device is confirmed already")
        if now > row.created_at + PENDING_SECONDS * 1_000_000:
            raise Conflict("the ten minutes to confirm the device are over; begin again")
        if row.failures >= limits.lock_after:
            raise Conflict("too many wrong codes; begin again with a new seed")
        after = Attempts(row.failures, row.next_try_at).counted(now, limits, row.person)
        connection.execute(
            update(totp_device)
            .where(totp_device.c.id == device_id)
            .values(failures=after.failures, next_try_at=after.next_try_at)
        )
        return CountedDevice(
            row.id,
            row.person,
            row.sealed_seed,
            devices.shape_of(row),
            row.last_step,
            locked=False,
        )


def _second_step(
    seed: Secret, shape: totp.Shape, codes: tuple[Secret, Secret], seconds: int
) -> int:
    """The step of the second code, which is the present one or the one before it."""
    present = shape.step(seconds)
    # Looks wider than it accepts, to help a person whose telephone's clock is wrong.
    for step in sorted(
        range(present - _WIDEST_LOOK, present + _WIDEST_LOOK + 1),
        key=lambda step: abs(step - present),
    ):
        if totp.matching_step(seed, shape, codes[1], (step,)) is None:
            continue
        if totp.matching_step(seed, shape, codes[0], (step - 1,)) is None:
            continue
        if step in (present - 1, present):
            return step
        minutes = max(1, round(abs(step - present) * shape.period / 60))
        where = "behind" if step < present else "ahead"
        raise InvalidInput.at(
            "codes",
            f"the codes are right, but the device's clock is about {minutes} min {where}, or they "
            "came late; let the device set its clock by itself and give two new codes",
        )
    raise InvalidInput.at(
        "codes", "give two codes that the device showed one after the other, the second just now"
    )
