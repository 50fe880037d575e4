"""Whether the log is whole, and who outside would notice if it were not."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.audit.verify import AuditReport
from secvault.clock import timestamp
from secvault.console.audit_view import PATH, audit_page
from secvault.console.page import elsewhere
from secvault.console.visitor import Visiting, Visitor
from secvault.service import (
    audit_archives,
    audit_log,
    audit_publications,
    audit_standing,
    audit_streams,
    audit_witnesses,
)
from secvault.service.audit_streams import Tried
from secvault.service.spine import Operation

router = Routes(include_in_schema=False)

INTEGRITY = f"{PATH}/integrity"
PUBLISH = Operation("audit.publish", "it", "log", "it/audit/publications/*")
STREAMS = Operation("stream.read", "it", "streams", audit_streams.STREAMS)
TEST = Operation("stream.test", "it", "streams", f"{audit_streams.STREAMS}/*")
SHOWN_PROBLEMS, SHOWN_STOPS = 50, 10

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]

_shows = operation(
    "it/audit",
    "audit.verify",
    "audit.read",
    "audit.publish",
    "stream.read",
    "stream.test",
)


@router.get(INTEGRITY)
@_shows
def integrity(request: Request, at: Visiting) -> Response:
    """How the log stands, as far as this person may know. Nothing is verified by looking."""
    return _shown(request, at)


@router.post(f"{INTEGRITY}/verification")
@_shows
def verification(request: Request, at: Visiting) -> Response:
    """Verify the whole log now. The answer is the page: what was found is kept nowhere else."""
    report = audit_log.verify_log(at.service, at.caller)
    return _shown(request, at, report=report)


@router.post(f"{INTEGRITY}/checkpoint")
@operation("it/audit", "audit.verify")
def checkpoint(at: Visiting) -> Response:
    """Sign the log as it is now; the note comes as a file, to be kept elsewhere."""
    note = audit_log.take_checkpoint(at.service, at.caller)
    day = timestamp(at.service.clock.micros())[:10]
    return Response(
        note,
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="checkpoint-{day}.note"'},
    )


@router.post(f"{INTEGRITY}/publications/{{name}}")
@operation("it/audit/publications/{name}", "audit.publish")
def publish(at: Visiting, name: Name) -> Response:
    """Publish the log to a place now; how it went stands with the place."""
    audit_publications.publish_now(at.service, at.caller, name)
    return elsewhere(f"{INTEGRITY}#publications")


@router.post(f"{INTEGRITY}/streams/{{stream}}/test")
@_shows
def stream_test(request: Request, at: Visiting, stream: Name) -> Response:
    """Send the newest entry to a stream now. The answer is the page."""
    tried = audit_streams.test_stream(at.service, at.caller, stream)
    return _shown(request, at, tried=tried, tried_stream=stream)


def _shown(
    request: Request,
    at: Visitor,
    *,
    report: AuditReport | None = None,
    tried: Tried | None = None,
    tried_stream: str = "",
) -> Response:
    service, who = at.service, at.caller
    standing = audit_standing.read_standing(service, who)
    may_read = at.may(audit_log.LOG)
    return audit_page(
        request,
        at,
        "integrity.html",
        place=INTEGRITY,
        report=report,
        problems=report.problems[:SHOWN_PROBLEMS] if report else (),
        stops=report.stops[-SHOWN_STOPS:] if report else (),
        standing=standing,
        keys=audit_log.public_keys(service, who),
        publications=audit_publications.list_publications(service, who),
        archives=audit_archives.list_archives(service, who).archives,
        may_read=may_read,
        witnesses=audit_witnesses.list_witnesses(service, who) if may_read else None,
        streams=audit_streams.list_streams(service, who) if at.may(STREAMS) else None,
        may_publish=at.may(PUBLISH),
        may_test=at.may(TEST),
        tried=tried,
        tried_stream=tried_stream,
    )
