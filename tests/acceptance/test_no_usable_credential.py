"""A stolen database, log or backup lets nobody in, whatever credentials were made and used.

Every operation that makes, shows, changes or takes a credential is done once over HTTP, or where
that is the command line's, by the service. Then the database as it lies on the disk, a dump of it,
the logs, the audit log and a restored backup are searched for each of them, and what is stored of
them is presented as a credential.
"""

from __future__ import annotations

import base64
import os
import string
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from secvault.api.browser import COOKIE_NAME
from secvault.audit.query import page
from secvault.crypto import token as token_format
from secvault.identity import invitations as identity_invitations
from secvault.identity.people import NewPerson
from secvault.service import Service, approles, authentication, grants, invitations
from secvault.service.spine import Caller
from secvault.store import tables
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    PLAN,
    SEED,
    Installation,
    code_of,
    new_installation,
    system_token,
)
from tests.acceptance.watch import Watch, contents
from tests.running_service import PASSWORD as PERSONS_PASSWORD
from tests.running_service import Hands, add_person
from tests.software_authenticator import SoftwareAuthenticator, decoded

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

V1 = "/api/v1"
NEW_PASSWORD = "thirteen grey herons at dusk"
MISTYPED = "a passphrase of another service"
TOKEN_SEED = bytes(range(100, 120))


