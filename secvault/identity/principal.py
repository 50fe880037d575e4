"""Who is asking, once that is certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PASSWORD, TOTP, PASSKEY, RECOVERY = "password", "totp", "passkey", "recovery"
"""What somebody can show to be let in."""
PROVIDER, PROVIDER_FACTOR = "oidc", "oidc_mfa"
"""The word of an identity provider, and that it has seen a second factor which counts here."""

Carrier = Literal["header", "cookie"]
HEADER: Carrier = "header"
COOKIE: Carrier = "cookie"
"""What a session's token travels in; it is refused in anything else. A browser sends a cookie of
its own accord, so what comes by one needs a further proof: see `csrf`."""

PrincipalKind = Literal["user", "svc", "local", "system"]


@dataclass(frozen=True)
class Principal:
    """An identity that was shown to be genuine.

    subject: `user:<person id>`, `svc:<service account id>`, or one that never signs in, such as
    `local:operator`. name: the sign-in name. credential: key id of the session or token that was
    shown, which is public; empty for local subjects. second_factor_at: when the second factor was
    last shown, microseconds since the epoch; None where there is none, so that a rule which wants
    one says no. ends_at: when a token ends by itself, microseconds since the epoch; None for a
    session, which moves it, and for a token whose uses are counted: the store is asked each time.
    narrowing: layers of roles; see `access.narrowing`. factors: what was shown to open the session,
    such as `password` and `totp`; none for tokens. networks: where alone a token may be used from;
    whoever remembers the principal must look at each request's address again. employee, teams: of
    a person, as the store had them then; see `placement`.
    """

    subject: str
    kind: PrincipalKind
    name: str
    department: str
    credential: str = ""
    second_factor_at: int | None = None
    ends_at: int | None = None
    narrowing: tuple[frozenset[str], ...] = ()
    factors: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    employee: str | None = None
    teams: tuple[str, ...] = ()

    @property
    def recovering(self) -> bool:
        """Whether a recovery code let them in, who may do nothing but enrol a new factor."""
        return RECOVERY in self.factors

    @property
    def id(self) -> str:
        """The subject without its kind."""
        return self.subject.partition(":")[2]

    @classmethod
    def local(cls, subject: str, department: str) -> Principal:
        """The operator at the machine's own command line, or the program itself.

        subject: `local:<name>` or `system:<name>`.
        """
        kind, _, name = subject.partition(":")
        if kind == "local":
            return cls(subject, "local", name, department)
        if kind == "system":
            return cls(subject, "system", name, department)
        raise AssertionError(f"{subject} signs in; it is no local subject")
