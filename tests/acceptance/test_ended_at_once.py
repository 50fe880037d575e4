"""What ends a person's or a system's credential ends administration in every worker at once.

Several workers are asked without a pause by administrators, whose credentials end one after the
other, each in another way and through another process. Of what was asked for after the end had been
answered nothing is done, and the audit log has nothing that was done after the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import httpx2
import pytest

from secvault.audit.query import Question, page
from secvault.crypto.secret import Secret
from secvault.identity import people as persons
from secvault.service import Service, authentication, grants, systems
from secvault.service.spine import Caller
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    SEED,
    Installation,
    code_of,
    new_installation,
    stop,
    system_token,
)
from tests.running_service import PASSWORD as PERSONS_PASSWORD
from tests.running_service import add_person

pytestmark = [pytest.mark.slow, pytest.mark.real]

WORKERS = 2
CALLERS_EACH = 2
ENOUGH = 8
"""Answers of each that must have been good before the end, and asked for after it."""
PEOPLE = ("leaver", "lost-laptop", "disabled", "new-password", "demoted")
TARGET = "somebody"


@dataclass
class Load:
    """Callers who unlock somebody over and over. answers: when each asked, and the status."""

    installation: Installation
    token: str
    answers: list[tuple[float, int]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask until it is over, on a connection of its own now and then, so for every worker."""
        headers = {"Authorization": f"Bearer {self.token}"}
        while not self.ending.is_set():
            with httpx2.Client(base_url=self.installation.address, timeout=100) as client:
                for _ in range(3):
                    asked_at = time.monotonic()
                    answer = client.post(f"/api/v1/people/{TARGET}/unlock", headers=headers)
                    self.answers.append((asked_at, answer.status_code))

    def since(self, moment: float) -> list[int]:
        """What was answered to what was asked from this moment on."""
        return [status for asked_at, status in self.answers if asked_at >= moment]


@dataclass(frozen=True)
class Hand:
    """Who takes away. tokens: of those who lose theirs. boss: an administrator's session."""

    installation: Installation
    service: Service
    tokens: Mapping[str, str]
    boss: str

    @property
    def operator(self) -> Caller:
        return Caller(authentication.local_operator(self.service))

    def call(self, method: str, path: str, token: str) -> None:
        answer = self.installation.call(method, f"/api/v1{path}", token)
        assert answer.is_success, answer.text

    def revoke_grant(self) -> None:
        with self.service.store.read() as connection:
            subject = persons.find_person(connection, "demoted").subject
        held = grants.list_grants(self.service, self.operator)
        (mine,) = [each for each in held if each.subject == subject]
        self.call("DELETE", f"/grants/{mine.id}", self.boss)

    def set_password(self) -> None:
        hashed = self.service.entrance.hasher.hash_new(Secret.of("another long enough phrase"))
        with self.service.store.write() as connection:
            person = persons.find_person(connection, "new-password")
            persons.set_password(connection, self.service.clock, person.id, hashed)


ENDS: Mapping[str, Callable[[Hand], None]] = {
    "leaver": lambda it: it.call("DELETE", "/sessions/self", it.tokens["leaver"]),
    "lost-laptop": lambda it: it.call("DELETE", "/people/lost-laptop/sessions", it.boss),
    "disabled": lambda it: it.call("POST", "/people/disabled/disable", it.boss),
    "new-password": Hand.set_password,
    "demoted": Hand.revoke_grant,
    "system": lambda it: (
        systems.revoke_token(it.service, it.operator, it.tokens["system"].split("_")[1]),
        None,
    )[1],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A service of several workers, on each engine."""
    more = ""
    if request.param == "postgresql":
        more = f'[store]\nurl = "{request.getfixturevalue("postgresql_url")}"\n'
    made = new_installation(tmp_path_factory.mktemp("at-once"), more)
    process = made.start("--workers", str(WORKERS))
    try:
        made.wait_until_ready(process)
        yield made
    finally:
        stop(process)


def test_nothing_administrative_is_done_after_the_end_was_answered(
    installation: Installation,
) -> None:
    with installation.opened() as service:
        hand = _furnished(installation, service)
        loads = {name: Load(installation, token) for name, token in hand.tokens.items()}
        threads = [
            threading.Thread(target=load.ask)
            for load in loads.values()
            for _ in range(CALLERS_EACH)
        ]
        for each in threads:
            each.start()
        try:
            ended_at = _end_one_after_the_other(hand, loads)
        finally:
            for load in loads.values():
                load.ending.set()
            for each in threads:
                each.join(150)
        for name, load in loads.items():
            later = load.since(ended_at[name])
            assert len(later) >= ENOUGH
            assert 200 not in later, (name, later)
            assert set(later) == {403 if name == "demoted" else 401}, name
        _nothing_done_after_the_end_in_the_log(hand)


def _end_one_after_the_other(hand: Hand, loads: Mapping[str, Load]) -> dict[str, float]:
    ended_at = {}
    for name, end in ENDS.items():
        load = loads[name]
        _wait_for(lambda load=load: load.since(0.0).count(200) >= ENOUGH)  # type: ignore[misc]
        end(hand)
        ended_at[name] = time.monotonic()
    for name, moment in ended_at.items():
        load = loads[name]
        _wait_for(lambda load=load, at=moment: len(load.since(at)) >= ENOUGH)  # type: ignore[misc]
        load.ending.set()
    return ended_at


def _nothing_done_after_the_end_in_the_log(hand: Hand) -> None:
    """Those whose end is an event of its own: no act of theirs stands behind it."""
    store = hand.service.store
    ends = {"leaver": "session.self", "lost-laptop": "session.end", "disabled": "person.disable"}
    for name, kind in ends.items():
        session = hand.tokens[name].split("_")[1]
        with store.read() as connection:
            person = persons.find_person(connection, name)
        mine = f"user:{person.id}"
        who = {"actor": mine} if name == "leaver" else {}
        end = max(
            each.seq
            for each in page(store, Question(kind=kind, outcome="ok", **who), limit=1000).events
            if name == "leaver" or each.event.detail.get("person") == person.id
        )
        question = Question(kind="person.unlock", outcome="ok", actor=mine)
        done = page(store, question, limit=1000).events
        assert len(done) >= ENOUGH
        assert all(each.event.actor.session == session for each in done)
        assert max(each.seq for each in done) < end, name


def _furnished(installation: Installation, service: Service) -> Hand:
    operator = Caller(authentication.local_operator(service))
    add_person(service, TARGET, "hr")
    # All roles before two administrators have signed in: from then on they need an approval.
    seeds = {name: add_person(service, name, "it") for name in PEOPLE}
    for name in PEOPLE:
        grants.add_grant(
            service, operator, subject=f"user:{name}", role="role:it.admin", department="it"
        )
    tokens = {"system": system_token(service, "system", "it", "role:it.admin")}
    for name, seed in seeds.items():
        shown = Secret.of(PERSONS_PASSWORD), Secret.of(code_of(seed))
        tokens[name] = authentication.sign_in(service, name, *shown).token.text()
    boss = authentication.sign_in(
        service, ADMINISTRATOR, Secret.of(PASSWORD), Secret.of(code_of(SEED))
    )
    return Hand(installation, service, tokens, boss.token.text())


def _wait_for(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 150
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)
