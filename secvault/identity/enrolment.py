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
from secvault.identity.drift import FURTHEST_SHIFT
from secvault.identity.keys import IdentityKeys
from secvault.identity.people import Person
from secvault.identity.throttle import AttemptLimits, Attempts
from secvault.store import Store
from secvault.store.tables import hardware_token, totp_device

MOST_DEVICES = 5
PENDING_SECONDS = 10 * 60
"""How long a shown seed waits for its two codes."""


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
    shape: totp.Shape = totp.COMMON,
    random: Random = os.urandom,
) -> Enrolment:
    """Make a seed for a new device of this person; it does not work before it is confirmed.

    name: tells the person's devices apart, up to 64 characters. Beginning again under the same
    name replaces what was not confirmed. shape: what the device computes; many apps know the
    common one only. Raises InvalidInput, and Conflict when the name is in use or the person has
    five devices.
    """
    seed = totp.new_seed(random, shape)
    device = insert_device(
        connection,
        clock,
        keys,
        person,
        name=name,
        seed=seed,
        shape=shape,
        state=PENDING,
        pending_seconds=PENDING_SECONDS,
        random=random,
    )
    return Enrolment(
        device,
        totp.base32(seed),
        totp.provisioning_uri(seed, shape, person.name, issuer),
        device.confirm_by,
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
    before: Callable[[Connection], None] = lambda _connection: None,
    record: Callable[[Connection, Device], None] = lambda _connection, _device: None,
) -> Device:
    """Put a pending device into use, shown by two codes that follow one another.

    Two codes prove that the seed arrived and that the device's clock runs right; both are used up.
    The attempt is counted in a transaction of its own before the codes are looked at. before and
    record: run at the beginning and the end of the transaction that puts the device into use.
    Raises InvalidInput when the codes do not fit; NotFound, for another person's device, too;
    SignInDelayed; Conflict when the device is confirmed already, its ten minutes are over or there
    were too many wrong codes.
    """
    counted = _count_attempt(store, clock, person_id, device_id, limits or AttemptLimits())
    seed = totp.open_seed(counted.sealed_seed, keys.totp, counted.person, counted.id)
    present = counted.shape.step(clock.seconds())
    step = second_step(seed, counted.shape, codes, present)
    if step is None or step not in (present - 1, present):
        raise _unfit(step, present, counted.shape)
    with store.write() as connection:
        before(connection)
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
        # A hardware token's seed is kept in one place from now on.
        connection.execute(
            update(hardware_token)
            .where(hardware_token.c.device == device_id)
            .values(sealed_seed=None)
        )
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
    return insert_device(
        connection, clock, keys, person, name=name, seed=own, state=ACTIVE, random=random
    )


def discard_pending(connection: Connection, person_id: str) -> None:
    """Forget the devices that this person began and did not confirm; assigned tokens stay."""
    assigned = select(hardware_token.c.device).where(hardware_token.c.device.is_not(None))
    connection.execute(
        delete(totp_device).where(
            totp_device.c.person == person_id,
            totp_device.c.state == PENDING,
            totp_device.c.id.not_in(assigned),
        )
    )


def insert_device(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person: Person,
    *,
    name: str,
    seed: Secret,
    state: str,
    shape: totp.Shape = totp.COMMON,
    pending_seconds: int = 0,
    random: Random = os.urandom,
) -> Device:
    """Store a device whose seed is known. pending_seconds: how long it may wait to be confirmed.

    Raises InvalidInput, Conflict.
    """
    shown_as = names.display_name(name, "device", names.LONGEST_LABEL)
    now = clock.micros()
    own = totp_device.c.person == person.id
    stale = totp_device.c.confirm_by <= now
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
            algorithm=shape.algorithm,
            digits=shape.digits,
            period=shape.period,
            confirm_by=now + pending_seconds * 1_000_000,
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
        if now > row.confirm_by:
            raise Conflict("the time to confirm the device is over; begin again")
        if row.failures >= limits.lock_after:
            raise Conflict("too many wrong codes; begin again with a new seed")
        after = Attempts(row.failures, row.next_try_at).counted(now, limits, row.person)
        connection.execute(
            update(totp_device)
            .where(totp_device.c.id == device_id)
            .values(failures=after.failures, next_try_at=after.next_try_at)
        )
        return devices.counted_device(row, locked=False)


def second_step(
    seed: Secret, shape: totp.Shape, codes: tuple[Secret, Secret], present: int
) -> int | None:
    """The step of the second of two codes in a row, the nearest to ours; None when there is none.

    Looks up to 20 steps to both sides: to help a person whose telephone's clock is wrong.
    """
    for step in sorted(
        range(present - FURTHEST_SHIFT, present + FURTHEST_SHIFT + 1),
        key=lambda step: abs(step - present),
    ):
        if totp.matching_step(seed, shape, codes[1], (step,)) is None:
            continue
        if totp.matching_step(seed, shape, codes[0], (step - 1,)) is not None:
            return step
    return None


def _unfit(step: int | None, present: int, shape: totp.Shape) -> InvalidInput:
    if step is None:
        return InvalidInput.at(
            "codes",
            "give two codes that the device showed one after the other, the second just now",
        )
    minutes = max(1, round(abs(step - present) * shape.period / 60))
    where = "behind" if step < present else "ahead"
    return InvalidInput.at(
        "codes",
        f"the codes are right, but the device's clock is about {minutes} min {where}, or they "
        "came late; let the device set its clock by itself and give two new codes",
    )
