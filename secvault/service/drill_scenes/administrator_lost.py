"""An administrator's account is lost, or misused: the glass is broken, and a new one let in.

All on a copy of the living vault (`twin`), as it would be done in earnest: whoever is prepared
takes emergency access, shuts the account out and gives the access back; then the holders of the
seal open a way in, which waits (the copy's clock is moved), and a newcomer comes in by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access import list_grants
from secvault.access.grants import Grant
from secvault.backup.drills.scenarios.script import Broken, Saying, Script
from secvault.backup.drills.scenarios.single_file import Drawing
from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import (
    ApprovalRequired,
    Conflict,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    Refused,
)
from secvault.identity import people, sessions, totp
from secvault.identity.people import ACTIVE, Person
from secvault.identity.totp import COMMON
from secvault.keyring.root import read_stored
from secvault.service import activation, authentication
from secvault.service import people as people_operations
from secvault.service.break_glass import operations, recovery, rights
from secvault.service.break_glass.recovery import ADMINISTRATOR, BY_PEOPLE, Proof
from secvault.service.drill_scenes.twin import Twin, twin_of
from secvault.service.sealing.opener import Opener
from secvault.service.service import Service
from secvault.service.spine import Caller

NEWCOMER = "drill-newcomer"
REASON = "scenario drill: an administrator's account is lost"
_HOUR, _STEP = 3600, 30
_REFUSALS = (ApprovalRequired, Conflict, InvalidInput, NotAuthenticated, NotFound, Refused)
_PASSWORD_BYTES = 24


@dataclass(frozen=True)
class _Ways:
    """Who there is. holders: prepared to break the glass. seal: its kind."""

    administrators: tuple[Person, ...]
    holders: tuple[Person, ...]
    seal: str


def play(script: Script, live: Service, draw: Drawing, shares: Sequence[Secret] = ()) -> None:
    """Lose an administrator, drawn by chance. shares: of the vault's seal, or its passphrase.

    Raises Broken after what it found, and what keeps it from being done at all.
    """
    with ExitStack() as closing:
        with script.step("copy-made", phase="restore", damage="database-damaged") as said:
            twin = closing.enter_context(twin_of(live, script.folder, script.id))
            said.words = "a copy of the vault as it is now, without its data keys"
        _play_on(script, twin, draw, shares)
    script.came_back()


def _play_on(script: Script, twin: Twin, draw: Drawing, shares: Sequence[Secret]) -> None:
    ways = _counted(script, twin.service)
    lost = ways.administrators[draw(len(ways.administrators))]
    _break_the_glass(script, twin, ways, lost, draw)
    _let_somebody_in(script, twin, ways, shares)
    script.leave_open("whether those who are prepared find their second factor was not tried")


def _counted(script: Script, service: Service) -> _Ways:
    with script.step("ways-in-counted", phase="open", damage="database-damaged") as said:
        with service.store.read() as connection:
            now = service.clock.micros()
            administrators = _people(
                connection,
                [one for one in list_grants(connection, valid_at=now) if one.role == ADMINISTRATOR],
            )
            holders = _people(connection, rights.preparations(service, connection))
            seal = read_stored(connection).wrapped.kind
        ways = _Ways(administrators, holders, seal)
        said.words = (
            f"administrators: {len(administrators)}; prepared to break the glass: {len(holders)}; "
            f"seal: {seal}"
        )
        if len(administrators) < 2 and seal not in BY_PEOPLE:
            said.fault(
                "no-way-in",
                "it/people",
                f"with {len(administrators)} administrators and a seal that nobody opens in person "
                f"({seal}), nobody comes in when one is lost: have two more, or a seal by shares",
            )
    if not ways.administrators:
        raise Broken
    return ways


def _people(connection: Connection, held: Sequence[Grant]) -> tuple[Person, ...]:
    """Those of the grants' subjects who are people and can sign in, each once."""
    found: dict[str, Person] = {}
    for grant in held:
        kind, _, name = grant.subject.partition(":")
        if kind != "user":
            continue
        try:
            person = people.read_person(connection, name)
        except NotFound:
            continue
        if person.state == ACTIVE:
            found[person.id] = person
    return tuple(found.values())


def _break_the_glass(script: Script, twin: Twin, ways: _Ways, lost: Person, draw: Drawing) -> None:
    service = twin.service
    able = [one for one in ways.holders if one.id != lost.id]
    if not able:
        with script.step("glass-broken") as said:
            said.verdict = "not tested"
            said.words = "nobody but the lost one is prepared to break the glass"
        script.leave_open("emergency access, for which nobody else is prepared")
        return
    holder = able[draw(len(able))]
    misused = _signed_in(service, lost)
    caller = Caller(authentication.authenticate(service, _signed_in(service, holder)))
    incident = ""
    with script.step("glass-broken", who=holder.subject) as said, _told(said, holder.subject):
        incident = operations.start(service, caller, REASON, drill=True).incident.id
        said.words = "emergency access began at once"
    if not incident:
        return
    with (
        script.step("misused-account-disabled", who=holder.subject) as said,
        _told(said, lost.subject),
    ):
        people_operations.disable_person(service, caller, lost.id)
        said.words = "the account was disabled, and its open session refused"
        if _is_let_in(service, misused):
            said.fault("no-way-in", lost.subject, "the disabled account's session still opens")
    with script.step("glass-ended", who=holder.subject) as said, _told(said, holder.subject):
        operations.end(service, caller, incident)
        said.words = "emergency access was given back"


