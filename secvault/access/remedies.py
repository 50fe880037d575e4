"""What would turn a no into a yes, for programs to act on and for people to read.

The types, and what each says beside its type:

    step_up               acr, max_age (seconds): show a second factor again
    use_network           network: from there it is allowed
    name_ticket           it is allowed under a ticket
    other_person          it is for somebody who did not make what it is about
    meet_condition        condition: the circumstances must be others
    request               role, department: be given a role
    wait_until            moment: a grant starts then, or the business hours do
    use_other_department  department: what is asked for belongs there, or is allowed there
    reveal                the field may be revealed, with a reason
    read_masked           the field may be read masked
    leave_out_field       field: the rest is allowed
    use_other_token       the system may, but not by this token
    lift_deny             rule, role, department, and grant where one gave the role
    revoke_grant          grant: it cannot be, and holds everything up
    ask_for_approval      people, department: so many others must agree
    enable_subject        subject: the person or system was shut out
    ask_for_unsealing     the vault is sealed
    correct_name          what, and nearest where there is a similar one
    try_again             the policy changed at this moment
    report                the program is at fault
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from secvault.access.conditions import (
    MICROS,
    NETWORK,
    NOT_MAKER,
    TICKET,
    AccessContext,
    Condition,
)
from secvault.access.explain import Basis
from secvault.access.met import opening, unmet
from secvault.access.rows import Case
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    COLLECTION,
    DEPARTMENTS,
    EMERGENCY_ROLE,
    IN_ANY_DEPARTMENT,
    RESERVED_ROLES,
    department_of,
)
from secvault.access.words import mend, thing
from secvault.clock import timestamp

ACR = "aal2"
"""What a second factor that was shown again makes of a session (NIST SP 800-63B)."""


@dataclass(frozen=True)
class Remedy:
    """One thing to do. type: as the module says; facts: what it says beside it."""

    type: str
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, str | int]:
        """As programs read it."""
        return {"type": self.type, **self.facts}

    @property
    def of_others(self) -> bool:
        """Whether only administrators can do it, and nobody else is to know of it."""
        return self.type in _OF_OTHERS

    def text(self, language: str = "en") -> str:
        """As the person concerned reads it. Not of what only others can do; see `of_others`."""
        facts = dict(self.facts)
        if self.type == "correct_name":
            facts = {"what": thing(str(facts["what"]), language)}
        return mend(self.type, language, **facts)


_OF_OTHERS = frozenset({"meet_condition", "lift_deny", "revoke_grant", "enable_subject", "report"})


def of_condition(
    text: str, condition: Condition | None, context: AccessContext
) -> tuple[Remedy, ...]:
    """What meets a condition of a rule; of several that are joined, each that does not hold."""
    if condition is None:
        return (Remedy("meet_condition", {"condition": text}),)
    return tuple(_of_single(one, context) for one in unmet(condition, context))


def _of_single(condition: Condition, context: AccessContext) -> Remedy:
    if condition.step_up is not None:
        return Remedy("step_up", {"acr": ACR, "max_age": condition.step_up})
    if condition.kind == NETWORK:
        return Remedy("use_network", {"network": condition.parameter})
    if condition.kind == TICKET:
        return Remedy("name_ticket")
    if condition.kind == NOT_MAKER:
        return Remedy("other_person")
    opens = opening(condition, context)
    if opens is not None:
        return Remedy("wait_until", {"moment": timestamp(int(opens.timestamp()) * MICROS)})
    return Remedy("meet_condition", {"condition": condition.name})


def request(role: str, department: str) -> Remedy:
    """Be given the role."""
    return Remedy("request", {"role": role, "department": department})


def can_be_given(role: str, department: str) -> bool:
    """Whether somebody can be given the role there; see `grants.check_grantable`."""
    # The emergency role comes by breaking the glass only.
    if role in RESERVED_ROLES or role == EMERGENCY_ROLE:
        return False
    return role in IN_ANY_DEPARTMENT or department_of(role) == department


def may_ask_for(role: str, department: str, own: Iterable[str]) -> bool:
    """Whether somebody of these departments is told of the role, to ask for it.

    Only of those of departments that they are or work in: which others there are, is no business
    of theirs. A role that may be granted anywhere, such as an administrator's, belongs to `it`.
    """
    known = frozenset(own)
    return department in known and department_of(role) in known


def corrected(basis: Basis, case: Case, what: str) -> Remedy:
    """The name that was perhaps meant."""
    known: Mapping[str, Iterable[str]] = {
        "department": DEPARTMENTS,
        "action": ACTIONS,
        "object": _objects(basis, case.action),
        "field": basis.fields.get(case.object, {}),
    }
    written = getattr(case, what)
    near = get_close_matches(written[:128], [*known.get(what, ())], n=1)
    return Remedy("correct_name", {"what": what, **({"nearest": near[0]} if near else {})})


def _objects(basis: Basis, action: str) -> Iterable[str]:
    kind = ACTIONS.get(action, "")
    if kind == COLLECTION:
        return basis.collections
    named = {rule.obj for rule in basis.rules.get(action, ())} - {ALL}
    return {kind, *named}
