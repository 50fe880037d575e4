"""Tokens that somebody found where they do not belong: whoever shows one ends it.

Open to everybody, since whoever has the token could use it for worse. Genuine or not, the answer is
the same, so that nobody learns from it which of many texts was worth stealing. Many texts from one
network wait: a place to try texts out is not wanted either, though none of them can be guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.clock import Clock
from secvault.errors import InvalidInput, NotAuthenticated
from secvault.identity import IdentityKeys, tokens
from secvault.identity.places import NetworkLimits, count_network, network_of
from secvault.identity.tokens import Token
from secvault.service.service import Service

MOST = 100
"""Texts of one report."""
LIMITS = NetworkLimits(burst=60, forget_seconds=10)
"""Reports from one network: sixty at once, then one in ten seconds."""

_FINDER = Actor("system", "finder")
_PATTERN = re.compile(r"svt_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")


def tokens_in(text: str) -> tuple[str, ...]:
    """What looks like a token in a text of any kind, each once, in order."""
    return tuple(dict.fromkeys(_PATTERN.findall(text)))


def report_leak(
    service: Service, texts: Iterable[str], *, address: str = "", request_id: str = ""
) -> None:
    """End those of these tokens that are genuine, with all below them; nothing says which.

    Recorded by key id, also when the token had ended before. The owner and the administrators are
    told by the notices that follow the record. address: where the report comes from; empty when it
    comes from this machine. Raises InvalidInput at `tokens` for none or more than `MOST`;
    TooManyAttempts.
    """
    given = tuple(dict.fromkeys(texts))
    if not 0 < len(given) <= MOST:
        raise InvalidInput.at("tokens", f"give 1 to {MOST} of them")
    with service.store.write() as connection:
        # Apart from failed sign-ins: a network that reports must not keep its people out.
        network = network_of(address)
        counted = f"leaks {network}" if network else ""
        count_network(connection, counted, service.clock.micros(), LIMITS)
        for text in given:
            found = _genuine(connection, service.entrance.keys, text)
            if found is not None:
                ended = _end(connection, service.clock, found)
                service.audit.enqueue(connection, _event(found, request_id, ended=ended))
    service.audit.kick()


def _genuine(connection: Connection, keys: IdentityKeys, text: str) -> Token | None:
    try:
        return tokens.find_genuine(connection, keys, text.strip())
    except NotAuthenticated:
        return None


def _end(connection: Connection, clock: Clock, found: Token) -> bool:
    """Whether the token was valid until now."""
    if tokens.lock_tree(connection, found.key_id).revoked_at is not None:
        return False
    tokens.revoke_token(connection, clock, found.key_id)
    return found.live(clock.micros())


def _event(found: Token, request_id: str, *, ended: bool) -> Event:
    return Event(
        kind="token.leaked",
        outcome="ok",
        actor=_FINDER,
        resource=f"it/tokens/{found.key_id}",
        department="it",
        request=request_id,
        detail={
            "token": found.key_id,
            "subject": found.subject,
            "state": "revoked" if ended else "ended_before",
        },
    )