@dataclass
class Use:
    """What is done with credentials, each of which is noted in `seen`."""

    installation: Installation
    service: Service
    seen: Watch = field(default_factory=Watch)
    seeds: dict[str, str] = field(default_factory=dict)

    @property
    def operator(self) -> Caller:
        return Caller(authentication.local_operator(self.service))

    def ok(self, method: str, path: str, token: str = "", body: Any = None, **headers: str) -> Any:
        answer = self.installation.call(method, path, token, body, **headers)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def add(self, name: str) -> None:
        """A person whose present code is unused."""
        self.seeds[name] = add_person(self.service, name, "hr")
        self.seen.keep_text(f"seed of {name}", self.seeds[name])
        self.seen.keep_bytes(f"bytes of the seed of {name}", base64.b32decode(self.seeds[name]))

    def typed(self, name: str) -> dict[str, Any]:
        code = code_of(self.seeds[name])
        return {"name": name, "password": PERSONS_PASSWORD, "code": code}

    def signed_in(self, name: str) -> str:
        token: str = self.ok("POST", f"{V1}/sessions", "", self.typed(name))["token"]
        self.seen.keep_credential(f"session of {name}", token)
        return token

    def by_cookie(self) -> None:
        """A session in a cookie, its proof, a refused page, and its end."""
        self.add("browser")
        origin = {"Origin": f"http://localhost:{self.installation.port}"}
        given = {**self.typed("browser"), "cookie": True}
        opened = self.installation.call("POST", f"{V1}/sessions", "", given, **origin)
        cookie = opened.headers["set-cookie"].partition("=")[2].partition(";")[0]
        self.seen.keep_credential("cookie", cookie)
        self.seen.keep_text("CSRF token", opened.json()["csrf_token"])
        brought = {**origin, "Cookie": f"{COOKIE_NAME}={cookie}"}
        refused = self.installation.call("DELETE", f"{V1}/sessions/self", "", **brought)
        assert refused.status_code == 403
        proof = {"X-CSRF-Token": opened.json()["csrf_token"]}
        self.ok("DELETE", f"{V1}/sessions/self", "", **brought, **proof)

    def by_passkey_and_recovery_code(self) -> None:
        """Factors of a person's own, each made and used."""
        self.add("owner")
        token = self.signed_in("owner")
        key = SoftwareAuthenticator(origin=f"http://localhost:{self.installation.port}")
        own = {"password": PERSONS_PASSWORD}
        asked = self.ok("POST", f"{V1}/factors/passkeys/challenge", token, {"name": "key", **own})
        self._challenge("to enrol", asked)
        made = {"credential": key.create(asked["public_key"])}
        self.ok("POST", f"{V1}/factors/passkeys", token, made)
        asked = self.ok("POST", f"{V1}/sessions/self/step-up/challenge", token, {})
        self._challenge("to step up", asked)
        shown = {"credential": key.get(asked["public_key"])}
        renewed = self.ok("POST", f"{V1}/sessions/self/step-up", token, shown)["token"]
        self.seen.keep_credential("renewed session", renewed)
        codes = self.ok("POST", f"{V1}/factors/recovery-codes", renewed, own)["codes"]
        for number, code in enumerate(codes):
            self._paper(f"recovery code {number}", code)
        asked = self.ok("POST", f"{V1}/sessions/passkey/challenge", "", {})
        self._challenge("to sign in", asked)
        shown = {"credential": key.get(asked["public_key"])}
        by_key = self.ok("POST", f"{V1}/sessions/passkey", "", shown)
        self.seen.keep_credential("session by passkey", by_key["token"])
        self._challenge("unanswered", self.ok("POST", f"{V1}/sessions/passkey/challenge", "", {}))
        typed = {"name": "owner", "password": PERSONS_PASSWORD, "code": codes[0]}
        recovered = self.ok("POST", f"{V1}/sessions/recovery", "", typed)["token"]
        self.seen.keep_credential("recovered session", recovered)
        begun = self.ok("POST", f"{V1}/factors/devices", recovered, {"name": "new phone"})
        self.seen.keep_text("seed of a begun device", begun["seed"])
        self.seen.keep_bytes("bytes of it", base64.b32decode(begun["seed"]))

    def by_password(self) -> None:
        """Two steps as Vault's clients have them; a mistyped password; a new one."""
        self.add("changer")
        wrong = {**self.typed("changer"), "password": MISTYPED}
        answer = self.installation.call("POST", f"{V1}/sessions", "", wrong)
        assert answer.status_code == 401
        path = "/v1/auth/userpass/login/changer"
        step = self.ok("POST", path, "", {"password": PERSONS_PASSWORD})["auth"]
        needed = step["mfa_requirement"]
        (method,) = next(iter(needed["mfa_constraints"].values()))["any"]
        self.seen.keep_credential("first step", needed["mfa_request_id"])
        payload = {method["id"]: [code_of(self.seeds["changer"])]}
        body = {"mfa_request_id": needed["mfa_request_id"], "mfa_payload": payload}
        opened = self.ok("POST", "/v1/sys/mfa/validate", "", body)["auth"]["client_token"]
        self.seen.keep_credential("session by two steps", opened)
        self.add("renamer")
        used = self.typed("renamer")
        token = self.ok("POST", f"{V1}/sessions", "", used)["token"]
        self.seen.keep_credential("session of renamer", token)
        stale = {
            "password": PERSONS_PASSWORD,
            "code": used["code"],
            "new_password": NEW_PASSWORD,
        }
        # The code was used a moment ago: the attempt is refused, and the password was seen.
        refused = self.installation.call("POST", f"{V1}/password", token, stale)
        assert refused.status_code == 401

    def by_invitation(self) -> None:
        """A code that is used, one that is begun, one that waits; and one for the first of all."""
        codes = {}
        for name in ("newcomer", "beginner", "waiting"):
            new = NewPerson.of(name, name.title(), "hr")
            issued = invitations.invite(self.service, self.operator, new).code
            assert issued is not None
            codes[name] = issued.text()
            self.seen.keep_credential(f"invitation of {name}", codes[name])
        with self.service.store.write() as connection:
            first = identity_invitations.issue_first(
                connection,
                self.service.clock,
                self.service.entrance.keys,
                seconds=3600,
                by="local:operator",
            )
        self.seen.keep_credential("code for the first administrator", first.code.text())
        self.ok("POST", f"{V1}/activation/look", "", {"code": first.code.text()})
        for name in ("newcomer", "beginner"):
            chosen = {"code": codes[name], "password": NEW_PASSWORD}
            begun = self.ok("POST", f"{V1}/activation/begin", "", chosen)
            self.seen.keep_text(f"seed of {name}", begun["seed"])
            self.seen.keep_bytes(f"bytes of the seed of {name}", base64.b32decode(begun["seed"]))
            if name == "newcomer":
                shown = dict(zip(("first", "second"), _two_codes(begun["seed"]), strict=True))
                given = {"code": codes[name], **shown}
                done = self.ok("POST", f"{V1}/activation/complete", "", given)
                for number, code in enumerate(done["recovery_codes"]):
                    self._paper(f"first recovery code {number}", code)

    def by_two_administrators(self) -> None:
        """A reset of factors, in two parts, used by its owner; one of a password, not used."""
        self.add("second")
        role = {"role": "role:it.admin", "department": "it"}
        grants.add_grant(self.service, self.operator, subject="user:second", **role)
        second = self.signed_in("second")
        typed = {"name": ADMINISTRATOR, "password": PASSWORD, "code": code_of(SEED)}
        admin = self.ok("POST", f"{V1}/sessions", "", typed)["token"]
        self.seen.keep_credential("session of the administrator", admin)
        self.add("loser")
        parts = {}
        for kind in ("password", "factors"):
            path = f"{V1}/people/loser/{kind}/reset"
            reason = {"X-Approval-Reason": "came%20with%20an%20id%20card"}
            asked = self.installation.call("POST", path, admin, **reason).json()["approval"]
            approval = f"{V1}/approvals/{asked['request']}/approval"
            given = self.ok("POST", approval, second, {"digest": asked["digest"]})
            parts[kind] = [given["part"], self.ok("POST", path, admin)["part"]]
            for number, part in enumerate(parts[kind]):
                self._paper(f"part {number} of the code for {kind}", part)
        both = {
            "name": "loser",
            "code": "".join(parts["password"]),
            "second": "".join(parts["factors"]),
            "new_password": NEW_PASSWORD,
        }
        self.ok("POST", f"{V1}/password/redemption", "", both)

    def _paper(self, name: str, code: str) -> None:
        self.seen.keep_text(name, code)
        self.seen.keep_text(f"{name}, plain", code.replace("-", ""))

    def of_systems(self) -> None:
        """Tokens, tokens below them, secret ids, imported seeds."""
        issued = system_token(self.service, "payroll-sync", "it", "role:it.admin")
        self.seen.keep_credential("token", issued)
        child = self.ok("POST", "/v1/auth/token/create", issued, {"ttl": "1h"})
        self.seen.keep_credential("child's token", child["auth"]["client_token"])
        approles.write_approle(self.service, self.operator, "payroll-sync", lambda present: present)
        role = "/v1/auth/approle/role/payroll-sync"
        rotation = f"{V1}/tokens/{issued.split('_')[1]}/rotation"
        rotated = self.ok("POST", rotation, issued, {"overlap_hours": 1})["token"]
        self.seen.keep_credential("rotated token", rotated)
        role_id = self.ok("GET", f"{role}/role-id", issued)["data"]["role_id"]
        secret_id = self.ok("POST", f"{role}/secret-id", issued)["data"]["secret_id"]
        self.seen.keep_credential("secret id", secret_id)
        body = {"role_id": role_id, "secret_id": secret_id}
        entered = self.ok("POST", "/v1/auth/approle/login", "", body)["auth"]["client_token"]
        self.seen.keep_credential("token by secret id", entered)
        file = f"serial,secret\nT-0001,{TOKEN_SEED.hex()}\n"
        stock = {"format": "csv", "file": file}
        self.ok("POST", f"{V1}/hardware-tokens", issued, stock)
        self.seen.keep_bytes("seed of a hardware token", TOKEN_SEED)

    def _challenge(self, name: str, asked: Any) -> None:
        self.seen.keep_bytes(f"challenge {name}", decoded(asked["public_key"]["challenge"]))


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """A vault on each engine."""
    more = ""
    if request.param == "postgresql":
        more = f'[store]\nurl = "{request.getfixturevalue("postgresql_url")}"\n'
    return new_installation(tmp_path, more)


