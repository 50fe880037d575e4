"""What the bearer of a system's token does with it, and with the tokens below it."""

from __future__ import annotations

from sqlalchemy import Connection

from secvault.errors import InvalidInput, NotFound
from secvault.identity import token_tree, tokens
from secvault.identity.token_tree import NewChild
from secvault.identity.tokens import IssuedToken, Token
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome


def create_child(service: Service, caller: Caller, wanted: NewChild) -> IssuedToken:
    """Make a token below the caller's own. Raises InvalidInput; also for a session."""
    if caller.principal.kind != "svc":
        raise InvalidInput("only a system's token makes tokens below itself; issue one instead")

    def act(connection: Connection) -> Outcome[IssuedToken]:
        made = token_tree.create_child(
            connection,
            service.clock,
            service.entrance.keys,
            caller.principal.credential,
            wanted,
            service.random,
        )
        return Outcome(made, detail=_facts(made.token))

    return service.spine.change(caller, _own(caller, "token.create"), act)


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


def _reaching(
    service: Service, caller: Caller, key_id: str, own: str, administered: str
) -> Operation:
    """The operation on one's own token or one below it, or that of those who administer all."""
    with service.store.read() as connection:
        mine = token_tree.is_below(connection, key_id, caller.principal.credential)
    if caller.principal.kind == "svc" and mine:
        return _own(caller, own)
    return Operation(administered, "it", "tokens", "it/tokens")


def _own(caller: Caller, action: str) -> Operation:
    key_id = caller.principal.credential
    return Operation(action, "it", "session", f"it/tokens/{key_id}")


def _live(service: Service, connection: Connection, key_id: str) -> Token:
    found = tokens.read_token(connection, key_id)
    if not found.live(service.clock.micros()):
        raise NotFound("the token has ended")
    return found


def _facts(token: Token) -> dict[str, str | int | bool]:
    return {"token": token.key_id, "expires_at": token.expires_at}
