"""Why somebody can or cannot, and who can: the questions about access, each an address to keep.

Of themselves everybody may ask, and reads what helps them; of others administrators and auditors.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from secvault.access import DEPARTMENTS, NO_FIELD
from secvault.access.vocabulary import ACTIONS
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.access_words import Told, condition_in, told
from secvault.console.forms import Fault, fault_of
from secvault.console.language import language_of
from secvault.console.page import page
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import InvalidInput
from secvault.service import entitlements, explanations
from secvault.service.entitlements import WHO_CAN, Holders
from secvault.service.explanations import EXPLAIN, Asked, Explained
from secvault.service.policies.operations import READ as READ_POLICY

router = Routes(include_in_schema=False)

PATH = "/access"
MOST_HOLDERS = 500
ASKED_OF_ALL = ("access.own", "access.explain", "access.who_can", "policy.read")

Subject = Annotated[str, Query(max_length=200)]
Action = Annotated[str, Query(max_length=100)]
Department = Annotated[str, Query(max_length=63)]
Object = Annotated[str, Query(max_length=1024)]
Field = Annotated[str, Query(max_length=128)]


@router.get(PATH)
@operation("it/access", *ASKED_OF_ALL)
def explain(
    request: Request,
    at: Visiting,
    subject: Subject = "",
    action: Action = "",
    department: Department = "",
    resource: Object = "",
    field: Field = "",
    decision: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Ask why, and read the answer beside the question."""
    typed = {
        "subject": subject.strip(),
        "action": action.strip(),
        "department": department,
        "resource": resource.strip(),
        "field": field.strip(),
    }
    found: Explained | None = None
    fault: Fault | None = None
    try:
        if decision:
            found = explanations.explain_decision(at.service, at.caller, decision)
        elif any(typed.values()):
            found = explanations.explain(at.service, at.caller, _asked(typed))
    except InvalidInput as error:
        fault = fault_of(error)
    return page(
        request,
        "access/explain.html",
        422 if fault else 200,
        visitor=at,
        typed=_typed_of(found, typed),
        fault=fault,
        told=_told(request, at, found),
        decision=decision,
        now=at.service.clock.micros(),
        **_around(at),
    )


@router.get(f"{PATH}/who-can")
@operation("it/access", *ASKED_OF_ALL)
def who_can(
    request: Request,
    at: Visiting,
    action: Action = "",
    department: Department = "",
    resource: Object = "",
) -> Response:
    """Everybody who may do something, how, and until when."""
    typed = {"action": action.strip(), "department": department, "resource": resource.strip()}
    found: Holders | None = None
    fault: Fault | None = None
    if typed["action"]:
        try:
            found = entitlements.who_can(
                at.service,
                at.caller,
                action=typed["action"],
                department=department,
                object=typed["resource"],
            )
        except InvalidInput as error:
            fault = fault_of(error)
    else:
        at.service.spine.decide(at.caller, WHO_CAN)
    code = language_of(request).code
    return page(
        request,
        "access/who_can.html",
        422 if fault else 200,
        visitor=at,
        typed=typed,
        fault=fault,
        found=found,
        most=MOST_HOLDERS,
        condition=lambda name: condition_in(name, code),
        now=at.service.clock.micros(),
        **_around(at),
    )


def _asked(typed: dict[str, str]) -> Asked:
    for name in ("action", "department", "resource"):
        if not typed[name]:
            raise InvalidInput.at(name, "is needed")
    return Asked(
        typed["action"],
        typed["department"],
        typed["resource"],
        typed["field"] or NO_FIELD,
        typed["subject"],
    )


def _typed_of(found: Explained | None, typed: dict[str, str]) -> dict[str, str]:
    """The question as it was understood, of a decision too."""
    if found is None:
        return typed
    request = found.explanation.request
    return {
        "subject": typed["subject"] or found.names.get(request.subject, request.subject),
        "action": request.action,
        "department": request.department,
        "resource": request.object,
        "field": "" if request.field == NO_FIELD else request.field,
    }


def _told(request: Request, at: Visitor, found: Explained | None) -> Told | None:
    if found is None:
        return None
    return told(found, at.caller.principal.subject, language_of(request).code)


def _around(at: Visitor) -> dict[str, object]:
    """What the pages of access share: the lists to choose from, and where else one may go."""
    return {
        "actions": sorted(ACTIONS),
        "departments": DEPARTMENTS,
        "collections": sorted(at.service.policy.rules.collections),
        "may_explain": at.may(EXPLAIN),
        "may_who_can": at.may(WHO_CAN),
        "may_matrix": at.may(READ_POLICY),
    }
