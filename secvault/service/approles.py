"""Operations on AppRoles and their secret ids, and the log-in of systems by them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from secvault.audit.event import Actor, Event
from secvault.crypto.canonical import JsonValue
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotFound
from secvault.identity import SignInDelayed, approles, secret_ids, service_accounts
from secvault.identity.approle_log_in import LoggedIn, LogInRefused, Presented
from secvault.identity.approle_log_in import log_in as enter
from secvault.identity.approles import AppRole, RoleSettings
from secvault.identity.secret_ids import IssuedSecretId, NewSecretId, NoSecretId, SecretId
from secvault.identity.service_accounts import ServiceAccount
from secvault.service.approval import Terms
from secvault.service.origin import network
from secvault.service.privileged import credential_terms, listed
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.service.token_policies import layers_for

T = TypeVar("T")


@dataclass(frozen=True)
class RoleView:
    """An AppRole with its system's name."""

    role: AppRole
    system: str


def write_approle(
    service: Service,
    caller: Caller,
    name: str,
    change: Callable[[RoleSettings], RoleSettings],
    system: str = "",
) -> RoleView:
    """Make an AppRole, or change the one of this name.

    change: gives the new settings from the present ones. system: name or id of the service account
    that it is for; that of the same name when empty, and never another than it was made for.
    For a system with a privileged role it needs a second person: raises ApprovalRequired,
    InvalidInput, Conflict.
    """

    def wanted(connection: Connection) -> tuple[AppRole | None, ServiceAccount, RoleSettings]:
        present = approles.find_approle(connection, approles.role_name(name))
        account = _account(connection, system or (present.account if present else name))
        if present is not None and account.id != present.account:
            raise InvalidInput.at("system", "an AppRole stays with its system; make another one")
        return present, account, change(present.settings if present else RoleSettings())

    def act(connection: Connection) -> Outcome[RoleView]:
        present, account, settings = wanted(connection)
        layers = layers_for(
            service,
            connection,
            caller,
            account.subject,
            settings.policies,
            no_default=settings.no_default_policy,
        )
        if present is not None:
            written = approles.change_approle(connection, present, settings, layers)
        else:
            written = approles.create_approle(
                connection,
                service.clock,
                service.random,
                name=name,
                account=account.id,
                settings=settings,
                layers=layers,
            )
        return Outcome(RoleView(written, account.name), detail={"subject": account.subject})

    def terms(connection: Connection) -> Terms | None:
        _, account, settings = wanted(connection)
        facts: dict[str, JsonValue] = {
            key: listed(value) if isinstance(value, tuple) else value
            for key, value in vars(settings).items()
        }
        facts = {"approle": approles.role_name(name), "settings": facts}
        return credential_terms(service, connection, account, "AppRole", facts)

    return service.spine.change(caller, _operation("approle.write", name), act, terms)


def read_approle(service: Service, caller: Caller, name: str) -> RoleView:
    """One AppRole. Raises NotFound."""

    def act(connection: Connection) -> Outcome[RoleView]:
        found = approles.read_approle(connection, name)
        return Outcome(_view(connection, found))

    return service.spine.read(caller, _operation("approle.read", name), act)


def list_approles(service: Service, caller: Caller) -> tuple[RoleView, ...]:
    """All of them, by name."""

    def act(connection: Connection) -> Outcome[tuple[RoleView, ...]]:
        found = tuple(_view(connection, each) for each in approles.list_approles(connection))
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("approle.list"), act)


def delete_approle(service: Service, caller: Caller, name: str) -> int:
    """Remove an AppRole, and end its secret ids and tokens; how many tokens. Raises NotFound."""

    def act(connection: Connection) -> Outcome[int]:
        found = approles.read_approle(connection, name)
        return Outcome(approles.delete_approle(connection, service.clock, found))

    return service.spine.change(caller, _operation("approle.delete", name), act)


def set_role_id(service: Service, caller: Caller, name: str, role_id: str) -> AppRole:
    """Give an AppRole another role id. Raises InvalidInput, NotFound, Conflict; ApprovalRequired
    for a system with a privileged role: where no secret id is asked for, it is what lets in.
    """

    def act(connection: Connection) -> Outcome[AppRole]:
        found = approles.read_approle(connection, name)
        return Outcome(approles.set_role_id(connection, found, role_id))

    def terms(connection: Connection) -> Terms | None:
        found = approles.read_approle(connection, name)
        facts: dict[str, JsonValue] = {
            "approle": found.name,
            "role_id_sha256": hashlib.sha256(role_id.encode()).hexdigest(),
        }
        return _terms(service, connection, found, "role id", facts)

    return service.spine.change(caller, _operation("approle.write", name), act, terms)


