"""A way in when every administrator is lost: by the seal's holders, not at once, and stoppable."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, Refused
from secvault.identity.invitations import Issued
from secvault.service import Service, activation, bootstrap, grants, seals
from secvault.service.break_glass import operations, recovery, watching
from tests.running_service import PASSWORD, STEP
from tests.service.break_glass.conftest import Station

HOUR = 3600
WORDS = "twelve small boats and a lantern"


def _sealed_by_shares(service: Service, station: Station) -> list[Secret]:
    made = seals.make_seal(service.settings, "shares", service.random, 3, 2)
    with service.store.write() as connection:
        root = service.keyring.roots.present
        seals.reseal(connection, root, seals.wrapped_by(made.seal, root.key, root.vault_id))
    return list(made.shares)


def _giving(*shares: Secret) -> Callable[[int, int], Secret]:
    left = list(shares)
    return lambda _given, _wanted: left.pop(0)


def _come_in(station: Station, issued: Issued, name: str) -> str:
    """Activate the new administrator; their subject."""
    service, hands = station.service, station.house.hands
    begun = activation.begin(
        service,
        issued.code,
        password=Secret.of(PASSWORD),
        device="telephone",
        name=name,
        display_name=name,
    )
    assert begun.enrolment is not None
    seed = begun.enrolment.seed.text()
    codes = tuple(Secret.of(hands.code(seed, at)) for at in (-1, 0))
    done = activation.complete(service, issued.code, codes)  # type: ignore[arg-type]
    station.house.seeds[name] = seed
    hands.seconds += STEP
    return done.person.subject


def test_a_seal_that_needs_nobody_proves_nothing(station: Station) -> None:
    with pytest.raises(InvalidInput, match="opened by nobody"):
        recovery.prove(station.service, _giving(Secret.of("x")))


def test_enough_shares_open_a_way_in_after_the_wait_for_one_administrator(
    station: Station,
) -> None:
    service = station.service
    shares = _sealed_by_shares(service, station)
    with pytest.raises(InvalidInput):
        recovery.prove(service, _giving(shares[0], Secret.of("not a share")))
    proof = recovery.prove(service, _giving(shares[0], shares[2]))
    assert (proof.kind, proof.threshold) == ("shares", 2)
    with pytest.raises(Conflict, match="no way in"):
        recovery.issue(service)
    incident = recovery.begin(service, proof, "both telephones drowned")
    (alarm,) = station.details("break_glass.recover")
    assert (alarm["incident"], alarm["threshold"]) == (incident.id, 2)
    station.house.hands.seconds += 23 * HOUR
    with pytest.raises(Conflict, match="1 hours more"):
        recovery.issue(service)
    station.house.hands.seconds += HOUR
    subject = _come_in(station, recovery.issue(service), "quyen")
    held = {(one.subject, one.role) for one in grants.list_grants(service, station.operator)}
    assert (subject, "role:it.admin") in held
    # It was for one; and the ordinary way is as closed as before.
    with pytest.raises(Conflict, match="no way in"):
        recovery.issue(service)
    with pytest.raises(Conflict, match="there is an administrator"):
        bootstrap.issue_first(service)
    # The newcomer does not review how they came in; somebody else does.
    with pytest.raises(Refused):
        operations.review(service, station.come("quyen"), incident.id, "fine")
    operations.review(service, station.come("binh"), incident.id, "known to me")


def test_a_passphrase_is_proof_too(station: Station) -> None:
    service = station.service
    made = seals.make_seal(service.settings, "passphrase", service.random, words=Secret.of(WORDS))
    with service.store.write() as connection:
        root = service.keyring.roots.present
        seals.reseal(connection, root, seals.wrapped_by(made.seal, root.key, root.vault_id))
    with pytest.raises(InvalidInput):
        recovery.prove(service, _giving(Secret.of("another passphrase, a wrong one")))
    assert recovery.prove(service, _giving(Secret.of(WORDS))).kind == "passphrase"


@pytest.mark.parametrize("late", [False, True])
def test_whoever_is_still_there_stops_it(station: Station, late: bool) -> None:
    service = station.service
    shares = _sealed_by_shares(service, station)
    incident = recovery.begin(service, recovery.prove(service, _giving(*shares[:2])), "hm")
    code = None
    if late:
        station.house.hands.seconds += 24 * HOUR
        code = recovery.issue(service)
    with pytest.raises(Refused):
        operations.end(service, station.come("clerk"), incident.id)
    operations.end(service, station.come("binh"), incident.id)
    station.house.hands.seconds += 24 * HOUR if not late else 60
    with pytest.raises(Conflict, match="no way in"):
        recovery.issue(service)
    if code is not None:
        with pytest.raises(Conflict, match="there is an administrator"):
            _come_in(station, code, "quyen")


def test_a_way_in_closes_by_itself_and_is_told_of_until_it_is_reviewed(station: Station) -> None:
    service = station.service
    shares = _sealed_by_shares(service, station)
    recovery.begin(service, recovery.prove(service, _giving(*shares[:2])), "hm")
    station.house.hands.seconds += 48 * HOUR
    with pytest.raises(Conflict, match="no way in"):
        recovery.issue(service)
    station.house.hands.seconds += 72 * HOUR
    assert watching.look_after(service) == 1
    assert len(station.details("break_glass.lapse")) == 1
