"""Every page of the console, with something real on it, and who looks at it.

`test_every_screen.py` fails for a page of the console that has no entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tests.acceptance.company_people import LEFT, LOCKED
from tests.acceptance.company_work import CONTRACT

NOBODY = ""
ADMIN, AUDITOR, HEAD, CLERK, LONG, HOSTILE = "admin", "ngan", "hoa", "lan", "{long}", "mallory"


@dataclass(frozen=True)
class Screen:
    """route: the path as the console declares it; path: with what stands in braces among the
    company's facts. who: a sign-in name, or `NOBODY`.
    """

    route: str
    who: str
    path: str = ""
    query: str = ""

    def at(self, facts: Mapping[str, str]) -> str:
        """Its address in a company with these facts."""
        said = {name: quote(value, safe=":") for name, value in facts.items()}
        asked = f"?{self.query}" if self.query else ""
        return ((self.path or self.route).replace(":path}", "}") + asked).format(**said)

    def visitor(self, facts: Mapping[str, str]) -> str:
        """Who looks at it there."""
        return self.who.format(**facts)


_PERSON, _RECORD = "/people/{person}", "/records/{collection}/{record}"
_AUDITED = "/audit/questions/{name}"
_RUN, _DRILL = "/backups/runs/{run}", "/drills/{drill}"
SCREENS = (
    Screen("/sign-in", NOBODY),
    Screen("/sign-in/recovery", NOBODY),
    Screen("/sign-in/passkey", NOBODY),
    Screen("/sign-in/forgotten", NOBODY),
    Screen("/join", NOBODY),
    Screen("/seal", ADMIN),
    # Those that ask for a factor shown just now come first.
    Screen("/account/passkeys/new", CLERK),
    Screen("/account/passkeys/{passkey}/remove", CLERK),
    Screen("/account/recovery-codes", CLERK),
    Screen("/account/password", CLERK),
    Screen("/account/devices/new", CLERK),
    Screen("/account/devices/{device}/confirm", CLERK, "/account/devices/{waiting_device}/confirm"),
    Screen("/account/devices/{device}/remove", CLERK),
    Screen("/account", CLERK),
    Screen("/account", HEAD),
    Screen("/", ADMIN),
    Screen("/", AUDITOR),
    Screen("/", CLERK),
    Screen("/", LONG),
    Screen("/", HOSTILE),
    Screen("/approvals", "binh"),
    Screen("/approvals", AUDITOR, query="show=all"),
    Screen("/approvals", CLERK, query="show=mine"),
    Screen("/approvals/{request_id}", "binh", "/approvals/{approval}"),
    Screen("/approvals/{request_id}", CLERK, "/approvals/{role_request}"),
    Screen("/people", ADMIN),
    Screen("/people", ADMIN, query="search=nobody+at+all"),
    Screen(_PERSON, ADMIN, "/people/{long}"),
    Screen(_PERSON, ADMIN, f"/people/{HOSTILE}"),
    Screen(_PERSON, ADMIN, f"/people/{LOCKED}"),
    Screen(_PERSON, ADMIN, f"/people/{LEFT}"),
    Screen(_PERSON, ADMIN, "/people/moi"),
    Screen("/people/{person}/grants/new", ADMIN, f"/people/{HOSTILE}/grants/new"),
    Screen("/invite", ADMIN),
    Screen("/systems", ADMIN),
    Screen("/systems/{system}", ADMIN),
    Screen("/new-system", ADMIN),
    Screen("/access", ADMIN),
    Screen(
        "/access",
        ADMIN,
        query="subject=lan&action=record.read&department=hr&resource=payroll&field=bank_account",
    ),
    Screen("/access/who-can", ADMIN, query="action=record.read&department=hr&resource=payroll"),
    Screen("/access/matrix", ADMIN),
    Screen("/access/matrix", ADMIN, query="department=hr"),
    Screen("/reviews", HEAD),
    Screen("/reviews", AUDITOR),
    Screen("/reviews/{review}", AUDITOR),
    Screen("/new-review", AUDITOR),
    Screen("/records", HEAD),
    Screen("/records", AUDITOR),
    Screen("/records", ADMIN),
    Screen("/new-collection", ADMIN),
    Screen("/new-collection/{collection}", ADMIN),
    Screen("/records/{collection}", HEAD),
    Screen("/records/{collection}", CLERK),
    Screen("/records/{collection}", HEAD, "/records/employees"),
    Screen("/records/{collection}", "phuoc", "/records/suppliers"),
    Screen("/records/{collection}", "dung", "/records/warehouse"),
    Screen("/records/{collection}/-/new", HEAD),
    Screen("/records/{collection}/-/import", HEAD),
    Screen("/records/{collection}/-/imports/{import_id}", HEAD),
    Screen(_RECORD, HEAD),
    Screen(_RECORD, CLERK),
    Screen(_RECORD, HEAD, f"/records/contracts/{CONTRACT}"),
    Screen(f"{_RECORD}/edit", HEAD),
    Screen(f"{_RECORD}/history", HEAD),
    Screen("/keys", ADMIN),
    Screen("/keys/{mount:path}/{name}", ADMIN),
    Screen("/backups", ADMIN),
    Screen("/backups", AUDITOR),
    Screen("/backups/{plan}", ADMIN),
    Screen("/backups/{plan}", ADMIN, "/backups/{broken_plan}"),
    Screen("/backups/{plan}/buckets", ADMIN),
    Screen(_RUN, ADMIN),
    Screen(_RUN, ADMIN, "/backups/runs/{failed_run}"),
    Screen("/backups/{plan}/snapshots/{snapshot}", ADMIN, query="folder={folder}"),
    Screen("/backups/{plan}/snapshots/{snapshot}/restore", ADMIN, query="path={file}"),
    Screen("/backups/{plan}/files", ADMIN),
    Screen("/backups/{plan}/files", ADMIN, query="name=*.xlsx"),
    Screen("/backups/restores", ADMIN),
    Screen("/backups/restores/{restore}", ADMIN),
    Screen("/drills", ADMIN),
    Screen("/drills", AUDITOR, query="plan=nightly"),
    Screen(_DRILL, AUDITOR),
    Screen(_DRILL, AUDITOR, "/drills/{failed_drill}"),
    Screen("/scenario-drills/{drill}", AUDITOR, "/scenario-drills/{scenario}"),
    Screen("/recovery", ADMIN),
    Screen("/audit", AUDITOR),
    Screen("/audit", AUDITOR, query="who=hoa&what=record."),
    Screen("/audit", AUDITOR, query="on=hr/payroll/{record}"),
    Screen("/audit/events/{seq}", AUDITOR, "/audit/events/{reveal}"),
    Screen("/audit/questions", AUDITOR),
    Screen(_AUDITED, AUDITOR, "/audit/questions/{question}", "asked=1"),
    Screen(_AUDITED, AUDITOR, "/audit/questions/who-saw", "asked=1&on=hr/payroll/{record}"),
    Screen(_AUDITED, AUDITOR, "/audit/questions/dormant-accounts"),
    Screen("/audit/save", AUDITOR, query="what=record.&department=hr"),
    Screen("/audit/exports", AUDITOR),
    Screen("/audit/alerts", AUDITOR),
    Screen("/audit/alerts", AUDITOR, query="all=1"),
    Screen("/audit/integrity", AUDITOR),
)
FILES = {
    "/records/{collection}/{record}/fields/{field}/file": "a file of a record, to be saved",
    "/drills/{drill}/report": "a document of its own, or a PDF",
    "/audit/events/{seq}/proof": "JSON, to be saved",
    "/audit/questions/{name}/csv": "CSV, to be saved",
    "/assets/{name}": "what pages load",
    "/records/{collection}/{record}/fields/{field}/reveal": "leads to the record; asked by a form",
    "/records/{collection}/-/search": "leads to the list; what is looked for is in no address",
}
"""What is got by a browser and is no page of the console, and what it is instead."""
