"""No single administrator can take over an account: every administrative operation, tried.

The operations are enumerated from the routes (and in the file beside from the tree of commands):
one that nobody has thought about here fails the test. What each answers is kept; with all of it the
administrator gets neither in as the victim, nor any of the victim's roles, also not by somebody
whom they made up. Two administrators together do help the victim back in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyotp
import pytest
from fastapi.routing import iter_route_contexts

from secvault.access.bundle import read_folder
from secvault.api.declared import declaration_of
from secvault.config import shipped_policies
from secvault.service import authentication
from tests.acceptance.takeover import (
    CHOSEN,
    KNOWN_BASE32,
    KNOWN_SEED,
    Company,
    account,
    session_of,
    texts,
)
from tests.running_service import PASSWORD, STEP, Api, Front

REASON = {"X-Approval-Reason": "because%20I%20say%20so"}

# Families of actions that are about what is guarded and how the vault runs. None of them makes
# somebody of anybody: they are held to their approvals in tests/service/test_approvals.py.
OF_DATA = (
    "audit.",
    "backup.",
    "collection.",
    "config.",
    "data.",
    "drill.",
    "erasure.",
    "hold.",
    "index.",
    "key.",
    "kit.",
    "metrics.",
    "mount.",
    "plan.",
    "record.",
    "repository.",
    "retention.",
    "root.",
    "subject.",
    "schema.",
    "vault.",
)

# A policy by which administrators read what the victim reads, and need nobody for anything. It
# comes without its tests, which would not let it pass.
SELFISH = {
    name: text
    for name, text in read_folder(shipped_policies()).files.items()
    if not name.startswith("tests/")
}
SELFISH["roles.csv"] += (
    "p,role:it.clerk,it,people,*,factor.reset,always,allow,selfish-reset\n"
    "p,role:hr.clerk,hr,payroll,class:bank,record.read,always,allow,selfish-bank\n"
)
SELFISH["obligations.toml"] = "version = 1\n"

# What is said to each other route, in this order; `{}` where there is nothing to say. A text
# stands for what the walk knows by then.
PUPPET = {"name": "puppet", "display_name": "P", "department": "hr"}
MINE = "mine@example.com"
PEOPLE = f"name,department,contact\nvictim,hr,{MINE}\npuppet-2,hr,{MINE}\n"
ROBOT = {"name": "robot", "department": "it", "owner": "admin", "roles": ["role:it.cryptor"]}
# The system that a provider of SCIM would come as, and the settings that say so.
DIRECTORY = "directory"
OF_DIRECTORY = {
    f"SECVAULT_IDENTITY__SCIM__CORP__{key}": value
    for key, value in (("ACCOUNT", DIRECTORY), ("SUBJECT", "external_id"))
}
# What another program would ask about the victim.
VICTIM = {"subject": {"type": "user", "id": "victim"}, "action": {"name": "person.read"}}
PEOPLE_OF_IT = {"type": "people", "id": "*"}
Bodies = tuple[Mapping[str, Any], ...]
CALLS: Mapping[str, Bodies] = {
    "GET /api/v1/sessions": ({},),
    "GET /api/v1/sessions/self": ({},),
    "GET /api/v1/identities": ({},),
    "POST /api/v1/identities/{provider}": ({},),
    "DELETE /api/v1/identities/{provider}": ({},),
    "DELETE /api/v1/sessions/{session}": ({},),
    "DELETE /api/v1/sessions": ({},),
    "POST /api/v1/sessions/self/step-up/challenge": ({},),
    "GET /api/v1/people": ({},),
    "GET /api/v1/people/{person}/sessions": ({},),
    "GET /api/v1/people/{person}/factors": ({},),
    "POST /api/v1/people": (
        PUPPET,
        {**PUPPET, "name": "victim"},
        {**PUPPET, "name": "VICTIM"},
    ),
    "GET /api/v1/people/{person}": ({},),
    "PATCH /api/v1/people/{person}": ({"display_name": "Puppet", "contact": MINE},),
    "POST /api/v1/people/{person}/invitation": ({}, {"send": True}),
    "DELETE /api/v1/people/{person}/invitation": ({},),
    "POST /api/v1/people.csv": ({"file": PEOPLE, "dry_run": True}, {"file": PEOPLE}),
    "GET /api/v1/people.csv": ({},),
    "POST /api/v1/people/{person}/unlock": ({},),
    "POST /api/v1/people/{person}/factors/reset": ({},),
    "POST /api/v1/people/{person}/factors/{factor}/revocation": ({},),
    "POST /api/v1/people/{person}/password/reset": ({},),
    "GET /api/v1/contact": ({},),
    "PATCH /api/v1/contact": ({"address": MINE},),
    "GET /api/v1/notifications": ({},),
    "GET /api/v1/audit/streams": ({},),
    "POST /api/v1/audit/streams/{stream}/test": ({},),
    "GET /api/v1/audit/alerts": ({},),
    "POST /api/v1/audit/alerts/{alert}/acknowledgement": ({},),
    "POST /api/v1/audit/exports": ({"formats": ["csv"], "reports": ["en"]},),
    "POST /api/v1/audit/reports/{month}": ({},),
    "GET /api/v1/notifications/{notice}": ({},),
    "POST /api/v1/notifications/test": ({"channel": "security"},),
    "GET /api/v1/factors": ({},),
    "POST /api/v1/factors/passkeys/challenge": ({"name": "k", "password": PASSWORD},),
    "POST /api/v1/factors/passkeys": ({"credential": {}},),
    "POST /api/v1/factors/passkeys/{passkey}/removal": ({"password": PASSWORD},),
    "POST /api/v1/factors/recovery-codes": ({"password": PASSWORD},),
    "POST /api/v1/factors/devices": ({"name": "mine"},),
    "POST /api/v1/factors/devices/{device}/confirmation": ({"first": "first", "second": "second"},),
    "POST /api/v1/password": ({"password": CHOSEN, "code": "first", "new_password": CHOSEN},),
    "GET /api/v1/devices": ({},),
    "POST /api/v1/devices": ({"name": "mine", "password": CHOSEN, "code": "first"},),
    "POST /api/v1/devices/{device}/confirmation": ({"first": "first", "second": "second"},),
    "POST /api/v1/devices/{device}/removal": ({"password": CHOSEN, "code": "first"},),
    "POST /api/v1/hardware-tokens": (
        {"format": "csv", "file": f"serial,secret\nt-1,hex:{KNOWN_SEED}\nt-2,hex:{KNOWN_SEED}\n"},
    ),
    "GET /api/v1/hardware-tokens": ({},),
    "POST /api/v1/hardware-tokens/{serial}/assignment": ({"person": "victim"},),
    "DELETE /api/v1/hardware-tokens/{serial}": ({},),
    "GET /api/v1/grants": ({},),
    "POST /api/v1/grants": tuple(
        {"subject": subject, "role": role, "department": department}
        for subject in ("user:puppet", "user:admin", "svc:robot")
        for role, department in (
            ("role:it.admin", "it"),
            ("role:it.approver", "it"),
            ("role:hr.head", "hr"),
            ("role:hr.clerk", "hr"),
        )
    ),
    "GET /api/v1/grants/own": ({},),
    "POST /api/v1/grants/{grant}/renewal": ({"days": 300}, {"expires_at": "2099-01-01T00:00:00Z"}),
    "GET /api/v1/eligibilities": ({},),
    "POST /api/v1/eligibilities": tuple(
        {"subject": subject, "role": role, "department": department}
        for subject in ("user:puppet", "user:admin")
        for role, department in (
            ("role:it.admin", "it"),
            ("role:it.approver", "it"),
            ("role:hr.head", "hr"),
            ("role:hr.clerk", "hr"),
        )
    ),
    # As themselves, and as the puppet: by an eligibility, and by asking.
    "POST /api/v1/activations": tuple(
        {"role": role, "department": department, "reason": "mine"}
        for role, department in (("role:hr.head", "hr"), ("role:it.approver", "it"))
    ),
    "GET /api/v1/activations": ({},),
    "GET /api/v1/role-requests": ({},),
    "POST /api/v1/role-requests": tuple(
        {"subject": subject, "role": role, "department": department, "days": 1, "reason": "mine"}
        for subject in ("", "user:puppet")
        for role, department in (
            ("role:hr.head", "hr"),
            ("role:it.approver", "it"),
            ("role:it.key_custodian", "it"),
        )
    ),
    "POST /api/v1/role-requests/{request}/claim": ({},),
    "DELETE /api/v1/activations/{grant}": ({},),
    "DELETE /api/v1/eligibilities/{eligibility}": ({},),
    "DELETE /api/v1/grants/{grant}": ({},),
    "GET /api/v1/systems": ({},),
    "POST /api/v1/systems": (
        ROBOT,
        *({**ROBOT, "name": "robot-2", "roles": [r]} for r in ("role:it.admin", "role:hr.head")),
        {**ROBOT, "name": DIRECTORY, "roles": ["role:it.provisioner"]},
    ),
    "GET /api/v1/tokens": ({},),
    "POST /api/v1/tokens": tuple(
        {"account": account, "display_name": "mine"} for account in ("robot", DIRECTORY)
    ),
    "GET /scim/v2/{path:path}": ({},),
    "POST /scim/v2/{path:path}": ({"userName": "puppet-3", "externalId": "mine"},),
    "PATCH /scim/v2/{path:path}": ({"externalId": "mine"},),
    "GET /api/v1/tokens/expiring": ({},),
    "POST /api/v1/tokens/{key_id}/rotation": ({"overlap_hours": 1},),
    "DELETE /api/v1/tokens/{key_id}": ({},),
    "PATCH /api/v1/systems/{account}": ({"owner": "admin"},),
    "POST /api/v1/systems/{account}/disable": ({},),
    "GET /api/v1/access/explain": ({},),
    "GET /api/v1/access/who-can": ({},),
    "GET /api/v1/access/what-can": ({},),
    "GET /api/v1/access/replay/{decision}": ({},),
    "GET /api/v1/separation/rules": ({},),
    "GET /api/v1/separation/conflicts": ({},),
    "GET /api/v1/separation/exceptions": ({},),
    "POST /api/v1/separation/exceptions": tuple(
        {"subject": whom, "rule": "administer-and-audit", "days": 9, "note": "none"}
        for whom in ("user:puppet", "user:admin")
    ),
    "DELETE /api/v1/separation/exceptions/{exception}": ({},),
    "GET /api/v1/policy": ({},),
    "GET /api/v1/policy/versions": ({},),
    "GET /api/v1/policy/versions/{number}": ({},),
    "GET /api/v1/policy/verification": ({},),
    "POST /api/v1/policy/plan": ({"files": SELFISH},),
    "POST /api/v1/policy/versions": ({"files": SELFISH, "note": "mine"},),
    "POST /api/v1/policy/versions/{number}/plan": ({},),
    "POST /api/v1/policy/versions/{number}/rollback": ({"note": "mine"},),
    "GET /api/v1/approvals": ({},),
    "GET /api/v1/approvals/own": ({},),
    "GET /api/v1/approvals/policy": ({},),
    "GET /api/v1/approvals/{request}": ({},),
    "POST /api/v1/approvals/{request}/approval": ({"digest": "digest"},),
    "POST /access/v1/evaluation": ({**VICTIM, "resource": PEOPLE_OF_IT},),
    "POST /access/v1/evaluations": ({**VICTIM, "evaluations": [{"resource": PEOPLE_OF_IT}]},),
    "POST /access/v1/search/subject": ({**VICTIM, "resource": PEOPLE_OF_IT},),
    "POST /access/v1/search/resource": ({**VICTIM, "resource": PEOPLE_OF_IT},),
    "POST /access/v1/search/action": ({**VICTIM, "resource": PEOPLE_OF_IT},),
    "GET /api/v1/reviews": ({},),
    "POST /api/v1/reviews": (
        {"name": "mine", "reviewers": ["admin"], "fallback": "puppet"},
        {"name": "mine", "roles": ["role:hr.head"], "fallback": "second", "days": 3},
    ),
    "GET /api/v1/reviews/own": ({},),
    "GET /api/v1/reviews/dormant": ({},),
    "GET /api/v1/reviews/unused": ({},),
    "GET /api/v1/reviews/{review}": ({},),
    "GET /api/v1/reviews/{review}/items": ({},),
    "POST /api/v1/reviews/items/{item}/reviewer": ({"reviewer": "admin"}, {"reviewer": "puppet"}),
    "POST /api/v1/reviews/items/{item}/decision": (
        {"verdict": "keep", "comment": "mine"},
        {"verdict": "shorten", "comment": "mine", "days": 3650},
    ),
    "POST /api/v1/reviews/{review}/end": ({},),
    "GET /api/v1/reviews/{review}/evidence": ({},),
    "GET /api/v1/reviews/{review}/evidence.csv": ({},),
    "POST /api/v1/break-glass": ({"reason": "mine"}, {"reason": "mine", "drill": True}),
    "GET /api/v1/break-glass": ({},),
    "GET /api/v1/break-glass/own": ({},),
    "GET /api/v1/break-glass/{incident}": ({},),
    "POST /api/v1/break-glass/{incident}/review": ({"findings": "mine", "reinstate": True},),
    "POST /v1/auth/approle/role/{role}": ({"system": "robot"},),
    "GET /v1/auth/approle/role": ({},),
    "GET /v1/auth/approle/role/{role}": ({},),
    "GET /v1/auth/approle/role/{role}/role-id": ({},),
    "POST /v1/auth/approle/role/{role}/role-id": ({"role_id": "victim"},),
    "POST /v1/auth/approle/role/{role}/secret-id": ({},),
    "POST /v1/auth/approle/role/{role}/custom-secret-id": ({"secret_id": CHOSEN},),
    "GET /v1/auth/approle/role/{role}/secret-id": ({},),
    "POST /v1/auth/approle/role/{role}/secret-id/lookup": ({"secret_id": CHOSEN},),
    "POST /v1/auth/approle/role/{role}/secret-id-accessor/lookup": ({"secret_id_accessor": "x"},),
    "POST /v1/auth/approle/role/{role}/secret-id/destroy": ({"secret_id": CHOSEN},),
    "POST /v1/auth/approle/role/{role}/secret-id-accessor/destroy": ({"secret_id_accessor": "x"},),
    "POST /v1/auth/approle/tidy/secret-id": ({},),
    "DELETE /v1/auth/approle/role/{role}": ({},),
    "POST /v1/auth/token/create": ({}, {"policies": ["it.admin"]}),
    "POST /v1/auth/token/create-orphan": ({},),
    "GET /v1/auth/token/accessors": ({},),
    "GET /v1/auth/token/lookup-self": ({},),
    "POST /v1/auth/token/lookup": ({"token": "session"},),
    "POST /v1/auth/token/lookup-accessor": ({"accessor": "session"},),
    "POST /v1/auth/token/renew-self": ({},),
    "POST /v1/auth/token/renew": ({"token": "session"},),
    "POST /v1/auth/token/renew-accessor": ({"accessor": "session"},),
    "POST /v1/auth/token/revoke": ({"token": "session"},),
    "POST /v1/auth/token/revoke-accessor": ({"accessor": "session"},),
    "GET /v1/sys/auth": ({},),
    "GET /v1/sys/auth/{path}": ({},),
    "GET /v1/sys/auth/{path}/tune": ({},),
    "GET /v1/auth/token/roles": ({},),
    "GET /v1/auth/token/roles/{role}": ({},),
    "POST /v1/auth/token/roles/{role}": ({},),
    "POST /v1/auth/token/create/{role}": ({},),
    "POST /v1/auth/token/tidy": ({},),
    "POST /v1/auth/token/revoke-orphan": ({"token": "session"},),
    "DELETE /v1/sys/auth/{path:path}": ({},),
    "POST /v1/sys/capabilities-self": ({"path": "sys/mounts"},),
    "POST /v1/sys/capabilities": ({"path": "sys/mounts", "token": "session"},),
    "POST /v1/sys/capabilities-accessor": ({"path": "sys/mounts", "accessor": "session"},),
    # What ends something, last; their own session not at all.
    "DELETE /scim/v2/{path:path}": ({},),
    "DELETE /api/v1/people/{person}/sessions/{session}": ({},),
    "DELETE /api/v1/people/{person}/sessions": ({},),
    "POST /api/v1/people/{person}/disable": ({},),
    "POST /api/v1/people/{person}/enable": ({},),
    "POST /api/v1/people/{person}/placement": ({"employee": "nv-0042"},),
}
# They end what the walk goes on with, or what it asked for; nothing comes back from them.
ONLY_END = {
    "DELETE /api/v1/sessions/self",
    "POST /api/v1/break-glass/{incident}/end",
    "POST /api/v1/sessions/self/sign-out",
    "POST /api/v1/sessions/self/step-up",
    "POST /api/v1/approvals/{request}/refusal",
    "POST /api/v1/approvals/{request}/withdrawal",
    "POST /v1/auth/token/revoke-self",
}
# Other words for what is tried, beside PUT for POST and LIST for GET.
SAME = {
    "DELETE /v1/auth/approle/role/{role}/secret-id-accessor/destroy",
    "DELETE /v1/auth/approle/role/{role}/secret-id/destroy",
    "DELETE /v1/auth/token/roles/{role}",
    "POST /v1/sys/auth/{path:path}",
    "PUT /v1/sys/auth/{path:path}",
    # Pages, which call operations that are tried by their routes.
    "GET /",
    "GET /account",
    "GET /account/devices/new",
    "GET /account/devices/{device}/confirm",
    "GET /account/devices/{device}/remove",
    "GET /account/passkeys/{passkey}/remove",
    "GET /account/passkeys/new",
    "GET /account/password",
    "GET /account/recovery-codes",
    "GET /account/time-zone",
    "POST /account/contact",
    "POST /account/devices",
    "POST /account/devices/{device}/confirm",
    "POST /account/devices/{device}/remove",
    "POST /account/passkeys/{passkey}/remove",
    "POST /account/password",
    "POST /account/recovery-codes",
    "POST /account/roles/activate",
    "POST /account/roles/{grant}/give-back",
    "POST /account/sessions/end-others",
    "POST /account/sessions/{session}/end",
    "POST /account/time-zone",
    "GET /approvals",
    "GET /approvals/{request_id}",
    "POST /approvals/{request_id}/approve",
    "POST /approvals/{request_id}/claim",
    "POST /approvals/{request_id}/refuse",
    "POST /approvals/{request_id}/withdraw",
    "GET /audit",
    "GET /audit/alerts",
    "GET /audit/events/{seq}",
    "GET /audit/exports",
    "GET /audit/integrity",
    "GET /audit/questions/{name}",
    "POST /audit/alerts/{alert}/acknowledgement",
    "POST /audit/exports",
    "POST /audit/integrity/streams/{stream}/test",
    "POST /audit/integrity/verification",
    "POST /audit/reports",
    "GET /seal",
    "POST /sign-out",
    "POST /step-up",
    "GET /access",
    "GET /access/matrix",
    "GET /access/who-can",
    "GET /invite",
    "GET /new-collection",
    "GET /new-collection/{collection}",
    "GET /new-review",
    "GET /new-system",
    "GET /people",
    "GET /people/{person}",
    "GET /people/{person}/grants/new",
    "GET /reviews",
    "GET /reviews/{review}",
    "GET /systems",
    "GET /systems/{system}",
    "POST /invite",
    "POST /new-collection",
    "POST /new-review",
    "POST /new-system",
    "POST /people/{person}/change",
    "POST /people/{person}/disable",
    "POST /people/{person}/enable",
    "POST /people/{person}/factors/reset",
    "POST /people/{person}/factors/{factor}/end",
    "POST /people/{person}/grants",
    "POST /people/{person}/grants/{grant}/end",
    "POST /people/{person}/invitation",
    "POST /people/{person}/invitation/end",
    "POST /people/{person}/password/reset",
    "POST /people/{person}/sessions/end",
    "POST /people/{person}/sessions/{session}/end",
    "POST /people/{person}/unlock",
    "POST /reviews/items/{item}",
    "POST /reviews/{review}/end",
    "POST /reviews/{review}/items/{item}/reviewer",
    "POST /systems/{system}/disable",
    "POST /systems/{system}/owner",
    "POST /systems/{system}/tokens",
    "POST /systems/{system}/tokens/{key_id}/revoke",
    "POST /systems/{system}/tokens/{key_id}/rotate",
}


@dataclass
class Walk:
    """One administrator with the application, and everything that it has told them."""

    api: Api
    at: dict[str, str]
    told: set[str] = field(default_factory=set)
    requests: dict[str, str] = field(default_factory=dict)

    def call(self, route: str, body: Mapping[str, Any], who: str = "admin") -> int:
        """One call of a route with what is known; what it answers is kept."""
        method, _, path = route.partition(" ")
        filled = re.sub(r"\{(\w+)(?::path)?\}", lambda found: self.at[found[1]], path)
        said = {
            name: self.at.get(value, value) if isinstance(value, str) else value
            for name, value in body.items()
        }
        headers = {**REASON, "If-Match": f'"{self.at["version"]}"'}
        given = said if method in ("POST", "PATCH") else None
        answer = self.api(method, filled, who, given, headers=headers)
        assert answer.status_code < 500, (route, answer.text)
        of_json = answer.content and answer.headers.get("content-type", "").endswith("json")
        shown = answer.json() if of_json else answer.text
        self.told |= set(texts(shown))
        self.learn(shown)
        return answer.status_code

    def learn(self, shown: Any) -> None:
        """Go on with what was shown: seeds, ids of devices, requests."""
        if not isinstance(shown, dict):
            return
        if "seed" in shown:
            codes = pyotp.TOTP(shown["seed"])
            now = int(self.api.house.hands.seconds)
            self.at |= {
                "device": shown["device"],
                "first": codes.at(now - STEP),
                "second": codes.at(now),
                "code": codes.at(now + STEP),
            }
        if "decision_id" in shown:
            self.at["decision"] = shown["decision_id"]
        if "requester" in shown:
            self.requests[shown["id"]] = shown["digest"]
            self.at |= {"request": shown["id"], "digest": shown["digest"]}
        if "version" in shown:
            self.at["version"] = str(shown["version"])
        if "granted_by" in shown:
            self.at["grant"] = shown["id"]
        self.learn_of_reviews(shown)
        if "key_id" in shown:
            self.at["key_id"] = shown["key_id"]
        if "invitation" in shown:
            self.at["invitation"] = shown["invitation"]["code"]
        asked = shown.get("approval")
        if asked and asked["request"]:
            self.requests[asked["request"]] = asked["digest"]
            self.at |= {"request": asked["request"], "digest": asked["digest"]}

    def learn_of_reviews(self, shown: Mapping[str, Any]) -> None:
        """Go on with reviews, what is to be reviewed of the victim's, and broken glass."""
        if "systems_without_owner" in shown:
            self.at["review"] = shown["id"]
        if "review_by" in shown:
            self.at["incident"] = shown["id"]
        for item in shown.get("items", ()):
            if isinstance(item, dict) and item.get("name") == "victim":
                self.at["item"] = item["id"]

    def puppet_comes_in(self) -> str | None:
        """Use the invitation of the made-up person, and sign in as them; None the second time."""
        victim, self.at["person"] = self.at["person"], "puppet"
        again = self.call("POST /api/v1/people/{person}/invitation", {})
        self.at["person"] = victim
        if again != 201:
            return None
        code, activation = self.at["invitation"], "/api/v1/activation"
        chosen = {"code": code, "password": CHOSEN}
        begun = self.api.ok("POST", f"{activation}/begin", None, chosen)
        hands = self.api.house.hands
        first, second = (hands.code(begun["seed"], at) for at in (-1, 0))
        codes = {"code": code, "first": first, "second": second}
        self.api.ok("POST", f"{activation}/complete", None, codes)
        hands.seconds += STEP
        given = {"name": "puppet", "password": CHOSEN, "code": hands.code(begun["seed"])}
        return str(self.api.ok("POST", "/api/v1/sessions", None, given)["token"])


