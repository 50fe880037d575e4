"""The life of issued tokens: rotated with an overlap, listed and warned of before they end."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.crypto.canonical import JsonValue
from secvault.identity import service_accounts, token_expiry, token_rotation, tokens
from secvault.identity.token_expiry import DueWarning
from secvault.identity.token_rotation import Rotated
from secvault.identity.tokens import Token
from secvault.service import authentication
from secvault.service.approval import Terms
from secvault.service.privileged import credential_terms, listed
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

WARNED_MOST = 1_000
"""How many tokens are warned of in one turn."""


def rotate_token(
    service: Service, caller: Caller, key_id: str, *, hours: int | None, days: int | None
) -> Rotated:
    """Make the token that replaces this one, shown once; the old one is valid for `hours` more.

    hours: 0 to end it at once; None for 24. days: until the new one expires; None for the
    configured number. Raises as `token_rotation.rotate`; ApprovalRequired for the token of a system
    with a privileged role, unless it is the caller's own.
    """
    limits = service.settings.identity
    overlap = token_rotation.DEFAULT_HOURS if hours is None else hours
    chosen = limits.token_days if days is None else days

    def act(connection: Connection) -> Outcome[Rotated]:
        done = token_rotation.rotate(
            connection,
            service.clock,
            service.entrance.keys,
            key_id,
            hours=overlap,
            days=chosen,
            most_days=limits.token_most_days,
            random=service.random,
        )
        new = done.issued.token
        detail: dict[str, str | int | bool] = {
            "token": new.key_id,
            "former": done.former.key_id,
            "subject": new.subject,
            "expires_at": new.expires_at,
            "narrowed": bool(new.layers or new.networks),
        }
        return Outcome(done, detail=detail)

    def terms(connection: Connection) -> Terms | None:
        if caller.principal.kind == "svc" and caller.principal.credential == key_id:
            return None
        present = tokens.read_token(connection, key_id)
        account = service_accounts.read_account(connection, present.account)
        facts: dict[str, JsonValue] = {
            "token": key_id,
            "name": present.display_name,
            "days": chosen,
            "overlap_hours": overlap,
            "networks": listed(present.networks),
        }
        return credential_terms(service, connection, account, "rotated token", facts)

    return service.spine.change(caller, _tokens("token.rotate"), act, terms)


def expiring_tokens(service: Service, caller: Caller, days: int) -> tuple[Token, ...]:
    """The issued tokens that end within so many days, soonest first. Raises InvalidInput."""

    def act(connection: Connection) -> Outcome[tuple[Token, ...]]:
        found = token_expiry.expiring(connection, service.clock.micros(), days)
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _tokens("token.read"), act)


def warn_of_expiring(service: Service) -> tuple[str, ...]:
    """Put on record which tokens have come near their end; the key ids of those that are news.

    Each number of days is told once over all nodes; the notices follow the record. Raises
    Unavailable, AuditUnavailable; what was done before stays so.
    """
    caller = Caller(authentication.jobs())
    days = service.settings.identity.token_warn_days
    with service.store.read() as connection:
        due = token_expiry.to_warn_of(connection, service.clock.micros(), days)
    return tuple(each.token.key_id for each in due[:WARNED_MOST] if _warned(service, caller, each))


def _warned(service: Service, caller: Caller, due: DueWarning) -> bool:
    def act(connection: Connection) -> Outcome[bool]:
        first = token_expiry.mark_warned(connection, due.token.key_id, due.days)
        detail: dict[str, str | int | bool] = {
            "token": due.token.key_id,
            "subject": due.token.subject,
            "expires_at": due.token.expires_at,
            "days": due.days,
        }
        return Outcome(first, count=int(first), detail=detail)

    return service.spine.change(caller, _tokens("token.warn"), act)


def _tokens(action: str) -> Operation:
    return Operation(action, "it", "tokens", "it/tokens")
