"""The pages put in place: their routes, and what they say when something did not work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from secvault.console import (
    access,
    access_matrix,
    account,
    approvals,
    assets,
    audit,
    audit_alerts,
    audit_exports,
    audit_integrity,
    audit_questions,
    backup_browse,
    backup_new,
    backup_plan,
    backup_restore,
    backup_run,
    backups,
    drills,
    forgotten,
    grants,
    invite,
    join,
    keys,
    new_collection,
    own_factors,
    own_zone,
    people,
    people_acts,
    record_files,
    record_forms,
    record_imports,
    record_pages,
    record_search,
    records,
    recovery,
    reviews,
    seal,
    second_person,
    sign_in,
    step_up,
    systems,
    systems_acts,
    today,
)
from secvault.console.again import stopped
from secvault.console.page import elsewhere, page
from secvault.console.visitor import SignInFirst
from secvault.errors import ApprovalRequired, SecvaultError, StepUpRequired

PARTS = (
    sign_in,
    forgotten,
    join,
    step_up,
    today,
    approvals,
    account,
    own_factors,
    own_zone,
    people,
    people_acts,
    invite,
    grants,
    systems,
    systems_acts,
    access_matrix,
    access,
    reviews,
    records,
    new_collection,
    record_search,
    record_files,
    record_forms,
    record_imports,
    record_pages,
    keys,
    seal,
    backups,
    backup_new,
    # Before the plans: a plan may be called as what is under these.
    backup_run,
    backup_restore,
    backup_plan,
    backup_browse,
    drills,
    recovery,
    audit,
    audit_questions,
    audit_exports,
    audit_alerts,
    audit_integrity,
    assets,
)

_PACKAGE = "secvault.console"


def furnish(app: FastAPI) -> None:
    """Add all pages."""
    for part in PARTS:
        part.router.add_to(app)
    _explain(app)


def furnish_sign_in(app: FastAPI) -> None:
    """Add the pages of signing in alone: for the process that handles sign-ins."""
    sign_in.router.add_to(app)
    _explain(app)


def _explain(app: FastAPI) -> None:
    """Answer what goes wrong on a page by a page, and all else as before."""
    for kind in (SecvaultError, RequestValidationError):
        app.add_exception_handler(kind, _on_pages(app.exception_handlers[kind]))
    app.add_exception_handler(SignInFirst, _sign_in_first)


def _on_pages(before: Callable[..., Any]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        # It logs what is to be logged, and knows the status and the headers of every error.
        answered: Response = await before(request, error)
        if not _is_of_a_page(request) or request.url.path.startswith(assets.PLACE):
            return answered
        visitor = getattr(request.state, "visitor", None)
        if visitor is not None and isinstance(error, StepUpRequired | ApprovalRequired):
            what = await stopped(request)
            if isinstance(error, StepUpRequired):
                return await run_in_threadpool(step_up.ask, request, visitor, error, what)
            return await run_in_threadpool(second_person.ask, request, visitor, error, what)
        shown = await run_in_threadpool(
            page,
            request,
            "problem.html",
            answered.status_code,
            # Whoever signed in finds the menu, and the way out, here as well.
            visitor=visitor,
            code=answered.status_code,
            detail=error.detail if isinstance(error, SecvaultError) else "",
            request_id=request.state.request_id,
        )
        if "Retry-After" in answered.headers:
            shown.headers["Retry-After"] = answered.headers["Retry-After"]
        return shown

    return answer


def _sign_in_first(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInFirst)  # noqa: S101 - registered for this class
    return elsewhere(error.to)


def _is_of_a_page(request: Request) -> bool:
    endpoint = request.scope.get("endpoint")
    return endpoint is not None and endpoint.__module__.startswith(f"{_PACKAGE}.")
