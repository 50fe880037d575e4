"""What the forms about people and access share: a reason for a second person, and their faults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Form

from secvault.console.visitor import Visitor
from secvault.errors import Conflict, InvalidInput, SeparationOfDuties
from secvault.service.spine import Caller

MENDABLE = (InvalidInput, Conflict, SeparationOfDuties)
"""What whoever filled in a form can mend in it: the form is shown again, as it was typed."""

Reason = Annotated[str, Form(alias="approval_reason", max_length=2000)]
Text = Annotated[str, Form(max_length=400)]
Word = Annotated[str, Form(max_length=100)]


@dataclass(frozen=True)
class Fault:
    """Why a form was not taken. field: where; empty when it is no single one."""

    detail: str
    field: str = ""


def because(at: Visitor, reason: str) -> Caller:
    """The visitor, with what a second person is told who must approve; empty to ask nobody."""
    return replace(at.caller, reason=reason.strip()) if reason.strip() else at.caller


def fault_of(error: Conflict | InvalidInput | SeparationOfDuties) -> Fault:
    """The fault, at its field where it has a single one."""
    if len(error.fields) == 1:
        return Fault(error.fields[0].detail, error.fields[0].field)
    return Fault(error.detail)