@pytest.fixture(scope="module")
def front() -> Front:
    """The application."""
    return Front()


def _routes(front: Front) -> Iterator[tuple[str, frozenset[str]]]:
    for route in iter_route_contexts(front.routes.routes):
        declared = declaration_of(route.endpoint)
        assert declared is not None
        for method in sorted(getattr(route, "methods", None) or ()):
            yield f"{method} {route.path}", declared.actions


def _about_people(front: Front) -> set[str]:
    """The routes that can be about people and what they may do."""
    return {
        route
        for route, actions in _routes(front)
        if actions and not all(action.startswith(OF_DATA) for action in actions)
    }


def test_every_administrative_route_is_tried_here(front: Front) -> None:
    about = _about_people(front)
    tried = CALLS.keys() | ONLY_END
    same = {
        route
        for route in about
        for word, other in (("PUT", "POST"), ("LIST", "GET"))
        if route.startswith(f"{word} ") and route.replace(word, other, 1) in tried
    }
    assert about - same - SAME == tried


def test_one_administrator_gets_neither_the_account_nor_its_roles(
    front: Front, made: Company
) -> None:
    house, victim = made.house, made.victim
    with house.open() as service:
        before = account(service, victim)
        at = {
            "person": "victim",
            "session": session_of(service, victim),
            "grant": "g" + "0" * 20,
            "exception": "x" + "0" * 20,
            "eligibility": "e" + "0" * 20,
            "device": next(iter(before.devices)),
            "factor": next(iter(before.devices)),
            "passkey": "0" * 32,
            "serial": "t-1",
            "account": "robot",
            "key_id": "0" * 10,
            "notice": "0" * 32,
            "stream": "siem",
            "alert": "0" * 32,
            "month": "2026-10",
            "version": "1",
            "role": "robot",
            "path": "token",
            "provider": "corp",
            "number": "1",
            "request": "0" * 32,
            "review": "0" * 32,
            "item": "0" * 32,
            "incident": "g" + "0" * 20,
            "digest": "0" * 64,
            "decision": "0" * 32,
            "first": "123456",
            "second": "123457",
        }
    at_first = at["incident"]
    with front.serving(replace(house, more={**house.more, **OF_DIRECTORY})) as api:
        walk = Walk(api, at)
        puppet = None
        refused = set()
        for _ in range(2):
            for route, bodies in CALLS.items():
                # One is assigned, another one retired.
                walk.at["serial"] = "t-2" if route.startswith("DELETE") else "t-1"
                walk.at["path"] = f"Users/{victim.id}" if "/scim/" in route else "token"
                for body in bodies:
                    walk.call(route, body)
            puppet = walk.puppet_comes_in() or puppet
            assert walk.requests
            # Everything that was asked for, approved by whoever they can be.
            for request, digest in walk.requests.items():
                walk.at |= {"request": request}
                for who in filter(None, ("admin", puppet, *_tokens(walk.told))):
                    if (request, who) in refused:
                        continue
                    route = "POST /api/v1/approvals/{request}/approval"
                    assert walk.call(route, {"digest": digest}, who) != 201
                    if who not in ("admin", puppet):
                        refused.add((request, who))
        # It waits for another administrator, and would otherwise have come in force.
        selfish = {"files": SELFISH, "note": "mine"}
        assert walk.call("POST /api/v1/policy/versions", selfish) == 403
        assert puppet, "the walk should at least have made up a person"
        assert walk.at["incident"] != at_first, "the walk should have broken the glass"
        _try_to_be_given(walk, puppet)
        _try_to_get_in(walk, made)
    with house.open() as service:
        after = account(service, victim)
        assert after == before
        assert service.policy.in_force().number == 1
        for token in {*_tokens(walk.told), puppet}:
            with_it = _subject(service, token)
            assert with_it != f"user:{victim.id}"
            assert not {role for subject, role in after.holders if subject == with_it} or (
                with_it == _subject(service, house.tokens["admin"])
            )
    for secret in victim.known:
        assert not any(secret in told for told in walk.told)


