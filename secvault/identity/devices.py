"""TOTP devices in use: counting a guess, finding the step, using it up, locking and unlocking.

A code works once because `last_step` of its device only grows: `use_up` is a compare-and-set, in
the transaction that grants whatever the code was shown for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotFound
from secvault.identity import names, totp
from secvault.identity.drift import DeviceClock
from secvault.identity.keys import IdentityKeys
from secvault.identity.refusal import Reason, SignInDelayed, SignInRefused
from secvault.identity.throttle import AttemptLimits, Attempts
from secvault.store import Store
from secvault.store.tables import totp_device

PENDING = "pending"
ACTIVE = "active"
LOCKED = "locked"

CLOCK_SLACK = 120
"""Seconds that the clock may lie before the newest accepted step without being distrusted."""


@dataclass(frozen=True)
class Device:
    """A TOTP device; its seed is not among what is known. Times in microseconds, UTC.

    state: `pending` until confirmed, `active`, or `locked` after too many wrong codes. algorithm,
    digits, period: see `totp.Shape`. confirm_by: until when a pending one can be confirmed.
    """

    id: str
    person: str
    name: str
    state: str
    failures: int
    created_at: int
    last_used_at: int | None
    algorithm: str
    digits: int
    period: int
    confirm_by: int


@dataclass(frozen=True)
class CountedDevice:
    """A device against which one attempt has been counted, on disk. locked: by this attempt."""

    id: str
    person: str
    sealed_seed: bytes
    shape: totp.Shape
    last_step: int
    locked: bool
    clock: DeviceClock


@dataclass(frozen=True)
class ShownCode:
    """A right and fresh code: its device and step, and all devices that it was counted against.

    clock: of the device, with what this code taught.
    """

    device: str
    step: int
    counted: tuple[str, ...]
    clock: DeviceClock


_DEVICE = (
    totp_device.c.id,
    totp_device.c.person,
    totp_device.c.name,
    totp_device.c.state,
    totp_device.c.failures,
    totp_device.c.created_at,
    totp_device.c.last_used_at,
    totp_device.c.algorithm,
    totp_device.c.digits,
    totp_device.c.period,
    totp_device.c.confirm_by,
)


def count_attempt(
    store: Store, clock: Clock, person_id: str, limits: AttemptLimits
) -> tuple[CountedDevice, ...]:
    """Count one more attempt against each usable device of the person, in its own transaction.

    That must be kept before the code is looked at; otherwise guesses sent side by side, or cut
    off by a kill, would be free. A power cut may undo it. The attempt that reaches the limit locks
    the device; if its code is right, `use_up` unlocks it again. Raises SignInRefused (no second
    factor, locked, or the clock went back) and SignInDelayed, and counts nothing then.
    """
    now = clock.micros()
    with store.write(lasting=False) as connection:
        rows = connection.execute(
            select(totp_device)
            .where(totp_device.c.person == person_id, totp_device.c.state.in_((ACTIVE, LOCKED)))
            .order_by(totp_device.c.id)
            .with_for_update()
        ).all()
        usable = [row for row in rows if row.state == ACTIVE]
        if not usable:
            reason = Reason.LOCKED if rows else Reason.NO_SECOND_FACTOR
            raise SignInRefused(reason, person_id)
        if any(_before_last_use(row, now) for row in usable):
            raise SignInRefused(Reason.CLOCK_WENT_BACK, person_id)
        due = [row for row in usable if row.next_try_at <= now]
        if not due:
            earliest = min(row.next_try_at for row in usable)
            raise SignInDelayed(-((now - earliest) // 1_000_000), person_id)
        return tuple(_count(connection, row, now, limits) for row in due)


def check_code(
    counted: tuple[CountedDevice, ...], keys: IdentityKeys, code: Secret, clock: Clock
) -> ShownCode:
    """The device and step that this code belongs to, among those of `DeviceClock.steps`.

    Raises SignInRefused for a wrong code and for one that was used, and Damaged when a seed does
    not open.
    """
    seconds = clock.seconds()
    replayed = False
    for device in counted:
        seed = totp.open_seed(device.sealed_seed, keys.totp, device.person, device.id)
        present = device.shape.step(seconds)
        step = totp.matching_step(seed, device.shape, code, device.clock.steps(present))
        if step is not None and step > device.last_step:
            learned = device.clock.learned(present, step)
            return ShownCode(device.id, step, tuple(each.id for each in counted), learned)
        replayed = replayed or step is not None
    raise SignInRefused(
        Reason.REPLAYED_CODE if replayed else Reason.WRONG_CODE,
        counted[0].person,
        tuple(device.id for device in counted if device.locked),
    )


def use_up(connection: Connection, clock: Clock, shown: ShownCode, person_id: str) -> None:
    """Use the code up, and forget the attempts that led to it; with the caller's transaction.

    Raises SignInRefused when the same or a later code was used since it was checked.
    """
    used = connection.execute(
        update(totp_device)
        .where(totp_device.c.id == shown.device, totp_device.c.last_step < shown.step)
        .values(
            last_step=shown.step,
            last_used_at=clock.micros(),
            shift=shown.clock.shift,
            drift=shown.clock.drift,
        )
    )
    if used.rowcount != 1:
        raise SignInRefused(Reason.REPLAYED_CODE, person_id)
    connection.execute(
        update(totp_device)
        .where(totp_device.c.id.in_(shown.counted))
        .values(failures=0, next_try_at=0, state=ACTIVE)
    )


def list_devices(connection: Connection, person_id: str) -> tuple[Device, ...]:
    """The devices of a person in the order of their creation, pending ones too."""
    if not names.is_id(person_id):
        return ()
    question = select(*_DEVICE).where(totp_device.c.person == person_id)
    rows = connection.execute(question.order_by(totp_device.c.id))
    return tuple(Device(**row._asdict()) for row in rows)


def read_device(connection: Connection, device_id: str) -> Device:
    """The device with this id. Raises NotFound."""
    row = None
    if names.is_id(device_id):
        row = connection.execute(
            select(*_DEVICE).where(totp_device.c.id == device_id)
        ).one_or_none()
    if row is None:
        raise NotFound(f"there is no device with the id {device_id[:64]!r}")
    return Device(**row._asdict())


def unlock_device(connection: Connection, device_id: str) -> Device:
    """Let a locked device be used again, its failures forgotten; used codes stay used.

    Raises NotFound; Conflict when it is not locked.
    """
    read_device(connection, device_id)
    unlocked = connection.execute(
        update(totp_device)
        .where(totp_device.c.id == device_id, totp_device.c.state == LOCKED)
        .values(state=ACTIVE, failures=0, next_try_at=0)
    )
    if unlocked.rowcount != 1:
        raise Conflict("the device is not locked")
    return read_device(connection, device_id)


def remove_device(
    connection: Connection, person_id: str, device_id: str, *, other_factor: bool = False
) -> Device:
    """Take a device away from a person, with its seed. Raises NotFound; Conflict for the last one.

    Whoever has lost the last one is helped by somebody else: nobody signs in without, unless there
    is another factor than devices: a passkey.
    """
    own = {device.id: device for device in list_devices(connection, person_id)}
    if device_id not in own:
        raise NotFound(f"this person has no device with the id {device_id[:64]!r}")
    usable = [device.id for device in own.values() if device.state == ACTIVE]
    if usable == [device_id] and not other_factor:
        raise Conflict("this is your last factor in use; enrol another one first")
    connection.execute(delete(totp_device).where(totp_device.c.id == device_id))
    return own[device_id]


def counted_device(row: Row[Any], *, locked: bool) -> CountedDevice:
    """The device of this row, one attempt counted against it."""
    return CountedDevice(
        row.id,
        row.person,
        row.sealed_seed,
        totp.Shape(row.algorithm, row.digits, row.period),
        row.last_step,
        locked,
        DeviceClock(row.shift, row.drift),
    )


def _before_last_use(row: Row[Any], now: int) -> bool:
    newest: int = (row.last_step - row.shift) * row.period
    return now // 1_000_000 < newest - CLOCK_SLACK


def _count(connection: Connection, row: Row[Any], now: int, limits: AttemptLimits) -> CountedDevice:
    after = Attempts(row.failures, row.next_try_at).counted(now, limits, row.person)
    locked = after.failures >= limits.lock_after
    connection.execute(
        update(totp_device)
        .where(totp_device.c.id == row.id)
        .values(
            failures=after.failures,
            next_try_at=after.next_try_at,
            state=LOCKED if locked else ACTIVE,
        )
    )
    return counted_device(row, locked=locked)
