"""Tokens that may do less than their system: a narrowing only ever takes away.

A narrowing is a list of layers, one for each token of a chain that was made with fewer roles. A
rule that allows counts for such a token only if its role is held by the system itself in the
department asked about, and lies in every layer, by name or by inheritance there. Denies are the
system's: they count whatever the layers say. A layer may be a scope instead; see `scope`.
"""

from __future__ import annotations

from collections.abc import Mapping

from secvault.access.conditions import Outcome, fires
from secvault.access.explain import (
    ALLOW,
    Basis,
    Finding,
    NearMiss,
    covers,
    refusal,
    roles_of,
    rules_about,
)
from secvault.access.rows import Case
from secvault.access.scope import admits, admits_department, is_scope
from secvault.access.vocabulary import DEPARTMENTS, is_role
from secvault.access.words import reason

Narrowing = tuple[frozenset[str], ...]
"""Layers of role names such as `role:it.cryptor`, or scopes; without a layer nothing is taken
away."""

KIND = "narrowed_token"


def narrowed(
    basis: Basis,
    case: Case,
    outcomes: Mapping[str, Outcome],
    narrowing: Narrowing,
    whole: Finding,
) -> Finding:
    """The answer for a narrowed token. whole: the answer for its system; a no stays that no."""
    if not whole.allowed:
        return whole
    if not all(admits(layer, case) for layer in narrowing if is_scope(layer)):
        return refusal(
            KIND,
            reason("narrowed_token_scope"),
            f"{case.subject} may by rule {whole.rule}, but the token's scope does not admit it",
            (NearMiss(whole.rule, "a token whose scope admits it"),),
        )
    held = roles_of(basis, case.subject, case.department)
    left = within(basis, frozenset(held), narrowing, case.department)
    for rule in rules_about(basis, case):
        if (
            rule.eft == "allow"
            and rule.sub in left
            and covers(basis, rule, case)
            and fires(outcomes.get(rule.cond, Outcome.BROKEN), rule.eft)
        ):
            path = " > ".join(held[rule.sub])
            admin = f"rule {rule.id} of {rule.sub}, held through {path}; the token includes it"
            return Finding(ALLOW, rule.id, held[rule.sub], whole.reason_user, admin)
    role = whole.via[-1] if whole.via else ""
    return refusal(
        KIND,
        reason(KIND),
        f"{case.subject} may by rule {whole.rule} of {role}, but the token is narrowed to "
        f"{', '.join(sorted(left)) or 'no role of this department'}",
        (NearMiss(whole.rule, f"a token that includes {role}"),),
    )


def held_roles(basis: Basis, subject: str, narrowing: Narrowing = ()) -> frozenset[str]:
    """The roles that a credential of the subject has in one department or another."""
    found: set[str] = set()
    for department in DEPARTMENTS:
        held = frozenset(roles_of(basis, subject, department))
        found |= within(basis, held, narrowing, department)
    return frozenset(role for role in found if is_role(role))


def within(
    basis: Basis, held: frozenset[str], narrowing: Narrowing, department: str
) -> frozenset[str]:
    """Of the roles held in a department, those that the narrowing leaves."""
    for layer in narrowing:
        if is_scope(layer):
            if not admits_department(layer, department):
                return frozenset()
            continue
        reached: set[str] = set()
        for role in layer:
            reached |= roles_of(basis, role, department).keys()
        held &= reached
    return held
