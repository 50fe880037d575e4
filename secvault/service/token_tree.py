"""What the bearer of a system's token does with it, and with the tokens below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput, NotFound
from secvault.identity import service_accounts, token_tree, tokens
from secvault.identity.token_tree import NewChild
from secvault.identity.tokens import IssuedToken, Token
from secvault.service.approval import Terms
from secvault.service.privileged import credential_terms, listed
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.service.token_policies import narrower


def create_child(
    service: Service,
    caller: Caller,
    wanted: NewChild,
    policies: Sequence[str] = (),
    *,
    no_default: bool = False,
) -> IssuedToken:
    """Make a token below the caller's own, or beside it where an orphan is wanted.

    policies: the roles that it is narrowed to; none for all that the caller's token has. An orphan
    takes who may issue tokens, and a second person for a system with a privileged role, because it
    outlives the caller's. Raises InvalidInput; also for a session; ApprovalRequired.
    """
    if caller.principal.kind != "svc":
        raise InvalidInput("only a system's token makes tokens below itself; issue one instead")

    def act(connection: Connection) -> Outcome[IssuedToken]:
        layer = narrower(
            service,
            connection,
            subject=caller.principal.subject,
            layers=caller.principal.narrowing,
            names=policies,
            no_default=no_default,
        )
        made = token_tree.create_child(
            connection,
            service.clock,
            service.entrance.keys,
            caller.principal.credential,
            replace(wanted, layer=layer, latest=_latest(service, wanted)),
            service.random,
        )
        return Outcome(made, detail={**_facts(made.token), "narrowed": bool(made.token.layers)})

    def terms(connection: Connection) -> Terms | None:
        account = service_accounts.read_account(connection, caller.principal.id)
        facts: dict[str, JsonValue] = {
            "name": wanted.display_name,
            "seconds": wanted.ttl,
            "period": wanted.period,
            "longest_seconds": _latest(service, wanted),
            "uses": wanted.uses,
            "renewable": wanted.renewable,
            "narrowed_to": listed(sorted(policies)),
        }
        return credential_terms(service, connection, account, "token below none", facts)

    if wanted.orphan:
        return service.spine.change(caller, _administered("token.issue"), act, terms)
    return service.spine.change(caller, _own(caller, "token.create"), act)


def _latest(service: Service, wanted: NewChild) -> int:
    if not wanted.orphan:
        return wanted.latest
    # Nothing above it ends it, so that the installation's limit does.
    most = service.settings.identity.token_most_days * 24 * 60 * 60
    return min(wanted.latest or most, most)


def key_id_of(service: Service, text: str) -> str:
    """The key id of the genuine token with this text. Raises NotAuthenticated."""
    with service.store.read() as connection:
        return tokens.find_genuine(connection, service.entrance.keys, text).key_id


def read_token(service: Service, caller: Caller, key_id: str) -> Token:
    """What is known of a token: the caller's, one below it, or any for those who administer
    tokens. Raises NotFound.
    """
    operation = _reaching(service, caller, key_id, "session.self", "token.read")
    return service.spine.read(
        caller, operation, lambda connection: Outcome(_live(service, connection, key_id))
    )


def standing_for(service: Service, caller: Caller, key_id: str) -> Caller:
    """The bearer of a token as a caller, to ask what they may; reached as by `read_token`.

    Raises NotFound.
    """
    operation = _reaching(service, caller, key_id, "session.self", "token.read")

    def act(connection: Connection) -> Outcome[Caller]:
        _live(service, connection, key_id)
        principal = tokens.principal_of(connection, key_id)
        return Outcome(replace(caller, principal=principal), detail=_named(operation, key_id))

    return service.spine.read(caller, operation, act)


def list_accessors(service: Service, caller: Caller) -> tuple[str, ...]:
    """The key ids of all living tokens, for those who administer tokens."""

    def act(connection: Connection) -> Outcome[tuple[str, ...]]:
        found = tokens.list_accessors(connection, service.clock.micros())
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _administered("token.read"), act)


def renew(service: Service, caller: Caller, key_id: str, seconds: int) -> Token:
    """Let the token last longer: the caller's, or one below it. Raises InvalidInput, NotFound."""
    operation = _reaching(service, caller, key_id, "token.renew", "token.extend")

    def act(connection: Connection) -> Outcome[Token]:
        renewed = token_tree.renew(connection, service.clock, key_id, seconds)
        return Outcome(renewed, detail=_facts(renewed))

    return service.spine.change(caller, operation, act)


def end(service: Service, caller: Caller, key_id: str) -> Token:
    """End the token and all below it: the caller's, or one below it. Raises NotFound, Conflict."""
    operation = _reaching(service, caller, key_id, "token.end", "token.revoke")

    def act(connection: Connection) -> Outcome[Token]:
        ended = tokens.revoke_token(connection, service.clock, key_id)
        return Outcome(ended, detail={"token": ended.key_id})

    return service.spine.change(caller, operation, act)


def may_issue(service: Service, caller: Caller) -> bool:
    """Whether the caller may make tokens that are below none. Unrecorded."""
    return service.spine.ask(caller, _administered("token.issue")).allowed


def _reaching(
    service: Service, caller: Caller, key_id: str, own: str, administered: str
) -> Operation:
    """The operation on one's own token or one below it, or that of those who administer all."""
    with service.store.read() as connection:
        mine = token_tree.is_below(connection, key_id, caller.principal.credential)
    if caller.principal.kind == "svc" and mine:
        return _own(caller, own)
    return _administered(administered)


def _administered(action: str) -> Operation:
    return Operation(action, "it", "tokens", "it/tokens")


def _own(caller: Caller, action: str) -> Operation:
    key_id = caller.principal.credential
    return Operation(action, "it", "session", f"it/tokens/{key_id}")


def _live(service: Service, connection: Connection, key_id: str) -> Token:
    found = tokens.read_token(connection, key_id)
    if not found.live(service.clock.micros()):
        raise NotFound("the token has ended")
    return found


def _named(operation: Operation, key_id: str) -> dict[str, str | int | bool]:
    return {"token": key_id} if operation.action == "token.read" else {"session": key_id}


def _facts(token: Token) -> dict[str, str | int | bool]:
    return {"token": token.key_id, "expires_at": token.expires_at}