@pytest.fixture
def used(installation: Installation) -> Iterator[Use]:
    """A vault whose credentials have all been made and used, still served."""
    with installation.serving(), installation.opened() as service:
        use = Use(installation, service)
        for name, text in {
            "administrator's password": PASSWORD,
            "administrator's seed": SEED,
            "password": PERSONS_PASSWORD,
            "new password": NEW_PASSWORD,
            "mistyped password": MISTYPED,
        }.items():
            use.seen.keep_text(name, text)
        use.seen.keep_bytes("bytes of the administrator's seed", base64.b32decode(SEED))
        use.by_cookie()
        use.by_passkey_and_recovery_code()
        use.by_password()
        use.by_invitation()
        use.of_systems()
        use.by_two_administrators()
        yield use


def test_what_is_stored_logged_or_backed_up_holds_no_credential_and_is_none(used: Use) -> None:
    _nothing_is_found(used)
    _nothing_lets_in(used)


def _nothing_is_found(used: Use) -> None:
    installation, seen = used.installation, used.seen
    assert len(seen.secrets) > 40
    installation.ok("backup", "run", PLAN)
    target = installation.folder / "restored"
    installation.ok("backup", "restore", PLAN, "--target", str(target))
    places = {
        **contents(installation.data),
        **contents(target),
        "service.log": installation.log().encode(),
        "the audit log": _audit_log(used.service),
    }
    if used.service.store.dialect == "postgresql":
        url = used.service.settings.store_url
        places["pg_dump"] = _said("pg_dump", f"--dbname={url}")
        (dump,) = target.rglob("*.pgdump")
        places["the restored dump"] = _said("pg_restore", "--file=-", str(dump))
        databases = [places["pg_dump"], places["the restored dump"]]
    else:
        live, log = (places[str(installation.data / f"secvault.db{end}")] for end in ("", "-wal"))
        (restored,) = target.rglob("secvault.db")
        databases = [live + log, places[str(restored)]]
    # They are the right ones: each names its people.
    assert [b"newcomer" in database for database in databases] == [True, True]
    assert b"auth.sign_in" in places["the audit log"]
    assert seen.found(places) == []


