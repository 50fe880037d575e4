"""A new backup plan: what is saved, where to, when, and how much the company can afford to lose.

What else a plan can say keeps its usual value here, and is changed by the command line or the API.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.forms import MENDABLE, Fault, Reason, Text, because, fault_of
from secvault.console.page import elsewhere, page
from secvault.console.visitor import Visiting, Visitor
from secvault.console.zone import zone_of
from secvault.errors import InvalidInput
from secvault.service import backup_plans, repositories
from secvault.service.spine import Operation

router = Routes(include_in_schema=False)

NEW = "/new-plan"
ADD = Operation("plan.add", "it", "*", "it/backups/*")
MOST_FOLDERS = 50

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


@router.get(NEW)
@operation("it/backups", "plan.add", "repository.read")
def new_form(request: Request, at: Visiting) -> Response:
    """The form, filled in as most companies would."""
    at.service.spine.decide(at.caller, ADD)
    usual = {"name": "offsite", "repository": "", "folders": "", "time": "01:30", "hours": "26"}
    return _form(request, at, {**usual, "vault": "yes"})


@router.post(NEW)
@operation("it/backups", "plan.add", "repository.read")
def add(
    request: Request,
    at: Visiting,
    *,
    name: Text = "",
    repository: Text = "",
    vault: Annotated[str, Form(max_length=8)] = "",
    folders: Annotated[str, Form(max_length=20_000)] = "",
    time: Annotated[str, Form(max_length=8)] = "",
    hours: Annotated[str, Form(max_length=8)] = "",
    reason: Reason = "",
) -> Response:
    """Make the plan; the worker knows it at once."""
    typed = {
        "name": name,
        "repository": repository,
        "vault": vault,
        "folders": folders,
        "time": time,
        "hours": hours,
        "reason": reason,
    }
    try:
        settings = {
            "repository": repository,
            "vault": bool(vault),
            "folders": _folders(folders),
            "schedule": _daily(time.strip()),
            "time_zone": zone_of(request),
            "rpo_hours": _hours(hours.strip()),
        }
        made = backup_plans.add_plan(at.service, because(at, reason), name.strip(), settings)
    except MENDABLE as error:
        return _form(request, at, typed, fault_of(error), error.status)
    return elsewhere(f"/backups/{made.name}")


def _folders(text: str) -> list[str]:
    """One in each line."""
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if len(found) > MOST_FOLDERS:
        raise InvalidInput.at("folders", f"takes {MOST_FOLDERS} lines at most")
    return found


def _daily(time: str) -> str:
    """A time of day as a schedule."""
    said = _TIME.fullmatch(time)
    if said is None:
        raise InvalidInput.at("time", "write a time of day such as 01:30")
    return f"{int(said[2])} {int(said[1])} * * *"


def _hours(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InvalidInput.at("hours", "write a whole number of hours")
    return int(text)


def _form(
    request: Request,
    at: Visitor,
    typed: dict[str, str],
    fault: Fault | None = None,
    status: int = 200,
) -> Response:
    known = repositories.list_repositories(at.service, at.caller)
    return page(
        request,
        "backups/new.html",
        status,
        visitor=at,
        typed={"reason": "", **typed},
        fault=fault,
        repositories=[one.name for one in known],
    )