def _let_somebody_in(script: Script, twin: Twin, ways: _Ways, shares: Sequence[Secret]) -> None:
    service, settings = twin.service, twin.service.settings.break_glass
    if ways.seal not in BY_PEOPLE:
        words = f"the seal ({ways.seal}) is opened by nobody in person: it lets no newcomer in"
        with script.step("way-in-opened") as said:
            said.verdict, said.words = "not tested", words
        script.leave_open(words)
        return
    proof = _proof(script, service, ways, shares)
    with script.step("way-in-opened", who="local:operator") as said, _told(said, "it/people"):
        recovery.begin(service, proof, REASON)
        said.words = f"a way in was opened, which waits for {settings.recovery_wait_hours} hours"
    with script.step("way-in-waits") as said:
        try:
            recovery.issue(service)
        except Conflict:
            said.words = "nobody got a code before the wait was over"
        else:
            said.fault("no-way-in", "it/people", "the way in was open at once")
    twin.hands.ahead += settings.recovery_wait_hours * _HOUR + 1
    password = Secret.of(service.random(_PASSWORD_BYTES).hex())
    seeds: list[Secret] = []
    with script.step("newcomer-let-in", who=NEWCOMER) as said, _told(said, "it/people"):
        seeds.append(_come_in(twin, recovery.issue(service).code, password))
        said.words = "a new administrator came in by the code, with a second factor"
    if not seeds:
        return
    with script.step("newcomer-works", who=NEWCOMER) as said, _told(said, "it/people"):
        twin.hands.ahead += 2 * _STEP
        code = _code(twin.service.clock, seeds[0])
        signed_in = authentication.sign_in(service, NEWCOMER, password, code)
        listed = people_operations.list_people(service, Caller(signed_in.principal))
        said.words = f"the newcomer signed in and looked at {len(listed.people)} people"


def _proof(script: Script, service: Service, ways: _Ways, shares: Sequence[Secret]) -> Proof:
    if not shares:
        script.leave_open("whether the holders of the seal have their shares: they gave none")
        opener = Opener(service.settings, service.store, service.clock, service.random)
        try:
            return Proof(ways.seal, opener.status().threshold)
        finally:
            opener.close()
    with script.step("kit-opened", damage="kit-does-not-open", who="holders of the seal") as said:
        left = list(shares)

        def give(given: int, wanted: int) -> Secret:
            if not left:
                raise NotFound(f"the seal takes {wanted} shares, and {given} were given")
            return left.pop(0)

        proof = recovery.prove(service, give)
        said.words = f"the seal opened with what its holders gave ({proof.kind})"
    return proof


def _come_in(twin: Twin, code: Secret, password: Secret) -> Secret:
    """Activate the newcomer by the code; the seed of their device."""
    service = twin.service
    begun = activation.begin(
        service,
        code,
        password=password,
        device="drill",
        name=NEWCOMER,
        display_name="Scenario drill",
    )
    if begun.enrolment is None:
        raise NotFound("no device was enrolled for the newcomer")
    seed = totp.parse_seed(begun.enrolment.seed)
    step = service.clock.micros() // (_STEP * 1_000_000)
    codes = (totp.code_at(seed, COMMON, step - 1), totp.code_at(seed, COMMON, step))
    activation.complete(service, code, codes)
    return seed


def _code(clock: Clock, seed: Secret) -> Secret:
    return totp.code_at(seed, COMMON, clock.micros() // (_STEP * 1_000_000))


def _signed_in(service: Service, person: Person) -> str:
    """The token of a session of this person in the copy, as if they had signed in just now."""
    with service.store.write() as connection:
        people.hold_person(connection, person.id)
        opened = sessions.open_session(
            connection,
            service.clock,
            service.entrance.keys,
            person.id,
            limits=service.entrance.sessions,
            random=service.random,
        )
    return opened.text.text()


def _is_let_in(service: Service, token: str) -> bool:
    try:
        authentication.authenticate(service, token)
    except NotAuthenticated:
        return False
    return True


@contextmanager
def _told(said: Saying, where: str) -> Iterator[None]:
    """A refusal by the vault is what the step found."""
    try:
        yield
    except _REFUSALS as error:
        said.fault("no-way-in", where, error.detail)
