"""Sign-ins by a provider on their way: rows that are used up once, in any process.

A step is found by what comes back (`state`, or the request of a second step) and bound to the
browser that began it; neither is stored, only digests.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select

from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.identity.principal import HEADER, Carrier
from secvault.store import Store
from secvault.store.tables import federation_step

STEP_SECONDS = 10 * 60
"""How long somebody may take at the provider, and then for the second factor here."""
_MICROS = 1_000_000


class Purpose(StrEnum):
    """What the step ends in; it is good for nothing else."""

    SIGN_IN = "sign_in"
    LINK = "link"
    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True)
class Step:
    """One step. person: who links, or whose second factor is missing. session: that asked to link,
    or that the browser had when the sign-in began: the new one takes its place. subject, sid: of a
    second step, who the provider said it was. carrier: what the session's token will travel in.
    """

    purpose: Purpose
    provider: str
    redirect_uri: str
    max_age: int | None = None
    person: str | None = None
    session: str | None = None
    subject: str | None = None
    sid: str | None = None
    carrier: Carrier = HEADER


def keep(
    connection: Connection, clock: Clock, step: Step, shown: str, browser: Secret | None = None
) -> None:
    """Keep a step to be found by `shown`; what is over is removed on the way."""
    now = clock.micros()
    kept = federation_step.c
    connection.execute(delete(federation_step).where(kept.expires_at <= now))
    connection.execute(
        insert(federation_step).values(
            digest=_digest(shown),
            browser=None if browser is None else _browser_digest(browser),
            expires_at=now + STEP_SECONDS * _MICROS,
            **vars(step),
        )
    )


@dataclass(frozen=True)
class Taken:
    """A step that was used up. same_browser: whether the browser that began it came back."""

    step: Step
    same_browser: bool


def take(
    store: Store, clock: Clock, shown: str, browser: Secret | None, provider: str
) -> Taken | None:
    """The step of this provider that is found by `shown`, used up by this call in a transaction of
    its own; None when it is unknown, over or used.
    """
    found = look_up(store, clock, shown)
    if found is None:
        return None
    step, digest_of_browser = found
    with store.write() as connection:
        if not use_up(connection, shown):
            return None
    if step.provider != provider or digest_of_browser is None or browser is None:
        return Taken(step, same_browser=False)
    same = hmac.compare_digest(digest_of_browser, _browser_digest(browser))
    return Taken(step, same)


def look_up(store: Store, clock: Clock, shown: str) -> tuple[Step, bytes | None] | None:
    """The step that is found by `shown`, and the digest of its browser; it stays."""
    kept = federation_step.c
    with store.read() as connection:
        row = connection.execute(
            select(federation_step).where(
                kept.digest == _digest(shown), kept.expires_at > clock.micros()
            )
        ).one_or_none()
    if row is None:
        return None
    values = row._asdict()
    step = {name: values[name] for name in Step.__dataclass_fields__}
    return Step(**{**step, "purpose": Purpose(row.purpose)}), row.browser


def use_up(connection: Connection, shown: str) -> bool:
    """Remove the step; False when somebody else has."""
    used = connection.execute(
        delete(federation_step).where(federation_step.c.digest == _digest(shown))
    )
    return used.rowcount == 1


def _digest(shown: str) -> bytes:
    # What is shown is random and of 256 bits.
    return hashlib.sha256(b"secvault/federation-step\x00" + shown.encode()).digest()


def _browser_digest(browser: Secret) -> bytes:
    return hashlib.sha256(b"secvault/federation-browser\x00" + browser.expose()).digest()