def _try_to_be_given(walk: Walk, puppet: str) -> None:
    """Have whom the administrator made up ask for roles, which the administrator approves."""
    asked = 0
    for body in CALLS["POST /api/v1/role-requests"]:
        if not body["subject"] and walk.call("POST /api/v1/role-requests", body, puppet) == 201:
            asked += 1
            walk.call("POST /api/v1/approvals/{request}/approval", {"digest": "digest"})
            # One administrator is half of what it takes.
            assert walk.call("POST /api/v1/role-requests/{request}/claim", {}, puppet) == 403
    assert asked


def _tokens(told: set[str]) -> list[str]:
    return sorted(text for text in told if re.match(r"sv[st]_", text))


def _subject(service: Any, token: str) -> str:
    try:
        return str(authentication.authenticate(service, token).subject)
    except Exception:  # noqa: BLE001 - of a credential that has ended
        return ""


def _try_to_get_in(walk: Walk, made: Company) -> None:
    """Sign in as the victim by every way, with what the administrator chose or was told."""
    house = walk.api.house
    house.hands.seconds += 1000
    seeds = {KNOWN_BASE32, *(text for text in walk.told if re.fullmatch(r"[A-Z2-7]{32}", text))}
    on_paper = re.compile(r"(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}")
    papers = sorted(text for text in walk.told if on_paper.fullmatch(text)) or ["0" * 25]
    pair = papers[0] + papers[-1]
    for invitation in sorted(text for text in walk.told if text.startswith("sva_")):
        looked = walk.api("POST", "/api/v1/activation/look", None, {"code": invitation})
        assert looked.status_code == 401 or looked.json()["name"].startswith("puppet")
    codes = [house.hands.code(seed) for seed in sorted(seeds)] * 2
    row = {"password": CHOSEN, "first": codes[0], "second": codes[1]}
    attempts: list[tuple[str, dict[str, str]]] = [
        ("/api/v1/sessions", {"password": CHOSEN, "code": codes[0]}),
        ("/api/v1/sessions/recovery", {"password": CHOSEN, "code": pair}),
        ("/api/v1/sessions/passkey/challenge", {"password": CHOSEN}),
        ("/api/v1/password/redemption", {"code": pair, "second": pair, "new_password": CHOSEN}),
        ("/api/v1/devices/first-confirmation", row),
        ("/api/v1/devices/resync", row),
    ]
    for path, given in attempts:
        house.hands.seconds += 1000
        answer = walk.api("POST", path, None, {"name": "victim", **given})
        assert answer.status_code == 401, (path, answer.text)
    house.hands.seconds += 1000
    answer = walk.api("POST", "/v1/auth/userpass/login/victim", None, {"password": CHOSEN})
    assert answer.status_code in (400, 403)


