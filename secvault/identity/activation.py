"""From an invitation to a person who can sign in: a password, a device, and recovery codes.

Two steps that can be begun anew as long as the code is good. The first keeps the chosen password
with the invitation and shows a seed; the second, by two codes in a row, uses the invitation up and
lets the person in from then on, in one transaction. Nobody else learns password or seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, update

from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput
from secvault.identity import (
    devices,
    enrolment,
    invitations,
    people,
    places,
    recovery_codes,
)
from secvault.identity.devices import Device
from secvault.identity.enrolment import Enrolment
from secvault.identity.invitations import Invitation
from secvault.identity.passwords import PasswordHash
from secvault.identity.people import NewPerson, Person
from secvault.identity.refusal import InvitationRefused, Reason
from secvault.identity.sign_in import Entrance
from secvault.store.tables import invitation


@dataclass(frozen=True)
class Begun:
    """What the first step gave. enrolment: None for who confirms an assigned hardware token."""

    person: Person
    enrolment: Enrolment | None


@dataclass(frozen=True)
class Activated:
    """Somebody who can sign in from now on. recovery_codes: shown once."""

    person: Person
    device: Device
    recovery_codes: tuple[Secret, ...]


@dataclass(frozen=True)
class FirstDevice:
    """How the first factor is to be enrolled.

    name: of the device. issuer: what the app calls this service. assigned: no seed is made, since
    a hardware token waits already.
    """

    name: str
    issuer: str
    assigned: bool = False


def check(entrance: Entrance, code: Secret, address: str = "") -> Invitation:
    """The invitation of this code.

    The attempt is counted against its network, on disk, before the code is looked at, and forgotten
    when it is right. Raises InvitationRefused, with the same sentence for every cause, and
    SignInDelayed after many wrong ones from one network.
    """
    network = places.network_of(address)
    with entrance.store.write() as connection:
        places.count_network(connection, network, entrance.clock.micros(), entrance.networks)
        found = invitations.look_up(connection, entrance.clock, entrance.keys, code)
        if isinstance(found, Invitation):
            places.forgive_network(connection, network, entrance.networks)
    if isinstance(found, InvitationRefused):
        raise found
    return found


def person_of(entrance: Entrance, shown: Invitation) -> Person | None:
    """Who is invited; None for the first administrator who has not said their name yet."""
    if shown.person is None:
        return None
    with entrance.store.read() as connection:
        return people.read_person(connection, shown.person)


def begin(
    entrance: Entrance,
    shown: Invitation,
    password: PasswordHash,
    device: FirstDevice,
    *,
    names: NewPerson | None = None,
    record: Callable[[Connection, Begun], None] = lambda _connection, _begun: None,
    random: Random = os.urandom,
) -> Begun:
    """Keep the chosen password, and begin the first device; what was begun before is forgotten.

    password: made by `PasswordHasher.hash_new` before. names: of the first administrator, who
    becomes an invited person by this. Raises InvitationRefused when the code was used or voided
    since it was checked; Conflict when the sign-in name is taken; InvalidInput when no hardware
    token waits.
    """
    clock, keys = entrance.clock, entrance.keys
    with entrance.store.write() as connection:
        if shown.person is not None:
            # Before the invitation, as everywhere, so that no two wait for each other.
            people.hold_person(connection, shown.person)
        held = invitations.hold(connection, clock, shown.key_id)
        if held.person != shown.person:
            raise Conflict("somebody else has begun with this code at the same moment; try again")
        somebody = _invited(connection, entrance, held, names)
        begun = None
        enrolment.discard_pending(connection, somebody.id)
        if not device.assigned:
            begun = enrolment.begin_enrolment(
                connection,
                clock,
                keys,
                somebody,
                name=device.name,
                issuer=device.issuer,
                random=random,
            )
        elif not _waiting(connection, entrance, somebody.id):
            raise InvalidInput.at("hardware_token", "no token is assigned to you; enrol an app")
        connection.execute(
            update(invitation)
            .where(invitation.c.key_id == held.key_id)
            .values(person=somebody.id, password_hash=password)
        )
        done = Begun(somebody, begun)
        record(connection, done)
    return done


def complete(
    entrance: Entrance,
    shown: Invitation,
    codes: tuple[Secret, Secret],
    *,
    admit: Callable[[Connection, Person], None] = lambda _connection, _person: None,
    record: Callable[[Connection, Activated], None] = lambda _connection, _activated: None,
    random: Random = os.urandom,
) -> Activated:
    """Let the person in from now on, shown by two codes in a row of the device that was begun.

    admit: runs in the same transaction, before anything is changed; for what the first
    administrator needs. Of several at the same moment one wins. Raises InvalidInput when the codes
    do not fit, Conflict when nothing was begun or its ten minutes are over, InvitationRefused,
    SignInDelayed.
    """
    if shown.person is None or shown.password is None:
        raise Conflict("choose a password and begin a device first")
    person_id, password = shown.person, shown.password
    with entrance.store.read() as connection:
        waiting = _waiting(connection, entrance, person_id)
    made: list[Activated] = []

    def before(connection: Connection) -> None:
        people.hold_person(connection, person_id)
        invitations.use_up(connection, shown)
        admit(connection, people.read_person(connection, person_id))
        people.activate_person(connection, entrance.clock, person_id, password)

    def after(connection: Connection, device: Device) -> None:
        kept = recovery_codes.make_codes(
            connection, entrance.clock, entrance.keys, person_id, random
        )
        done = Activated(people.read_person(connection, person_id), device, kept)
        record(connection, done)
        made.append(done)

    unfit: Exception = Conflict("no device waits for its codes any more; begin anew")
    for device_id in waiting:
        try:
            enrolment.confirm_enrolment(
                entrance.store,
                entrance.clock,
                entrance.keys,
                person_id=person_id,
                device_id=device_id,
                codes=codes,
                limits=entrance.attempts,
                before=before,
                record=after,
            )
        except InvalidInput as error:
            unfit = error
        else:
            return made[-1]
    raise unfit


def _invited(
    connection: Connection, entrance: Entrance, held: Invitation, names: NewPerson | None
) -> Person:
    if held.person is None:
        if names is None:
            raise InvalidInput.at("name", "say the name to sign in with: you are the first")
        return people.create_person(connection, entrance.clock, names)
    if held.first and names is not None:
        people.rename_invited(connection, held.person, names.name, names.display_name)
    somebody = people.read_person(connection, held.person)
    if somebody.state != people.INVITED:
        raise InvitationRefused(Reason.DISABLED, somebody.id)
    return somebody


def _waiting(connection: Connection, entrance: Entrance, person_id: str) -> tuple[str, ...]:
    now = entrance.clock.micros()
    return tuple(
        device.id
        for device in devices.list_devices(connection, person_id)
        if device.state == devices.PENDING and device.confirm_by > now
    )
