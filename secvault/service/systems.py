"""Operations on calling systems: service accounts and their tokens."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from secvault.access.conflicts import Conflict
from secvault.access.scope import Layer
from secvault.crypto.canonical import JsonValue
from secvault.errors import InvalidInput, NotFound
from secvault.identity import people, service_accounts, tokens
from secvault.identity.networks import Networks
from secvault.identity.service_accounts import ServiceAccount
from secvault.identity.tokens import IssuedToken, Token
from secvault.service.approval import Terms
from secvault.service.giving import give_role
from secvault.service.privileged import credential_terms, limits_of, listed
from secvault.service.prospects import candidate
from secvault.service.separation import known, put_on_record, require_apart
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome, actor_of
from secvault.service.token_policies import layers_for

# Stands for a system that is not made yet.
_NEW = "svc:new"


@dataclass(frozen=True)
class ListedSystem(ServiceAccount):
    """An account, with the sign-in name of who answers for it and whether they are active."""

    owner_name: str
    owner_active: bool


def create_account(
    service: Service,
    caller: Caller,
    *,
    name: str,
    department: str,
    owner: str,
    roles: tuple[str, ...],
) -> ServiceAccount:
    """Make an account with its roles in its department. owner: sign-in name or id of a person.

    A privileged role needs a second person: raises ApprovalRequired. It ends after the longest time
    that the settings allow. Roles that a rule of separation keeps apart: raises SeparationOfDuties,
    or they are put on record.
    """
    operation = _accounts("service_account.create")

    def apart(connection: Connection, subject: str) -> tuple[Conflict, ...]:
        new = tuple(
            candidate(service, subject, role, department, name=f"of {role}") for role in roles
        )
        return require_apart(service, connection, new)

    def act(connection: Connection) -> Outcome[ServiceAccount]:
        made = service_accounts.create_account(
            connection,
            service.clock,
            name=name,
            department=department,
            owner=_owner(connection, owner),
        )
        warned = apart(connection, made.subject)
        for role in roles:
            give_role(
                service,
                connection,
                subject=made.subject,
                role=role,
                department=department,
                granted_by=caller.principal.subject,
            )
        who = actor_of(caller.principal)
        put_on_record(service, connection, known(warned), who, request_id=caller.request_id)
        return Outcome(made, detail={"subject": made.subject})

    def terms(connection: Connection) -> Terms | None:
        obligations = service.approvers.obligations
        if not any(obligations.is_privileged(service.policy.rules, role) for role in roles):
            return None
        # Before anybody is asked to approve what would be refused.
        apart(connection, _NEW)
        given: list[JsonValue] = [*sorted(roles)]
        return {"name": name, "department": department, "owner": owner, "roles": given}

    if roles:
        service.spine.decide(caller, Operation("grant.add", "it", "grants", "it/grants"))
    return service.spine.change(caller, operation, act, terms)


def list_accounts(service: Service, caller: Caller) -> tuple[ListedSystem, ...]:
    """All accounts with who answers for them, oldest first."""

    def act(connection: Connection) -> Outcome[tuple[ListedSystem, ...]]:
        found = tuple(_listed(connection, each) for each in _all_accounts(connection))
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _accounts("service_account.read"), act)


def hand_over(service: Service, caller: Caller, account: str, owner: str) -> ListedSystem:
    """Let another active person answer for the account. owner: sign-in name or id."""

    def act(connection: Connection) -> Outcome[ListedSystem]:
        found = service_accounts.by_name_or_id(connection, account)
        given = service_accounts.hand_over(connection, found.id, _owner(connection, owner))
        detail = {"subject": given.subject, "person": given.owner}
        return Outcome(_listed(connection, given), detail=detail)

    return service.spine.change(caller, _accounts("service_account.update"), act)


def disable_account(service: Service, caller: Caller, account: str) -> int:
    """Shut an account out and revoke its tokens; return how many. account: name or id."""

    def act(connection: Connection) -> Outcome[int]:
        found = service_accounts.by_name_or_id(connection, account)
        gone = service_accounts.disable_account(connection, service.clock, found.id)
        return Outcome(gone, detail={"subject": found.subject})

    return service.spine.change(caller, _accounts("service_account.disable"), act)


def issue_token(
    service: Service,
    caller: Caller,
    *,
    account: str,
    display_name: str,
    days: int | None,
    roles: tuple[str, ...] = (),
    scope: Layer | None = None,
    networks: Networks = (),
) -> IssuedToken:
    """Make a token, shown once. days: until it expires; None for the configured number.

    roles: those of the system's roles that the token is narrowed to; none for all of them. scope:
    what it is limited to beside that; see `access.scope`. networks: where alone it may be used
    from; none for everywhere. For a system with a privileged role it needs a second person: raises
    ApprovalRequired.
    """
    chosen = service.settings.identity.token_days if days is None else days

    def act(connection: Connection) -> Outcome[IssuedToken]:
        found = service_accounts.by_name_or_id(connection, account)
        issued = tokens.issue_token(
            connection,
            service.clock,
            service.entrance.keys,
            account=found.id,
            display_name=display_name,
            days=chosen,
            layers=layers_for(service, connection, caller, found.subject, roles, scope=scope),
            networks=networks,
            most_days=service.settings.identity.token_most_days,
            random=service.random,
        )
        detail: dict[str, str | int | bool] = {
            "token": issued.token.key_id,
            "subject": found.subject,
            "expires_at": issued.token.expires_at,
            "narrowed": bool(issued.token.layers or networks),
        }
        return Outcome(issued, detail=detail)

    def terms(connection: Connection) -> Terms | None:
        found = service_accounts.by_name_or_id(connection, account)
        facts: dict[str, JsonValue] = {
            "name": display_name,
            "days": chosen,
            "narrowed_to": listed(sorted(roles)),
            "limited_to": limits_of(scope),
            "networks": listed(networks),
        }
        return credential_terms(service, connection, found, "token", facts)

    return service.spine.change(caller, _tokens("token.issue"), act, terms)


def list_tokens(service: Service, caller: Caller) -> tuple[Token, ...]:
    """All tokens of all accounts, without their secrets."""

    def act(connection: Connection) -> Outcome[tuple[Token, ...]]:
        found = tuple(
            token
            for account in _all_accounts(connection)
            for token in tokens.list_tokens(connection, account.id)
        )
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _tokens("token.read"), act)


def revoke_token(service: Service, caller: Caller, key_id: str) -> Token:
    """End a token for ever."""

    def act(connection: Connection) -> Outcome[Token]:
        ended = tokens.revoke_token(connection, service.clock, key_id)
        return Outcome(ended, detail={"token": ended.key_id})

    return service.spine.change(caller, _tokens("token.revoke"), act)


def _listed(connection: Connection, account: ServiceAccount) -> ListedSystem:
    owner = people.read_person(connection, account.owner)
    return ListedSystem(
        **vars(account), owner_name=owner.name, owner_active=owner.state == people.ACTIVE
    )


def _all_accounts(connection: Connection) -> tuple[ServiceAccount, ...]:
    found: list[ServiceAccount] = []
    while True:
        after = found[-1].id if found else ""
        page = service_accounts.list_accounts(connection, after=after, limit=1000)
        found.extend(page)
        if len(page) < 1000:
            return tuple(found)


def _owner(connection: Connection, name_or_id: str) -> str:
    try:
        return people.by_name_or_id(connection, name_or_id).id
    except NotFound as error:
        raise InvalidInput.at("owner", error.detail) from None


def _accounts(action: str) -> Operation:
    return Operation(action, "it", "service-accounts", "it/service-accounts")


def _tokens(action: str) -> Operation:
    return Operation(action, "it", "tokens", "it/tokens")
