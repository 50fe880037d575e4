"""An event: who did what to which thing, and how it ended. Never a value.

Names and addresses of people are in `Personal` and nowhere else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

import msgspec

from secvault.audit.catalogue import KINDS
from secvault.audit.facts import FACTS, IDENTIFIER, LARGEST_NUMBER, Fact
from secvault.errors import InvalidInput

ActorKind = Literal["user", "svc", "local", "system"]
Outcome = Literal["ok", "denied", "error", "intent", "unknown"]

ACTOR_KINDS: tuple[ActorKind, ...] = get_args(ActorKind)
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

MAX_RESOURCE = 1_024

OUTCOME_OF_CONDITION: Mapping[str, int] = MappingProxyType(
    {"fails": 0, "holds": 1, "broken": 2, "stale": 3}
)
"""How a condition came out, as the log keeps it."""

_CONDITION = re.compile(r"[ -~]{1,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BE_AN_ID = "must be 1 to 128 ASCII letters, digits and _ . : * -"


class Actor(msgspec.Struct, frozen=True, gc=False):
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


class Personal(msgspec.Struct, frozen=True):
    """What is personal in an event: it lies beside the leaf, and can be erased (`personal`).

    address: the network address that a person's request came from. agent: what their program
    calls itself. name: theirs, as it was then. reason: what somebody wrote about why. Each may be
    empty.
    """

    address: str = ""
    agent: str = ""
    name: str = ""
    reason: str = ""


MAX_PERSONAL: Mapping[str, int] = MappingProxyType(
    {"address": 64, "agent": 256, "name": 200, "reason": 2_000}
)
"""How many characters each member of `Personal` may have."""


class DecisionNote(msgspec.Struct, frozen=True, gc=False):
    """What makes the decision explainable later, and lets it be made again.

    rule: id of the row that decided. policy: digest of the policy in force. id: of the decision
    itself. epoch: of the policy. at: the moment that it was made for, microseconds UTC; 0 in an
    entry from before version 2 of the format, which has none of what follows. kind: why it is a
    no; empty for a yes. action, object: where they do not follow from the event itself, as `asked`
    says. field: empty when none was asked for. conditions: how each condition came out that was
    looked at and does not always hold, by name, as a number of `OUTCOME_OF_CONDITION`.
    factor_age: whole seconds since the second factor was shown, where a condition was looked at;
    None for never. narrowing: digest of what the credential was narrowed to; empty when it was not.
    """

    rule: str = ""
    policy: str = ""
    id: str = ""
    epoch: int = 0
    at: int = 0
    kind: str = ""
    action: str = ""
    object: str = ""
    field: str = ""
    conditions: tuple[tuple[str, int], ...] = ()
    factor_age: int | None = None
    narrowing: str = ""


class Event(msgspec.Struct, frozen=True, gc=False):
    """What happened.

    kind: from `catalogue.KINDS`. outcome: `intent` announces work that cannot share a transaction
    with the log; the event that ends it carries its id as `correlation`, with `unknown` if the
    end was never learnt. resource: slash path, most general first, at most 1,024 characters.
    department: may be empty. fields: names of the fields concerned, never values. count: of the
    things concerned, where one event stands for many. request: id that the caller was given.
    detail: facts that the catalogue lists for this kind, the ticket that the caller named, and the
    reason of what was refused or failed. network: the address that a system's request came from;
    that of a person is personal. personal: never in the leaf, which only commits to it. Other texts
    are identifiers (see `facts.IDENTIFIER`) or empty.
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
    detail: Mapping[str, Fact] = msgspec.field(default_factory=dict)
    network: str = ""
    personal: Personal | None = None

    @property
    def asked(self) -> tuple[str, str]:
        """The action and the object that the decision was about.

        The action is the event's kind, the object what the resource names below the department,
        unless the decision says otherwise.
        """
        note = self.decision or DecisionNote()
        return note.action or self.kind, note.object or object_of(self.resource, self.department)


def object_of(resource: str, department: str) -> str:
    """What a resource path names below its department: `it/transit/k` in `it` is `transit/k`."""
    return resource.removeprefix(f"{department}/")


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
    if event.decision is not None and event.decision.at:
        _check_decision(event.decision)
    _check_facts(event)
    if event.network and event.actor.kind != "svc":
        raise InvalidInput.at("network", "may only be said of a system; a person's is personal")
    if event.personal is not None:
        _check_personal(event)


def _check_personal(event: Event) -> None:
    if event.actor.kind not in ("user", "local"):
        raise InvalidInput.at("personal", "may only be said of a person")
    for name, most in MAX_PERSONAL.items():
        text = getattr(event.personal, name)
        if len(text) > most or _CONTROL.search(text):
            mend = f"must be at most {most} characters without control characters"
            raise InvalidInput.at(f"personal.{name}", mend)


def plain(text: str, most: int) -> str:
    """The text without control characters, in normal form C, cut to this many characters."""
    return unicodedata.normalize("NFC", _CONTROL.sub(" ", text[: 4 * most])).strip()[:most]


def _check_decision(note: DecisionNote) -> None:
    """What replaying goes by; the object is what a caller wrote, as a resource is."""
    for name, text in (
        ("kind", note.kind),
        ("action", note.action),
        ("field", note.field),
        ("narrowing", note.narrowing),
    ):
        if text and not IDENTIFIER.fullmatch(text):
            raise InvalidInput.at(f"decision.{name}", f"{_BE_AN_ID}, or empty")
    if note.object and (len(note.object) > MAX_RESOURCE or _CONTROL.search(note.object)):
        raise InvalidInput.at(
            "decision.object",
            f"must be at most {MAX_RESOURCE} characters without control characters",
        )
    for condition, code in note.conditions:
        if not _CONDITION.fullmatch(condition) or not 0 <= code < len(OUTCOME_OF_CONDITION):
            raise InvalidInput.at("decision.conditions", "must be conditions with their outcomes")
    for number in (note.at, note.epoch, note.factor_age or 0):
        if not 0 <= number <= LARGEST_NUMBER:
            raise InvalidInput.at("decision", "must have numbers from 0 to 2**53 - 1")


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
        ("network", event.network),
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
    # Whatever is done can be done under a ticket, and by broken glass.
    allowed |= {"ticket", "incident"}
    for name, value in event.detail.items():
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "none"
            raise InvalidInput.at("detail", f"{event.kind} may only carry these facts: {known}")
        if not FACTS[name].admits(value):
            raise InvalidInput.at(f"detail.{name}", FACTS[name].mend)
