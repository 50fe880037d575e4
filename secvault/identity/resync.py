"""Finding a device whose clock has run away: by the password and two codes in a row.

Two codes that follow one another are looked for up to 20 steps to both sides. They are the second
factor themselves, so that somebody whose only device is out of step is not shut out; at most three
times a day for each device, counted before anything is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, update

from secvault.crypto.secret import Secret
from secvault.identity import devices, enrolment, totp
from secvault.identity.devices import CountedDevice, ShownCode
from secvault.identity.refusal import Reason, SignInDelayed, SignInRefused
from secvault.identity.sign_in import Entrance, check_password, forget_failures
from secvault.store.tables import totp_device

MOST_A_DAY = 3
_DAY = 24 * 60 * 60


def resync(
    entrance: Entrance,
    name: str,
    password: Secret,
    codes: tuple[Secret, Secret],
    *,
    address: str = "",
    record: Callable[[Connection, str, str], None] = lambda _connection, _person, _device: None,
) -> str:
    """Follow the device's clock from now on; its id. Both codes are used up; nothing is opened.

    record: runs in the transaction that changes the device, with the ids of person and device.
    Raises SignInRefused and SignInDelayed as `sign_in` does, also when there were three resyncs
    today. A code of the newest accepted step or an earlier one moves nothing.
    """
    known = check_password(entrance, name, password, address)
    try:
        counted = devices.count_attempt(entrance.store, entrance.clock, known.id, entrance.attempts)
    except SignInDelayed:
        raise SignInRefused(Reason.DELAYED, known.id) from None
    allowed = _count_resyncs(entrance, counted)
    if not allowed:
        raise SignInRefused(Reason.RESYNCED_TOO_OFTEN, known.id, _locked(counted))
    shown = _found(entrance, allowed, codes)
    if shown is None:
        raise SignInRefused(Reason.WRONG_CODE, known.id, _locked(counted))
    shown = replace(shown, counted=tuple(device.id for device in counted))
    with entrance.store.write() as connection:
        forget_failures(entrance, connection, known)
        devices.use_up(connection, entrance.clock, shown, known.id)
        record(connection, known.id, shown.device)
    return shown.device


def _count_resyncs(
    entrance: Entrance, counted: tuple[CountedDevice, ...]
) -> tuple[CountedDevice, ...]:
    """Those of the devices that may be resynced today, this time counted, on disk."""
    today = entrance.clock.seconds() // _DAY
    column = totp_device.c
    allowed = []
    with entrance.store.write() as connection:
        for device in counted:
            first = connection.execute(
                update(totp_device)
                .where(column.id == device.id, column.resync_day != today)
                .values(resync_day=today, resyncs=1)
            )
            again = (
                first.rowcount
                or connection.execute(
                    update(totp_device)
                    .where(
                        column.id == device.id,
                        column.resync_day == today,
                        column.resyncs < MOST_A_DAY,
                    )
                    .values(resyncs=column.resyncs + 1)
                ).rowcount
            )
            if again:
                allowed.append(device)
    return tuple(allowed)


def _found(
    entrance: Entrance, allowed: tuple[CountedDevice, ...], codes: tuple[Secret, Secret]
) -> ShownCode | None:
    for device in allowed:
        seed = totp.open_seed(device.sealed_seed, entrance.keys.totp, device.person, device.id)
        present = device.shape.step(entrance.clock.seconds())
        step = enrolment.second_step(seed, device.shape, codes, present)
        # The first of the two codes is one of a step that must be new, too.
        if step is not None and step - 1 > device.last_step:
            return ShownCode(device.id, step, (), device.clock.found(present, step))
    return None


def _locked(counted: tuple[CountedDevice, ...]) -> tuple[str, ...]:
    return tuple(device.id for device in counted if device.locked)
