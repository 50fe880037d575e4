"""An event: who did what to which thing, and how it ended. Never a name, an address or a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from secvault.audit.catalogue import FACTS, IDENTIFIER, KINDS, LARGEST_NUMBER, Fact
from secvault.errors import InvalidInput

ActorKind = Literal["user", "svc", "local", "system"]
Outcome = Literal["ok", "denied", "error", "intent", "unknown"]

ACTOR_KINDS: tuple[ActorKind, ...] = get_args(ActorKind)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

MAX_RESOURCE = 1_024

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BE_AN_ID = "must be 1 to 128 ASCII letters, digits and _ . : * -"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person (`user`), a service account (`svc`), the operator at the machine's own
    command line (`local`), or the program itself (`system`).

    id: opaque, without the kind. session: key id of the session or token. factors: how the
    identity was shown, for instance ("password", "totp"). roles: in force when the event happened.
    """

    kind: ActorKind
    id: str
    session: str = ""
    factors: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The actor as policies and queries name it, for instance `user:01920c3e`."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class DecisionNote:
    """What makes the decision explainable later. rule: id of the row that decided. policy: digest
    of the policy in force. id: of the decision itself.
    """

    rule: str = ""
    policy: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    kind: from `catalogue.KINDS`. outcome: `intent` announces work that cannot share a transaction
    with the log; the event that ends it carries its id as `correlation`, with `unknown` if the
    end was never learnt. resource: slash path, most general first, at most 1,024 characters.
    department: may be empty. fields: names of the fields concerned, never values. count: of the
    things concerned, where one event stands for many. request: id that the caller was given.
    detail: facts that the catalogue lists for this kind, and the reason of what was refused or
    failed. Other texts are identifiers (see
    `catalogue.IDENTIFIER`) or empty.
    """

    kind: str
    outcome: Outcome
    actor: Actor
    resource: str
    department: str = ""
    fields: tuple[str, ...] = ()
    count: int | None = None
    decision: DecisionNote | None = None
    correlation: str = ""
    request: str = ""
    detail: Mapping[str, Fact] = field(default_factory=dict)


def check(event: Event) -> None:
    """Return if the event fits the catalogue and its texts are what they should be.

    Raises InvalidInput at the field at fault; the value is never in the error.
    """
    if event.kind not in KINDS:
        raise InvalidInput.at("kind", "is not in the catalogue of events; add it there")
    if event.outcome not in OUTCOMES:
        raise InvalidInput.at("outcome", f"must be one of {', '.join(OUTCOMES)}")
    if event.actor.kind not in ACTOR_KINDS:
        raise InvalidInput.at("actor.kind", f"must be one of {', '.join(ACTOR_KINDS)}")
    if len(event.resource) > MAX_RESOURCE or _CONTROL.search(event.resource):
        raise InvalidInput.at(
            "resource", f"must be at most {MAX_RESOURCE} characters without control characters"
        )
    if event.count is not None and not 0 <= event.count <= LARGEST_NUMBER:
        raise InvalidInput.at("count", "must be from 0 to 2**53 - 1")
    _check_identifiers(event)
    _check_facts(event)


def _check_identifiers(event: Event) -> None:
    actor, decision = event.actor, event.decision or DecisionNote()
    required = (("actor.id", actor.id),)
    optional = (
        ("actor.session", actor.session),
        ("department", event.department),
        ("decision.rule", decision.rule),
        ("decision.policy", decision.policy),
        ("decision.id", decision.id),
        ("correlation", event.correlation),
        ("request", event.request),
    )
    many = (
        ("actor.factors", actor.factors),
        ("actor.roles", actor.roles),
        ("fields", event.fields),
    )
    for name, text in required:
        if not IDENTIFIER.fullmatch(text):
            raise InvalidInput.at(name, _BE_AN_ID)
    for name, text in optional:
        if text and not IDENTIFIER.fullmatch(text):
            raise InvalidInput.at(name, f"{_BE_AN_ID}, or empty")
    for name, texts in many:
        for at, text in enumerate(texts):
            if not IDENTIFIER.fullmatch(text):
                raise InvalidInput.at(f"{name}.{at}", _BE_AN_ID)


def _check_facts(event: Event) -> None:
    allowed = KINDS[event.kind]
    if event.outcome in ("denied", "error"):
        allowed |= {"reason"}
    # Whatever is done by broken glass says so.
    allowed |= {"incident"}
    for name, value in event.detail.items():
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise InvalidInput.at("detail", f"{event.kind} may only carry these facts: {known}")
        if not FACTS[name].admits(value):
            raise InvalidInput.at(f"detail.{name}", FACTS[name].mend)