def _nothing_lets_in(used: Use) -> None:
    with used.service.store.read() as connection:
        stored = list(_stored(connection))
    assert len(stored) > 20
    for presented in _presented(stored):
        answer = used.installation.call("GET", f"{V1}/sessions/self", presented)
        assert answer.status_code == 401, presented[:3]
    with used.service.store.read() as connection:
        digests = [bytes(it) for it in connection.execute(
            select(tables.recovery_code.c.digest)).scalars()]  # fmt: skip
    for digest in digests[:3]:
        typed = {
            "name": "owner",
            "password": PERSONS_PASSWORD,
            "code": base64.b32encode(digest)[:25].decode(),
        }
        answer = used.installation.call("POST", f"{V1}/sessions/recovery", "", typed)
        assert answer.status_code in (401, 429)
    with used.service.store.read() as connection:
        chosen = select(tables.invitation.c.key_id, tables.invitation.c.secret_digest)
        rows = connection.execute(chosen).all()
    assert len(rows) >= 2
    for row in rows:
        code = _dressed("sva", row.key_id, bytes(row.secret_digest))
        answer = used.installation.call("POST", f"{V1}/activation/look", "", {"code": code})
        assert answer.status_code == 401


def _stored(connection: Connection) -> Iterable[tuple[str, bytes]]:
    """Key id and stored bytes of sessions and tokens; other digests without a key id."""
    for table in (tables.session, tables.token):
        for row in connection.execute(select(table.c.key_id, table.c.secret_digest)):
            yield row.key_id, bytes(row.secret_digest)
    for column in (
        tables.mfa_request.c.digest,
        tables.passkey_challenge.c.digest,
        tables.recovery_code.c.digest,
        tables.reset_code_part.c.digest,
        tables.totp_device.c.sealed_seed,
    ):
        for value in connection.execute(select(column)).scalars():
            yield "0123456789", bytes(value)


def _presented(stored: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """What is stored, dressed as a token with a right check sum, and as it is."""
    for key_id, value in stored:
        for prefix in ("svs", "svt"):
            yield _dressed(prefix, key_id, value[:32].ljust(32, b"\0"))
        yield value.hex()


def _dressed(prefix: str, key_id: str, secret: bytes) -> str:
    digits = f"{string.digits}{string.ascii_uppercase}{string.ascii_lowercase}"
    number = 0
    for character in key_id:
        number = number * 62 + digits.index(character)

    def draw(count: int) -> bytes:
        return number.to_bytes(16, "big") if count == 16 else secret

    minted = token_format.mint(prefix, draw)
    assert (minted.key_id, minted.secret.expose()) == (key_id, secret)
    return minted.text.text()


def _two_codes(seed: str) -> tuple[str, str]:
    hands = Hands(time.time())
    return hands.code(seed, -1), hands.code(seed)


def _audit_log(service: Service) -> bytes:
    bodies: list[bytes] = []
    after = None
    while True:
        found = page(service.store, after=after, limit=1000, newest_first=False)
        bodies += [each.body for each in found.events]
        if found.next is None:
            return b"\n".join(bodies)
        after = found.next


def _said(*command: str) -> bytes:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=300)
    return done.stdout
