"""A real OpenBao and secvault, asked alike for signing in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyotp

from tests.running_service import STEP, House

ROLE = "payroll-sync"
PERSON = "clerk"


@dataclass
class Side:
    """One of the two. admin: a token that may make AppRoles; system: one of a system that has two
    policies; seed: of the person's device. hands: the clock, where it can be moved.
    """

    client: Any
    admin: str
    system: str
    seed: str
    method: str
    policies: tuple[str, str]
    auth_path: str = "auth"
    house: House | None = None
    steps: int = field(default=0)

    def __call__(
        self, method: str, path: str, body: Any = None, token: str | None = "", **headers: str
    ) -> tuple[int, Any]:
        """token: the administrator's when empty; none for None."""
        shown = self.admin if token == "" else token
        given = {"X-Vault-Token": shown} if shown else {}
        path = path.replace("AUTH", self.auth_path)
        answer = self.client.request(method, f"/v1/{path}", json=body, headers={**given, **headers})
        return answer.status_code, answer.json() if answer.content else None

    def data(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self(method, path, body)
        assert status == 200, (path, answer)
        return answer["data"]

    def role(self, **settings: Any) -> tuple[str, str]:
        """A role of a new name; its name and role id."""
        name = f"r{secrets.token_hex(4)}"
        system = {"system": ROLE} if self.house else {}
        status, answer = self("POST", f"AUTH/approle/role/{name}", {**system, **settings})
        assert status == 204, answer
        return name, self.data("GET", f"AUTH/approle/role/{name}/role-id")["role_id"]

    def secret(self, role: str, **wanted: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.data("POST", f"AUTH/approle/role/{role}/secret-id", wanted)
        return made

    def log_in(self, role_id: str, secret_id: str) -> tuple[int, Any]:
        return self(
            "POST", "AUTH/approle/login", {"role_id": role_id, "secret_id": secret_id}, None
        )

    def code(self) -> str:
        """A code that was not used: ours from a clock that is moved, the peer's by its window."""
        if self.house is not None:
            self.house.hands.seconds += STEP
            return self.house.hands.code(self.seed)
        self.steps += 1
        # It takes the step before, the present one and the next.
        return pyotp.TOTP(self.seed).at(int(time.time()) + (self.steps % 3 - 1) * STEP)


# Names that one side shows and the other does not, on purpose.
DIFFERENT = {"system", "identity_policies", "external_namespace_policies"}


def alike(ours: Mapping[str, Any], theirs: Mapping[str, Any], *same: str) -> None:
    """Hold ours to the names and kinds of theirs, and to the values of the names in `same`."""
    assert set(ours) - DIFFERENT == set(theirs) - DIFFERENT
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    for name in set(ours) - DIFFERENT:
        assert isinstance(ours[name], type(theirs[name])), name


def named(side: Side, names: list[str]) -> list[str]:
    """Policies by what they are on this side: full or less."""
    known = dict(zip(side.policies, ("full", "less"), strict=True))
    return [known.get(name, name) for name in names]
