"""People of all departments at one running service, and what they do there over HTTP.

Everybody signed in twenty minutes ago: whoever needs a second factor shown just now shows it again.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pyotp
from sqlalchemy import update

from secvault.access import add_grant
from secvault.clock import Clock
from secvault.config import load
from secvault.crypto.evidence import verify_evidence
from secvault.crypto.note import NoteVerifier
from secvault.crypto.secret import Secret
from secvault.identity.people import find_person
from secvault.service import Service, authentication, opening
from secvault.store.tables import session
from tests.acceptance.installation import Installation, code_of, new_installation
from tests.running_service import PASSWORD, STEP, add_person

DEPARTMENTS = (
    "accounting",
    "hr",
    "production",
    "quality",
    "analysis",
    "administration",
    "logistics",
    "settlement",
)
SIGNED_IN_SECONDS_AGO = 20 * 60
WAIT_SECONDS = 200.0
HIDDEN = "•••"
NO_BANK = "holds bank data, which your role does not open."
NO_SECRET = "holds trade secret data, which your role does not open."

Grants = tuple[tuple[str, str], ...]


def _people() -> dict[str, tuple[str, Grants]]:
    """By sign-in name: their own department, and their roles, each with where it is given."""
    made: dict[str, tuple[str, Grants]] = {}
    for home in DEPARTMENTS:
        for rank in ("clerk", "head"):
            made[f"{home}-{rank}"] = (home, ((f"role:{home}.{rank}", home),))
    # Somebody beside the head who answers for it too, and releases what the head has entered.
    for home in ("production", "quality", "settlement"):
        made[f"{home}-deputy"] = (home, ((f"role:{home}.head", home),))
    made["treasurer"] = ("accounting", (("role:accounting.treasurer", "accounting"),))
    made["payroll-clerk"] = ("hr", (("role:hr.payroll_clerk", "hr"),))
    made["analyst"] = ("analysis", (("role:analysis.analyst", "analysis"),))
    of_others = ("hr", "accounting", "logistics")
    made["researcher"] = ("analysis", tuple((f"role:{one}.researcher", one) for one in of_others))
    made["auditor"] = ("it", (("role:it.auditor", "*"),))
    made["privacy"] = ("it", (("role:it.privacy", "*"),))
    # Two, so that approvals are asked for.
    for name in ("approver", "other-approver"):
        made[name] = ("it", (("role:it.approver", "*"),))
    return made


PEOPLE: Mapping[str, tuple[str, Grants]] = _people()


@dataclass
class Office:
    """The service, and its people. tokens, subjects, seeds: by sign-in name."""

    installation: Installation
    client: httpx2.Client
    tokens: dict[str, str]
    subjects: Mapping[str, str]
    seeds: Mapping[str, str]
    _shown: set[str] = field(default_factory=set)

    def __call__(
        self,
        method: str,
        path: str,
        who: str,
        body: Any = None,
        content: bytes | None = None,
        **headers: str,
    ) -> httpx2.Response:
        """One request below /api/v1. headers: with _ for -."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        said["Authorization"] = f"Bearer {self.tokens[who]}"
        given: dict[str, Any] = {"json": body} if body is not None else {}
        if content is not None:
            given["content"] = content
        return self.client.request(method, f"/api/v1{path}", headers=said, **given)

    def ok(self, method: str, path: str, who: str, body: Any = None, **headers: str) -> Any:
        """The JSON of an answer that must be a success."""
        answer = self(method, path, who, body, None, **headers)
        assert answer.is_success, (method, path, who, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def no(
        self, kind: str, method: str, path: str, who: str, body: Any = None, **headers: str
    ) -> Any:
        """The problem of an answer that must be of this kind."""
        answer = self(method, path, who, body, None, **headers)
        said = (method, path, who, answer.status_code, answer.text)
        assert not answer.is_success, said
        assert answer.json()["type"] == f"urn:secvault:problem:{kind}", said
        return answer.json()

    def show_factor(self, who: str) -> None:
        """Show the second factor again, as somebody does who was asked to."""
        if who not in self._shown:
            code = {"code": code_of(self.seeds[who])}
            self.tokens[who] = self.ok("POST", "/sessions/self/step-up", who, code)["token"]
            self._shown.add(who)

    def store(self, who: str, collection: str, record: str, fields: Mapping[str, Any]) -> Any:
        """A new record, as its maker sees it."""
        return self.ok(
            "POST", f"/records/{collection}", who, {"id": record, "fields": dict(fields)}
        )

    def read(self, who: str, collection: str, record: str) -> Any:
        """A record as somebody sees it."""
        return self.ok("GET", f"/records/{collection}/{record}", who)

    def found(self, who: str, collection: str, where: Mapping[str, Any], **how: Any) -> list[str]:
        """The ids that a search finds, in its order, over all its pages."""
        ids: list[str] = []
        after = ""
        while True:
            asked = {"where": dict(where), **how, "after": after}
            page = self.ok("POST", f"/records/{collection}/search", who, asked)
            ids += [one["id"] for one in page["records"]]
            after = page["next"] or ""
            if not after:
                return ids

    def sees_nothing(self, who: str, collection: str, record: str, field_name: str) -> None:
        """Require that no way to the records of a collection shows this person anything."""
        base = f"/records/{collection}"
        place = f"{base}/{record}"
        listed = self.ok("GET", "/collections", who)["collections"]
        assert collection not in {one["name"] for one in listed}
        ways: list[tuple[str, str, Any]] = [
            ("GET", base, None),
            ("GET", place, None),
            ("GET", f"{place}/fields/{field_name}", None),
            ("GET", f"{place}/history", None),
            ("POST", f"{base}/search", {"where": {}}),
            ("POST", f"{place}/fields/{field_name}/reveal", {"reason": "I should like to know"}),
            ("POST", "/exports", {"collection": collection, "reason": "to take it home"}),
            (
                "POST",
                "/exports/deidentified",
                {"collection": collection, "reason": "to look", "project": "mine"},
            ),
            ("POST", "/imports", {"collection": collection, "format": "csv"}),
            ("PATCH", place, {"fields": {field_name: "x"}}),
        ]
        for method, path, body in ways:
            self.no("refused", method, path, who, body, If_Match='"1"')

    def approved(
        self, method: str, path: str, who: str, body: Any = None, reason: str = "it is due"
    ) -> httpx2.Response:
        """What comes of it when it was asked for, approved by another, and asked for again."""
        why = {"X_Approval_Reason": quote(reason)}
        waiting = self.no("approval-required", method, path, who, body, **why)["approval"]
        self.show_factor("approver")
        self.ok(
            "POST",
            f"/approvals/{waiting['request']}/approval",
            "approver",
            {"digest": waiting["digest"]},
        )
        return self(method, path, who, body, None, **why)

    def sent(self, who: str, content: bytes, **what: Any) -> str:
        """A file that was sent to be imported: where it is."""
        made = self.ok("POST", "/imports", who, what)
        place = f"/imports/{made['id']}"
        middle = len(content) // 2
        for number, part in enumerate((content[:middle], content[middle:]), 1):
            answer = self("PUT", f"{place}/parts/{number}", who, content=part)
            assert answer.status_code == 200, answer.text
        return place

    def ended(self, path: str, who: str, *working: str) -> Any:
        """What the worker has made of it. working: the states until then."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            seen = self.ok("GET", path, who)
            if seen.get("run", seen)["state"] not in working:
                return seen
            time.sleep(0.1)
        raise AssertionError(f"{path} is still {seen}: {self.installation.log()[-2000:]}")

    def exported(
        self, who: str, body: Mapping[str, Any], path: str = "/exports"
    ) -> tuple[bytes, dict[str, Any]]:
        """The exported file, and its manifest, whose signature was verified."""
        answer = self("POST", path, who, dict(body))
        assert answer.status_code == 200, (who, answer.status_code, answer.text)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        manifest: Any = self.verified(files.pop("manifest.json"), files.pop("manifest.note"))
        (content,) = files.values()
        return content, manifest

    def verified(self, document: bytes, note: bytes) -> dict[str, Any]:
        """A document of evidence, verified by the public key alone."""
        key = self.ok("GET", "/audit/keys", "auditor")["evidence"]
        return dict(verify_evidence(document, note, NoteVerifier.from_vkey(key)))

    def deeds(self, who: str, collection: str, record: str) -> list[tuple[str, int, str]]:
        """Who made a record what it is: what they did, to which version, and their name."""
        names = {subject: name for name, subject in self.subjects.items()}
        told = self.ok("GET", f"/records/{collection}/{record}/history", who)
        return [(one["action"], one["version"], names[one["who"]]) for one in told["deeds"]]

    def reveals(self, collection: str, record: str) -> list[tuple[str, list[str], str]]:
        """Who revealed which fields of a record, and why, as the auditor sees it."""
        names = {subject: name for name, subject in self.subjects.items()}
        told = self.ok("GET", f"/records/{collection}/{record}/history", "auditor")
        return [
            (names[one["actor"]], one["fields"], one["reason"])
            for one in told["events"]
            if (one["kind"], one["outcome"]) == ("record.reveal", "ok")
        ]


def money(amount: int) -> dict[str, str]:
    """So many đồng."""
    return {"amount": str(amount), "currency": "VND"}


@contextmanager
def opened_office(folder: Path) -> Iterator[Office]:
    """The service with its worker, and its people."""
    installation = new_installation(folder)
    with _some_time_ago(installation) as service:
        people = {name: _hired(service, name, *of) for name, of in PEOPLE.items()}
    with (
        installation.serving(),
        httpx2.Client(base_url=installation.address, timeout=150) as client,
    ):
        yield Office(
            installation,
            client,
            {name: one[0] for name, one in people.items()},
            {name: one[1] for name, one in people.items()},
            {name: one[2] for name, one in people.items()},
        )


def hire(installation: Installation) -> dict[str, str]:
    """Have all these people in a vault; the seed of each one's device, by sign-in name."""
    with installation.opened() as service:
        return {name: _employed(service, name, *of)[1] for name, of in PEOPLE.items()}


@contextmanager
def returned_office(installation: Installation, seeds: Mapping[str, str]) -> Iterator[Office]:
    """The service over a vault that has these people already; each signed in since twenty minutes.

    The service sends nothing and has its worker.
    """
    tokens, subjects = {}, {}
    with installation.opened() as service:
        for name, seed in seeds.items():
            # The code before the present one, which is left for when a factor is asked for again.
            code = Secret.of(pyotp.TOTP(seed).at(service.clock.seconds() - STEP))
            signed_in = authentication.sign_in(service, name, Secret.of(PASSWORD), code)
            tokens[name] = signed_in.token.text()
        with service.store.write() as connection:
            for name in seeds:
                subjects[name] = find_person(connection, name).subject
            shown = service.clock.micros() - SIGNED_IN_SECONDS_AGO * 1_000_000
            connection.execute(
                update(session).where(session.c.ended_at.is_(None)).values(second_factor_at=shown)
            )
    with (
        installation.serving(),
        httpx2.Client(base_url=installation.address, timeout=150) as client,
    ):
        yield Office(installation, client, tokens, subjects, seeds)


@contextmanager
def _some_time_ago(installation: Installation) -> Iterator[Service]:
    """The open service in this process, by a clock that is behind."""
    environment = installation.environment
    settings = load(Path(environment["SECVAULT_CONFIG"]), environment)
    clock = Clock(
        wall=lambda: time.time_ns() // 1000 - SIGNED_IN_SECONDS_AGO * 1_000_000,
        monotonic=time.monotonic,
        sleep=time.sleep,
    )
    with opening.opened(settings, clock, program="test", environment=environment) as service:
        yield service


def _hired(service: Service, name: str, home: str, grants: Grants) -> tuple[str, str, str]:
    """Somebody new who signs in: the session, the subject, and the seed of their device."""
    subject, seed = _employed(service, name, home, grants)
    code = Secret.of(pyotp.TOTP(seed).at(service.clock.seconds()))
    signed_in = authentication.sign_in(service, name, Secret.of(PASSWORD), code)
    return signed_in.token.text(), subject, seed


def _employed(service: Service, name: str, home: str, grants: Grants) -> tuple[str, str]:
    """Somebody new: the subject, and the seed of their device."""
    seed = add_person(service, name, home)
    with service.store.write() as connection:
        subject = find_person(connection, name).subject
        for role, where in grants:
            add_grant(
                connection,
                service.policy.rules,
                subject=subject,
                role=role,
                department=where,
                granted_by="local:operator",
                at=service.clock.micros(),
            )
    return subject, seed
