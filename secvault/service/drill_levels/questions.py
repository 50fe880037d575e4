"""What the restored service is asked, and what it must answer: over HTTP, as anybody would ask.

The asker is a calling system that is made in the copy, with a token of minutes. Before it has a
role it must be refused; with one it must get exactly what the copy's keys decrypt.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from sqlalchemy import Connection, update

from secvault.access import grants
from secvault.access.conditions import of_ones_own
from secvault.access.rules import Rules
from secvault.access.vocabulary import ALL, SIGNED_IN, department_of
from secvault.crypto import token as token_format
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.identity import IdentityKeys, people, service_accounts, tokens
from secvault.identity.people import NewPerson
from secvault.records.record import read_record
from secvault.service.authentication import OPERATOR
from secvault.service.drill_levels.fields import Opened, collections_of
from secvault.service.drill_levels.findings import Findings
from secvault.service.drill_levels.own_copy import OwnCopy
from secvault.service.drill_levels.service_started import Answer, Running
from secvault.service.opening import identity_keys
from secvault.service.policies.published import Published
from secvault.service.service import Service
from secvault.store.tables import person

_NAME = "restore-drill"
TOKEN_SECONDS = 15 * 60
MOST_ASKED = 12
"""Of how many collections it is tried to have a sealed field shown."""
_BEHIND_SECONDS = 3600


@dataclass
class _Interview:
    """What was asked so far, and how often it was answered as it should be."""

    running: Running
    found: Findings
    asked: int = 0
    right: int = 0
    refused: int = 0

    def expect(self, what: str, answer: Answer, *statuses: HTTPStatus, holds: bool = True) -> bool:
        """Put down whether the answer has one of these statuses, and `holds`."""
        self.asked += 1
        if answer.status in statuses and holds:
            self.right += 1
            self.refused += answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            return True
        wrong = "with something else than it should" if answer.status in statuses else ""
        words = f"it answers {answer.status} {wrong}".strip()
        self.found.fault("service-wrong-answer", what, words)
        return False


def ask_all(
    running: Running, service: Service, copy: OwnCopy, known: Sequence[Opened], found: Findings
) -> None:
    """Ask for its health, and for one record: as nobody, as a stranger, and as one who may.

    known: records of the copy that have a sealed field. Raises Unavailable when it stops answering.
    """
    interview = _Interview(running, found)
    _ask_for_health(interview)
    record = next(iter(known), None)
    if record is None:
        found.leave_open("the service's answers about records: the copy holds no sealed field")
    else:
        _ask_for_records(interview, service, copy, known)
    found.fact("questions-asked", interview.asked)
    found.fact("answers-right", interview.right)
    found.fact("refused-as-due", interview.refused)
    found.leave_open(
        "the worker of the restored service: it is not started, so that nothing is sent"
    )


def _ask_for_health(interview: _Interview) -> None:
    live = interview.running.ask("/health/live")
    interview.expect("/health/live", live, HTTPStatus.OK, holds=_is(live, "live"))
    ready = interview.running.ask("/health/ready")
    holds = all(_is(ready, part) for part in ("ready", "database", "audit", "unsealed"))
    interview.expect("/health/ready", ready, HTTPStatus.OK, holds=holds)


def _ask_for_records(
    interview: _Interview, service: Service, copy: OwnCopy, known: Sequence[Opened]
) -> None:
    first = known[0]
    identity = identity_keys(copy.keyring)
    with copy.store.write() as connection:
        rules = Published().present(connection).rules
        account, token = _asker(connection, service, identity, first.department)
    text = token.text()
    path = _path(first)
    ask = interview.running.ask
    interview.expect(f"{path} without a token", ask(path), HTTPStatus.UNAUTHORIZED)
    unknown = token_format.mint(tokens.PREFIX, service.random).text.text()
    interview.expect(f"{path} with a token of nobody", ask(path, unknown), HTTPStatus.UNAUTHORIZED)
    if _is_for_everybody(rules, first):
        interview.found.leave_open("a refusal without a role: the copy's policy lets everybody in")
    else:
        interview.expect(f"{path} without a role", ask(path, text), HTTPStatus.FORBIDDEN)
    for one in _one_of_each(known)[:MOST_ASKED]:
        if _ask_for_one(interview, service, copy, one, rules, (account, text)):
            _ask_elsewhere(interview, known, one, rules, text)
            return
    interview.found.leave_open(
        "a sealed field over HTTP: no role of the copy's policy shows one to a calling system"
    )


def _ask_for_one(
    interview: _Interview,
    service: Service,
    copy: OwnCopy,
    one: Opened,
    rules: Rules,
    asker: tuple[str, str],
) -> bool:
    """Whether some role of its department shows a sealed field; then the answer was judged."""
    account, text = asker
    collection = collections_of(copy)[one.collection]
    for role in sorted(rules.roles):
        given = _give(service, copy, rules, account, role, one.department)
        if given is None:
            continue
        path = _path(one)
        answer = interview.running.ask(path, text)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.FORBIDDEN):
            interview.expect(f"{path} with {role}", answer, HTTPStatus.OK)
            return True
        shown = answer.body.get("fields", {}) if isinstance(answer.body, dict) else {}
        with copy.store.read() as connection:
            record = read_record(connection, copy.keyring, collection, one.id)
        sealed = [name for name in record.sealed if name in shown]
        if answer.status == HTTPStatus.OK and sealed:
            try:
                holds = all(shown[name] == record.value(name) for name in sealed)
            except Damaged:
                holds = False
            interview.expect(f"{path} with {role}", answer, HTTPStatus.OK, holds=holds)
            return True
        with copy.store.write() as connection:
            grants.revoke_grant(connection, given, at=service.clock.micros())
    return False


def _ask_elsewhere(
    interview: _Interview, known: Sequence[Opened], one: Opened, rules: Rules, text: str
) -> None:
    """A role of one department opens nothing of another."""
    others = (it for it in known if it.department != one.department)
    other = next((it for it in others if not _is_for_everybody(rules, it)), None)
    if other is not None:
        path = _path(other)
        answer = interview.running.ask(path, text)
        interview.expect(f"{path} of another department", answer, HTTPStatus.FORBIDDEN)


def _is_for_everybody(rules: Rules, one: Opened) -> bool:
    """Whether a rule lets whoever is signed in do anything to records of this collection."""
    roles = {SIGNED_IN}
    while more := {it.role for it in rules.links if it.member in roles} - roles:
        roles |= more
    return any(
        rule.sub in roles
        and rule.dom in (one.department, ALL)
        and rule.obj in (one.collection, ALL)
        and (rule.act == ALL or rule.act.startswith("record."))
        # Of what is about somebody, the asker is nobody.
        and not of_ones_own(rule.cond)
        for rule in rules.rules
    )


def _asker(
    connection: Connection, service: Service, keys: IdentityKeys, department: str
) -> tuple[str, Secret]:
    """A calling system of the copy, with a short-lived token; its id."""
    clock, random = service.clock, service.random
    name = f"{_NAME}-{random(4).hex()}"
    owner = people.create_person(
        connection, clock, NewPerson.of(name=name, display_name=name, department=department)
    )
    # It answers for the account and signs in nowhere: it has no password.
    connection.execute(
        update(person)
        .where(person.c.id == owner.id)
        .values(state="active", activated_at=clock.micros())
    )
    account = service_accounts.create_account(
        connection, clock, name=f"{name}-asker", department=department, owner=owner.id
    )
    minted = token_format.mint(tokens.PREFIX, random)
    now = clock.micros()
    issued = tokens.Token(
        minted.key_id,
        account.id,
        name,
        now,
        now + TOKEN_SECONDS * tokens.MICROS,
        ttl_seconds=TOKEN_SECONDS,
    )
    return account.id, tokens.insert_token(connection, keys, issued, minted).text


def _give(
    service: Service, copy: OwnCopy, rules: Rules, account: str, role: str, department: str
) -> str | None:
    """The grant of the role there, in the copy; None for a role that does not go there."""
    if department_of(role) != department:
        return None
    with suppress(InvalidInput), copy.store.write() as connection:
        return grants.add_grant(
            connection,
            rules,
            subject=f"svc:{account}",
            role=role,
            department=department,
            granted_by=OPERATOR,
            # The clock of the process that is asked may be behind ours.
            at=service.clock.micros() - _BEHIND_SECONDS * tokens.MICROS,
            expires_at=service.clock.micros() + TOKEN_SECONDS * tokens.MICROS,
            random=service.random,
        ).id
    return None


def _one_of_each(known: Sequence[Opened]) -> list[Opened]:
    return list({one.collection: one for one in reversed(known)}.values())[::-1]


def _path(one: Opened) -> str:
    return f"/api/v1/records/{one.collection}/{one.id}"


def _is(answer: Answer, part: str) -> bool:
    return isinstance(answer.body, dict) and answer.body.get(part) is True
