"""The words in which somebody is told why, in each language.

In English they are those that the decision itself carries.
"""

from __future__ import annotations

from secvault.access.decide import Decision
from secvault.access.explain import Basis, unmet_reason
from secvault.access.rows import Case
from secvault.access.vocabulary import is_grantee
from secvault.access.ways import home_of, unknown
from secvault.access.words import class_name, reason
from secvault.clock import timestamp


def said(
    basis: Basis, case: Case, kind: str, decision: Decision, language: str, *, scoped: bool = False
) -> str:
    """Why, for the subject. kind: of the explanation. scoped: whether a token's scope said no."""
    values: dict[str, str] = {}
    key = kind
    if kind == "condition_failed":
        return unmet_reason(basis, decision.near_misses, decision.context, language)
    if kind == "no_role" and not is_grantee(case.subject):
        key = "no_role_local"
    elif kind == "wrong_department":
        values["department"] = case.department
        if home_of(basis, case) != case.department:
            key, values["object"] = "wrong_department_object", case.object
    elif kind == "unknown_name":
        key = f"unknown_{unknown(basis, case)}"
    elif kind == "field_class":
        known = basis.fields[case.object][case.field]
        values |= {"field": case.field, "of_class": class_name(known, language)}
    elif kind == "narrowed_token" and scoped:
        key = "narrowed_token_scope"
    elif kind in ("grant_expired", "grant_not_started"):
        values["moment"] = _moment(basis, case, kind, decision)
    return reason(key, language, **values)


def _moment(basis: Basis, case: Case, kind: str, decision: Decision) -> str:
    for grant in basis.dormant.get(case.subject, ()):
        if f"grant {grant.id}" in decision.via:
            starts = kind == "grant_not_started"
            return timestamp(grant.not_before if starts else grant.expires_at or 0)
    return ""