def create_secret_id(
    service: Service, caller: Caller, name: str, wanted: NewSecretId
) -> IssuedSecretId:
    """Make a secret id, shown once. Raises InvalidInput, NotFound, Conflict; ApprovalRequired for a
    system with a privileged role.
    """

    def act(connection: Connection) -> Outcome[IssuedSecretId]:
        role = approles.read_approle(connection, name)
        if not role.settings.bind_secret_id:
            raise InvalidInput("bind_secret_id is not set on the role")
        made = secret_ids.create_secret_id(
            connection, service.clock, service.entrance.keys, service.random, role, wanted
        )
        detail: dict[str, str | int | bool] = {
            "accessor": made.known.accessor,
            "expires_at": made.known.expires_at,
        }
        return Outcome(made, detail=detail)

    def terms(connection: Connection) -> Terms | None:
        found = approles.read_approle(connection, name)
        facts: dict[str, JsonValue] = {
            "approle": found.name,
            "seconds": found.settings.secret_id_ttl if wanted.ttl is None else wanted.ttl,
            "uses": found.settings.secret_id_num_uses if wanted.uses is None else wanted.uses,
            "networks": listed(wanted.cidr_list),
            "token_networks": listed(wanted.token_bound_cidrs),
            "metadata": listed(sorted(wanted.meta)),
            "chosen_by_caller": wanted.text is not None,
        }
        return _terms(service, connection, found, "secret id", facts)

    return service.spine.change(caller, _operation("secret_id.create", name), act, terms)


def list_secret_ids(service: Service, caller: Caller, name: str) -> tuple[SecretId, ...]:
    """The living secret ids of an AppRole, without their texts. Raises NotFound."""

    def act(connection: Connection) -> Outcome[tuple[SecretId, ...]]:
        role = approles.read_approle(connection, name)
        found = secret_ids.list_secret_ids(connection, role, service.clock.micros())
        return Outcome(found, count=len(found))

    return service.spine.read(caller, _operation("secret_id.list", name), act)


def read_secret_id(
    service: Service, caller: Caller, name: str, *, text: Secret | None = None, accessor: str = ""
) -> SecretId:
    """What is known of a secret id, by its text or its accessor. Raises NotFound,
    NoSecretId.
    """

    def act(connection: Connection) -> Outcome[SecretId]:
        role = approles.read_approle(connection, name)
        found = _found(service, connection, role, text, accessor)
        return Outcome(found, detail={"accessor": found.accessor})

    return service.spine.read(caller, _operation("secret_id.read", name), act)


def destroy_secret_id(
    service: Service, caller: Caller, name: str, *, text: Secret | None = None, accessor: str = ""
) -> int:
    """End a secret id and the tokens that it made; how many tokens. Raises NotFound,
    NoSecretId.
    """

    def act(connection: Connection) -> Outcome[int]:
        role = approles.read_approle(connection, name)
        found = _found(service, connection, role, text, accessor)
        ended = secret_ids.destroy_secret_id(connection, service.clock, role, found)
        return Outcome(ended, detail={"accessor": found.accessor})

    return service.spine.change(caller, _operation("secret_id.destroy", name), act)


def tidy(service: Service, caller: Caller) -> int:
    """Remove the secret ids that have ended; how many."""

    def act(connection: Connection) -> Outcome[int]:
        gone = secret_ids.tidy(connection, service.clock.micros())
        return Outcome(gone, count=gone)

    return service.spine.change(caller, _operation("secret_id.destroy"), act)


def log_in(service: Service, given: Presented, request_id: str = "") -> LoggedIn:
    """A token for a system that shows a role id with one of its secret ids.

    Raises LogInRefused or SignInDelayed, the same for every cause; the audit log keeps the cause.
    The token and its audit entry are on disk together.
    """

    def record(connection: Connection, done: LoggedIn) -> None:
        detail = {"method": "approle", "session": done.issued.token.key_id}
        event = _log_in_event(
            "ok", done.role, request_id, detail, given.address, done.issued.token.key_id
        )
        service.audit.enqueue(connection, event)

    try:
        done = enter(service.entrance, given, record=record)
    except (LogInRefused, SignInDelayed) as refusal:
        role = refusal.role if isinstance(refusal, LogInRefused) else None
        detail = {"method": "approle", "reason": refusal.reason.value}
        service.audit.record(_log_in_event("denied", role, request_id, detail, given.address))
        raise
    service.audit.kick()
    return done


def _log_in_event(
    outcome: str,
    role: AppRole | None,
    request_id: str,
    detail: dict[str, str],
    address: str,
    session: str = "",
) -> Event:
    name = role.name if role else "unknown"
    return Event(
        kind="auth.sign_in",
        outcome="ok" if outcome == "ok" else "denied",
        actor=Actor("svc", role.account if role else "unknown", session),
        resource=f"it/approles/{name}",
        department="it",
        request=request_id,
        detail=detail,
        network=network(address),
    )


def _found(
    service: Service, connection: Connection, role: AppRole, text: Secret | None, accessor: str
) -> SecretId:
    now = service.clock.micros()
    if text is None:
        return secret_ids.read_secret_id(connection, role, accessor, now)
    found = secret_ids.find_secret_id(connection, service.entrance.keys, role.id, text, now)
    if found is None:
        raise NoSecretId("there is no such secret id")
    return found


def _account(connection: Connection, name_or_id: str) -> ServiceAccount:
    try:
        return service_accounts.by_name_or_id(connection, name_or_id)
    except NotFound:
        raise InvalidInput.at(
            "system", "name the system that the role is for; there is none of this name"
        ) from None


def _terms(
    service: Service,
    connection: Connection,
    role: AppRole,
    credential: str,
    facts: Mapping[str, JsonValue],
) -> Terms | None:
    account = service_accounts.read_account(connection, role.account)
    return credential_terms(service, connection, account, credential, facts)


def _view(connection: Connection, role: AppRole) -> RoleView:
    return RoleView(role, service_accounts.read_account(connection, role.account).name)


def _operation(action: str, name: str = "*") -> Operation:
    return Operation(action, "it", "approles", f"it/approles/{name}")