def test_two_administrators_help_the_victim_back_in(front: Front, made: Company) -> None:
    house, victim = made.house, made.victim
    with front.serving(house) as api:
        reset = "/api/v1/people/victim/factors/reset"
        asked = api("POST", reset, "admin", headers=REASON)
        assert asked.status_code == 403
        approval = asked.json()["approval"]
        request = f"/api/v1/approvals/{approval['request']}"
        assert api("POST", reset, "admin").status_code == 403
        shown = api.ok("GET", request, "second")
        assert (shown["affected_name"], shown["missing"]) == ("victim", 1)
        given = api.ok("POST", f"{request}/approval", "second", {"digest": shown["digest"]})
        done = api.ok("POST", reset, "admin")
        assert done["parts"] == 2
        # What each of them knows lets nobody in; the password is the victim's own, too.
        who = {"name": "victim", "password": victim.password}
        for part in (given["part"], done["part"]):
            answer = api("POST", "/api/v1/sessions/recovery", None, {**who, "code": part * 2})
            assert answer.status_code == 401
            house.hands.seconds += 1000
        code = given["part"] + done["part"]
        wrong = {**who, "password": CHOSEN, "code": code}
        assert api("POST", "/api/v1/sessions/recovery", None, wrong).status_code == 401
        house.hands.seconds += 1000
        opened = api.ok("POST", "/api/v1/sessions/recovery", None, {**who, "code": code})
        begun = api.ok("POST", "/api/v1/factors/devices", opened["token"], {"name": "new phone"})
        first, second = (house.hands.code(begun["seed"], at) for at in (-1, 0))
        confirmation = f"/api/v1/factors/devices/{begun['device']}/confirmation"
        api.ok("POST", confirmation, opened["token"], {"first": first, "second": second})
        house.hands.seconds += STEP
        session = {**who, "code": house.hands.code(begun["seed"])}
        assert api.ok("POST", "/api/v1/sessions", None, session)["subject"] == f"user:{victim.id}"
