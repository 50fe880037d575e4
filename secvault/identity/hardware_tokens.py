"""Hardware tokens: a stock of seeds that nobody looks at, given out one by one.

A seed comes in sealed for its row; when the token is assigned it is sealed once more for the person
and the device, which waits for two codes in a row from its holder; when these were right, it is
wiped from the stock. Nothing here gives a seed back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.clock import Clock
from secvault.crypto import aead
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, NotFound
from secvault.identity import enrolment, names
from secvault.identity.devices import PENDING, Device
from secvault.identity.keys import IdentityKeys
from secvault.identity.people import Person
from secvault.identity.seed_files import FromFile
from secvault.identity.totp import Shape
from secvault.store.tables import hardware_token, totp_device

WAITING_SECONDS = 14 * 24 * 60 * 60
"""How long an assigned token waits for its two codes: it may have to come by mail."""

FREE, ASSIGNED, IN_USE, SPENT = "free", "assigned", "in use", "spent"


@dataclass(frozen=True)
class HardwareToken:
    """A token; its seed is not among what is known. imported_at: microseconds, UTC.

    state: `free`, `assigned` (waits for two codes), `in use`, or `spent`: its seed is gone, the
    maker's file can be imported again. person: id of its holder, empty when there is none.
    """

    id: str
    serial: str
    shape: Shape
    state: str
    person: str
    imported_at: int


def import_tokens(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    tokens: Iterable[FromFile],
    random: Random = os.urandom,
) -> int:
    """Put tokens into the stock, all or none; returns how many. Raises Conflict for one that is
    there already, unless it is spent.
    """
    known = {token.serial: token for token in list_tokens(connection)}
    rows = []
    for token in tokens:
        present = known.get(token.serial)
        if present is not None and present.state != SPENT:
            raise Conflict(f"the token {token.serial} is there already; nothing was imported")
        if present is not None:
            connection.execute(delete(hardware_token).where(hardware_token.c.id == present.id))
        token_id = names.new_id(clock)
        rows.append(
            {
                "id": token_id,
                "serial": token.serial,
                "sealed_seed": aead.seal(token.seed.expose(), keys.totp, _place(token_id), random),
                "algorithm": token.shape.algorithm,
                "digits": token.shape.digits,
                "period": token.shape.period,
                "imported_at": clock.micros(),
                "device": None,
            }
        )
    if rows:
        connection.execute(insert(hardware_token), rows)
    return len(rows)


def list_tokens(connection: Connection) -> tuple[HardwareToken, ...]:
    """The stock, by serial number."""
    rows = connection.execute(_QUESTION.order_by(hardware_token.c.serial))
    return tuple(_token(row) for row in rows)


def assign_token(
    connection: Connection,
    clock: Clock,
    keys: IdentityKeys,
    person: Person,
    serial: str,
    random: Random = os.urandom,
) -> Device:
    """Give a token to somebody, as a device that waits 14 days for two codes in a row.

    One that was assigned but never confirmed is taken back from whom it was assigned to. Raises
    NotFound; Conflict for a token that is in use or spent, or a person with five devices.
    """
    row = _read(connection, serial)
    _take_back(connection, row)
    seed = Secret(
        aead.open_sealed(row.sealed_seed, keys.totp, _place(row.id), f"The seed of token {serial}")
    )
    device = enrolment.insert_device(
        connection,
        clock,
        keys,
        person,
        name=f"token {serial}"[: names.LONGEST_LABEL],
        seed=seed,
        state=PENDING,
        shape=Shape(row.algorithm, row.digits, row.period),
        pending_seconds=WAITING_SECONDS,
        random=random,
    )
    column = hardware_token.c
    taken = connection.execute(
        update(hardware_token)
        .where(column.id == row.id, column.device.is_not_distinct_from(row.device))
        .values(device=device.id)
    )
    if taken.rowcount != 1:
        raise Conflict(f"the token {serial} was assigned at the same moment")
    return device


def retire_token(connection: Connection, serial: str) -> None:
    """Take a token out of the stock with its seed. Raises NotFound; Conflict for one in use."""
    row = _read(connection, serial)
    if _token(row).state != SPENT:
        _take_back(connection, row)
    connection.execute(delete(hardware_token).where(hardware_token.c.id == row.id))


_QUESTION = select(
    hardware_token, totp_device.c.person, totp_device.c.state.label("device_state")
).join_from(hardware_token, totp_device, hardware_token.c.device == totp_device.c.id, isouter=True)


def _take_back(connection: Connection, row: Row[Any]) -> None:
    state = _token(row).state
    if state not in (FREE, ASSIGNED):
        raise Conflict(f"the token {row.serial} is {state}")
    connection.execute(
        delete(totp_device).where(totp_device.c.id == row.device, totp_device.c.state == PENDING)
    )


def _read(connection: Connection, serial: str) -> Row[Any]:
    row = connection.execute(_QUESTION.where(hardware_token.c.serial == serial)).one_or_none()
    if row is None:
        raise NotFound(f"there is no token with the serial number {serial[:64]!r}")
    return row


def _token(row: Row[Any]) -> HardwareToken:
    if row.sealed_seed is None:
        state = SPENT if row.device_state is None else IN_USE
    elif row.device_state == PENDING:
        state = ASSIGNED
    else:
        state = FREE
    return HardwareToken(
        row.id,
        row.serial,
        Shape(row.algorithm, row.digits, row.period),
        state,
        row.person or "",
        row.imported_at,
    )


def _place(token_id: str) -> bytes:
    return aead.bind("secvault/hardware-token", token_id)
